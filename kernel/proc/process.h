// Inside proc: the process, the lock of all families, and what the files of this module ask of each other.
//
// A process is made by proc_create(), becomes visible by proc_publish(), ends in proc_exit(), is a zombie from the
// moment when its thread has left its stack for good, and is freed when it is reaped and nobody holds a reference any
// more.
#pragma once

#include <proc/proc.h>

#define INIT_PID 1  // of the first process, without which the machine ends

// Guards the table of processes and who is whose parent, child and zombie. Spinning, since ^C comes in an interrupt.
extern struct spinlock family_lock;

struct fd_table {
    struct spinlock lock;
    struct file *files[OPEN_MAX] FIELD_GUARDED_BY(lock);
};

enum freeze_state {
    FREEZE_NONE,
    FREEZE_ASKED,  // it is to park at the user boundary
    FREEZE_DONE,   // it has
};

struct proc {
    struct thread thread;
    _Atomic u32 refs;  // the table's until it is reaped, and those of proc_hold()
    int pid;           // constant once published
    _Atomic int pgid;
    _Atomic int killed;  // SIG* that ends it at the user boundary; 0: none
    int job;             // its own doing only; 0: not restored from an image

    struct list table_link GUARDED_BY(family_lock);
    struct list pid_link GUARDED_BY(family_lock);
    struct list sibling_link GUARDED_BY(family_lock);  // in the parent's children or zombies
    struct list children GUARDED_BY(family_lock);
    struct list zombies GUARDED_BY(family_lock);  // children that have ended, oldest first
    struct wait_queue child_ended GUARDED_BY(family_lock);
    struct proc *parent GUARDED_BY(family_lock);  // NULL: the first process
    int status GUARDED_BY(family_lock);           // of a zombie
    bool zombie GUARDED_BY(family_lock);

    struct spinlock lock;
    enum freeze_state freeze FIELD_GUARDED_BY(lock);
    bool ending FIELD_GUARDED_BY(lock);                // it will not reach the user boundary again
    struct wait_queue freezer FIELD_GUARDED_BY(lock);  // waits until it is parked, or ending
    struct wait_queue thawed FIELD_GUARDED_BY(lock);   // where it parks
    char name[NAME_MAX_] FIELD_GUARDED_BY(lock);       // changed by itself only
    struct vmspace *space FIELD_GUARDED_BY(lock);      // changed by itself only

    struct fd_table fds;
    struct inode *cwd;  // its own; the freezer's while it is frozen
    char cwd_text[PATH_LEN];
    struct restart restart;
    u64 clock_offset;  // what it takes for time_ns() is that much later
    struct fpu_state fpu;
};

// proc.c

/* A process that nobody sees: one of PROC_MAX places, a stack, a thread to call begin(process). -EAGAIN, -ENOMEM. */
MUST_CHECK int proc_create(void (*begin)(void *), struct proc **out);

/* Undo proc_create(), and release what was put into it. Not for published processes. */
void proc_discard(struct proc *p);

/* Give it a pid and a place in the family of `parent` (NULL: it's the first), and let it run. Returns the pid. */
int proc_publish(struct proc *p, struct proc *parent);

/* The process with that pid, zombies included; NULL if there is none. */
struct proc *proc_find(int pid) REQUIRES(family_lock);

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

// exit.c

/* thread.on_dead: the process is a zombie now. */
void proc_buried(struct thread *t);

// kill.c

void proc_mark_killed(struct proc *p, int reason);

// fd.c

void fds_init(struct proc *p);
void fds_copy(struct proc *from, struct proc *to);

/* Put `files` (OPEN_MAX; NULL: all empty) in place of what is there, which is closed. Takes the references over. */
void fds_replace_all(struct proc *p, struct file **files);

// freezer.c

/* At the user boundary: stay here while somebody keeps the calling process frozen. */
void freezer_park(struct proc *self);

/* The calling process is ending: whoever waits to freeze it is told so. */
void freezer_ending(struct proc *self);

/* Is it parked? */
bool freezer_parked(struct proc *p);

// elf.c, console.c

extern struct exec_format elf_format;
void proc_console_init(void);
