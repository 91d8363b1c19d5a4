// Stopping a process at the user boundary: where an event was asked for, and letting it go on.
//
// The process counts its own calls and faults; a timer only says that it is due and interrupts it. Whatever the event,
// it is the process itself that sets `stopped`, at the boundary, and parks there.
#include "process.h"
#include <uapi/errno.h>

static void stop_now(struct proc *self) REQUIRES(family_lock)
{
    self->stop_event = 0;
    self->stopped = true;
}

static void count(struct proc *self, u32 n) REQUIRES(family_lock)
{
    if (self->stop.left <= n)
        stop_now(self);
    else
        self->stop.left -= n;
}

void proc_count_call(struct proc *self)
{
    if (self->stop_event != EVENT_CALL)
        return;
    spin_lock(&family_lock);
    if (self->stop_event == EVENT_CALL)
        count(self, 1);
    spin_unlock(&family_lock);
}

void stop_count_faults(struct proc *self)
{
    spin_lock(&family_lock);
    u32 n = self->thread.faults - self->stop.faults_seen;
    self->stop.faults_seen += n;
    if (self->stop_event == EVENT_FAULT && n)
        count(self, n);
    spin_unlock(&family_lock);
}

void stop_when_due(struct proc *self)
{
    if (self->stop_due && self->stop_event == EVENT_TICK)
        stop_now(self);
    self->stop_due = false;
}

// In an interrupt, with the timers' lock held: no more than this.
static void ticks_over(struct timer *timer)
{
    struct proc *p = container_of(timer, struct proc, stop.timer);

    p->stop_due = true;
    thread_interrupt(&p->thread);
}

void stop_restart(struct proc *p, u32 calls)
{
    struct stop_at *s = &p->stop;

    timer_cancel(&s->timer);
    p->stop_due = false;
    s->left = s->n + (p->stop_event == EVENT_CALL ? calls : 0);
    s->faults_seen = p->thread.faults;
    if (p->stop_event == EVENT_TICK)
        timer_start(&s->timer, time_ns() + s->n * NS_PER_TICK, ticks_over);
}

void stop_forget(struct proc *p)
{
    p->stop_event = 0;
    stop_restart(p, 0);
}

static bool descends(const struct proc *p, const struct proc *from) REQUIRES(family_lock)
{
    do
        p = p->parent;
    while (p && p != from);
    return p != NULL;
}

static int stop_at(int pid, enum proc_event event, u32 n) REQUIRES(family_lock)
{
    struct proc *self = proc_self();
    struct proc *p = job_find(self->job, pid);

    if (!p || p->ending)
        return -ESRCH;
    if (!descends(p, self))
        return -EPERM;
    p->stop_event = n ? (u8)event : 0;
    p->stop.n = n;
    stop_restart(p, 0);
    return 0;
}

int proc_stop_at(int pid, enum proc_event event, u32 n)
{
    if (event < EVENT_CALL || event > EVENT_TICK)
        return -EINVAL;
    spin_lock(&family_lock);
    int err = stop_at(pid, event, n);
    spin_unlock(&family_lock);
    return err;
}

static void go_on(struct proc *p) REQUIRES(family_lock)
{
    p->stopped = false;
    freezer_release(p);
}

int proc_continue(int pid)
{
    int err = -ESRCH;
    struct proc *p;

    spin_lock(&family_lock);
    struct proc *root = job_find(proc_self()->job, pid);
    if (root && !root->zombie) {
        err = 0;
        go_on(root);
        list_for_each(p, &proc_table, table_link)
            if (p->stopped && descends(p, root))
                go_on(p);
    }
    spin_unlock(&family_lock);
    return err;
}
