// Read-ahead, by two runs for each backing: one that the process uses up, and one that is being read.
//
// A run goes EMPTY -> ASKED (a process) -> READY (the thread) -> EMPTY (a process). While it is ASKED its pages are the
// thread's; otherwise the lock guards them, since a process and its children may share a backing.
#include "ahead.h"
#include "run.h"
#include <base/list.h>
#include <mm/frame.h>
#include <mm/kmalloc.h>
#include <mm/vmspace.h>
#include <sched/thread.h>
#include <sched/wait.h>
#include <uapi/errno.h>

enum run_state { RUN_EMPTY, RUN_ASKED, RUN_READY };

struct ahead_run {
    struct list link;  // in the queue while it is ASKED
    struct ahead *ahead;
    enum run_state state;
    u64 first;
    u32 count, taken;
    struct frame *frames[RUN_MAX];
};

struct ahead {
    struct backing *backing;
    ahead_fetch *fetch;
    struct ahead_run runs[2];
};

// Guards the queue and all runs' states.
static struct spinlock lock = SPINLOCK_INIT("read-ahead", RANK_WAIT);
static struct list queue = { &queue, &queue };
static struct wait_queue work GUARDED_BY(lock);
static struct wait_queue done GUARDED_BY(lock);
static bool running;  // is there a thread? constant after the start

int ahead_create(struct backing *b, ahead_fetch *fetch, struct ahead **out)
{
    struct ahead *a = kzalloc(sizeof(*a));

    if (!a)
        return -ENOMEM;
    a->backing = b;
    a->fetch = fetch;
    for (u32 i = 0; i < ARRAY_SIZE(a->runs); i++) {
        list_init(&a->runs[i].link);
        a->runs[i].ahead = a;
    }
    *out = a;
    return 0;
}

static void throw_away(struct ahead_run *r)
{
    while (r->taken < r->count)
        frame_put(r->frames[r->taken++]);
    r->state = RUN_EMPTY;
}

void ahead_destroy(struct ahead *a)
{
    for (u32 i = 0; a && i < ARRAY_SIZE(a->runs); i++)
        if (a->runs[i].state == RUN_READY)
            throw_away(&a->runs[i]);
    kfree(a);
}

static struct ahead_run *run_of(struct ahead *a, u64 index) REQUIRES(lock)
{
    for (u32 i = 0; i < ARRAY_SIZE(a->runs); i++) {
        struct ahead_run *r = &a->runs[i];
        if (r->state != RUN_EMPTY && r->first + r->taken == index)
            return r;
    }
    return NULL;
}

static void ask(struct ahead *a, u64 index) REQUIRES(lock)
{
    for (u32 i = 0; i < ARRAY_SIZE(a->runs); i++) {
        struct ahead_run *r = &a->runs[i];
        if (r->state != RUN_EMPTY)
            continue;
        backing_get(a->backing);
        r->state = RUN_ASKED;
        r->first = index;
        r->count = r->taken = 0;
        list_append(&queue, &r->link);
        wake_one(&work);
        return;
    }
}

static u32 take(struct ahead_run *r, u32 most, struct frame **out)
{
    u32 n = MIN(most, r->count - r->taken);

    for (u32 i = 0; i < n; i++)
        out[i] = r->frames[r->taken++];
    if (r->taken == r->count)
        r->state = RUN_EMPTY;
    return n;
}

u32 ahead_take(struct ahead *a, u64 index, u32 most, struct frame **out)
{
    struct ahead_run *r;
    u32 n = 0;
    int err = 0;

    spin_lock(&lock);
    while ((r = run_of(a, index)) && r->state == RUN_ASKED && !err)
        err = wait_on(&done, &lock, WAIT_UNINTERRUPTIBLE, NEVER, "image");
    if (r && r->count) {
        u64 after = r->first + r->count;
        bool fresh = r->taken == 0;
        n = take(r, most, out);
        if (fresh)
            ask(a, after);
    } else if (r) {
        r->state = RUN_EMPTY;
    }
    spin_unlock(&lock);
    return n;
}

void ahead_ask(struct ahead *a, u64 index)
{
    if (!running)
        return;
    spin_lock(&lock);
    for (u32 i = 0; i < ARRAY_SIZE(a->runs); i++)
        if (a->runs[i].state == RUN_READY)
            throw_away(&a->runs[i]);
    ask(a, index);
    spin_unlock(&lock);
}

static struct ahead_run *next_asked(void)
{
    int err = 0;

    spin_lock(&lock);
    while (list_empty(&queue) && !err)
        err = wait_on(&work, &lock, WAIT_UNINTERRUPTIBLE, NEVER, "read-ahead");
    struct ahead_run *r = list_first(&queue, struct ahead_run, link);
    list_remove(&r->link);
    spin_unlock(&lock);
    return r;
}

static void run_thread(void *unused)
{
    (void)unused;
    for (;;) {
        struct ahead_run *r = next_asked();
        struct backing *b = r->ahead->backing;
        u32 count = r->ahead->fetch(b, r->first, RUN_MAX, r->frames);

        spin_lock(&lock);
        r->count = count;
        r->state = RUN_READY;
        wake_all(&done);
        spin_unlock(&lock);
        backing_put(b);
    }
}

void ahead_init(void)
{
    static struct thread thread;
    void *stack = kmalloc(KERNEL_STACK_SIZE);

    wait_queue_init(&work);
    wait_queue_init(&done);
    if (!stack)
        return;
    thread_init(&thread, "read-ahead", stack, run_thread, NULL);
    thread_start(&thread);
    running = true;
}
