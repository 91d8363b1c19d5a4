// Threads are fibers, and switched where the kernel's could be; locks and the clock that go with them.
#include "hosted.h"
#include "sanitize.h"
#include <arch/cpu.h>
#include <base/string.h>
#include <kern/time.h>
#include <sched/mutex.h>
#include <sched/thread.h>
#include <stdio.h>
#include <stdlib.h>
#include <uapi/errno.h>
#include <ucontext.h>

// Randomness: xorshift64*.

static u64 random_state = 1;

void host_seed(u64 seed)
{
    random_state = seed * 0x9e3779b97f4a7c15ull + 1;
}

u32 host_random(u32 below)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (u32)((random_state * 0x2545f4914f6cdd1dull >> 32) % below);
}

// Threads are fibers. The scheduler runs on the host's own stack.

#define FIBERS_MAX  64
#define FIBER_STACK (256 * 1024)

struct fiber {
    struct thread thread;
    ucontext_t context;
    char *stack;
    void *fake_stack;
    void (*entry)(void *);
    void *arg;
    struct thread *kernel_thread;  // the one this runs for, if the kernel made it
    bool alive, ready, woken, spawned;
    u64 deadline;
    unsigned nesting;  // spin locks held
    u32 spin_ranks[14];
};

static struct fiber fibers[FIBERS_MAX];
static struct fiber *current;
static ucontext_t scheduler;
static void *scheduler_fake_stack;
static const void *scheduler_stack;
static size_t scheduler_stack_size;
static u64 now;
static u32 preemption;

struct thread *cpu_thread(void)
{
    return &current->thread;
}

// As the kernel is to see it: work is shared.
unsigned cpu_count(void)
{
    return 2;
}

static void to_scheduler(void)
{
    struct fiber *self = current;

    fiber_switch_begins(self->alive ? &self->fake_stack : NULL, scheduler_stack, scheduler_stack_size);
    swapcontext(&self->context, &scheduler);
    fiber_switch_ends(self->fake_stack, NULL, NULL);
}

static void fiber_main(void)
{
    struct fiber *self = current;

    fiber_switch_ends(NULL, &scheduler_stack, &scheduler_stack_size);
    self->entry(self->arg);
    CHECK(self->nesting == 0 && self->thread.sleeping_locks.depth == 0);
    self->alive = false;
    to_scheduler();
    abort();
}

static struct fiber *fiber_start(void (*entry)(void *), void *arg)
{
    for (struct fiber *f = fibers; f < fibers + FIBERS_MAX; f++) {
        if (f->alive)
            continue;
        char *stack = f->stack ? f->stack : malloc(FIBER_STACK);
        *f = (struct fiber){
            .stack = stack, .entry = entry, .arg = arg, .alive = true, .ready = true, .deadline = NEVER
        };
        list_init(&f->thread.wait_link);
        memory_allow(stack, FIBER_STACK);
        getcontext(&f->context);
        f->context.uc_stack.ss_sp = stack;
        f->context.uc_stack.ss_size = FIBER_STACK;
        makecontext(&f->context, fiber_main, 0);
        return f;
    }
    host_fail("too many threads");
}

// On the scheduler's stack, which can't be switched away from.
static void bury(struct fiber *f)
{
    u32 was = preemption;

    preemption = 0;
    f->kernel_thread->on_dead(f->kernel_thread);
    preemption = was;
}

static void switch_to(struct fiber *f)
{
    current = f;
    fiber_switch_begins(&scheduler_fake_stack, f->stack, FIBER_STACK);
    swapcontext(&scheduler, &f->context);
    fiber_switch_ends(scheduler_fake_stack, NULL, NULL);
    if (!f->alive && f->kernel_thread && f->kernel_thread->on_dead)
        bury(f);
    current = NULL;
}

// When nobody can run, time passes until somebody's deadline.
static void pass_time(void)
{
    u64 next = NEVER;

    for (struct fiber *f = fibers; f < fibers + FIBERS_MAX; f++)
        if (f->alive)
            next = MIN(next, f->deadline);
    if (next == NEVER) {
        for (struct fiber *f = fibers; f < fibers + FIBERS_MAX; f++)
            if (f->alive)
                fprintf(stderr, "thread %d waits for %s\n", (int)(f - fibers), f->thread.waits_for);
        host_fail("deadlock: nobody can run");
    }
    now = MAX(now, next);
    for (struct fiber *f = fibers; f < fibers + FIBERS_MAX; f++)
        if (f->alive && f->deadline <= now)
            f->ready = true;
}

static struct fiber *pick(void)
{
    u32 count = 0;

    for (struct fiber *f = fibers; f < fibers + FIBERS_MAX; f++)
        count += f->alive && f->ready;
    if (!count)
        return NULL;
    u32 n = host_random(count);
    for (struct fiber *f = fibers;; f++)
        if (f->alive && f->ready && n-- == 0)
            return f;
}

void host_run(void (*body)(void *), void *arg)
{
    struct fiber *main = fiber_start(body, arg);

    while (main->alive) {
        struct fiber *f = pick();
        if (f)
            switch_to(f);
        else
            pass_time();
    }
    // Let the others end that are about to.
    for (struct fiber *f = pick(); f; f = pick())
        switch_to(f);
}

