// Freezing: processes are stopped at the user boundary, where registers and memory are all there is to know of them.
#pragma once

#include <proc/proc.h>

// A process and its descendants, or one process alone, held. Any thread may thaw, kill and read it; "the calling
// process" is that of family_freeze().
struct family {
    u32 count;
    struct proc **members;  // a reference each; [0] is the root; parents before their children
};

/*
 * Stop the process `pid` (seen from the calling one) at the user boundary, with all its descendants if that is asked
 * for, and keep them there; who sleeps in a system call is woken, and its call will run again. Children born meanwhile
 * are stopped, too. The calling process may be one of them: it counts as stopped, for its call is all that it does.
 * On success no member runs, ends or is reaped until family_thaw(); members that have ended are zombies and stay so.
 * -ESRCH (no such process, or it has ended), -ENOTSUP (a member lives in another job than the root: says so),
 * -ETIMEDOUT (deadline, in time_ns()), -EINTR (the caller is itself about to be frozen), -ENOMEM; and then all run on.
 * Waits for another freeze of the same processes to end. Hold no lock that a system call of a member may need to reach
 * the user boundary.
 */
MUST_CHECK int family_freeze(int pid, bool descendants, u64 deadline, struct family **out);

/* Let them run on, or, stopped, stay where they are until proc_continue(); releases the family. The calling process, if
 * it is one of them and they are to stop, does so when its call returns; what it still waits for isn't interrupted. */
void family_thaw(struct family *f, bool stopped);

/* End all members, except the calling process and the machine's first one; they do so when they are thawed. */
void family_kill(struct family *f);

/* The state of a frozen process, or of the calling one (which has no restart record: its call is about to end), or of a
 * zombie. Numbers are those of its own job; a zombie's are those that its parent knows. */
struct x_proc {
    int pid, ppid, pgid;
    bool ended;  // the rest is then of no meaning, but for name and status
    int status;
    char name[16];
    struct uregs regs;
    u8 fpu[UREGS_FPU_SIZE];
    struct restart restart;  // deadline: nanoseconds that are left
    u64 uptime;              // time_ns() as the process sees it
};
void proc_export(struct proc *p, struct x_proc *out);

/* The place of the process's parent among the members; -1: it is not one of them. */
int family_parent(const struct family *f, u32 member);

/* Its open files (OPEN_MAX; NULL where there is none), with a reference each. */
void proc_files(struct proc *p, struct file **files);

// Revival: processes built where nobody sees them, to be let loose at once. The first is the calling process.
struct revival;

/* Room for `count` processes in a job of their own. -EAGAIN (too many processes, or jobs within jobs), -ENOMEM. */
MUST_CHECK int revival_begin(u32 count, struct revival **out);

/*
 * Say what process i will be; each i exactly once. parent: less than i; -1 for i = 0 only. `space`, the OPEN_MAX
 * `files` (NULL for none) and `cwd` are taken over; they are NULL if it has ended. Pids in *state are those in the new
 * job; no two are alike. Registers are sanitized.
 */
void revival_set(struct revival *r, u32 i, const struct x_proc *state, int parent, struct vmspace *space,
                 struct file **files, struct inode *cwd, const char *cwd_text);

/*
 * The calling process becomes the first one; the others run. Cannot fail. Outside, the caller keeps its pid, parent and
 * group, and the others get pids as if it had forked them; processes of the caller's saved group join its group here.
 * Children that the caller had before become init's. The system call that does it returns 0, and its result is not
 * written into the new registers.
 */
void revival_commit(struct revival *r);

/* Undo revival_begin() and all that was set. */
void revival_abort(struct revival *r);
