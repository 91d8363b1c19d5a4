// Traps: system calls, exceptions and interrupts, and what becomes of each.
#include "machine.h"
#include <arch/upcall.h>
#include <base/format.h>
#include <uapi/errno.h>
#include <uapi/wait.h>

#define EXCEPTIONS           32
#define EXCEPTION_NO_FPU     7
#define EXCEPTION_PAGE_FAULT 14

#define FAULT_ERROR_WRITE    2
#define EFLAGS_IF            0x200

// What a program is told that raised an exception.
static const struct exception {
    int reason;
    const char *what;
} exceptions[EXCEPTIONS] = {
    [0] = { SIGFPE, "division by zero" },   [1] = { SIGILL, "debug trap" },
    [3] = { SIGILL, "breakpoint" },         [4] = { SIGFPE, "overflow" },
    [5] = { SIGILL, "bound exceeded" },     [6] = { SIGILL, "illegal instruction" },
    [10] = { SIGILL, "bad task" },          [11] = { SIGILL, "bad segment" },
    [12] = { SIGILL, "bad stack segment" }, [13] = { SIGILL, "instruction not allowed" },
    [14] = { SIGSEGV, "bad address" },      [16] = { SIGFPE, "floating-point exception" },
    [17] = { SIGILL, "misaligned access" }, [19] = { SIGFPE, "floating-point exception" },
};

static u32 fault_address(void)
{
    u32 address;
    __asm__ volatile("movl %%cr2, %0" : "=r"(address));
    return address;
}

// Without the no-execute bit the hardware doesn't tell fetches from reads, but a fetch faults at the instruction.
static enum fault_access fault_kind(const struct trap_frame *f, u32 address)
{
    if (f->error & FAULT_ERROR_WRITE)
        return FAULT_WRITES;
    return address == f->eip ? FAULT_EXECUTES : FAULT_READS;
}

_Noreturn static void kernel_panic(const struct trap_frame *f)
{
    static char text[320];
    const struct uregs *r = &f->regs;
    const char *what = f->vector < EXCEPTIONS ? exceptions[f->vector].what : NULL;

    format_text(text, sizeof text,
                "exception %u (%s) in the kernel, error %x, address %08x\n"
                "eip %08x eflags %08x cr3 %08x esp %08x\n"
                "eax %08x ebx %08x ecx %08x edx %08x esi %08x edi %08x ebp %08x",
                f->vector, what ? what : "unexpected", f->error, fault_address(), f->eip, f->eflags,
                (u32)mmu_current_root(), (u32)&f->esp, r->eax, r->ebx, r->ecx, r->edx, r->esi, r->edi, r->ebp);
    upcall_panic(text);
}

static void user_page_fault(struct trap_frame *f)
{
    u32 address = fault_address();
    enum fault_access access = fault_kind(f, address);
    int err = -EFAULT;

    cpu_irq_on();
    if (address < USER_END)
        err = upcall_fault(address, access, true);
    if (err == -ENOMEM)
        upcall_violation(&f->regs, SIGKILL, "out of memory", address);
    else if (err == -EFAULT)
        upcall_violation(&f->regs, SIGSEGV, "bad address", address);
    else if (err)
        upcall_violation(&f->regs, SIGSEGV, "page cannot be read", address);
}

static void user_exception(struct trap_frame *f)
{
    const struct exception *e = &exceptions[f->vector];

    if (f->vector == EXCEPTION_PAGE_FAULT) {
        user_page_fault(f);
    } else if (f->vector == EXCEPTION_NO_FPU) {
        fpu_load();
    } else {
        cpu_irq_on();
        upcall_violation(&f->regs, e->what ? e->reason : SIGILL, e->what ? e->what : "unexpected exception", f->eip);
    }
}

// Faults are expected in two instructions: those of user_copy_in() and user_copy_out().
static void kernel_exception(struct trap_frame *f)
{
    u32 address = fault_address();
    bool in_words = f->eip == (u32)user_copy_words;

    if (f->vector != EXCEPTION_PAGE_FAULT || address >= USER_END || !(in_words || f->eip == (u32)user_copy_bytes))
        kernel_panic(f);
    if (f->eflags & EFLAGS_IF)
        cpu_irq_on();
    if (upcall_fault(address, f->error & FAULT_ERROR_WRITE ? FAULT_WRITES : FAULT_READS, false))
        f->eip = (u32)(in_words ? user_copy_words_failed : user_copy_bytes_failed);
    cpu_irq_off();
}

// A thread that has used up its stack, but not yet gone far below it.
static void check_stack(const struct trap_frame *f)
{
    u32 end = this_cpu()->tss.esp0 - KERNEL_STACK_SIZE;

    if ((u32)f < end + 64 && (u32)f > end - PAGE_SIZE)
        upcall_panic("a kernel stack overflowed");
}

void trap(struct trap_frame *f)
{
    bool from_user = f->cs & 3;

    if (!from_user)
        check_stack(f);
    if (f->vector == SYSCALL_VECTOR) {
        cpu_irq_on();
        upcall_syscall(&f->regs);
    } else if (f->vector >= EXCEPTIONS) {
        interrupt(f->vector);
    } else if (from_user) {
        user_exception(f);
    } else {
        kernel_exception(f);
    }
    if (from_user)
        user_return(&f->regs);
}

// The task that a double fault switches to; the task that faulted is in the ordinary TSS.
void double_fault(void)
{
    static char text[96];
    const struct tss *t = &this_cpu()->tss;

    format_text(text, sizeof text, "double fault: a kernel stack overflowed? eip %08x esp %08x address %08x", t->eip,
                t->esp, fault_address());
    upcall_panic(text);
}

// Only cpu_stop_others() sends them. Others are hardware noise.
void nmi(void)
{
    cpu_stop_if_asked();
}
