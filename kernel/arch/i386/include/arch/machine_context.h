// What a thread's context and floating-point state are on i386.
#pragma once

#include <base/types.h>
#include <uapi/uregs.h>

// The rest of a context is on its stack.
struct context {
    u32 esp;
    u32 *stack_end;  // the lowest word of the stack, which holds a mark that an overflow destroys; NULL: a boot stack, not watched
};

// What FXSAVE writes. While a CPU holds newer values in its registers, it remembers that this state is the one it holds.
struct fpu_state {
    _Alignas(16) u8 area[UREGS_FPU_SIZE];
};
