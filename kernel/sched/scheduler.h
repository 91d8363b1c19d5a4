// Inside sched: the lock of all thread states and the two ways to leave a CPU.
#pragma once

#include <kern/spinlock.h>
#include <sched/thread.h>

// Guards every thread's state and the run queue. It is held across context_switch() and released by whoever comes next.
extern struct spinlock sched_lock;

/* The calling thread, whose state was just changed, leaves the CPU; returns when it is chosen again, with the lock
 * held. */
void sched_leave(void) REQUIRES(sched_lock);

/* Make a sleeping thread ready. No effect on any other. */
void sched_make_ready(struct thread *t) REQUIRES(sched_lock);

/* After sched_leave() returned: let go of the lock, and of the thread that was here before if it is dead. */
void sched_settle(void) RELEASE(sched_lock);
