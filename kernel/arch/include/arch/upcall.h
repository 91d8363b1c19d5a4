// What arch calls in the modules to its right: the only way up.
#pragma once

#include <base/types.h>
#include <uapi/uregs.h>

enum fault_access { FAULT_READS = 1, FAULT_WRITES = 2, FAULT_EXECUTES = 4 };

/* The current process executed the system call instruction. Interrupts on. (sys) */
void upcall_syscall(struct uregs *regs);

/*
 * A page fault on a user address: by the process, or by the kernel inside user_copy_*(). Interrupts on.
 * Returns 0 when the access can be tried again, else -EFAULT or -ENOMEM, -EIO. (mm)
 */
int upcall_fault(uaddr_t address, enum fault_access access, bool from_user);

/* The process did what it must not (or upcall_fault failed): reason is a SIG* of uapi/wait.h. Marks it for its end,
 * or the access is to be tried again. (proc) */
void upcall_violation(struct uregs *regs, int reason, const char *what, uaddr_t address);

/* The last step before every return to user mode, after syscall, fault or interrupt; interrupts on: ends the process,
 * parks it, or yields. (proc) */
void upcall_user_return(struct uregs *regs);

/* A tick on this CPU; interrupts off. (sched) */
void upcall_tick(void);

/* cpu_kick() arrived. Interrupts off. (sched) */
void upcall_reschedule(void);

/* Where the current thread keeps its floating-point state: asked when it uses that for the first time after a switch.
 * Interrupts off. (sched) */
struct fpu_state *upcall_fpu(void);

/* A line for the person at the console, without its newline: printk("%s\n", text). (kern) */
void upcall_message(const char *text);

/* The kernel can't go on, because it did what it must not: panic("%s", text). (kern) */
_Noreturn void upcall_panic(const char *text);

/* Another CPU is up. (sched) */
_Noreturn void upcall_cpu_start(void);

/* The machine is set up, memory reachable, one CPU, interrupts off. (init) */
_Noreturn void upcall_boot(void);
