// The machine that the unit tests of mm run on: some memory with holes, CPUs that are host threads, and a processor
// that translates addresses through the page tables and remembers what it found there until it is told to forget.
#pragma once

#include <base/types.h>

/* Start anew: memory as at power-on, with this command line; the calling thread is CPU 0. */
void machine_start(const char *command_line);

/* The calling host thread becomes this CPU. */
void machine_become_cpu(unsigned cpu);

/* Is called instead of sleeping; its result is thread_sleep_until()'s. */
extern int (*machine_sleep)(void);

/* How often the processor was told to forget something. */
u32 machine_flushes(void);

// Accesses of a process in the current space: 0, or upcall_fault()'s error.
int user_read(uaddr_t va, void *to, size_t n);
int user_write(uaddr_t va, const void *from, size_t n);
