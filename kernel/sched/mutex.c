// Sleeping locks.
#include <kern/printk.h>
#include <sched/mutex.h>
#include <sched/thread.h>

void mutex_init(struct mutex *m, const char *name, enum lock_rank rank) NO_LOCK_ANALYSIS
{
    spin_init(&m->inner, name, RANK_MUTEX);
    wait_queue_init(&m->waiters);
    m->owner = NULL;
    m->name = name;
    m->rank = (u16)rank;
}

static void take(struct mutex *m) NO_LOCK_ANALYSIS
{
    struct thread *self = thread_self();

    assert(m->owner != self);
    spin_lock(&m->inner);
    while (m->owner) {
        int err = wait_on(&m->waiters, &m->inner, WAIT_UNINTERRUPTIBLE, NEVER, m->name);
        assert(err == 0);
    }
    m->owner = self;
    spin_unlock(&m->inner);
}

void mutex_lock(struct mutex *m) NO_LOCK_ANALYSIS
{
    assert(irq_nesting() == 0);
    lock_trace_acquire(&thread_self()->sleeping_locks, m->name, m->rank);
    take(m);
}

// Two locks of one rank count as one in the trace; their order is the caller's.
void mutex_lock_nested(struct mutex *m) NO_LOCK_ANALYSIS
{
    assert(irq_nesting() == 0);
    lock_trace_nest(&thread_self()->sleeping_locks, m->name, m->rank);
    take(m);
}

bool mutex_try(struct mutex *m) NO_LOCK_ANALYSIS
{
    spin_lock(&m->inner);
    bool got = !m->owner;
    if (got)
        m->owner = thread_self();
    spin_unlock(&m->inner);
    if (got)
        lock_trace_nest(&thread_self()->sleeping_locks, m->name, m->rank);
    return got;
}

void mutex_unlock(struct mutex *m) NO_LOCK_ANALYSIS
{
    assert(m->owner == thread_self());
    lock_trace_release(&thread_self()->sleeping_locks, m->name, m->rank);
    spin_lock(&m->inner);
    m->owner = NULL;
    wake_one(&m->waiters);
    spin_unlock(&m->inner);
}

bool mutex_held(const struct mutex *m)
{
    return m->owner == thread_self();
}

void mutex_assert_held(const struct mutex *m)
{
    assert(mutex_held(m));
}
