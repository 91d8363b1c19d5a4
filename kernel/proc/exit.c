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

// Children go to the first process, which is woken if there are zombies among them.
static void hand_over_children(struct proc *p)
{
    struct proc *child, *after;

    spin_lock(&family_lock);
    struct proc *init = proc_find(INIT_PID);
    list_for_each_safe(child, after, &p->children, sibling_link) {
        child->parent = init;
        list_remove(&child->sibling_link);
        list_append(&init->children, &child->sibling_link);
    }
    if (!list_empty(&p->zombies))
        wake_all(&init->child_ended);
    list_for_each_safe(child, after, &p->zombies, sibling_link) {
        child->parent = init;
        list_remove(&child->sibling_link);
        list_append(&init->zombies, &child->sibling_link);
    }
    spin_unlock(&family_lock);
}

void proc_exit(int status)
{
    struct proc *self = proc_self();

    if (self->pid == INIT_PID)
        init_ended(status);
    freezer_ending(self);
    fds_replace_all(self, NULL);
    inode_put(self->cwd);
    self->cwd = NULL;
    proc_replace_space(self, NULL);
    hand_over_children(self);

    spin_lock(&family_lock);
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
    list_remove(&p->sibling_link);
    list_append(&p->parent->zombies, &p->sibling_link);
    wake_all(&p->parent->child_ended);
    spin_unlock(&family_lock);
}

static struct proc *find_among(struct list *family, int which) REQUIRES(family_lock)
{
    struct proc *p;

    list_for_each(p, family, sibling_link)
        if (which == -1 || p->pid == which)
            return p;
    return NULL;
}

// A zombie child; *out is NULL when there is none yet and the caller doesn't want to wait.
static int await_zombie(struct proc *self, int which, int options, struct proc **out) REQUIRES(family_lock)
{
    for (;;) {
        *out = find_among(&self->zombies, which);
        if (*out)
            return 0;
        if (!find_among(&self->children, which))
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
        *pid = child->pid;
        *status = child->status;
        proc_reap(child);
    }
    spin_unlock(&family_lock);
    if (!err && child)
        proc_put(child);
    return err;
}
