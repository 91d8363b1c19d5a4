// Messages to the person at the console, and the end of the line.
#pragma once

#include <base/types.h>

/*
 * Print to the console and into the message buffer. Works from the first instruction on, in interrupts, and with any
 * lock but RANK_PRINTK and below held. Formats as base/format.h. Sleeps: no.
 */
void printk(const char *format, ...) PRINTF_LIKE(1, 2);

/* Where printk's bytes go; dev/ sets the console, before that they go to arch's early console. Called with irqs off. */
void printk_set_sink(void (*write)(const char *bytes, size_t n));

/* A broken invariant of the kernel's own: message, stack trace, all CPUs stop; exit status 70 towards QEMU if asked
 * for. */
_Noreturn void panic(const char *format, ...) PRINTF_LIKE(1, 2);

#define assert(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            panic("%s:%d: broken: %s", __FILE__, __LINE__, #condition);                                                \
    } while (0)
