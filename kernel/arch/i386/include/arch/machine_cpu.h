// The CPU's own words and its interrupt flag, inline: these are what the kernel asks for most.
#pragma once

#include <base/types.h>

struct thread;

// Where they are in what %gs points to in the kernel (struct cpu).
#define CPU_INDEX_AT  4
#define CPU_THREAD_AT 12

static inline unsigned cpu_index(void)
{
    unsigned i;
    __asm__ volatile("movl %%gs:%c1, %0" : "=r"(i) : "i"(CPU_INDEX_AT));
    return i;
}

static inline struct thread *cpu_thread(void)
{
    struct thread *t;
    __asm__ volatile("movl %%gs:%c1, %0" : "=r"(t) : "i"(CPU_THREAD_AT));
    return t;
}

static inline void cpu_set_thread(struct thread *t)
{
    __asm__ volatile("movl %0, %%gs:%c1" : : "r"(t), "i"(CPU_THREAD_AT) : "memory");
}

static inline void cpu_irq_on(void)
{
    __asm__ volatile("sti" : : : "memory");
}

static inline void cpu_irq_off(void)
{
    __asm__ volatile("cli" : : : "memory");
}

static inline bool cpu_irq_is_on(void)
{
    u32 flags;
    __asm__ volatile("pushfl; popl %0" : "=r"(flags));
    return flags & 0x200;
}

static inline void cpu_relax(void)
{
    __asm__ volatile("pause" : : : "memory");
}
