// Where a program starts: esp points at a meaningless return address, argc and argv. The stack is aligned as the ABI has
// it at a call.
    .section .text.start, "ax"
    .globl _start
_start:
    movl    4(%esp), %eax
    movl    8(%esp), %edx
    xorl    %ebp, %ebp
    andl    $-16, %esp
    subl    $8, %esp
    pushl   %edx
    pushl   %eax
    call    program_start
    ud2
