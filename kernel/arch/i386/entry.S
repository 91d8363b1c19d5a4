// Into the kernel and out of it: traps, the switch of stacks, and copies that may fault.
#include "machine.h"

// struct trap_frame
#define FRAME_CS 52

    .text

// One entry for each vector, 16 bytes apart. Each leaves an error code and its number on the stack.
    .balign 16
    .globl trap_vectors
trap_vectors:
    .set vector, 0
    .rept 256
    .balign 16
    .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17)
    pushl $0
    .endif
    pushl $vector
    jmp trap_entry
    .set vector, vector + 1
    .endr

// The kernel runs with the user's flat data segment in ds and es, so that they need no change in most traps. iret to
// user mode clears gs by itself, because its segment is the kernel's.
.macro KERNEL_SEGMENTS
    movl $SEL_CPU, %eax
    movl %eax, %gs
    movl %ds, %eax
    movl %es, %edx
    movl %fs, %ecx
    xorl $SEL_USER_DATA, %eax
    xorl $SEL_USER_DATA, %edx
    orl %edx, %eax
    orl %ecx, %eax
    testw %ax, %ax
    jz 1f
    movl $SEL_USER_DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    xorl %eax, %eax
    movl %eax, %fs
1:
.endm

trap_entry:
    cld
    pushl 20(%esp)          // struct uregs: esp, eflags, eip as the CPU pushed them
    pushl 20(%esp)
    pushl 16(%esp)
    pushl %eax
    pushl %ecx
    pushl %edx
    pushl %ebx
    pushl %ebp
    pushl %esi
    pushl %edi
    testb $3, FRAME_CS(%esp)
    jz from_kernel
    KERNEL_SEGMENTS
    xorl %ebp, %ebp         // backtraces end here
    pushl %esp
    call trap
    addl $4, %esp

to_user:                    // interrupts are off
    popl %edi
    popl %esi
    popl %ebp
    popl %ebx
    popl %edx
    popl %ecx
    popl %eax
    popl 16(%esp)           // back to where iret takes them: eip, eflags, esp
    popl 20(%esp)
    popl 20(%esp)
    addl $8, %esp
    iret

from_kernel:
    pushl %esp
    call trap
    addl $4, %esp
    popl %edi
    popl %esi
    popl %ebp
    popl %ebx
    popl %edx
    popl %ecx
    popl %eax
    addl $20, %esp          // uregs' eip, eflags, esp; vector, error
    iret

// void user_resume(struct trap_frame *)
    .globl user_resume
user_resume:
    movl 4(%esp), %esp
    jmp to_user

// May come between any two instructions, so it trusts no segment.
    .globl nmi_entry
nmi_entry:
    cld
    pushal
    pushl %ds
    pushl %es
    pushl %gs
    movl $SEL_USER_DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    movl $SEL_CPU, %eax
    movl %eax, %gs
    call nmi
    popl %gs
    popl %es
    popl %ds
    popal
    iret

// void context_swap(struct context *from, struct context *to)
    .globl context_swap
context_swap:
    movl 4(%esp), %eax
    movl 8(%esp), %edx
    pushl %ebp
    pushl %ebx
    pushl %esi
    pushl %edi
    movl %esp, (%eax)
    movl (%edx), %esp
    popl %edi
    popl %esi
    popl %ebx
    popl %ebp
    ret

// A new context starts here: entry, arg on the stack.
    .globl context_begin
context_begin:
    popl %eax
    call *%eax
    ud2

// size_t user_copy_in(void *to, const void __user *from, size_t n), and user_copy_out() likewise. A fault that can't be
// mended continues at the label _failed that belongs to the instruction.
    .globl user_copy_in, user_copy_out
    .globl user_copy_words, user_copy_words_failed, user_copy_bytes, user_copy_bytes_failed
user_copy_in:
user_copy_out:
    pushl %edi
    pushl %esi
    movl 12(%esp), %edi
    movl 16(%esp), %esi
    movl 20(%esp), %edx
    movl %edx, %ecx
    shrl $2, %ecx
    andl $3, %edx
user_copy_words:
    rep movsl
    movl %edx, %ecx
user_copy_bytes:
    rep movsb
user_copy_bytes_failed:
    movl %ecx, %eax
    popl %esi
    popl %edi
    ret
user_copy_words_failed:     // byte by byte up to the very byte that fails
    leal (%edx,%ecx,4), %ecx
    jmp user_copy_bytes
