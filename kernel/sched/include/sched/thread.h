// Threads, and who runs next.
//
// Kernel code is not preempted: a thread gives up its CPU by sleeping, by thread_yield(), or on the way back to user
// mode. One run queue serves all CPUs in order of arrival; a wake-up kicks an idle CPU if there is one.
#pragma once

#include <arch/context.h>
#include <arch/cpu.h>
#include <base/list.h>
#include <kern/spinlock.h>
#include <sched/wait.h>

enum thread_state { THREAD_NEW, THREAD_READY, THREAD_RUNNING, THREAD_SLEEPING, THREAD_DEAD };

struct thread {
    struct context context;
    void *stack;               // KERNEL_STACK_SIZE bytes; the caller's of thread_init()
    paddr_t mmu_root;          // its address space; the kernel's for kernel threads
    struct fpu_state *fpu;     // NULL for kernel threads
    struct list run_link;      // in the run queue
    struct list wait_link;     // in a wait queue; guarded by that queue's lock
    enum thread_state state;   // guarded by the scheduler's lock
    bool woken;                // chosen by wake_*(); guarded by the scheduler's lock
    bool timed_out;            // its deadline passed; guarded by the scheduler's lock
    bool interruptible;        // it sleeps so; guarded by the scheduler's lock
    _Atomic bool interrupted;  // end interruptible waits: set by others, cleared by itself
    _Atomic bool resched;      // its time is up
    int cpu;                   // where it runs, or ran last
    u64 cpu_ns;                // time on CPUs, up to its last switch
    u64 since;                 // when it got its CPU
    const char *waits_for;     // NULL when it doesn't sleep
    const char *name;
    u32 faults;             // mm counts them: page faults of user mode that were mended
    struct vmspace *space;  // mm's: the address space; NULL for kernel threads
    struct proc *proc;      // proc's: the process; NULL for kernel threads
    void (*entry)(void *);
    void *arg;
    void (*on_dead)(struct thread *);  // called on another stack once it will never run again; may free it; no sleeping
    struct lock_trace sleeping_locks;
};

#define stack_top(t) ((void *)((char *)(t)->stack + KERNEL_STACK_SIZE))

/* Make *t a thread that will call entry(arg) on `stack`. It doesn't run before thread_start(). */
void thread_init(struct thread *t, const char *name, void *stack, void (*entry)(void *), void *arg);
void thread_start(struct thread *t);

/* End the calling thread; t->on_dead is called when its stack is no longer in use. */
_Noreturn void thread_exit(void);

static inline struct thread *thread_self(void)
{
    return cpu_thread();
}

/* Let others run, if there are any. */
void thread_yield(void);

/* Yield if this thread's time is up: for long loops in the kernel. */
void thread_breathe(void);

/* End t's interruptible waits, now and until it clears t->interrupted. If it runs in user mode on another CPU, it
 * enters the kernel soon. */
void thread_interrupt(struct thread *t);

/* Sleep until time_ns() >= deadline. 0 when it is reached, or -EINTR. */
MUST_CHECK int thread_sleep_until(u64 deadline);

/* Is t surely not running, nor about to (sleeping, or dead), and off its stack? For assertions and the freezer. */
bool thread_is_off_cpu(struct thread *t);

/* Copy consistent figures for ps. */
void thread_observe(struct thread *t, enum thread_state *state, int *cpu, u64 *cpu_ns, const char **waits_for);

u64 sched_switches(void);
u32 sched_threads_live(void);

/* The boot CPU becomes a thread, then its idle loop; others arrive by upcall_cpu_start(). */
void sched_init(void);
_Noreturn void sched_run(void);
