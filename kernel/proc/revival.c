// Revival: processes built where nobody sees them, to be let loose at once.
//
// Each process is a draft until the commit: a struct proc with all that it will have, but no number, no parent and no
// life. The first one's draft is exchanged with the calling process, which so keeps its place in the world outside; the
// others are published. Times stay as they were saved until then: all continue from the same instant.
#include "process.h"
#include <base/string.h>
#include <fs/file.h>
#include <fs/inode.h>
#include <kern/printk.h>
#include <kern/time.h>
#include <mm/kmalloc.h>
#include <proc/freezer.h>
#include <uapi/errno.h>

struct draft {
    struct proc *proc;
    int pid, pgid;  // in the new job
    int parent;     // place among the drafts
    u64 uptime;
};

struct revival {
    struct job *job;
    u32 count;
    struct draft drafts[];
};

static int job_for_caller(struct job **out)
{
    spin_lock(&family_lock);
    struct job *outer = job_get(job_outer(proc_self()));
    spin_unlock(&family_lock);
    int err = job_create(outer, out);
    job_put(outer);
    return err;
}

// The first one takes the caller's place among the processes.
static int create_drafts(struct revival *r)
{
    r->drafts[0].proc = proc_draft(proc_child_begin);
    if (!r->drafts[0].proc)
        return -ENOMEM;
    for (u32 i = 1; i < r->count; i++) {
        int err = proc_create(proc_child_begin, &r->drafts[i].proc);

        if (err)
            return err;
    }
    return 0;
}

int revival_begin(u32 count, struct revival **out)
{
    if (count > PROC_MAX)
        return -EAGAIN;
    struct revival *r = kzalloc(sizeof(*r) + count * sizeof(r->drafts[0]));
    if (!r)
        return -ENOMEM;
    r->count = count;
    int err = job_for_caller(&r->job);
    if (!err)
        err = create_drafts(r);
    if (err)
        revival_abort(r);
    else
        *out = r;
    return err;
}

void revival_abort(struct revival *r)
{
    for (u32 i = 0; i < r->count; i++) {
        struct proc *p = r->drafts[i].proc;

        if (p && i)
            proc_discard(p);
        else if (p)
            proc_discard_draft(p);
    }
    if (r->job)
        job_put(r->job);
    kfree(r);
}

static void set_name(struct proc *p, const char saved[NAME_MAX_])
{
    char name[NAME_MAX_];

    memcpy(name, saved, sizeof(name));
    name[sizeof(name) - 1] = '\0';
    proc_set_name(p, name);
}

// No thread of it will ever run.
static void set_ended(struct proc *p, int status) NO_LOCK_ANALYSIS
{
    kfree(p->thread.stack);
    p->thread.stack = NULL;
    p->thread.state = THREAD_DEAD;
    p->status = status;
    p->ending = p->zombie = true;
}

static void set_alive(struct proc *p, const struct x_proc *state, struct vmspace *space, struct file **files,
                      struct inode *cwd, const char *cwd_text) NO_LOCK_ANALYSIS
{
    p->space = space;
    fds_replace_all(p, files);
    proc_set_cwd(p, cwd, cwd_text);
    p->restart = state->restart;
    p->restart.unused = 0;
    *proc_regs(p) = state->regs;
    uregs_sanitize(proc_regs(p));
    fpu_import(&p->fpu, state->fpu);
}

void revival_set(struct revival *r, u32 i, const struct x_proc *state, int parent, struct vmspace *space,
                 struct file **files, struct inode *cwd, const char *cwd_text)
{
    struct draft *d = &r->drafts[i];

    assert(i < r->count && parent < (int)i && (parent >= 0 || i == 0) && (i || !state->ended));
    d->pid = state->pid;
    d->pgid = state->pgid ? state->pgid : state->pid;
    d->parent = parent;
    d->uptime = state->uptime;
    if (i == 0) {
        r->job->root_pid = state->pid;
        r->job->root_ppid = state->ppid;
    }
    set_name(d->proc, state->name);
    if (state->ended)
        set_ended(d->proc, state->status);
    else
        set_alive(d->proc, state, space, files, cwd, cwd_text);
}

