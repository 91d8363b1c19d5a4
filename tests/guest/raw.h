// System calls below the C library: any number, any stack pointer, and all that comes back.
#pragma once

#include <stdint.h>
#include <uapi/syscall.h>

struct raw_result {
    uint32_t eax, edx;
};

#define EDX_BEFORE 0x5eedu

/* Execute `int $0x40` with the given number and stack pointer. */
static inline struct raw_result raw_call_at(uint32_t number, uintptr_t sp)
{
    struct raw_result r;

    __asm__ volatile("movl %%esp, %%esi\n\t"
                     "movl %%ecx, %%esp\n\t"
                     "int $0x40\n\t"
                     "movl %%esi, %%esp"
                     : "=a"(r.eax), "=d"(r.edx)
                     : "a"(number), "d"(EDX_BEFORE), "c"(sp)
                     : "esi", "memory");
    return r;
}

/* With up to three arguments, as a C call leaves them: above a return address. */
static inline struct raw_result raw_call(uint32_t number, uintptr_t a, uintptr_t b, uintptr_t c)
{
    volatile uintptr_t frame[4] = { 0, a, b, c };

    return raw_call_at(number, (uintptr_t)frame);
}
