// Page frames: all memory, in pieces of PAGE_SIZE, counted.
#pragma once

#include <arch/mmu.h>
#include <base/types.h>

#define FRAME_ORDER_MAX 10  // the largest run is 4 MiB

/* What is known of a frame. */
struct frame {
    _Atomic u32 refs;   // 0 free, 1 one owner, more: shared and read-only for its owners
    u8 order : 4;       // of the run or free block that starts here
    u8 state : 4;       // the allocator's own
    u8 slab_class : 7;  // kmalloc's: 0 is not a slab
    u8 executed : 1;    // code may have run from here
    union {
        u16 slab_free;      // kmalloc's: where the slab's first free object is
        _Atomic u16 pages;  // of a closed page table: how many are in it, and one; 0: nobody has counted
    };
    u32 next, prev;  // the allocator's; kmalloc's while the frame is a slab
};

/* Take the machine's memory, or as much of it as the option mem= allows. */
void frames_init(void);

/*
 * A run of 2^order frames (order at most FRAME_ORDER_MAX), physically contiguous and aligned to its size, with one
 * reference, which is kept with the first frame; contents undefined. NULL when there is none even after the caches were
 * asked to shrink. Sleeps: no.
 */
MUST_CHECK struct frame *frames_alloc(unsigned order);

/* So many single frames, a reference each: all, or none and -ENOMEM. */
MUST_CHECK int frames_alloc_each(struct frame **out, u32 count);

/* One frame; and one full of zeros. */
MUST_CHECK struct frame *frame_alloc(void);
MUST_CHECK struct frame *frame_alloc_zeroed(void);

/* One frame with the contents of f, at a place where copying is quick; and a copy to a frame that is there already. */
MUST_CHECK struct frame *frame_duplicate(struct frame *f);
void frame_copy(struct frame *to, struct frame *from);

/* Code may run from this frame: it will be wiped before anyone gets it anew. */
void frame_mark_executed(struct frame *f);

struct frame *frame_get(struct frame *f);
void frame_put(struct frame *f);  // the last reference frees the run

/* mm's own, and for what follows: the first frame, its contents and its address. Constant after frames_init(). */
extern struct frame *frame_table;
extern u8 *frame_table_data;
extern paddr_t frame_table_base;

static inline void *frame_data(const struct frame *f)
{
    return frame_table_data + (size_t)(f - frame_table) * PAGE_SIZE;
}

static inline paddr_t frame_addr(const struct frame *f)
{
    return frame_table_base + (paddr_t)(f - frame_table) * PAGE_SIZE;
}

struct frame *frame_at(paddr_t pa);  // NULL if there is no such frame
struct frame *frame_of(void *data);  // data: inside the direct map

u32 frames_total(void);
u32 frames_free(void);

/*
 * A cache that can give frames back. shrink(want) frees at least `want` frames if it easily can and returns how many it
 * did. It is called from frames_alloc() where no spin lock is held and interrupts are on; but the allocating thread may
 * hold any sleeping lock, so of those it may only try to take one, and it must not sleep.
 */
struct shrinker {
    u32 (*shrink)(u32 want);
    u32 (*count)(void);  // frames it could give back
    struct shrinker *next;
};
void shrinker_register(struct shrinker *s);
u32 frames_reclaimable(void);
