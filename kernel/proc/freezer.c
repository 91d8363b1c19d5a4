// The freezer: stopping processes where registers and memory are all there is to know of them.
//
// A freeze is a mark and an interrupt. The interrupt ends what the process waits for; the call rewinds (sys does that);
// at the user boundary the process sees the mark and parks, in a sleep that only freezer_release() ends. So no kernel
// stack ever holds state of a frozen process. One lock, family_lock, guards families and marks, so that a freezer sees
// a whole family at one instant.
//
// 1. A marked process is settled when it is parked, or buried. A freeze counts those that aren't yet (`pending`); when
//    there are none, the freezer looks at the family again, until it finds nobody new: then all stand still, and so
//    will everything about them, for whoever could change the family is in it.
// 2. A child of a marked process is born marked (if descendants are), under the same lock under which it appears.
// 3. A process that is marked itself does not mark others, but gives way: it takes its marks back and parks. A freezer
//    that finds somebody marked by another one has no marks while it waits for that one to end. So nobody who waits
//    for a freeze holds marks that this freeze waits for: there is no circle.
// 4. Who is killed doesn't park, and leaves his park, until the family stands still: else an image would have him alive
//    whom somebody in it has seen killed. From then on a kill leaves the sleep of the frozen alone, and ends the
//    process when it passes the boundary after the thaw. It ends the sleep of one that is only stopped, too.
// 5. `parked` is set by the process, and cleared by whoever lets it go: so who sees it set finds the process asleep.
#include "process.h"
#include <kern/printk.h>
#include <mm/kmalloc.h>
#include <proc/freezer.h>
#include <uapi/errno.h>
#include <uapi/wait.h>

struct freeze {
    struct family family;
    struct proc *root;          // a reference
    const struct proc *caller;  // of family_freeze(): it may have ended since, if it is no member
    bool descendants;
    u64 deadline;
    bool complete GUARDED_BY(family_lock);  // all stand still
    struct list marked GUARDED_BY(family_lock);
    u32 pending GUARDED_BY(family_lock);  // of the marked: not settled yet
    struct wait_queue settled GUARDED_BY(family_lock);
    u16 parents[PROC_MAX];  // places of the members' parents; the root's is its own
    struct proc *members[PROC_MAX];
};

// Those who wait for somebody else's freeze to end.
static struct wait_queue freeze_ended GUARDED_BY(family_lock) = { { &freeze_ended.waiters, &freeze_ended.waiters } };

// ---- the side of the process

static bool must_stay(struct proc *p) REQUIRES(family_lock)
{
    bool dies = p->killed && !(p->freeze && p->freeze->complete);

    return (p->freeze || p->stopped) && !dies;
}

static void settle_one(struct freeze *f) REQUIRES(family_lock)
{
    f->pending--;
    if (!f->pending)
        wake_all(&f->settled);
}

void freezer_park(struct proc *self)
{
    int err = 0;

    spin_lock(&family_lock);
    stop_when_due(self);
    if (must_stay(self)) {
        self->parked = true;
        if (self->freeze)
            settle_one(self->freeze);
    }
    while (self->parked && !err)
        err = wait_on(&self->released, &family_lock, WAIT_UNINTERRUPTIBLE, NEVER, self->freeze ? "frozen" : "stopped");
    spin_unlock(&family_lock);
    assert(!err);
}

void freezer_release(struct proc *p)
{
    if (!p->parked || must_stay(p))
        return;
    p->parked = false;
    if (p->freeze)
        p->freeze->pending++;
    wake_all(&p->released);
}

// ---- marks

static void mark(struct freeze *f, struct proc *p) REQUIRES(family_lock)
{
    p->freeze = f;
    list_append(&f->marked, &p->freeze_link);
    if (!p->parked)
        f->pending++;
}

static void unmark(struct proc *p) REQUIRES(family_lock)
{
    struct freeze *f = p->freeze;

    p->freeze = NULL;
    list_remove(&p->freeze_link);
    if (p->parked)
        freezer_release(p);
    else
        settle_one(f);
    wake_all(&freeze_ended);
}

static void unmark_all(struct freeze *f) REQUIRES(family_lock)
{
    struct proc *p, *after;

    list_for_each_safe(p, after, &f->marked, freeze_link)
        unmark(p);
}

void freezer_born(struct proc *p)
{
    struct freeze *f = p->parent ? p->parent->freeze : NULL;

    if (!f || !f->descendants)
        return;
    mark(f, p);
    p->thread.interrupted = true;
}

void freezer_gone(struct proc *p)
{
    if (p->freeze)
        unmark(p);
}

// ---- the side of the freezer

static void gather_siblings(struct freeze *f, struct list *siblings, u32 parent) REQUIRES(family_lock)
{
    struct proc *p;

    list_for_each(p, siblings, sibling_link) {
        f->parents[f->family.count] = (u16)parent;
        f->members[f->family.count++] = p;
    }
}

// The family as it is now, in breadth: parents come before their children.
static void gather(struct freeze *f) REQUIRES(family_lock)
{
    f->members[0] = f->root;
    f->parents[0] = 0;
    f->family.count = 1;
    for (u32 i = 0; f->descendants && i < f->family.count; i++) {
        gather_siblings(f, &f->members[i]->children, i);
        gather_siblings(f, &f->members[i]->zombies, i);
    }
}

// Has somebody else marked one of them?
static bool is_contended(struct freeze *f) REQUIRES(family_lock)
{
    for (u32 i = 0; i < f->family.count; i++) {
        struct freeze *other = f->members[i]->freeze;

        if (other && other != f)
            return true;
    }
    return false;
}

