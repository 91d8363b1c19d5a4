// The end of a process, and how its parent learns of it.
#include "process.h"
#include <arch/cpu.h>
#include <fs/inode.h>
#include <kern/printk.h>
#include <uapi/errno.h>
#include <uapi/wait.h>

// Without the first process nobody takes orphans or starts a shell: there is nothing left to do for the machine.
_Noreturn static void init_ended(int status)
{
    if (WIFEXITED(status))
        printk("init has ended with exit status %d\n", WEXITSTATUS(status));
    else
        printk("init has ended by signal %d\n", WTERMSIG(status));
    if (fs_sync())
        printk("init has ended: the last changes could not be written to the disk\n");
    machine_off(1);
}

// Who takes p's children: the process that is init in its job, or in the nearest job around it that has one. NULL: p is
// that one.
static struct proc *reaper_for(struct proc *p) REQUIRES(family_lock)
{
    for (struct job *job = p->job; job; job = job->parent) {
        struct proc *init = job_find(job, INIT_PID);

        if (init && !init->ending)
            return init != p ? init : NULL;
    }
    return NULL;
}

// An ended process waits for its parent among the zombies. One that its parent has no number for is of no interest to
// anybody: that happens when the machine's init itself lives in a job.
static void bury(struct proc *p, struct proc *parent) REQUIRES(family_lock)
{
    list_remove(&p->sibling_link);
    p->parent = parent;
    if (job_number(parent->job, p)) {
        list_append(&parent->zombies, &p->sibling_link);
        wake_all(&parent->child_ended);
    } else {
        proc_reap(p);
        proc_put(p);
    }
}

void proc_hand_over_children(struct proc *p)
{
    struct proc *init = reaper_for(p);
    struct proc *child, *after;

    if (!init)
        return;
    list_for_each_safe(child, after, &p->children, sibling_link) {
        child->parent = init;
        list_remove(&child->sibling_link);
        list_append(&init->children, &child->sibling_link);
    }
    list_for_each_safe(child, after, &p->zombies, sibling_link)
        bury(child, init);
}

// From here on it is on its way: it can't be frozen or stopped any more.
static void begin_to_end(struct proc *self)
{
    spin_lock(&family_lock);
    self->ending = true;
    stop_forget(self);
    spin_unlock(&family_lock);
}

void proc_exit(int status)
{
    struct proc *self = proc_self();

    if (proc_machine_pid(self) == INIT_PID)
        init_ended(status);
    begin_to_end(self);
    fds_replace_all(self, NULL);
    inode_put(self->cwd);
    self->cwd = NULL;
    proc_replace_space(self, NULL);

    spin_lock(&family_lock);
    proc_hand_over_children(self);
    self->status = status;
    spin_unlock(&family_lock);
    thread_exit();
}

// Only now, off its stack, can it be reaped: whoever reaps it may free everything at once, and a parent that waited
// finds nothing left behind.
void proc_buried(struct thread *t)
{
    struct proc *p = t->proc;

    spin_lock(&family_lock);
    p->zombie = true;
    freezer_gone(p);
    bury(p, p->parent);
    spin_unlock(&family_lock);
}

static struct proc *find_among(struct list *family, const struct job *job, int which) REQUIRES(family_lock)
{
    struct proc *p;

    list_for_each(p, family, sibling_link)
        if (which == -1 || job_number(job, p) == which)
            return p;
    return NULL;
}

// A zombie child; *out is NULL when there is none yet and the caller doesn't want to wait.
static int await_zombie(struct proc *self, int which, int options, struct proc **out) REQUIRES(family_lock)
{
    for (;;) {
        *out = find_among(&self->zombies, self->job, which);
        if (*out)
            return 0;
        if (!find_among(&self->children, self->job, which))
            return -ECHILD;
        if (options & WNOHANG)
            return 0;
        int err = wait_on(&self->child_ended, &family_lock, WAIT_INTERRUPTIBLE, NEVER, "wait");
        if (err)
            return err;
    }
}

int proc_wait(int which, int options, int *pid, int *status)
{
    struct proc *child = NULL;

    *pid = *status = 0;
    spin_lock(&family_lock);
    int err = await_zombie(proc_self(), which, options, &child);
    if (!err && child) {
        *pid = job_number(proc_self()->job, child);
        *status = child->status;
        proc_reap(child);
    }
    spin_unlock(&family_lock);
    if (!err && child)
        proc_put(child);
    return err;
}
