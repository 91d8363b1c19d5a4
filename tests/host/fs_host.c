// The stand-in for kern, sched and mm.
#include "fs_host.h"
#include "fs_sanitize.h"
#include <arch/cpu.h>
#include <base/format.h>
#include <base/string.h>
#include <dev/chardev.h>
#include <kern/printk.h>
#include <kern/time.h>
#include <mm/kmalloc.h>
#include <mm/vmspace.h>
#include <sched/mutex.h>
#include <sched/thread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <uapi/errno.h>
#include <ucontext.h>

// Messages.

static char recent[(1 << 14) + 1];
static size_t recent_length;
static bool loud;

void host_set_loud(bool on)
{
    loud = on;
}

void printk(const char *format, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, format);
    size_t n = MIN(format_text_va(text, sizeof(text), format, ap), sizeof(text) - 1);
    va_end(ap);
    if (loud)
        fputs(text, stderr);
    if (recent_length + n >= sizeof(recent))
        recent_length = 0;
    memcpy(recent + recent_length, text, n);
    recent_length += n;
    recent[recent_length] = 0;
}

bool host_said(const char *text)
{
    return strstr(recent, text);
}

static char place[128];

void host_set_place(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    (void)format_text_va(place, sizeof(place), format, ap);
    va_end(ap);
}

static _Noreturn void die(const char *format, va_list ap)
{
    size_t from = MAX(recent_length, 2000) - 2000;
    fprintf(stderr, "%.*s", (int)(recent_length - from), recent + from);
    vfprintf(stderr, format, ap);
    fprintf(stderr, "\n%s\n", place);
    abort();
}

void host_fail(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    die(format, ap);
}

void panic(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    die(format, ap);
}

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

static bool syncing;

static void sync_often(void *arg)
{
    while (syncing) {
        for (u32 n = host_random(10); n > 0; n--)
            thread_yield();
        (void)!fs_sync();
    }
}

void host_start_syncing(void)
{
    syncing = true;
    host_spawn(sync_often, NULL);
}

void host_stop_syncing(void)
{
    syncing = false;
    host_join();
}

void host_set_preemption(u32 n)
{
    preemption = n;
}

void thread_yield(void)
{
    to_scheduler();
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

u64 time_wall_ns(void)
{
    return 1700000000ull * NS_PER_SECOND + now;
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

// Memory. What is free is poisoned.

static struct frame *frames;
static u8 *arena;
static u32 frame_count, frames_used, next_free;
static u64 objects;
static u32 fail_in;
static bool fail_on, failed;
static struct shrinker *shrinkers;

void host_set_memory(u32 count)
{
    CHECK(frames_used == 0);
    if (arena)
        memory_allow(arena, (size_t)frame_count * PAGE_SIZE);
    free(frames);
    free(arena);
    frame_count = count;
    next_free = 0;
    frames = calloc(count, sizeof(*frames));
    arena = aligned_alloc(PAGE_SIZE, (size_t)count * PAGE_SIZE);
    memory_forbid(arena, (size_t)count * PAGE_SIZE);
}

void host_fail_memory(u32 n, bool from_then_on)
{
    fail_in = n;
    fail_on = from_then_on;
    failed &= n == 0;
}

bool host_memory_failed(void)
{
    return failed;
}

static bool fails(void)
{
    if (!fail_in || --fail_in)
        return false;
    failed = true;
    fail_in = fail_on;
    return true;
}

static bool run_is_free(u32 at, u32 count)
{
    for (u32 k = 0; k < count; k++)
        if (frames[at + k].refs)
            return false;
    return true;
}

static struct frame *find_run(unsigned order)
{
    u32 count = 1u << order;

    for (u32 k = 0; k < frame_count; k += count) {
        u32 at = (next_free + k) % frame_count & ~(count - 1);
        if (at + count > frame_count || !run_is_free(at, count))
            continue;
        for (u32 n = 0; n < count; n++)
            frames[at + n].refs = 1;
        frames[at].order = order & 15;
        next_free = at + count;
        frames_used += count;
        memory_allow(arena + (size_t)at * PAGE_SIZE, (size_t)count * PAGE_SIZE);
        memset(arena + (size_t)at * PAGE_SIZE, 0xa5, (size_t)count * PAGE_SIZE);
        return &frames[at];
    }
    return NULL;
}

struct frame *frames_alloc(unsigned order)
{
    if (fails())
        return NULL;
    struct frame *f = find_run(order);
    for (struct shrinker *s = shrinkers; s && !f && current->nesting == 0; s = s->next)
        if (s->shrink(8u << order))
            f = find_run(order);
    return f;
}

struct frame *frame_alloc(void)
{
    return frames_alloc(0);
}

struct frame *frame_alloc_zeroed(void)
{
    struct frame *f = frames_alloc(0);

    if (f)
        memset(frame_data(f), 0, PAGE_SIZE);
    return f;
}

struct frame *frame_get(struct frame *f)
{
    CHECK(f->refs > 0);
    f->refs++;
    return f;
}

void frame_put(struct frame *f)
{
    u32 count = 1u << f->order;

    CHECK(f->refs > 0);
    if (--f->refs > 0)
        return;
    for (u32 n = 1; n < count; n++)
        f[n].refs = 0;
    f->order = 0;
    frames_used -= count;
    memory_forbid(frame_data(f), (size_t)count * PAGE_SIZE);
}

void *frame_data(struct frame *f)
{
    return arena + (size_t)(f - frames) * PAGE_SIZE;
}

struct frame *frame_of(void *data)
{
    u8 *at = data;

    return at >= arena && at < arena + (size_t)frame_count * PAGE_SIZE ? &frames[(at - arena) / PAGE_SIZE] : NULL;
}

void frame_copy(struct frame *to, struct frame *from)
{
    memcpy(frame_data(to), frame_data(from), PAGE_SIZE);
}

u32 frames_total(void)
{
    return frame_count;
}

u32 host_frames_used(void)
{
    return frames_used;
}

void shrinker_register(struct shrinker *s)
{
    s->next = shrinkers;
    shrinkers = s;
}

void *kzalloc(size_t size)
{
    if (fails())
        return NULL;
    objects++;
    return calloc(1, size);
}

void *kmalloc(size_t size)
{
    void *p = kzalloc(size);

    return p ? memset(p, 0xa5, size) : NULL;
}

void kfree(void *p)
{
    objects -= p != NULL;
    free(p);
}

char *kstrdup(const char *text)
{
    char *copy = kmalloc(strlen(text) + 1);

    return copy ? memcpy(copy, text, strlen(text) + 1) : NULL;
}

u64 host_objects(void)
{
    return objects;
}

// What fs wants of its other neighbours.

void backing_put(struct backing *b)
{
    if (--b->refs == 0)
        b->ops->destroy(b);
}

static int null_read(struct piece *pieces, u32 count, size_t *done)
{
    *done = 0;
    return 0;
}

static int null_write(const struct piece *pieces, u32 count, size_t *done)
{
    *done = 0;
    for (u32 k = 0; k < count; k++)
        *done += pieces[k].size;
    return 0;
}

const struct chardev *chardev_find(u32 major)
{
    static const struct chardev null = { .name = "null", .read = null_read, .write = null_write };

    return major == MAJOR_CONSOLE ? &null : NULL;
}
