// Threads and the one run queue.
//
// A thread is RUNNING on one CPU, READY in the run queue, SLEEPING, or DEAD. States change under sched_lock only, and a
// thread that gives up its CPU holds that lock until it is off its stack; so whoever holds the lock and sees a thread
// that isn't RUNNING knows that nothing of it is in a CPU.
#include "scheduler.h"
#include <arch/cpu.h>
#include <arch/mmu.h>
#include <arch/upcall.h>
#include <kern/printk.h>
#include <kern/time.h>
#include <sched/timer.h>
#include <uapi/errno.h>

struct spinlock sched_lock = SPINLOCK_INIT("sched", RANK_SCHED);

static struct list run_queue GUARDED_BY(sched_lock) = { &run_queue, &run_queue };
static u32 idle_cpus GUARDED_BY(sched_lock);  // a bit each
static u64 switches GUARDED_BY(sched_lock);
static u32 live GUARDED_BY(sched_lock);

static struct thread idle_threads[CPU_MAX];
static struct thread *left_behind[CPU_MAX];  // who was on that CPU before the thread that runs now

static struct thread *run_queue_take(void) REQUIRES(sched_lock)
{
    if (list_empty(&run_queue))
        return &idle_threads[cpu_index()];
    struct thread *t = list_first(&run_queue, struct thread, run_link);
    list_remove(&t->run_link);
    return t;
}

// Interrupt one idle CPU, so that it finds what was just queued. This CPU looks by itself before it idles.
static void kick_idle_cpu(void) REQUIRES(sched_lock)
{
    u32 others = idle_cpus & ~(1u << cpu_index());

    if (idle_cpus & 1u << cpu_index() || !others)
        return;
    unsigned cpu = (unsigned)__builtin_ctz(others);
    idle_cpus &= ~(1u << cpu);
    cpu_kick(cpu);
}

static void enqueue(struct thread *t) REQUIRES(sched_lock)
{
    t->state = THREAD_READY;
    list_append(&run_queue, &t->run_link);
    kick_idle_cpu();
}

void sched_make_ready(struct thread *t)
{
    if (t->state == THREAD_SLEEPING)
        enqueue(t);
}

// The machine's part of becoming `next`, but for the stack.
static void load_thread(struct thread *prev, struct thread *next)
{
    if (prev->fpu)
        fpu_switch_out(prev->fpu);
    if (next->mmu_root != mmu_current_root())
        mmu_switch(next->mmu_root);
    if (next->stack)
        context_set_kernel_stack(stack_top(next));
    cpu_set_thread(next);
}

void sched_leave(void)
{
    struct thread *self = thread_self();
    struct thread *next = run_queue_take();
    u64 now = time_ns();

    assert(irq_nesting() == 1);
    self->cpu_ns += now - self->since;
    self->resched = false;
    next->state = THREAD_RUNNING;
    next->cpu = (int)cpu_index();
    next->since = now;
    if (next == self)
        return;

    bool irq_was_on = irq_state_save();
    switches++;
    left_behind[cpu_index()] = self;
    load_thread(self, next);
    context_switch(&self->context, &next->context);
    irq_state_restore(irq_was_on);
}

// The first and last thing after a switch: the lock goes, and with it the last hold on a dead thread.
void sched_settle(void)
{
    struct thread *before = left_behind[cpu_index()];
    bool dead = before && before->state == THREAD_DEAD;

    left_behind[cpu_index()] = NULL;
    if (dead)
        live--;
    spin_unlock(&sched_lock);
    if (dead && before->on_dead)
        before->on_dead(before);
}

// Where a new thread comes to life: sched_lock is held by the one who switched to it.
static void thread_begin(void *arg) NO_LOCK_ANALYSIS
{
    struct thread *self = thread_self();

    (void)arg;
    irq_state_restore(true);
    sched_settle();
    self->entry(self->arg);
    thread_exit();
}

