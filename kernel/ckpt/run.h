// Runs: pages that lie one after the other in an image. They are found, read and checked together.
#pragma once

#include <ckptfmt/ckptfmt.h>
#include <mm/frame.h>

struct inode;

#define RUN_MAX 1000  // pages; few of the disk's requests, and a list of so many fits into a page frame

struct run {
    u64 index;  // the first page's number
    u32 block;  // where that stands
    u32 count;
    u32 crc[RUN_MAX];
};

/* The run of at most `most` (up to RUN_MAX) pages, numbered one after the other, that begins with page `from`; or, with
 * `next`, with the first page from there on. count 0: there is none. What is wrong behind a run's first page is told
 * when one comes to it. */
MUST_CHECK enum ckpt_error run_find(struct ckpt_lookup *l, u64 from, u32 most, bool next, struct run *run);

/* Read it out of the image's file into fresh frames, a reference each. -ENOMEM, -EIO: and then there is none. */
MUST_CHECK int run_read(const struct run *run, struct inode *image, struct frame **out);

/* How many pages, from the first on, have the bytes that they must have. features: the image's. Lets others run. */
u32 run_sound(const struct run *run, u32 features, struct frame **frames);

/* Where its page i stands in the file. */
static inline u64 run_offset(const struct run *run, u32 i)
{
    return (u64)(run->block + i) * CKPT_BLOCK_SIZE;
}

/* Let go of them. */
void frames_release(struct frame **frames, u32 count);
