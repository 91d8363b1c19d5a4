// Spin locks: held for a few instructions, never across anything that sleeps.
//
// While a CPU holds one, its interrupts are off; so a spin lock may also be taken by interrupt handlers. Every lock has
// a rank. Locks are taken in rising rank only (docs/LOCKING.md lists them); a checked build (CHECKED=1) panics on a
// breach.
#pragma once

#include <base/types.h>
#include <kern/annotate.h>
#include <stdatomic.h>

// The one order of all locks, spinning and sleeping: whoever holds one may take only those below it in this list.
enum lock_rank {
    // sleeping locks
    RANK_AHEAD,       // what is read ahead of an image
    RANK_CKPT,        // one checkpoint of a target at a time
    RANK_FILE,        // an open file's offset
    RANK_RENAME,      // one rename at a time changes the shape of the tree
    RANK_DIR,         // an inode that is a directory; parents before children
    RANK_INODE,       // an inode that is not
    RANK_JOURNAL,     // a handle of the journal
    RANK_ITABLE,      // the inode allocator, the orphan list
    RANK_BALLOC,      // the block allocator
    RANK_BUFFER,      // a block of the inode table
    RANK_SPACE,       // an address space
    RANK_SLEEP_LEAF,  // sleeping locks under which no other sleeping lock is taken
    // spinning locks
    RANK_FAMILY,   // parents and children, all processes' list
    RANK_PROC,     // one process
    RANK_FDTABLE,  // one process's descriptors
    RANK_PIPE,     // one pipe
    RANK_ICACHE,   // the table of inodes in memory
    RANK_TX,       // the journal's state
    RANK_BCACHE,   // the table of cached blocks
    RANK_TTY,      // the console's line
    RANK_DISK,     // a disk's queue
    RANK_MUTEX,    // the inside of a sleeping lock
    RANK_WAIT,     // other conditions that are waited for
    RANK_TIMER,    // the timers
    RANK_KMEM,     // the kernel's allocator
    RANK_FRAME,    // the page frames
    RANK_SCHED,    // the run queue
    RANK_PRINTK,   // the message buffer
    RANK_UART,     // the serial line
};

struct CAPABILITY("spinlock") spinlock {
    atomic_bool taken;
    const char *name;
    u16 rank;
    _Atomic s32 owner;  // CPU index + 1; 0 when free
};

#define SPINLOCK_INIT(text, r)                                                                                         \
    {                                                                                                                  \
        .name = (text), .rank = (r)                                                                                    \
    }

void spin_init(struct spinlock *lock, const char *name, enum lock_rank rank);
void spin_lock(struct spinlock *lock) ACQUIRE(lock);
void spin_unlock(struct spinlock *lock) RELEASE(lock);

// Is it held by this CPU? For assertions.
bool spin_held(const struct spinlock *lock);
void spin_assert_held(const struct spinlock *lock) ASSERT_HELD(lock);

/*
 * Interrupts off, and back to what they were when the outermost irq_push() was called. They nest; spin_lock() does the
 * same by itself. irq_nesting() is the depth on this CPU: 0 means that sleeping is allowed.
 */
void irq_push(void);
void irq_pop(void);
unsigned irq_nesting(void);

/* For the scheduler: each thread has a nesting of its own across a switch. */
bool irq_state_save(void);
void irq_state_restore(bool was_on);

/* The checked build's record of ranks held, shared with the sleeping locks (which keep theirs with the thread). */
struct lock_trace {
    u16 depth;
    u16 ranks[14];
    const char *names[14];
};
void lock_trace_acquire(struct lock_trace *trace, const char *name, enum lock_rank rank);
/* The same for a second lock of a rank that is already held, or one that was only tried: no order to check. */
void lock_trace_nest(struct lock_trace *trace, const char *name, enum lock_rank rank);
void lock_trace_release(struct lock_trace *trace, const char *name, enum lock_rank rank);
