// What a thread's context and floating-point state are on i386.
#pragma once

#include <base/types.h>
#include <uapi/uregs.h>

// The rest of a context is on its stack.
struct context {
    u32 esp;
    u32 *stack_end;  // the lowest word, with a mark that an overflow destroys; NULL: a boot stack, not watched
};

// What FXSAVE writes. A CPU that holds newer values in its registers remembers whose they are.
struct fpu_state {
    _Alignas(16) u8 area[UREGS_FPU_SIZE];
};
