// Spin locks, with interrupts off while one is held, and the checked build's watch over the order of locks.
//
// Whoever comes first gets the lock. Handing it on in order of arrival would be fairer, and very slow in a virtual
// machine: the next in order may be a CPU that the host isn't running.
#include <arch/cpu.h>
#include <kern/printk.h>
#include <kern/spinlock.h>

// What each CPU remembers. Touched by its own CPU only, with interrupts off.
static struct irq_state {
    unsigned nesting;
    bool was_on;  // before the outermost irq_push()
    struct lock_trace spinning;
} irq_states[CPU_MAX];

static struct irq_state *irq_state(void)
{
    return &irq_states[cpu_index()];
}

// The CPU is asked once for each lock, not at every step: locks are what the kernel does most.
static unsigned irq_push_here(void)
{
    bool was_on = cpu_irq_is_on();

    cpu_irq_off();
    unsigned cpu = cpu_index();
    struct irq_state *s = &irq_states[cpu];
    if (s->nesting++ == 0)
        s->was_on = was_on;
    return cpu;
}

static void irq_pop_here(unsigned cpu)
{
    struct irq_state *s = &irq_states[cpu];

    assert(s->nesting > 0);
    if (--s->nesting == 0 && s->was_on)
        cpu_irq_on();
}

void irq_push(void)
{
    (void)irq_push_here();
}

void irq_pop(void)
{
    irq_pop_here(cpu_index());
}

unsigned irq_nesting(void)
{
    return irq_state()->nesting;
}

bool irq_state_save(void)
{
    return irq_state()->was_on;
}

void irq_state_restore(bool was_on)
{
    irq_state()->was_on = was_on;
}

#ifdef CHECKED

void lock_trace_acquire(struct lock_trace *trace, const char *name, enum lock_rank rank)
{
    if (trace->depth) {
        unsigned top = trace->depth - 1u;
        if (trace->ranks[top] >= rank)
            panic("order of locks: %s (%d) is wanted while %s (%d) is held", name, rank, trace->names[top],
                  trace->ranks[top]);
    }
    lock_trace_nest(trace, name, rank);
}

void lock_trace_nest(struct lock_trace *trace, const char *name, enum lock_rank rank)
{
    assert(trace->depth < ARRAY_SIZE(trace->ranks));
    trace->ranks[trace->depth] = (u16)rank;
    trace->names[trace->depth++] = name;
}

// Locks may be let go of in any order.
void lock_trace_release(struct lock_trace *trace, const char *name, enum lock_rank rank)
{
    unsigned at = trace->depth;

    while (at > 0 && !(trace->ranks[at - 1] == rank && trace->names[at - 1] == name))
        at--;
    assert(at > 0);
    for (; at < trace->depth; at++) {
        trace->ranks[at - 1] = trace->ranks[at];
        trace->names[at - 1] = trace->names[at];
    }
    trace->depth--;
}

#else

void lock_trace_acquire(struct lock_trace *trace, const char *name, enum lock_rank rank)
{
    (void)trace, (void)name, (void)rank;
}

void lock_trace_nest(struct lock_trace *trace, const char *name, enum lock_rank rank)
{
    (void)trace, (void)name, (void)rank;
}

void lock_trace_release(struct lock_trace *trace, const char *name, enum lock_rank rank)
{
    (void)trace, (void)name, (void)rank;
}

#endif

void spin_init(struct spinlock *lock, const char *name, enum lock_rank rank)
{
    *lock = (struct spinlock)SPINLOCK_INIT(name, rank);
}

static bool held_by(const struct spinlock *lock, unsigned cpu)
{
    return atomic_load_explicit(&lock->owner, memory_order_relaxed) == (s32)cpu + 1;
}

bool spin_held(const struct spinlock *lock)
{
    return held_by(lock, cpu_index());
}

void spin_assert_held(const struct spinlock *lock)
{
    assert(spin_held(lock));
}

/*
 * For an emulator the hint that a CPU spins is a way out of the translated code and back, through a lock that all of
 * its CPUs and devices share: given at every look, it keeps the very CPU from going on that holds what is waited for.
 * But where CPUs take turns on one thread it is what ends the turn.
 */
#define LOOKS 4096  // for each hint: some microseconds

// Not a part of spin_lock(), which would have more registers to save.
__attribute__((noinline)) static void wait_until_free(const struct spinlock *lock)
{
    for (u32 looks = 1; atomic_load_explicit(&lock->taken, memory_order_relaxed); looks++)
        if (looks % LOOKS == 0)
            cpu_relax();
}

void spin_lock(struct spinlock *lock) NO_LOCK_ANALYSIS
{
    unsigned cpu = irq_push_here();

    if (held_by(lock, cpu))
        panic("%s is taken twice", lock->name);
    lock_trace_acquire(&irq_states[cpu].spinning, lock->name, lock->rank);
    while (atomic_exchange_explicit(&lock->taken, true, memory_order_acquire))
        wait_until_free(lock);
    atomic_store_explicit(&lock->owner, (s32)cpu + 1, memory_order_relaxed);
}

void spin_unlock(struct spinlock *lock) NO_LOCK_ANALYSIS
{
    unsigned cpu = cpu_index();

    assert(held_by(lock, cpu));
    atomic_store_explicit(&lock->owner, 0, memory_order_relaxed);
    lock_trace_release(&irq_states[cpu].spinning, lock->name, lock->rank);
    atomic_store_explicit(&lock->taken, false, memory_order_release);
    irq_pop_here(cpu);
}
