// Pages on their way from a space into its tree: gathered in ascending order, checksummed by whoever has time for it,
// and put out in the order in which they came.
#pragma once

#include "work.h"
#include <mm/frame.h>

#ifndef CHUNK_PAGES  // tests have smaller ones
#define CHUNK_PAGES 64
#endif
#define CHUNKS  16  // so many are gathered before the first one has to be put out
#define HELPERS 3   // at most

struct epoch;

struct chunk {
    _Atomic bool summed;
    u32 count;  // pages
    uaddr_t index[CHUNK_PAGES];
    struct frame *frames[CHUNK_PAGES];  // are put out (no reference: the snapshot keeps them); NULL: there is a place
    u32 block[CHUNK_PAGES];             // already, or, 0, there is no such page
    u32 crc[CHUNK_PAGES];
};

// Chunks have numbers, in the order in which they come. Number n is at n % CHUNKS.
struct pages {
    u32 features;          // the image's
    u32 put_out;           // so many have been put out,
    _Atomic u32 taken;     // so many somebody has summed or is summing,
    _Atomic u32 gathered;  // and so many can be; the next one is being filled
    u32 helper_count;
    struct helper {
        struct work work;
        struct pages *pages;
    } helpers[HELPERS];
    struct chunk chunks[CHUNKS];
};

/* Before the first page of a tree. */
void pages_begin(struct pages *p, u32 features);

/* The next page, in ascending order, of the tree that x builds: a frame, which gets a place unless it is all zeros, or
 * NULL and the place that it has already, block 0: none. */
MUST_CHECK int pages_add(struct epoch *x, uaddr_t index, struct frame *frame, u32 block, u32 crc);

/* There are no more: put out what is left. */
MUST_CHECK int pages_finish(struct epoch *x);

/* After an error: forget what is left, when nobody works on it any more. */
void pages_drop(struct pages *p);
