// Switching kernel stacks, and the border to user mode.
#pragma once

#include <arch/machine_context.h>
#include <base/types.h>
#include <uapi/uregs.h>

#define KERNEL_STACK_SIZE 8192

/* struct context (machine_context.h): what context_switch() saves besides the stack. */

/* Prepare ctx so that the first switch to it calls entry(arg) at the top of the stack that ends at stack_top. */
void context_init(struct context *ctx, void *stack_top, void (*entry)(void *), void *arg);

/* Save into *from, continue *to. Interrupts off. Returns when somebody switches back to *from. */
void context_switch(struct context *from, struct context *to);

/*
 * The registers of the process that entered the kernel on the stack that ends at stack_top. They are at a fixed place
 * there, so they can be filled before the first entry, and read by others while the process is frozen.
 */
struct uregs *user_regs(void *stack_top);

/* Tell this CPU on which stack the next trap from user mode starts. */
void context_set_kernel_stack(void *stack_top);

/*
 * Leave for user mode with user_regs(stack_top of the current thread), which were made by uregs_init() or passed
 * through uregs_sanitize(). upcall_user_return() is called first.
 */
_Noreturn void user_enter(void);

/* Start values of a program: everything zero but these. */
void uregs_init(struct uregs *regs, uaddr_t pc, uaddr_t sp);

/* Force what a program may not choose (interrupt flag, I/O privilege) to its one safe value. No input is refused. */
void uregs_sanitize(struct uregs *regs);

/* System call conventions. */
unsigned uregs_call_number(const struct uregs *regs);
void uregs_set_result(struct uregs *regs, intptr_t result);  // >= 0
void uregs_set_error(struct uregs *regs, int error);         // a positive number of uapi/errno.h
/* The system call instruction just executed will run again. number: what uregs_call_number() gave. */
void uregs_rewind_call(struct uregs *regs, unsigned number);
uaddr_t uregs_pc(const struct uregs *regs);
uaddr_t uregs_sp(const struct uregs *regs);
void uregs_set_sp(struct uregs *regs, uaddr_t sp);

/*
 * Floating point. The state belongs to the thread that has it; it is loaded when first used and saved at the switch.
 * fpu_reset: the state of a fresh program. fpu_sync: make *state the true state of the current thread.
 * fpu_sanitize: force reserved bits so that loading can't fault.
 */
struct fpu_state;
void fpu_reset(struct fpu_state *state);
void fpu_switch_out(struct fpu_state *state);  // the current thread leaves this CPU
void fpu_sync(struct fpu_state *state);
void fpu_discard(struct fpu_state *state);  // *state was changed from outside: what the CPU holds is void
void fpu_export(const struct fpu_state *state, u8 image[UREGS_FPU_SIZE]);
void fpu_import(struct fpu_state *state, const u8 image[UREGS_FPU_SIZE]);
