// Kernel stacks, the registers of processes, and the way to user mode.
#include "machine.h"
#include <arch/upcall.h>

#define STACK_MARK    0x57ac4e0d

#define EFLAGS_ALWAYS 0x00000202  // interrupts on, and the bit that is always one
#define EFLAGS_FREE   0x00240cd5  // CF PF AF ZF SF DF OF AC ID: the program's own

static struct trap_frame *user_frame(void *stack_top)
{
    return (struct trap_frame *)stack_top - 1;
}

void context_init(struct context *ctx, void *stack_top, void (*entry)(void *), void *arg)
{
    u32 *sp = (u32 *)ROUND_DOWN((uintptr_t)user_frame(stack_top), 16);

    *--sp = (u32)arg;
    *--sp = (u32)entry;
    *--sp = (u32)context_begin;
    for (int i = 0; i < 4; i++)  // ebp ebx esi edi
        *--sp = 0;
    ctx->esp = (u32)sp;
    ctx->stack_end = (u32 *)((u8 *)stack_top - KERNEL_STACK_SIZE);
    *ctx->stack_end = STACK_MARK;
}

void context_switch(struct context *from, struct context *to)
{
    if (from->stack_end && *from->stack_end != STACK_MARK)
        upcall_panic("a kernel stack overflowed");
    context_swap(from, to);
}

struct uregs *user_regs(void *stack_top)
{
    return &user_frame(stack_top)->regs;
}

void context_set_kernel_stack(void *stack_top)
{
    this_cpu()->tss.esp0 = (u32)stack_top;
}

// An interrupt after upcall_user_return() looked may have changed what it saw: then it looks again.
void user_return(struct uregs *regs)
{
    do {
        this_cpu()->interrupted = false;
        cpu_irq_on();
        upcall_user_return(regs);
        cpu_irq_off();
    } while (this_cpu()->interrupted);
}

void user_enter(void)
{
    struct trap_frame *f;

    cpu_irq_off();
    f = user_frame((void *)this_cpu()->tss.esp0);
    f->cs = SEL_USER_CODE;
    f->ss = SEL_USER_DATA;
    user_return(&f->regs);
    user_resume(f);
}

void uregs_init(struct uregs *regs, uaddr_t pc, uaddr_t sp)
{
    *regs = (struct uregs){ .eip = pc, .esp = sp, .eflags = EFLAGS_ALWAYS };
}

void uregs_sanitize(struct uregs *regs)
{
    regs->eflags = (regs->eflags & EFLAGS_FREE) | EFLAGS_ALWAYS;
}

unsigned uregs_call_number(const struct uregs *regs)
{
    return regs->eax;
}

void uregs_set_result(struct uregs *regs, intptr_t result)
{
    regs->eax = (u32)result;
}

void uregs_set_error(struct uregs *regs, int error)
{
    regs->eax = UINT32_MAX;
    regs->edx = (u32)error;
}

#define SYSCALL_INSTRUCTION_SIZE 2  // int $0x40
void uregs_rewind_call(struct uregs *regs, unsigned number)
{
    regs->eip -= SYSCALL_INSTRUCTION_SIZE;
    regs->eax = number;
}

uaddr_t uregs_pc(const struct uregs *regs)
{
    return regs->eip;
}

uaddr_t uregs_sp(const struct uregs *regs)
{
    return regs->esp;
}

void uregs_set_sp(struct uregs *regs, uaddr_t sp)
{
    regs->esp = sp;
}