void host_spawn(void (*body)(void *), void *arg)
{
    fiber_start(body, arg)->spawned = true;
}

void host_join(void)
{
    for (bool any = true; any;) {
        any = false;
        for (struct fiber *f = fibers; f < fibers + FIBERS_MAX; f++)
            any |= f->alive && f->spawned;
        now += NS_PER_TICK;
        if (any)
            thread_yield();
    }
}

void host_set_preemption(u32 n)
{
    preemption = n;
}

bool host_spins(void)
{
    return current->nesting > 0;
}

void thread_yield(void)
{
    to_scheduler();
}

// Nobody's time passes but that of whoever sleeps.
int thread_sleep_until(u64 deadline)
{
    now = MAX(now, deadline);
    thread_yield();
    return 0;
}

void thread_init(struct thread *t, const char *name, void *stack, void (*entry)(void *), void *arg)
{
    t->name = name;
    t->stack = stack;
    t->entry = entry;
    t->arg = arg;
}

void thread_start(struct thread *t)
{
    fiber_start(t->entry, t->arg)->kernel_thread = t;
}

void thread_exit(void)
{
    current->alive = false;
    to_scheduler();
    abort();
}

// Time.

u64 time_ns(void)
{
    return now += 100;
}

// Locks.

void spin_init(struct spinlock *lock, const char *name, enum lock_rank rank)
{
    *lock = (struct spinlock)SPINLOCK_INIT(name, rank);
}

void spin_lock(struct spinlock *lock)
{
    struct fiber *f = current;

    if (preemption && f->nesting == 0 && host_random(preemption) == 0)
        thread_yield();
    if (lock->owner)
        host_fail("spin lock %s is held across a switch", lock->name);
    if (f->nesting && f->spin_ranks[f->nesting - 1] >= lock->rank)
        host_fail("order of locks: %s", lock->name);
    f->spin_ranks[f->nesting++] = lock->rank;
    lock->owner = 1;
}

void spin_unlock(struct spinlock *lock)
{
    CHECK(lock->owner && current->nesting);
    lock->owner = 0;
    current->nesting--;
}

void wait_queue_init(struct wait_queue *queue)
{
    list_init(&queue->waiters);
}

static struct fiber *fiber_of(struct thread *t)
{
    return container_of(t, struct fiber, thread);
}

int wait_on(struct wait_queue *queue, struct spinlock *lock, enum wait_kind kind, u64 deadline, const char *what)
{
    struct fiber *f = current;

    CHECK(f->nesting == 1);
    list_append(&queue->waiters, &f->thread.wait_link);
    f->woken = f->ready = false;
    f->deadline = deadline;
    f->thread.waits_for = what;
    spin_unlock(lock);
    to_scheduler();
    f->deadline = NEVER;
    f->ready = true;
    u32 was = preemption;
    preemption = 0;
    spin_lock(lock);
    preemption = was;
    list_remove(&f->thread.wait_link);
    return f->woken ? 0 : -ETIMEDOUT;
}

void wake_one(struct wait_queue *queue)
{
    if (list_empty(&queue->waiters))
        return;
    struct thread *t = list_first(&queue->waiters, struct thread, wait_link);
    list_remove(&t->wait_link);
    fiber_of(t)->woken = fiber_of(t)->ready = true;
}

void wake_all(struct wait_queue *queue)
{
    while (!list_empty(&queue->waiters))
        wake_one(queue);
}

void mutex_init(struct mutex *m, const char *name, enum lock_rank rank)
{
    *m = (struct mutex){ .name = name, .rank = (u16)rank };
    spin_init(&m->inner, name, RANK_MUTEX);
    wait_queue_init(&m->waiters);
}

static void take(struct mutex *m)
{
    struct lock_trace *trace = &current->thread.sleeping_locks;

    CHECK(current->nesting == 0);
    if (m->owner == &current->thread)
        host_fail("%s is taken twice", m->name);
    spin_lock(&m->inner);
    while (m->owner)
        (void)!wait_on(&m->waiters, &m->inner, WAIT_UNINTERRUPTIBLE, NEVER, m->name);
    m->owner = &current->thread;
    spin_unlock(&m->inner);
    CHECK(trace->depth < ARRAY_SIZE(trace->ranks));
    trace->ranks[trace->depth++] = m->rank;
}

void mutex_lock(struct mutex *m)
{
    struct lock_trace *trace = &current->thread.sleeping_locks;

    for (u32 k = 0; k < trace->depth; k++)
        if (trace->ranks[k] >= m->rank)
            host_fail("order of locks: %s (%u) while %u is held", m->name, m->rank, trace->ranks[k]);
    take(m);
}

void mutex_lock_nested(struct mutex *m)
{
    take(m);
}

void mutex_unlock(struct mutex *m)
{
    struct lock_trace *trace = &current->thread.sleeping_locks;
    u32 at = trace->depth;

    CHECK(m->owner == &current->thread);
    while (trace->ranks[at - 1] != m->rank)
        CHECK(--at > 0);
    for (; at < trace->depth; at++)
        trace->ranks[at - 1] = trace->ranks[at];
    trace->depth--;
    spin_lock(&m->inner);
    m->owner = NULL;
    wake_one(&m->waiters);
    spin_unlock(&m->inner);
}
