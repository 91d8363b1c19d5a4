// Inside sys: a system call on its way through the kernel.
//
// The functions of the calls take their arguments from call->arguments, leave what the program gets in call->result,
// and return 0 or -E…. They are the only code that turns a program's words into pointers.
#pragma once

#include <base/types.h>
#include <proc/proc.h>

#define CALL_ARGUMENTS_MAX 4

struct call {
    struct proc *self;
    uintptr_t arguments[CALL_ARGUMENTS_MAX];
    u32 number;
    bool replaced;    // the process became another: its registers are those of the new one
    intptr_t result;  // >= 0
};

// The machine's (i386/arguments.c).

/* Fetch the first n arguments of the call that `regs` asks for. -EFAULT. */
MUST_CHECK int call_fetch_arguments(const struct uregs *regs, u32 n, uintptr_t *arguments);

/* A 64-bit argument, of which word `n` is the first. */
u64 call_wide_argument(const struct call *c, u32 n);
#define CALL_WIDE_WORDS (8 / sizeof(uintptr_t))

// Helpers (user.c).

static inline int call_int(const struct call *c, u32 n)
{
    return (int)c->arguments[n];
}

static inline void __user *call_pointer(const struct call *c, u32 n)
{
    return (void __user *)c->arguments[n];
}

/* A path out of the program's memory, in kernel memory that the caller kfree()s. -EFAULT, -ENAMETOOLONG, -ENOMEM. */
MUST_CHECK int call_path(const struct call *c, u32 n, char **out);

/*
 * The call's restart record. It is empty unless this very call was cut off before, by a freeze. What the call writes
 * there is kept only if it now returns -EINTR.
 */
struct restart *call_restart(const struct call *c);

/* System calls since the start. */
u64 calls_count(void);

// The calls. Files:
int sys_open(struct call *c);
int sys_close(struct call *c);
int sys_read(struct call *c);
int sys_write(struct call *c);
int sys_fstat(struct call *c);
int sys_dup(struct call *c);
int sys_dup2(struct call *c);
int sys_pipe(struct call *c);
int sys_lseek(struct call *c);
int sys_fsync(struct call *c);
int sys_ftruncate(struct call *c);
int sys_tcsetpgrp(struct call *c);
int sys_tcsetmode(struct call *c);

// Names:
int sys_chdir(struct call *c);
int sys_mkdir(struct call *c);
int sys_mknod(struct call *c);
int sys_link(struct call *c);
int sys_unlink(struct call *c);
int sys_rename(struct call *c);

// Processes:
int sys_fork(struct call *c);
int sys_exit(struct call *c);
int sys__exit(struct call *c);
int sys_wait(struct call *c);
int sys_waitpid(struct call *c);
int sys_kill(struct call *c);
int sys_exec(struct call *c);
int sys_getpid(struct call *c);
int sys_getppid(struct call *c);
int sys_setpgid(struct call *c);
int sys_cont(struct call *c);
int sys_stop_at(struct call *c);
int sys_fail(struct call *c);
int sys_sbrk(struct call *c);
int sys_sleep(struct call *c);

// Checkpoints:
int sys_checkpoint(struct call *c);
int sys_restart(struct call *c);
int sys_ckpt_save(struct call *c);
int sys_ckpt_wait(struct call *c);
int sys_ckpt_restore(struct call *c);

// The machine:
int sys_uptime(struct call *c);
int sys_clock(struct call *c);
int sys_time(struct call *c);
int sys_sync(struct call *c);
int sys_proc_list(struct call *c);
int sys_sysinfo(struct call *c);
int sys_poweroff(struct call *c);
