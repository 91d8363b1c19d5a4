// The freezer: stopping a process where its registers and memory are all there is to know of it.
//
// A freeze is a mark and an interrupt. The interrupt ends what the target waits for; the call rewinds (sys does that);
// at the user boundary the target sees the mark and parks, in a sleep that only a thaw ends. So no kernel stack ever
// holds state of a frozen process.
//
// 1. freeze goes NONE -> ASKED (freezer) -> DONE (target) -> NONE (freezer); ASKED -> NONE when the freezer gives up.
// 2. A target that is `ending` never parks; its freezer is told.
// 3. A process that is marked itself does not mark others. Marks are set under family_lock; so processes that freeze
//    each other never wait in a circle, nor chase each other for ever: the one marked first gives way and parks.
// 4. A kill leaves the sleep alone. It ends the process when the boundary is passed after the thaw.
#include "process.h"
#include <kern/printk.h>
#include <proc/freezer.h>
#include <uapi/errno.h>

static bool is_marked(struct proc *p)
{
    spin_lock(&p->lock);
    bool marked = p->freeze != FREEZE_NONE;
    spin_unlock(&p->lock);
    return marked;
}

// Set the mark and take a reference.
static int mark(int pid, struct proc **out) REQUIRES(family_lock)
{
    struct proc *p = proc_find(pid);
    int err = 0;

    if (!p)
        return -ESRCH;
    if (p == proc_self())
        return -EBUSY;
    if (is_marked(proc_self()))
        return -EINTR;

    spin_lock(&p->lock);
    if (p->ending)
        err = -ESRCH;
    else if (p->freeze != FREEZE_NONE)
        err = -EBUSY;
    else
        p->freeze = FREEZE_ASKED;
    spin_unlock(&p->lock);
    if (!err)
        *out = proc_hold(p);
    return err;
}

// A target that parked while the freezer gave up counts as frozen.
static int await_parked(struct proc *p, u64 deadline)
{
    int err = 0;

    spin_lock(&p->lock);
    while (p->freeze == FREEZE_ASKED && !p->ending && !err)
        err = wait_on(&p->freezer, &p->lock, WAIT_INTERRUPTIBLE, deadline, "freeze");
    if (p->freeze == FREEZE_DONE) {
        err = 0;
    } else {
        p->freeze = FREEZE_NONE;
        if (p->ending)
            err = -ESRCH;
    }
    spin_unlock(&p->lock);
    return err;
}

int proc_freeze(int pid, u64 deadline, struct proc **out)
{
    spin_lock(&family_lock);
    int err = mark(pid, out);
    spin_unlock(&family_lock);
    if (err)
        return err;

    thread_interrupt(&(*out)->thread);
    err = await_parked(*out, deadline);
    if (err) {
        proc_put(*out);
        *out = NULL;
        return err;
    }
    // It said so just before it went to sleep; this looks under the scheduler's lock, which it holds until it is off
    // its CPU with all its registers saved.
    bool off_cpu = thread_is_off_cpu(&(*out)->thread);
    assert(off_cpu);
    return 0;
}

void proc_thaw(struct proc *p)
{
    spin_lock(&p->lock);
    p->freeze = FREEZE_NONE;
    wake_all(&p->thawed);
    spin_unlock(&p->lock);
    proc_put(p);
}

void freezer_park(struct proc *self)
{
    int err = 0;

    spin_lock(&self->lock);
    if (self->freeze == FREEZE_ASKED) {
        self->freeze = FREEZE_DONE;
        wake_all(&self->freezer);
    }
    while (self->freeze == FREEZE_DONE && !err)
        err = wait_on(&self->thawed, &self->lock, WAIT_UNINTERRUPTIBLE, NEVER, "frozen");
    spin_unlock(&self->lock);
    assert(!err);
}

void freezer_ending(struct proc *self)
{
    spin_lock(&self->lock);
    self->ending = true;
    wake_all(&self->freezer);
    spin_unlock(&self->lock);
}

bool freezer_parked(struct proc *p)
{
    spin_lock(&p->lock);
    bool parked = p->freeze == FREEZE_DONE;
    spin_unlock(&p->lock);
    return parked;
}