void thread_init(struct thread *t, const char *name, void *stack, void (*entry)(void *), void *arg)
{
    *t = (struct thread){ .stack = stack, .name = name, .mmu_root = mmu_kernel_root(), .entry = entry, .arg = arg };
    list_init(&t->run_link);
    list_init(&t->wait_link);
    context_init(&t->context, stack_top(t), thread_begin, NULL);
}

void thread_start(struct thread *t)
{
    spin_lock(&sched_lock);
    live++;
    enqueue(t);
    spin_unlock(&sched_lock);
}

void thread_exit(void)
{
    spin_lock(&sched_lock);
    thread_self()->state = THREAD_DEAD;
    sched_leave();
    panic("a dead thread runs");
}

void thread_yield(void)
{
    spin_lock(&sched_lock);
    if (list_empty(&run_queue)) {
        thread_self()->resched = false;
        spin_unlock(&sched_lock);
        return;
    }
    enqueue(thread_self());
    sched_leave();
    sched_settle();
}

void thread_breathe(void)
{
    if (thread_self()->resched)
        thread_yield();
}

void thread_interrupt(struct thread *t)
{
    spin_lock(&sched_lock);
    t->interrupted = true;
    if (t->state == THREAD_SLEEPING && t->interruptible)
        sched_make_ready(t);
    else if (t->state == THREAD_RUNNING && t != thread_self())
        cpu_kick((unsigned)t->cpu);
    spin_unlock(&sched_lock);
}

bool thread_is_off_cpu(struct thread *t)
{
    spin_lock(&sched_lock);
    bool off = t->state == THREAD_SLEEPING || t->state == THREAD_DEAD;
    spin_unlock(&sched_lock);
    return off;
}

void thread_observe(struct thread *t, enum thread_state *state, int *cpu, u64 *cpu_ns, const char **waits_for)
{
    spin_lock(&sched_lock);
    *state = t->state;
    *cpu = t->cpu;
    *cpu_ns = t->cpu_ns + (t->state == THREAD_RUNNING ? time_ns() - t->since : 0);
    *waits_for = t->state == THREAD_SLEEPING ? t->waits_for : NULL;
    spin_unlock(&sched_lock);
}

u64 sched_switches(void)
{
    spin_lock(&sched_lock);
    u64 n = switches;
    spin_unlock(&sched_lock);
    return n;
}

u32 sched_threads_live(void)
{
    spin_lock(&sched_lock);
    u32 n = live;
    spin_unlock(&sched_lock);
    return n;
}

void upcall_tick(void)
{
    if (cpu_index() == 0)
        timers_run(time_ns());
    thread_self()->resched = true;
}

void upcall_reschedule(void)
{
    thread_self()->resched = true;
}

struct fpu_state *upcall_fpu(void)
{
    return thread_self()->fpu;
}

_Noreturn static void idle(void)
{
    // Interrupts are on only inside cpu_idle(): what one of them queues is seen before the CPU idles again.
    irq_push();
    for (;;) {
        spin_lock(&sched_lock);
        bool work = !list_empty(&run_queue);
        if (work)
            idle_cpus &= ~(1u << cpu_index());
        else
            idle_cpus |= 1u << cpu_index();
        spin_unlock(&sched_lock);
        if (!work) {
            cpu_idle();
            continue;
        }
        irq_pop();
        spin_lock(&sched_lock);
        sched_leave();
        sched_settle();
        irq_push();
    }
}

// The idle thread isn't queued: it is whoever a CPU runs when nobody else is ready.
static void become_idle_thread(void)
{
    struct thread *t = &idle_threads[cpu_index()];

    *t = (struct thread){
        .name = "idle", .state = THREAD_RUNNING, .mmu_root = mmu_kernel_root(), .cpu = (int)cpu_index()
    };
    list_init(&t->run_link);
    list_init(&t->wait_link);
    t->since = time_ns();
    cpu_set_thread(t);
}

void upcall_cpu_start(void)
{
    become_idle_thread();
    idle();
}

void sched_init(void)
{
    timers_init();
    become_idle_thread();
}

void sched_run(void)
{
    idle();
}
