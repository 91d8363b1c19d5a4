// Timers: a function to be called at a time, in interrupt context.
#pragma once

#include <base/list.h>
#include <base/types.h>

struct timer {
    struct list link;
    u64 deadline;  // time_ns()
    void (*fire)(struct timer *);
};

void timers_init(void);

/*
 * Call t->fire(t) at the first tick at or after `deadline`; interrupts off and the timers' lock held, so it may wake
 * threads and nothing more. *t stays the caller's, who cancels it before it goes.
 */
void timer_start(struct timer *t, u64 deadline, void (*fire)(struct timer *));

/* Afterwards t does not fire, and is not firing on another CPU. */
void timer_cancel(struct timer *t);

/* For the tick. */
void timers_run(u64 now);
