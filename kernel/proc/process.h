// Inside proc: the process, the lock of all families, and what the files of this module ask of each other.
//
// A process is made by proc_create(), becomes visible by proc_publish(), ends in proc_exit(), is a zombie from the
// moment when its thread has left its stack for good, and is freed when it is reaped and nobody holds a reference any
// more.
#pragma once

#include <proc/proc.h>
#include <sched/timer.h>

#define INIT_PID 1  // of the first process, without which the machine ends

// Guards the table of processes, who is whose parent, child and zombie, who has which number, and who is kept at the
// user boundary. Spinning, since ^C comes in an interrupt.
extern struct spinlock family_lock;

struct fd_table {
    struct spinlock lock;
    struct file *files[OPEN_MAX] FIELD_GUARDED_BY(lock);
};

// Jobs in jobs, the machine counted.
#define JOB_LEVELS 8

// A process's place in one of the jobs around it.
struct number {
    struct list link GUARDED_BY(family_lock);  // with others of the same hash
    struct job *job;
    struct proc *proc;
    int pid;           // constant once published
    _Atomic int pgid;  // the group's number there; alike in all processes of a group
};

// What stop_at(2) waits for.
struct stop_at {
    u32 n;     // as it was asked for
    u32 left;  // of EVENT_CALL and EVENT_FAULT: until it stops
    u32 faults_seen;
    struct timer timer;  // of EVENT_TICK
};

struct proc {
    struct thread thread;
    _Atomic u32 refs;                   // the table's until it is reaped, and those of proc_hold()
    struct job *job;                    // a reference; changed by itself only, under family_lock
    struct number numbers[JOB_LEVELS];  // by the job's level: 0 is the machine, job->level its own
    _Atomic int killed;                 // SIG* that ends it at the user boundary; 0: none

    struct list table_link GUARDED_BY(family_lock);
    struct list sibling_link GUARDED_BY(family_lock);  // in the parent's children or zombies
    struct list children GUARDED_BY(family_lock);
    struct list zombies GUARDED_BY(family_lock);  // children that have ended, oldest first
    struct wait_queue child_ended GUARDED_BY(family_lock);
    struct proc *parent GUARDED_BY(family_lock);  // NULL: the first process
    int status GUARDED_BY(family_lock);           // of a zombie
    bool ending GUARDED_BY(family_lock);          // it will not reach the user boundary again
    bool zombie GUARDED_BY(family_lock);

    struct freeze *freeze GUARDED_BY(family_lock);       // who wants it to be parked; NULL: nobody
    struct list freeze_link GUARDED_BY(family_lock);     // among those whom that one has marked
    bool gathered GUARDED_BY(family_lock);               // used by a freezer while it holds the lock
    bool parked GUARDED_BY(family_lock);                 // at the user boundary, until freezer_release()
    struct wait_queue released GUARDED_BY(family_lock);  // where it parks

    // Changed under family_lock; the process itself looks at them without.
    _Atomic bool stopped;   // it is to stay at the user boundary until proc_continue()
    _Atomic u8 stop_event;  // enum proc_event that it counts; 0: none
    _Atomic bool stop_due;  // its timer has fired
    struct stop_at stop GUARDED_BY(family_lock);

    struct spinlock lock;
    char name[NAME_MAX_] FIELD_GUARDED_BY(lock);   // changed by itself only
    struct vmspace *space FIELD_GUARDED_BY(lock);  // changed by itself only

    struct fd_table fds;
    struct inode *cwd;  // its own; the freezer's while it is frozen
    char cwd_text[PATH_LEN];
    struct restart restart;
    u64 clock_offset;  // what it takes for time_ns() is that much later
    struct fpu_state fpu;
};

// proc.c

/*
 * A process that nobody sees: one of PROC_MAX places, a stack, a thread to call begin(process), the machine as its job.
 * -EAGAIN, -ENOMEM.
 */
MUST_CHECK int proc_create(void (*begin)(void *), struct proc **out);

/* The same without a place, for what is never published. NULL: no memory. */
struct proc *proc_draft(void (*begin)(void *));

/* Undo proc_create(), or proc_draft(), and release what was put into it. Not for published processes. */
void proc_discard(struct proc *p);
void proc_discard_draft(struct proc *p);

/* It has its numbers (job_enter()). Give it a place in the family of `parent` (NULL: it's the first), and let it run,
 * unless it has ended already. */
void proc_publish(struct proc *p, struct proc *parent) REQUIRES(family_lock);

