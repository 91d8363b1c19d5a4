// The table of processes: references, and what a process tells of itself.
#include "process.h"
#include <base/string.h>
#include <fs/inode.h>
#include <kern/printk.h>
#include <mm/kmalloc.h>
#include <proc/exec.h>
#include <uapi/errno.h>

struct spinlock family_lock = SPINLOCK_INIT("family", RANK_FAMILY);
struct list proc_table GUARDED_BY(family_lock) = { &proc_table, &proc_table };

static u32 places_taken GUARDED_BY(family_lock);  // published processes and those being made

static bool place_take(void)
{
    spin_lock(&family_lock);
    bool free = places_taken < PROC_MAX;
    places_taken += free;
    spin_unlock(&family_lock);
    return free;
}

static void place_release(void)
{
    spin_lock(&family_lock);
    places_taken--;
    spin_unlock(&family_lock);
}

static void locks_init(struct proc *p) NO_LOCK_ANALYSIS
{
    list_init(&p->table_link);
    list_init(&p->sibling_link);
    list_init(&p->children);
    list_init(&p->zombies);
    wait_queue_init(&p->child_ended);
    list_init(&p->freeze_link);
    wait_queue_init(&p->released);
    list_init(&p->stop.timer.link);
    for (u32 i = 0; i < JOB_LEVELS; i++)
        list_init(&p->numbers[i].link);
    spin_init(&p->lock, "proc", RANK_PROC);
    fds_init(p);
}

struct proc *proc_draft(void (*begin)(void *)) NO_LOCK_ANALYSIS
{
    struct proc *p = kzalloc(sizeof(*p));
    void *stack = kmalloc(KERNEL_STACK_SIZE);

    if (!p || !stack) {
        kfree(stack);
        kfree(p);
        return NULL;
    }
    locks_init(p);
    thread_init(&p->thread, p->name, stack, begin, p);
    fpu_reset(&p->fpu);
    p->thread.fpu = &p->fpu;
    p->thread.proc = p;
    p->thread.on_dead = proc_buried;
    p->refs = 1;
    p->job = job_get(&machine_job);
    return p;
}

int proc_create(void (*begin)(void *), struct proc **out)
{
    if (!place_take())
        return -EAGAIN;
    *out = proc_draft(begin);
    if (*out)
        return 0;
    place_release();
    return -ENOMEM;
}

void proc_discard_draft(struct proc *p)
{
    fds_replace_all(p, NULL);
    if (p->cwd)
        inode_put(p->cwd);
    vmspace_destroy(p->space);
    proc_put(p);
}

void proc_discard(struct proc *p)
{
    proc_discard_draft(p);
    place_release();
}

struct proc *proc_hold(struct proc *p)
{
    p->refs++;
    return p;
}

void proc_put(struct proc *p)
{
    if (--p->refs)
        return;
    job_put(p->job);
    kfree(p->thread.stack);
    kfree(p);
}

void proc_publish(struct proc *p, struct proc *parent)
{
    p->parent = parent;
    list_append(&proc_table, &p->table_link);
    if (p->zombie) {
        list_append(&parent->zombies, &p->sibling_link);
        return;
    }
    if (parent)
        list_append(&parent->children, &p->sibling_link);
    freezer_born(p);
    thread_start(&p->thread);
}

void proc_reap(struct proc *p)
{
    list_remove(&p->table_link);
    list_remove(&p->sibling_link);
    job_leave(p, 0);
    places_taken--;
}

u32 procs_live(void)
{
    spin_lock(&family_lock);
    u32 n = places_taken;
    spin_unlock(&family_lock);
    return n;
}

struct proc *proc_self(void)
{
    return thread_self()->proc;
}

int proc_pid(const struct proc *p)
{
    return p->numbers[p->job->level].pid;
}

int proc_machine_pid(const struct proc *p)
{
    return p->numbers[0].pid;
}

// For the process itself and its freezer, while nobody changes it.
const char *proc_name(const struct proc *p) NO_LOCK_ANALYSIS
{
    return p->name;
}

void proc_set_name(struct proc *p, const char *name)
{
    spin_lock(&p->lock);
    text_copy(p->name, name, sizeof(p->name));
    spin_unlock(&p->lock);
}

void proc_copy_name(struct proc *p, char out[NAME_MAX_])
{
    spin_lock(&p->lock);
    memcpy(out, p->name, NAME_MAX_);
    spin_unlock(&p->lock);
}

struct vmspace *proc_space(struct proc *p)
{
    return p->space;
}

void proc_replace_space(struct proc *p, struct vmspace *space)
{
    spin_lock(&p->lock);
    struct vmspace *before = p->space;
    p->space = space;
    spin_unlock(&p->lock);
    vmspace_use(space);
    vmspace_destroy(before);
}

struct inode *proc_cwd(struct proc *p)
{
    return p->cwd;
}

const char *proc_cwd_text(struct proc *p)
{
    return p->cwd_text;
}

void proc_set_cwd(struct proc *p, struct inode *dir, const char *text)
{
    struct inode *before = p->cwd;

    p->cwd = dir;
    text_copy(p->cwd_text, text, sizeof(p->cwd_text));
    if (before)
        inode_put(before);
}

struct restart *proc_restart(struct proc *p)
{
    return &p->restart;
}

u64 proc_clock(const struct proc *p)
{
    return time_ns() + p->clock_offset;
}

u64 proc_clock_time(const struct proc *p, u64 clock)
{
    return clock - p->clock_offset;
}

int proc_parent_pid(struct proc *p)
{
    spin_lock(&family_lock);
    int pid = job_parent_number(p->job, p);
    spin_unlock(&family_lock);
    return pid;
}

void proc_init(void)
{
    job_init();
    exec_register(&elf_format);
    proc_console_init();
}
