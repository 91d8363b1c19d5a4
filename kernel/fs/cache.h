// The block cache: one copy of a disk block in memory, in a page frame. Private to fs.
//
// Contents belong to whoever owns the block: the inode whose data, index or directory block it is (under the inode's
// lock), a block of the inode table (inodes.c has locks for those) or a bitmap (the allocator's lock). The cache's own
// lock guards where blocks are, not what's in them.
//
// A frame with more than one reference is being read by somebody else (the journal, a device, a process that maps it)
// and must not change: buf_own() gives the block a frame of its own first.
#pragma once

#include <base/list.h>
#include <dev/disk.h>
#include <mm/frame.h>

enum buffer_flag {
    BUF_VALID = 1,    // the contents are those of the block
    BUF_READING = 2,  // they are being read; wait
    BUF_DIRTY = 4,    // file data, newer than the disk's
    BUF_WRITING = 8,  // file data that is on its way to the disk
    BUF_HASHED = 16,  // the block can be found; otherwise it was given up while others still held it
    BUF_FAILED = 32,  // its last write as file data failed
};

// A block in memory. Everything but the frame's contents is the cache's; `tx_slot`, `home` and `home_link` are the
// journal's.
struct buffer {
    u64 block;
    struct frame *frame;
    struct buffer *hash_next;
    struct list link;    // unreferenced: in the order of use; dirty: in the list of those
    u32 refs;            // who holds it: callers, the journal (once for each of its reasons), and itself while dirty
    u32 flags;           // enum buffer_flag
    u32 round;           // dirty: taken out by the journal unless this is the current round
    u64 ino;             // of file data: whose
    u32 tx_slot;         // its place in the running transaction, plus 1; 0: not in it
    struct frame *home;  // contents that are committed, but not yet written to the block's place
    struct list home_link;
};

/* Set up for `disk`, and let everything go again (nothing may be referenced). -ENOMEM. */
MUST_CHECK int cache_init(struct disk *disk);
void cache_release(void);

/* The block with its contents, referenced. -EIO, -ENOMEM; and then nothing stays behind. */
MUST_CHECK int buf_read(u64 block, struct buffer **out);

/* The block, full of zeros, whatever the disk says: for one that was just allocated. -ENOMEM. */
MUST_CHECK int buf_zeroed(u64 block, struct buffer **out);

/* The block if it is in memory, referenced; else NULL. Waits for a read that is under way. */
struct buffer *buf_cached(u64 block);

/* How many blocks from `block` on, at most `count`, are not in memory. */
u32 buf_absent(u64 block, u32 count);

struct buffer *buf_get(struct buffer *b);
void buf_put(struct buffer *b);

static inline u8 *buf_data(struct buffer *b)
{
    return frame_data(b->frame);
}

/* Make the frame the block's own, so that its contents may change. keep: copy them; otherwise they become undefined.
 * -ENOMEM. */
MUST_CHECK int buf_own(struct buffer *b, bool keep);

/* Bring blocks [block, block + count) into memory, in as few requests as possible. What can't be read stays away. */
#define PREFETCH_MAX 64
void buf_prefetch(u64 block, u32 count);

/* File data of inode `ino` was changed: it will be written before the next commit. Call it after the change, inside the
 * handle. */
void buf_dirty(struct buffer *b, u64 ino);

/* The blocks are no longer what they were (freed): forget them, dirty or not. */
void buf_forget(u64 block, u32 count);

/* Before a write that goes past the cache: wait until the block is not being written, and forget it. */
void buf_bypass(u64 block);

/*
 * For the journal. While no handle is open, take the dirty blocks out; then write them, and wait. A block that can't be
 * written stays dirty for the next time; its inode is told to failed(). written: were there any?
 */
void cache_take_dirty(struct list *out);
void cache_write_dirty(struct list *dirty, void (*failed)(u64 ino), bool *written);

u32 cache_dirty_count(void);  // frames of file data to be written
u32 cache_dirty_limit(void);  // more should not be
u32 cache_frames(void);