/* All processes, in order of birth. */
extern struct list proc_table GUARDED_BY(family_lock);

/* A zombie leaves its family and the table; the caller has the reference that the table had. */
void proc_reap(struct proc *p) REQUIRES(family_lock);

struct proc *proc_hold(struct proc *p);
void proc_put(struct proc *p);
void proc_set_name(struct proc *p, const char *name);
void proc_copy_name(struct proc *p, char out[NAME_MAX_]);

/* The calling process's thread goes over into `space` (NULL: none), and the space before is destroyed. */
void proc_replace_space(struct proc *p, struct vmspace *space);

static inline struct uregs *proc_regs(struct proc *p)
{
    return user_regs(stack_top(&p->thread));
}

// job.c

struct job {
    _Atomic u32 refs;
    struct job *parent;  // a reference; NULL: this is the machine
    u32 level;           // how many are around it
    int number;          // 0: the machine
    int root_pid;        // of its first process
    int root_ppid;       // what that one is told of its parent, which is outside; nobody inside gets this number
    int last_pid GUARDED_BY(family_lock);
    u32 population GUARDED_BY(family_lock);  // processes with a number here
};

extern struct job machine_job;

/* A job in `parent`, and a reference to it. -ENOMEM, -EAGAIN (JOB_LEVELS). */
MUST_CHECK int job_create(struct job *parent, struct job **out);
struct job *job_get(struct job *job);
void job_put(struct job *job);

/* Where a new job for the calling process belongs: jobs that would be left without anybody else don't count. */
struct job *job_outer(struct proc *self) REQUIRES(family_lock);

/* The process with that number in the job, zombies included; NULL if there is none. */
struct proc *job_find(struct job *job, int pid) REQUIRES(family_lock);

/* The process's number in the job; 0 if it is outside. */
int job_number(const struct job *job, const struct proc *p);
int job_group(const struct job *job, const struct proc *p);
int job_parent_number(const struct job *job, const struct proc *p) REQUIRES(family_lock);

/* Someone of that group in the job; NULL if there is none. */
struct proc *job_find_group(struct job *job, int pgid) REQUIRES(family_lock);

/* p joins the group of `member` in `job` and in all jobs around it; member = p: it becomes a group of its own. */
void job_join_group(const struct job *job, struct proc *p, const struct proc *member);

/* Give p its number in its own job (0: the next one) and in those around it up to `level`; take away those from `level`
 * on. */
void job_enter(struct proc *p, u32 level, int pid) REQUIRES(family_lock);
void job_leave(struct proc *p, u32 level) REQUIRES(family_lock);

void job_init(void);

// fork.c

/* Where the thread of a child begins. */
void proc_child_begin(void *arg);

// exit.c

/* thread.on_dead: the process is a zombie now. */
void proc_buried(struct thread *t);

/* Children go to init, or to the process that is init in their job. */
void proc_hand_over_children(struct proc *p) REQUIRES(family_lock);

// kill.c

void proc_mark_killed(struct proc *p, int reason) REQUIRES(family_lock);

// fd.c

void fds_init(struct proc *p);
void fds_copy(struct proc *from, struct proc *to);

/* All files (OPEN_MAX; NULL where there is none), with a reference each. */
void fds_get(struct proc *p, struct file **files);

/* Put `files` (OPEN_MAX; NULL: all empty) in place of what is there, which is closed. Takes the references over. */
void fds_replace_all(struct proc *p, struct file **files);

/* Exchange the tables of the calling process and of one that nobody sees. */
void fds_exchange(struct proc *p, struct proc *draft);

// freezer.c

/* At the user boundary: stay here while somebody keeps the calling process frozen, or it is stopped. */
void freezer_park(struct proc *self);

/* Something changed that may let the process leave the boundary. */
void freezer_release(struct proc *p) REQUIRES(family_lock);

/* The process has got a place in a family, or has left it for ever: whoever freezes that family is told. */
void freezer_born(struct proc *p) REQUIRES(family_lock);
void freezer_gone(struct proc *p) REQUIRES(family_lock);

// stop.c

/* At the user boundary: page faults are counted. */
void stop_count_faults(struct proc *self);

/* The timer has fired: stop. */
void stop_when_due(struct proc *self) REQUIRES(family_lock);

/* Begin the count anew, with `calls` to come that don't count. Forget it. */
void stop_restart(struct proc *p, u32 calls) REQUIRES(family_lock);
void stop_forget(struct proc *p) REQUIRES(family_lock);

// elf.c, console.c

extern struct exec_format elf_format;
void proc_console_init(void);
