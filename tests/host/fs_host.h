// What tests of kernel/fs have besides the simulated kernel (tools/hosted): a simulated disk with mkfs and fsck, and
// some help.
#pragma once

#include <dev/disk.h>
#include <fs/file.h>
#include <fs/inode.h>
#include <fs/path.h>
#include <hosted/hosted.h>
#include <stdio.h>

/* Start a thread that calls fs_sync() every now and then, until host_stop_syncing(): so that commits happen in the
 * middle of everything. */
void host_start_syncing(void);
void host_stop_syncing(void);

/* After an unmount: no file, inode, pipe, frame or object may be in use. */
void host_check_nothing_left(void);

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

/* The n-th write from now on is carried out and fails all the same; the one after it fails, and isn't. */
void host_lose_write(u32 n);

/* A flush takes so many turns of the others; 0, at first: none. */
void host_slow_flushes(u32 turns);

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
