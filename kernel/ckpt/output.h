// Output: blocks of an image on their way to the disk, straight from their frames, in large requests.
#pragma once

#include "memo.h"
#include "work.h"
#include <fs/inode.h>
#include <mm/frame.h>

#define BATCH_FRAMES 1000  // few of the disk's requests
#define BATCH_RUNS   12    // so that two of them are one round of a direct write
#ifndef FLUSH_FRAMES       // tests have fewer
#define FLUSH_FRAMES 8192  // put out between early flushes of the disk
#endif

// Frames, and where in the file they go. One batch is filled while the other one is on its way.
struct batch {
    struct work work;
    struct inode *inode;    // borrowed
    struct batch *with;     // goes along; NULL: none does
    u32 run_count, count;   // runs, frames
    int err;                // what became of it
    struct frame **frames;  // a reference each
    struct frame_run runs[BATCH_RUNS];
};

// What the disk has been given so far becomes durable while the rest is put out: the last flush has less to do.
struct early_flush {
    struct work work;
    struct inode *inode;  // borrowed
    u32 frames;           // put out since it was asked for
};

// Blocks that are put out one after the other: into spare blocks that lie together, or at the file's end.
struct stream {
    u32 next, left;       // the run of blocks being filled
    u64 due;              // blocks still to come, about
    u32 hope;             // spare blocks that may be found together
    struct batch *batch;  // the one that is being filled
    struct batch batches[2];
};

struct output {
    struct inode *inode;      // borrowed
    struct memo *memo;        // of the file: borrowed; its spare blocks come first
    bool grows;               // from now on blocks are put at the file's end
    u64 blocks;               // the file's length so far
    u64 written;              // blocks on their way to the disk, or there
    _Atomic bool *cancelled;  // stop with -EINTR
    struct early_flush early;
    struct stream pages, rest;
    struct frame **lists;  // the batches'; NULL: nothing can be put out any more
};

/* blocks: of the file, in use. pages: how many there will be to put out, at most. cancelled: stop with -EINTR when it
 * becomes true. -ENOMEM; otherwise output_finish() must follow. */
MUST_CHECK int output_init(struct output *o, struct inode *inode, u64 blocks, u64 pages, struct memo *memo,
                           _Atomic bool *cancelled);

/* Put pages into blocks, and tell which; the references stay the caller's. Errors: the disk's, -EFBIG, -EINTR. */
MUST_CHECK int output_frames(struct output *o, struct frame *const *frames, u32 count, u32 *block);

/* The same with what isn't a page, copied from `bytes`, which will be read for the next epoch. -ENOMEM. */
MUST_CHECK int output_block(struct output *o, const u8 bytes[CKPT_BLOCK_SIZE], u32 *block);

/* Put `count` frames, whose references stay the caller's, into blocks that lie together. They will be read for the next
 * epoch, and must not change any more. */
MUST_CHECK int output_run(struct output *o, struct frame **frames, u32 count, u32 *first);

/* A new file's header slots go along with what is sent last; the references stay the caller's. */
void output_slots(struct output *o, struct frame *const slots[CKPT_SLOTS]);

/* Hand everything that waits to the disk: it can be read afterwards. */
MUST_CHECK int output_flush(struct output *o);

/* Has it found room for everything so far in spare blocks? Then the disk can't be too full for it. */
bool output_fits(const struct output *o);

/* Send everything that waits on its way; nothing can be put out afterwards. */
MUST_CHECK int output_send(struct output *o);

/* Wait until everything has arrived, and nobody works on it any more; let go of what was never sent. More than once is
 * fine. */
MUST_CHECK int output_finish(struct output *o);
