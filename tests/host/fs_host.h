// The kernel under kernel/fs, on the host: threads, locks, memory, time and a disk, all simulated in one thread of the
// host.
//
// Threads are switched where the kernel's could be: when they wait, and (with host_set_preemption) at any spin lock, by
// a random generator that starts from a seed: every run can be repeated. The clock moves only when all threads wait. A
// deadlock, a broken order of locks, or a panic ends the program with a message.
#pragma once

#include <dev/disk.h>
#include <fs/file.h>
#include <fs/inode.h>
#include <fs/path.h>
#include <stdio.h>

// Randomness.

void host_seed(u64 seed);
u32 host_random(u32 below);  // 0 .. below - 1

// Threads.

/* Switch threads at one in `n` spin locks; 0: never. */
void host_set_preemption(u32 n);

/* Run body(arg) as a thread until it returns; other threads go on meanwhile. */
void host_run(void (*body)(void *), void *arg);

/* Start a thread; host_join() waits for all that were started so. Inside host_run() only. */
void host_spawn(void (*body)(void *), void *arg);
void host_join(void);

/* Start a thread that calls fs_sync() every now and then, until host_stop_syncing(): so that commits happen in the
 * middle of everything. */
void host_start_syncing(void);
void host_stop_syncing(void);

// Memory.

/* So many frames there are. Only while nothing is allocated. */
void host_set_memory(u32 frames);
u32 host_frames_used(void);
u64 host_objects(void);  // kmalloc's, alive

/* Fail the n-th allocation from now, of a frame or an object; 0: none. And was it reached? */
void host_fail_memory(u32 n, bool from_then_on);
bool host_memory_failed(void);

// What printk printed goes to standard error if `loud`; the last of it is shown when something is wrong.
void host_set_loud(bool loud);
bool host_said(const char *text);                                // recently
void host_set_place(const char *format, ...) PRINTF_LIKE(1, 2);  // by which it can be found again
_Noreturn void host_fail(const char *format, ...) PRINTF_LIKE(1, 2);

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            host_fail("%s:%d: not true: %s", __FILE__, __LINE__, #condition);                                          \
    } while (0)
#define CHECK_OK(call)                                                                                                 \
    do {                                                                                                               \
        int err_ = (call);                                                                                             \
        if (err_)                                                                                                      \
            host_fail("%s:%d: %s is %d", __FILE__, __LINE__, #call, err_);                                             \
    } while (0)
#define CHECK_ERR(expected, call)                                                                                      \
    do {                                                                                                               \
        int err_ = (call);                                                                                             \
        if (err_ != (expected))                                                                                        \
            host_fail("%s:%d: %s is %d, not %s", __FILE__, __LINE__, #call, err_, #expected);                          \
    } while (0)

// The disk. There is one.

struct disk *host_disk_create(u64 blocks);
void host_disk_destroy(void);
u8 *host_disk_bytes(void);

/* Change a part of a block, or all blocks that differ, from outside. */
void host_disk_write(u64 block, u32 at, const u8 *from, size_t n);
void host_disk_set(const u8 *all);

/* What the disk holds now, and go back to it. */
void host_disk_keep(void);
void host_disk_revert(void);

/* An empty file system on the first `blocks` of the disk; 0: all of it, or by rule. */
void host_format(u64 blocks, u64 inodes, u64 journal_blocks);

/* The disk as it is, journal replayed: how many errors fsck finds. They are printed. */
u64 host_fsck(void);

/* Fail the n-th request of that kind from now; 0: none. And was it reached? */
void host_fail_disk(enum disk_op op, u32 n, bool from_then_on);
bool host_disk_failed(void);

/* Nobody gets beyond waiting for a write until it's off again. How many threads wait so? */
void host_hold_writes(bool on);
u32 host_held(void);

// What was written, in the order in which it reached the disk.
struct host_write {
    bool flush;
    u64 block;
    u8 *bytes;  // of one block
};
struct host_log {
    struct host_write *writes;
    size_t count, room;
};
void host_record(struct host_log *log);  // NULL: no more
void host_log_free(struct host_log *log);
