// Page frames: all memory, in pieces of PAGE_SIZE, counted.
#pragma once

#include <arch/mmu.h>
#include <base/types.h>

/* What is known of a frame. */
struct frame {
    _Atomic u32 refs;  // 0 free, 1 one owner, more: shared and read-only for its owners
    u16 order;         // of the block that starts here
    u16 kind;          // the allocator's own
    void *slab;        // kmalloc's
};

/* Take the machine's memory. */
void frames_init(void);

/*
 * A run of 2^order frames, physically contiguous, with one reference; contents undefined. NULL when there is none even after the
 * caches were asked to shrink. Sleeps: no.
 */
MUST_CHECK struct frame *frames_alloc(unsigned order);

/* One frame; and one full of zeros. */
MUST_CHECK struct frame *frame_alloc(void);
MUST_CHECK struct frame *frame_alloc_zeroed(void);

struct frame *frame_get(struct frame *f);
void frame_put(struct frame *f);  // the last reference frees the run

void *frame_data(struct frame *f);
paddr_t frame_addr(struct frame *f);
struct frame *frame_at(paddr_t pa);      // NULL if there is no such frame
struct frame *frame_of(void *data);      // data: inside the direct map

u32 frames_total(void);
u32 frames_free(void);

/*
 * A cache that can give frames back. shrink(want) frees at least `want` frames if it easily can and returns how many it did. It is called
 * without locks from frames_alloc(), so it may only try-lock, and must not sleep.
 */
struct shrinker {
    u32 (*shrink)(u32 want);
    u32 (*count)(void);  // frames it could give back
    struct shrinker *next;
};
void shrinker_register(struct shrinker *s);
u32 frames_reclaimable(void);
