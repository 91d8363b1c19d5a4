// Waiting for a condition, in the manner of a condition variable.
//
// A wait queue has no lock of its own: it is guarded by the spin lock that guards the condition. The pattern:
//
//     spin_lock(&pipe->lock);
//     while (pipe_is_empty(pipe)) {
//         err = wait_on(&pipe->readers, &pipe->lock, WAIT_INTERRUPTIBLE, NEVER, "pipe");
//         if (err)
//             break;
//     }
#pragma once

#include <base/list.h>
#include <base/types.h>
#include <kern/spinlock.h>
#include <kern/time.h>

struct thread;

struct wait_queue {
    struct list waiters;
};

enum wait_kind {
    WAIT_UNINTERRUPTIBLE,  // for what is sure to come soon: a lock, a disk
    WAIT_INTERRUPTIBLE,    // kill and freeze end it
};

void wait_queue_init(struct wait_queue *queue);

/*
 * Let go of `lock`, sleep until woken, take `lock` again. `what` is shown by ps: at most 15 characters, constant.
 * Returns 0 when woken by wake_*(), -ETIMEDOUT when time_ns() passed `deadline`, -EINTR when the thread was interrupted
 * (only WAIT_INTERRUPTIBLE; at once if it already is). A wake-up is never lost to an interruption: who was chosen by
 * wake_one() returns 0.
 */
MUST_CHECK int wait_on(struct wait_queue *queue, struct spinlock *lock, enum wait_kind kind, u64 deadline,
                       const char *what) REQUIRES(lock);

/* The caller holds the lock that guards the queue. Cost: the threads woken, nothing else. */
void wake_one(struct wait_queue *queue);
void wake_all(struct wait_queue *queue);
bool wait_queue_empty(const struct wait_queue *queue);