// ---- the commit

static void resume_clock(struct draft *d, u64 now)
{
    struct proc *p = d->proc;

    p->clock_offset = d->uptime - now;
    if (p->restart.call && __builtin_add_overflow(p->restart.deadline, now, &p->restart.deadline))
        p->restart.deadline = NEVER;
}

// What the caller was goes into the draft, and with it away.
static void become(struct proc *self, struct proc *draft) NO_LOCK_ANALYSIS
{
    struct vmspace *space = draft->space;
    struct inode *cwd = draft->cwd;
    char name[NAME_MAX_];

    draft->space = NULL;
    draft->cwd = NULL;
    proc_replace_space(self, space);
    fds_exchange(self, draft);
    proc_set_cwd(self, cwd, draft->cwd_text);
    proc_copy_name(draft, name);
    proc_set_name(self, name);
    self->restart = draft->restart;
    self->clock_offset = draft->clock_offset;
    *proc_regs(self) = *proc_regs(draft);
    self->fpu = draft->fpu;
    fpu_discard(&self->fpu);
}

// Out of the jobs that nobody else is in, into the new one. The call that does this doesn't count as one.
static void enter_job(struct revival *r, struct proc *self) REQUIRES(family_lock)
{
    struct job *before = self->job;

    job_leave(self, r->job->level);
    self->job = job_get(r->job);
    self->numbers[r->job->level].pgid = r->drafts[0].pgid;
    job_enter(self, r->job->level, r->drafts[0].pid);
    job_put(before);
    stop_restart(self, 1);
}

// The draft whose outer group the saved group of draft i becomes: the caller's own, else the leader's, else that of the
// first one that was in it.
static u32 group_leader(const struct revival *r, u32 i)
{
    int pgid = r->drafts[i].pgid;
    u32 first = i;

    for (u32 k = r->count; k-- > 0;)
        if (r->drafts[k].pgid == pgid)
            first = k;
    if (first == 0)
        return 0;
    for (u32 k = 0; k < r->count; k++)
        if (r->drafts[k].pid == pgid)
            return k;
    return first;
}

static void give_numbers(struct revival *r, u32 i) REQUIRES(family_lock)
{
    struct draft *d = &r->drafts[i];

    job_put(d->proc->job);
    d->proc->job = job_get(r->job);
    d->proc->numbers[r->job->level].pgid = d->pgid;
    job_enter(d->proc, 0, d->pid);
}

static void join_outer_group(struct revival *r, u32 i)
{
    struct proc *leader = r->drafts[group_leader(r, i)].proc;

    for (u32 level = 0; level < r->job->level; level++) {
        const struct number *n = &leader->numbers[level];

        r->drafts[i].proc->numbers[level].pgid = leader == proc_self() ? n->pgid : n->pid;
    }
}

static void publish_all(struct revival *r) REQUIRES(family_lock)
{
    for (u32 i = 1; i < r->count; i++)
        give_numbers(r, i);
    for (u32 i = 1; i < r->count; i++)
        join_outer_group(r, i);
    for (u32 i = 1; i < r->count; i++)
        proc_publish(r->drafts[i].proc, r->drafts[r->drafts[i].parent].proc);
}

void revival_commit(struct revival *r)
{
    struct proc *self = proc_self();
    struct proc *draft = r->drafts[0].proc;
    u64 now = time_ns();

    for (u32 i = 0; i < r->count; i++)
        resume_clock(&r->drafts[i], now);
    become(self, draft);
    r->drafts[0].proc = self;

    spin_lock(&family_lock);
    proc_hand_over_children(self);
    enter_job(r, self);
    publish_all(r);
    spin_unlock(&family_lock);

    proc_discard_draft(draft);
    job_put(r->job);
    kfree(r);
}
