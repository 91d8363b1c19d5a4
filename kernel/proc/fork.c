// Birth: the first process, and fork.
#include "process.h"
#include <base/string.h>
#include <fs/inode.h>
#include <kern/printk.h>
#include <mm/kmalloc.h>
#include <proc/exec.h>
#include <uapi/errno.h>
#include <uapi/wait.h>

void proc_child_begin(void *arg)
{
    struct proc *self = arg;

    vmspace_use(self->space);
    user_enter();
}

// What a child has from its parent, but for the address space. The child is nobody's yet.
static void inherit(struct proc *child, struct proc *parent)
{
    char name[NAME_MAX_];

    proc_copy_name(parent, name);
    proc_set_name(child, name);
    job_put(child->job);
    child->job = job_get(parent->job);
    for (u32 level = 0; level <= parent->job->level; level++)
        child->numbers[level].pgid = parent->numbers[level].pgid;
    child->clock_offset = parent->clock_offset;
    proc_set_cwd(child, inode_get(parent->cwd), parent->cwd_text);
    fds_copy(parent, child);

    fpu_sync(&parent->fpu);
    child->fpu = parent->fpu;
    *proc_regs(child) = *proc_regs(parent);
    uregs_set_result(proc_regs(child), 0);
}

int proc_fork(int *child_pid)
{
    struct proc *parent = proc_self();
    struct proc *child;

    int err = proc_create(proc_child_begin, &child);
    if (err)
        return err;
    err = vmspace_clone(parent->space, true, &child->space);
    if (err) {
        proc_discard(child);
        return err;
    }
    inherit(child, parent);
    spin_lock(&family_lock);
    job_enter(child, 0, 0);
    proc_publish(child, parent);
    *child_pid = proc_pid(child);
    spin_unlock(&family_lock);
    return 0;
}

static const char *init_path;

static int exec_init(void)
{
    struct exec_args *args = kzalloc(sizeof(*args));

    if (!args)
        return -ENOMEM;
    args->count = 1;
    args->bytes = (u32)text_copy(args->text, init_path, sizeof(args->text)) + 1;
    int err = args->bytes > sizeof(args->text) ? -E2BIG : proc_exec(init_path, args);
    kfree(args);
    return err;
}

static void init_begin(void *arg)
{
    (void)arg;
    int err = exec_init();

    if (err) {
        printk("init: %s can't be run (error %d); the option init=PATH names another program\n", init_path, -err);
        proc_exit(WEXITED(127));
    }
    user_enter();
}

int proc_start_init(const char *path)
{
    struct proc *p;

    int err = proc_create(init_begin, &p);
    if (err)
        return err;
    init_path = path;
    proc_set_name(p, "init");
    proc_set_cwd(p, fs_root(), "/");
    spin_lock(&family_lock);
    job_enter(p, 0, INIT_PID);
    proc_publish(p, NULL);
    spin_unlock(&family_lock);
    return 0;
}