// Zombies have no more than a number, and that is their parent's business.
static struct proc *find_foreigner(struct freeze *f) REQUIRES(family_lock)
{
    for (u32 i = 0; i < f->family.count; i++) {
        struct proc *p = f->members[i];

        if (p->job != f->root->job && !p->zombie)
            return p;
    }
    return NULL;
}

// Mark who isn't. True if there was anybody to mark.
static bool mark_members(struct freeze *f) REQUIRES(family_lock)
{
    bool found = false;

    for (u32 i = 0; i < f->family.count; i++) {
        struct proc *p = f->members[i];

        if (p->freeze || p->zombie || p == proc_self())
            continue;
        found = true;
        mark(f, p);
        if (!p->parked)
            thread_interrupt(&p->thread);
    }
    return found;
}

// Children of a member that has ended are nobody's family any more.
static void unmark_strays(struct freeze *f) REQUIRES(family_lock)
{
    struct proc *p, *after;

    for (u32 i = 0; i < f->family.count; i++)
        f->members[i]->gathered = true;
    list_for_each_safe(p, after, &f->marked, freeze_link)
        if (!p->gathered)
            unmark(p);
    for (u32 i = 0; i < f->family.count; i++)
        f->members[i]->gathered = false;
}

static int await_settled(struct freeze *f) REQUIRES(family_lock)
{
    int err = 0;

    while (f->pending && !err)
        err = wait_on(&f->settled, &family_lock, WAIT_INTERRUPTIBLE, f->deadline, "freeze");
    return f->pending ? err : 0;
}

static int await_other(struct freeze *f) REQUIRES(family_lock)
{
    unmark_all(f);
    return wait_on(&freeze_ended, &family_lock, WAIT_INTERRUPTIBLE, f->deadline, "freeze");
}

// One look at the family. 1: all of it stands still.
static int advance(struct freeze *f, struct proc **foreigner) REQUIRES(family_lock)
{
    if (proc_self()->freeze || proc_self()->killed)
        return -EINTR;
    if (f->root->ending)
        return -ESRCH;
    gather(f);
    *foreigner = find_foreigner(f);
    if (*foreigner)
        return -ENOTSUP;
    if (is_contended(f))
        return await_other(f);
    unmark_strays(f);
    if (!mark_members(f) && !f->pending)
        return 1;
    return await_settled(f);
}

static int freeze_run(struct freeze *f, int *foreigner) REQUIRES(family_lock)
{
    struct proc *p = NULL;
    int err = 0;

    while (!err)
        err = advance(f, &p);
    if (p)
        *foreigner = job_number(proc_self()->job, p);
    if (err < 0)
        unmark_all(f);
    return err < 0 ? err : 0;
}

static int find_root(struct freeze *f, int pid) REQUIRES(family_lock)
{
    struct proc *root = job_find(proc_self()->job, pid);

    if (!root || root->ending)
        return -ESRCH;
    f->root = proc_hold(root);
    return 0;
}

static void hold_members(struct freeze *f) REQUIRES(family_lock)
{
    for (u32 i = 0; i < f->family.count; i++) {
        struct proc *p = proc_hold(f->members[i]);
        // It said so just before it went to sleep; this looks under the scheduler's lock, which it holds until it is
        // off its CPU with all its registers saved.
        bool still = p == proc_self() || p->zombie || thread_is_off_cpu(&p->thread);

        assert(still);
    }
}

static void freeze_destroy(struct freeze *f)
{
    if (f->root)
        proc_put(f->root);
    kfree(f);
}

static struct freeze *freeze_create(bool descendants, u64 deadline) NO_LOCK_ANALYSIS
{
    struct freeze *f = kmalloc(sizeof(*f));

    if (!f)
        return NULL;
    f->family.members = f->members;
    f->family.count = 0;
    f->root = NULL;
    f->caller = proc_self();
    f->descendants = descendants;
    f->deadline = deadline;
    f->complete = false;
    f->pending = 0;
    list_init(&f->marked);
    wait_queue_init(&f->settled);
    return f;
}

int family_freeze(int pid, bool descendants, u64 deadline, struct family **out)
{
    struct freeze *f = freeze_create(descendants, deadline);
    int foreigner = 0;

    if (!f)
        return -ENOMEM;
    spin_lock(&family_lock);
    int err = find_root(f, pid);
    if (!err)
        err = freeze_run(f, &foreigner);
    if (!err) {
        f->complete = true;
        hold_members(f);
    }
    spin_unlock(&family_lock);
    if (foreigner)
        printk("checkpoint: process %d belongs to another job: save that one by itself\n", foreigner);
    if (err)
        freeze_destroy(f);
    else
        *out = &f->family;
    return err;
}

void family_thaw(struct family *family, bool stopped)
{
    struct freeze *f = container_of(family, struct freeze, family);

    spin_lock(&family_lock);
    for (u32 i = 0; stopped && i < family->count; i++)
        if (!family->members[i]->zombie)
            family->members[i]->stopped = true;
    unmark_all(f);
    spin_unlock(&family_lock);
    for (u32 i = 0; i < family->count; i++)
        proc_put(family->members[i]);
    freeze_destroy(f);
}

// The first process is spared, as by kill: with it the machine would end.
void family_kill(struct family *family)
{
    const struct freeze *f = container_of(family, struct freeze, family);

    spin_lock(&family_lock);
    for (u32 i = 0; i < family->count; i++) {
        struct proc *p = family->members[i];

        if (p != f->caller && !p->zombie && p->parent)
            proc_mark_killed(p, SIGKILL);
    }
    spin_unlock(&family_lock);
}

int family_parent(const struct family *family, u32 member)
{
    const struct freeze *f = container_of(family, struct freeze, family);

    return member ? f->parents[member] : -1;
}
