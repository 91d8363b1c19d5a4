// Which blocks are free. Private to fs.
//
// Allocation has two steps, so that data can be written before anything says that the blocks are in use:
// alloc_reserve() takes blocks in memory only; alloc_commit() marks them in the bitmap on disk, in a handle. A crash in
// between costs nothing.
#pragma once

#include "journal.h"

/* Read the bitmaps. -EIO, -ENOMEM. */
MUST_CHECK int alloc_init(const struct fs_super *super);
void alloc_release(void);

/*
 * Take a run of 1 to `want` blocks, at `goal` if those are free (0: anywhere). It lies in one bitmap block. -ENOSPC.
 * claim: NULL, or how many blocks of a claim (alloc_claim) are left to take from; that is counted down.
 */
MUST_CHECK int alloc_reserve(u64 goal, u32 want, u64 *claim, u64 *start, u32 *count);
/*
 * The goal for an index block of a file whose data is near a block (0: anywhere): at the end of that group. There the
 * index blocks of a file follow each other, and its data isn't interrupted by them.
 */
u64 alloc_index_goal(u64 near);

void alloc_cancel(u64 start, u32 count);  // give back what was reserved

/* Mark what was reserved as used, in the handle. Costs one credit. -ENOMEM. */
MUST_CHECK int alloc_commit(struct tx *tx, u64 start, u32 count);

/* Both steps. */
MUST_CHECK int alloc_blocks(struct tx *tx, u64 goal, u32 want, u64 *claim, u64 *start, u32 *count);

/*
 * Free blocks in the handle. They can be allocated again once no crash can bring their old contents back: file data
 * when the handle is durable, metadata (index and directory blocks) when it has also gone home. Costs one credit for
 * each bitmap block. -ENOMEM; and then nothing is freed.
 */
MUST_CHECK int alloc_free(struct tx *tx, u64 start, u32 count, bool metadata);

/* Which bitmap block says whether the block is free: for counting credits. */
u64 alloc_group(u64 block);

/* Put aside `count` free blocks for the caller, who gives back what it didn't take. -ENOSPC. */
MUST_CHECK int alloc_claim(u64 count);
void alloc_unclaim(u64 count);

/* After an -ENOSPC, outside of any handle: was something freed that could be allocated after a checkpoint? Does it
 * then, and says true: try again. */
bool alloc_reclaim(void);

/* For the journal's thread: the running transaction was closed; it is durable; everything durable is home. */
void alloc_closed(void);
void alloc_committed(void);
void alloc_checkpointed(void);

u64 alloc_free_count(void);  // what was freed and waits counts, too
