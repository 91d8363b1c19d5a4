// registers SECONDS: holds known values in every integer, x87 and SSE register, in loops without any system call, and
// looks whether they stay.
#include <amber.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define SPINS 20000000

// All six free registers hold patterns while ecx counts down; returns 0 when none changed.
static uint32_t hold_integers(void)
{
    uint32_t wrong;

    __asm__ volatile("pushl %%ebp\n\t"
                     "movl $0x11111111, %%eax\n\t"
                     "movl $0x22222222, %%ebx\n\t"
                     "movl $0x33333333, %%edx\n\t"
                     "movl $0x44444444, %%esi\n\t"
                     "movl $0x55555555, %%edi\n\t"
                     "movl $0x66666666, %%ebp\n\t"
                     "movl %1, %%ecx\n"
                     "1:\tdecl %%ecx\n\t"
                     "jnz 1b\n\t"
                     "subl $0x11111111, %%eax\n\t"
                     "subl $0x22222222, %%ebx\n\t"
                     "subl $0x33333333, %%edx\n\t"
                     "subl $0x44444444, %%esi\n\t"
                     "subl $0x55555555, %%edi\n\t"
                     "subl $0x66666666, %%ebp\n\t"
                     "orl %%ebx, %%eax\n\t"
                     "orl %%edx, %%eax\n\t"
                     "orl %%esi, %%eax\n\t"
                     "orl %%edi, %%eax\n\t"
                     "orl %%ebp, %%eax\n\t"
                     "popl %%ebp"
                     : "=&a"(wrong)
                     : "i"(SPINS)
                     : "ebx", "ecx", "edx", "esi", "edi", "cc");
    return wrong;
}

// The x87 stack and all xmm registers likewise.
static uint32_t hold_floats(void)
{
    static const uint32_t patterns[8][4] __attribute__((aligned(16))) = {
        { 1, 2, 3, 4 },     { 5, 6, 7, 8 },     { 9, 10, 11, 12 },  { 13, 14, 15, 16 },
        { 17, 18, 19, 20 }, { 21, 22, 23, 24 }, { 25, 26, 27, 28 }, { 29, 30, 31, 32 },
    };
    static uint32_t after[8][4] __attribute__((aligned(16)));
    double pi = 0;

    __asm__ volatile("fldpi\n\t"
                     "movaps 0x00(%1), %%xmm0\n\t"
                     "movaps 0x10(%1), %%xmm1\n\t"
                     "movaps 0x20(%1), %%xmm2\n\t"
                     "movaps 0x30(%1), %%xmm3\n\t"
                     "movaps 0x40(%1), %%xmm4\n\t"
                     "movaps 0x50(%1), %%xmm5\n\t"
                     "movaps 0x60(%1), %%xmm6\n\t"
                     "movaps 0x70(%1), %%xmm7\n\t"
                     "movl %3, %%ecx\n"
                     "1:\tdecl %%ecx\n\t"
                     "jnz 1b\n\t"
                     "movaps %%xmm0, 0x00(%2)\n\t"
                     "movaps %%xmm1, 0x10(%2)\n\t"
                     "movaps %%xmm2, 0x20(%2)\n\t"
                     "movaps %%xmm3, 0x30(%2)\n\t"
                     "movaps %%xmm4, 0x40(%2)\n\t"
                     "movaps %%xmm5, 0x50(%2)\n\t"
                     "movaps %%xmm6, 0x60(%2)\n\t"
                     "movaps %%xmm7, 0x70(%2)\n\t"
                     "fstpl %0"
                     : "=m"(pi)
                     : "r"(patterns), "r"(after), "i"(SPINS)
                     : "ecx", "cc", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7");
    uint32_t wrong = pi != 3.141592653589793;
    for (int i = 0; i < 32; i++)
        wrong |= after[0][i] ^ patterns[0][i];
    return wrong;
}

int main(int argc, char **argv)
{
    int end = uptime() + 100 * (argc > 1 ? atoi(argv[1]) : 3);
    int rounds = 0;

    printf("holding\n");
    for (; uptime() < end; rounds++) {
        if (hold_integers()) {
            printf("an integer register changed in round %d\n", rounds);
            return 1;
        }
        if (hold_floats()) {
            printf("a floating-point register changed in round %d\n", rounds);
            return 1;
        }
    }
    printf("all registers held\n");
    return 0;
}
