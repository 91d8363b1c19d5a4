// Wait queues.
//
// Who waits is in the queue, under the queue's lock, before that lock goes; a wake-up needs the lock; so none is
// missed. `woken` tells a thread that runs again whether it was chosen, whatever else happened to it meanwhile.
#include "scheduler.h"
#include <kern/printk.h>
#include <sched/timer.h>
#include <uapi/errno.h>

struct alarm {
    struct timer timer;
    struct thread *thread;
};

static void expire(struct timer *timer)
{
    struct thread *t = container_of(timer, struct alarm, timer)->thread;

    spin_lock(&sched_lock);
    t->timed_out = true;
    sched_make_ready(t);
    spin_unlock(&sched_lock);
}

int wait_on(struct wait_queue *queue, struct spinlock *lock, enum wait_kind kind, u64 deadline,
            const char *what) NO_LOCK_ANALYSIS
{
    struct thread *self = thread_self();
    struct alarm alarm = { .thread = self };

    assert(irq_nesting() == 1);
    list_append(&queue->waiters, &self->wait_link);
    self->woken = self->timed_out = false;
    if (deadline != NEVER)
        timer_start(&alarm.timer, deadline, expire);

    spin_lock(&sched_lock);
    spin_unlock(lock);
    if (!self->timed_out && !(kind == WAIT_INTERRUPTIBLE && self->interrupted)) {
        self->state = THREAD_SLEEPING;
        self->interruptible = kind == WAIT_INTERRUPTIBLE;
        self->waits_for = what;
        sched_leave();
    }
    sched_settle();

    if (deadline != NEVER)
        timer_cancel(&alarm.timer);
    spin_lock(lock);
    list_remove(&self->wait_link);
    return self->woken ? 0 : self->timed_out ? -ETIMEDOUT : -EINTR;
}

void wait_queue_init(struct wait_queue *queue)
{
    list_init(&queue->waiters);
}

bool wait_queue_empty(const struct wait_queue *queue)
{
    return list_empty(&queue->waiters);
}

void wake_one(struct wait_queue *queue)
{
    if (list_empty(&queue->waiters))
        return;
    struct thread *t = list_first(&queue->waiters, struct thread, wait_link);
    list_remove(&t->wait_link);
    spin_lock(&sched_lock);
    t->woken = true;
    sched_make_ready(t);
    spin_unlock(&sched_lock);
}

void wake_all(struct wait_queue *queue)
{
    while (!list_empty(&queue->waiters))
        wake_one(queue);
}

int thread_sleep_until(u64 deadline)
{
    struct spinlock lock = SPINLOCK_INIT("sleep", RANK_WAIT);
    struct wait_queue queue;

    wait_queue_init(&queue);
    spin_lock(&lock);
    int err = wait_on(&queue, &lock, WAIT_INTERRUPTIBLE, deadline, "sleep");
    spin_unlock(&lock);
    return err == -ETIMEDOUT ? 0 : err;
}
