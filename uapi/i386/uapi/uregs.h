// The registers of a process, i386: what a trap saves, and what a checkpoint holds.
//
// System calls: `int $0x40`, number in eax, arguments on the stack from esp+4 on, as after a call of a C function.
// The result comes in eax; when it is -1 because of an error, edx holds the reason (uapi/errno.h), else edx is as it
// was.
#pragma once

#include <stdint.h>

#define SYSCALL_VECTOR 0x40

struct uregs {
    uint32_t edi, esi, ebp, ebx, edx, ecx, eax;
    uint32_t eip, eflags, esp;
};

#define UREGS_FPU_SIZE 512  // the area of FXSAVE (Intel SDM volume 1, section 10.5.1)
