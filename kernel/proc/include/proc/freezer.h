// Freezing: a process is stopped at the user boundary, where its registers and memory are all there is to know of it.
#pragma once

#include <proc/proc.h>

/*
 * Stop the process `pid` at the user boundary and keep it there; one that sleeps in a system call is woken, and its
 * call will run again. On success *out is the process with a hold on it: it neither runs, nor ends, nor is reaped,
 * until proc_thaw(). -ESRCH (no such process, or one that has ended or ends meanwhile), -EBUSY (already being frozen,
 * or the calling process itself), -ETIMEDOUT (deadline, in time_ns()), -EINTR (also: the caller is itself about to be
 * frozen). Hold no lock that a system call of the target may need to reach the user boundary.
 */
MUST_CHECK int proc_freeze(int pid, u64 deadline, struct proc **out);

/* Let it run on. */
void proc_thaw(struct proc *p);

/* The state of a frozen process, or of the calling one (which has no restart record: its call is about to end). */
struct x_proc {
    int pid, ppid, pgid;
    char name[16];
    struct uregs regs;
    u8 fpu[UREGS_FPU_SIZE];
    struct restart restart;  // deadline: nanoseconds that are left
    u64 uptime;              // time_ns() as the process sees it
};
void proc_export(struct proc *p, struct x_proc *out);

/* Its open file at fd with a reference; NULL if there is none. */
struct file *proc_file(struct proc *p, int fd);

/*
 * The calling process becomes what *state says, in `space`, with `files` (OPEN_MAX entries, references taken over, NULL
 * for none) and `cwd` (reference taken over): cannot fail. It keeps its own pid, parent and group. Registers are
 * sanitized. The system call that does it returns 0, and its result is not written into the new registers.
 */
void proc_import(const struct x_proc *state, struct vmspace *space, struct file **files, struct inode *cwd,
                 const char *cwd_text);
