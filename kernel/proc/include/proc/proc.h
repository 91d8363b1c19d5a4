// Processes: a thread, an address space, descriptors, and a place in a family.
#pragma once

#include <base/list.h>
#include <kern/spinlock.h>
#include <mm/vmspace.h>
#include <sched/thread.h>
#include <uapi/fcntl.h>
#include <uapi/sys.h>

#define PROC_MAX  512
#define NAME_MAX_ 16

struct file;
struct inode;

// What a system call that was cut off by a freeze needs in order to go on when it runs again.
struct restart {
    u32 call;  // its number; 0: there is none
    u32 unused;
    u64 done;      // bytes already transferred
    u64 deadline;  // time_ns()
};

struct proc;

/* The calling thread's process. Never NULL in a system call. */
struct proc *proc_self(void);

// Pids. A job is a family restored from an image: inside, everyone has the pid saved there. A process has a number in
// its own job and in each job around it, out to the machine, where everyone has one. Calls on processes take and give
// the numbers of the calling process's job; what has none there can't be named.
int proc_pid(const struct proc *p);  // in its own job: what getpid() says
int proc_machine_pid(const struct proc *p);
const char *proc_name(const struct proc *p);
struct vmspace *proc_space(struct proc *p);
struct inode *proc_cwd(struct proc *p);        // borrowed; the process's own, or the freezer's
const char *proc_cwd_text(struct proc *p);     // its path as text
struct restart *proc_restart(struct proc *p);  // the calling process's own

/* Takes the reference. */
void proc_set_cwd(struct proc *p, struct inode *dir, const char *text);

/* time_ns() as the process sees it: it goes on in a restored process. And when it will show `clock`, in time_ns(). */
u64 proc_clock(const struct proc *p);
u64 proc_clock_time(const struct proc *p, u64 clock);

/* Start the first process from the program at `path`. */
MUST_CHECK int proc_start_init(const char *path);

/* fork(2). *child_pid. -EAGAIN (PROC_MAX reached), -ENOMEM. */
MUST_CHECK int proc_fork(int *child_pid);

/* End the calling process with a status word of uapi/wait.h. */
_Noreturn void proc_exit(int status);

/* Wait for a child (which -1: any) that has ended. With WNOHANG *pid is 0 if none has yet. -ECHILD, -EINTR. */
MUST_CHECK int proc_wait(int which, int options, int *pid, int *status);

/* Ask a process to end. -ESRCH, -EPERM (the first process). */
MUST_CHECK int proc_kill(int pid, int reason);
void proc_kill_group(int pgid, int reason);  // interrupt context; spares the first process

/* pid 0: the caller; pgid 0: its own pid. -ESRCH, -EINVAL, -EPERM (not the caller or its child, or no such group). */
MUST_CHECK int proc_set_group(int pid, int pgid);
int proc_group(const struct proc *p);       // the machine's number of it
int proc_find_group(int pgid, int *group);  // the same of a group that is named as the caller sees it; -ESRCH
int proc_parent_pid(struct proc *p);
u32 proc_list(struct proc_info *out, u32 n);  // returns how many there are
u32 procs_live(void);
bool proc_killed(const struct proc *p);

/* A stopped process (family_thaw()) and its stopped descendants run on. -ESRCH. */
MUST_CHECK int proc_continue(int pid);

/*
 * Stop the process `pid`, the caller's descendant, at the user boundary: after its n-th system call or page fault from
 * now, or in n ticks, also if it sleeps then; n = 0 forgets it. Its state is then PS_STOPPED, until proc_continue(). It
 * survives exec, and restart() in that process, where the count begins anew after that call; children don't inherit it.
 * -ESRCH, -EPERM (not a descendant), -EINVAL.
 */
MUST_CHECK int proc_stop_at(int pid, enum proc_event event, u32 n);

/* The calling process has completed a system call: EVENT_CALL. */
void proc_count_call(struct proc *self);

void proc_init(void);
