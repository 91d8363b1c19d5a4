// The first instructions of each CPU: from what the boot loader or the startup interrupt gives to C code at its linked
// address.
#include "machine.h"

#define PHYSICAL(symbol) (symbol - KERNEL_OFFSET)
#define MULTIBOOT_HEADER 0x1badb002
#define MULTIBOOT_FLAGS  3  // aligned modules, memory map

    .section .multiboot, "a"
    .balign 4
    .long MULTIBOOT_HEADER, MULTIBOOT_FLAGS, -(MULTIBOOT_HEADER + MULTIBOOT_FLAGS)

// Physical addresses until the jump at the end; uses eax only.
.macro ENTER_PAGING target
    movl %cr4, %eax
    orl $CR4_ON, %eax
    movl %eax, %cr4
    movl $PHYSICAL(boot_root), %eax
    movl %eax, %cr3
    movl %cr0, %eax
    orl $(CR0_ON | CR0_TS), %eax
    andl $~CR0_OFF, %eax
    movl %eax, %cr0
    movl $\target, %eax
    jmp *%eax
.endm

    .text
    .code32
    .globl boot_start
boot_start:
    cli
    cld
    movl %eax, %esi
    ENTER_PAGING boot_high

boot_high:
    movl $(boot_stacks + 8192), %esp
    xorl %ebp, %ebp
    pushl %ebx
    pushl %esi
    call machine_boot

ap_high:
    movl ap_stack, %esp
    xorl %ebp, %ebp
    call ap_start

// Copied to AP_TRAMPOLINE, where a CPU starts in real mode with cs = AP_TRAMPOLINE / 16.
#define AT_TRAMPOLINE(symbol) (symbol - ap_trampoline + AP_TRAMPOLINE)
    .section .rodata
    .code16
    .globl ap_trampoline, ap_trampoline_end
    .balign 16
ap_trampoline:
    cli
    cld
    xorw %ax, %ax
    movw %ax, %ds
    lgdtl AT_TRAMPOLINE(ap_gdt_pointer)
    movl %cr0, %eax
    orl $1, %eax
    movl %eax, %cr0
    ljmpl $SEL_KERNEL_CODE, $AT_TRAMPOLINE(ap_protected)

    .code32
ap_protected:
    movw $SEL_KERNEL_DATA, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    ENTER_PAGING ap_high

    .balign 8
ap_gdt:
    .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
ap_gdt_pointer:
    .word ap_gdt_pointer - ap_gdt - 1
    .long AT_TRAMPOLINE(ap_gdt)
ap_trampoline_end:

// Physical memory at its own address and at KERNEL_BASE: in pages of 4 MiB, present, writable, not global.
    .data
    .balign 4096
    .globl boot_root
boot_root:
    .long 0x83
    .fill 511, 4, 0
    .set page, 0
    .rept 384
    .long (page << 22) | 0x83
    .set page, page + 1
    .endr
    .fill 128, 4, 0

    .bss
    .balign 4
    .globl ap_stack
ap_stack:
    .long 0
