// Sleeping locks. Held across disk I/O and page faults; never taken in interrupts or under a spin lock.
#pragma once

#include <sched/wait.h>

struct CAPABILITY("mutex") mutex {
    struct spinlock inner;
    struct wait_queue waiters FIELD_GUARDED_BY(inner);
    struct thread *owner;  // NULL when free
    const char *name;
    u16 rank;
};

void mutex_init(struct mutex *m, const char *name, enum lock_rank rank);
void mutex_lock(struct mutex *m) ACQUIRE(m);
bool mutex_try(struct mutex *m) TRY_ACQUIRE(true, m);
void mutex_unlock(struct mutex *m) RELEASE(m);
bool mutex_held(const struct mutex *m);
void mutex_assert_held(const struct mutex *m) ASSERT_HELD(m);

/* A second lock of the same rank, when the caller has an order of its own for the two (by address, parent before
 * child). */
void mutex_lock_nested(struct mutex *m) ACQUIRE(m);
