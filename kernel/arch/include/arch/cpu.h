// CPUs and the machine as a whole.
//
// A machine's machine_cpu.h gives, inline:
//   unsigned cpu_index()                           the CPU that runs this code, from 0; meaningful until the caller
//                                                  sleeps: nothing else moves kernel code
//   struct thread *cpu_thread() cpu_set_thread(t)  the thread that runs on this CPU: a word that sched owns
//   cpu_irq_on() cpu_irq_off() bool cpu_irq_is_on()
//   cpu_relax()                                    a hint inside a spin loop
#pragma once

#include <arch/machine_cpu.h>
#include <base/types.h>

#define CPU_MAX 8

struct thread;

/* How many CPUs there are to use; after cpu_start_others(), how many run. */
unsigned cpu_count(void);

/* With interrupts off: wait for an interrupt, take it, and return with interrupts off. An interrupt can't be missed. */
void cpu_idle(void);

/* Interrupt another CPU so that it looks at its need to reschedule (upcall_reschedule). Any lock may be held. */
void cpu_kick(unsigned cpu);

/*
 * Start all other CPUs; each arrives in upcall_cpu_start() on a stack of its own with interrupts off. Returns when all
 * run; one that does not start is left out, with a message.
 */
void cpu_start_others(void);

/* Stop the other CPUs for good (panic). */
void cpu_stop_others(void);

/* Copy the return addresses of the callers into pcs, innermost first; returns how many. */
unsigned cpu_backtrace(uintptr_t *pcs, unsigned n);

/*
 * Off, or start anew when status is POWEROFF_RESTART. If QEMU's isa-debug-exit is there, QEMU's own exit status becomes
 * (status << 1) | 1, except that status 0 powers off by ACPI.
 */
_Noreturn void machine_off(int status);

/* Nanoseconds since start: monotonic on all CPUs. Wall-clock: seconds since 1970 from the battery clock. */
u64 clock_ns(void);
u64 clock_wall_seconds(void);

/* Bytes to the first serial line (and nothing else) before any driver exists. */
void early_write(const char *bytes, size_t n);

/* The text that the boot loader gave. */
const char *machine_command_line(void);

/*
 * Usable memory: range i as [*start, *end), page-aligned, inside what phys_to_virt() reaches, without the kernel.
 * False past the last.
 */
bool machine_memory(unsigned i, paddr_t *start, paddr_t *end);
