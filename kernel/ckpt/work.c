// A queue, and the threads that empty it.
#include "work.h"
#include <mm/kmalloc.h>
#include <sched/thread.h>
#include <sched/wait.h>
#include <uapi/errno.h>

#define WORKERS 6  // mostly they wait for a disk

// Guards the queue and who is pending.
static struct spinlock lock = SPINLOCK_INIT("work", RANK_WAIT);
static struct list queue = { &queue, &queue };
static struct wait_queue due GUARDED_BY(lock);
static struct wait_queue ended GUARDED_BY(lock);
static u32 workers;  // constant after the start

void work_prepare(struct work *w, void (*run)(struct work *))
{
    *w = (struct work){ .run = run };
}

void work_start(struct work *w)
{
    if (!workers) {
        w->run(w);
        return;
    }
    spin_lock(&lock);
    w->pending = w->queued = true;
    list_append(&queue, &w->link);
    wake_one(&due);
    spin_unlock(&lock);
}

bool work_is_pending(const struct work *w)
{
    spin_lock(&lock);
    bool pending = w->pending;
    spin_unlock(&lock);
    return pending;
}

void work_wait(struct work *w)
{
    int err = 0;

    spin_lock(&lock);
    while (w->pending && !err)
        err = wait_on(&ended, &lock, WAIT_UNINTERRUPTIBLE, NEVER, "work");
    spin_unlock(&lock);
}

void work_finish(struct work *w)
{
    spin_lock(&lock);
    bool is_mine = w->queued;
    if (is_mine) {
        list_remove(&w->link);
        w->pending = w->queued = false;
    }
    spin_unlock(&lock);
    if (is_mine)
        w->run(w);
    else
        work_wait(w);
}

static struct work *take(void)
{
    int err = 0;

    spin_lock(&lock);
    while (list_empty(&queue) && !err)
        err = wait_on(&due, &lock, WAIT_UNINTERRUPTIBLE, NEVER, "work");
    struct work *w = list_first(&queue, struct work, link);
    list_remove(&w->link);
    w->queued = false;
    spin_unlock(&lock);
    return w;
}

static void run_worker(void *unused)
{
    (void)unused;
    for (;;) {
        struct work *w = take();

        w->run(w);
        spin_lock(&lock);
        w->pending = false;
        wake_all(&ended);
        spin_unlock(&lock);
    }
}

void work_init(void)
{
    static struct thread threads[WORKERS];

    wait_queue_init(&due);
    wait_queue_init(&ended);
    for (u32 i = 0; i < WORKERS; i++) {
        void *stack = kmalloc(KERNEL_STACK_SIZE);
        if (!stack)
            return;
        thread_init(&threads[i], "worker", stack, run_worker, NULL);
        thread_start(&threads[i]);
        workers++;
    }
}
