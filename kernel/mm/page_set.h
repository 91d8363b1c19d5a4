// Sets of pages, by number, in chunks of as many as one page table has: what a pass over a table finds fits one chunk.
//
// A set that finds no memory for a chunk is lost: it stands for all pages from then on, and stays so.
#pragma once

#include <mm/vmspace.h>

#define CHUNK_WORDS (PT_ENTRIES / 32)

/* Some pages; never empty. */
struct page_chunk {
    uaddr_t number;  // its pages are number * PT_ENTRIES and on
    u32 bits[CHUNK_WORDS];
};

/* All zeros: the empty set. */
struct page_set {
    struct page_chunk **chunks;  // by number
    u32 count, room;
    bool lost;
};

/* Add the pages of chunk `number` that have their bit. */
void page_set_add_bits(struct page_set *set, uaddr_t number, const u32 bits[CHUNK_WORDS]);

/* Add pages [first, end). */
void page_set_add_range(struct page_set *set, uaddr_t first, uaddr_t end);

/* Add all that `more` holds. */
void page_set_add_set(struct page_set *set, const struct page_set *more);

/* How many pages from `page` on, which is in the set, lie in it and in the same chunk. */
u32 page_set_run(const struct page_set *set, uaddr_t page);

/* Make it the empty set. */
void page_set_release(struct page_set *set);
void page_set_lose(struct page_set *set);
