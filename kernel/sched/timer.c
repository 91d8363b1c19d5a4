// Timers in a wheel: one list for each tick modulo the wheel's size, so that starting, cancelling and the tick cost the
// same however many wait.
#include <kern/printk.h>
#include <kern/spinlock.h>
#include <kern/time.h>
#include <sched/timer.h>

#define SLOTS 256

static struct spinlock timer_lock = SPINLOCK_INIT("timers", RANK_TIMER);
static struct list wheel[SLOTS] GUARDED_BY(timer_lock);
static u64 last_tick GUARDED_BY(timer_lock);  // whose slot was looked at last

void timers_init(void)
{
    spin_lock(&timer_lock);
    for (unsigned i = 0; i < SLOTS; i++)
        list_init(&wheel[i]);
    last_tick = time_ns() / NS_PER_TICK;
    spin_unlock(&timer_lock);
}

// A deadline inside a tick fires at that tick's end.
static u64 tick_of(u64 deadline)
{
    return deadline / NS_PER_TICK + (deadline % NS_PER_TICK != 0);
}

void timer_start(struct timer *t, u64 deadline, void (*fire)(struct timer *))
{
    t->deadline = deadline;
    t->fire = fire;
    spin_lock(&timer_lock);
    list_append(&wheel[MAX(tick_of(deadline), last_tick + 1) % SLOTS], &t->link);
    spin_unlock(&timer_lock);
}

void timer_cancel(struct timer *t)
{
    spin_lock(&timer_lock);
    list_remove(&t->link);
    spin_unlock(&timer_lock);
}

static void run_slot(struct list *slot, u64 now) REQUIRES(timer_lock)
{
    struct timer *t, *after;

    list_for_each_safe(t, after, slot, link) {
        if (t->deadline > now)
            continue;
        list_remove(&t->link);
        t->fire(t);
    }
}

void timers_run(u64 now)
{
    u64 tick = now / NS_PER_TICK;

    spin_lock(&timer_lock);
    // After a long stop of the whole machine one round of the wheel sees every timer.
    if (tick - last_tick > SLOTS)
        last_tick = tick - SLOTS;
    while (last_tick < tick)
        run_slot(&wheel[++last_tick % SLOTS], now);
    spin_unlock(&timer_lock);
}
