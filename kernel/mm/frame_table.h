// The table of all frames, for the allocators and for the loops over page tables, where a call for each page would be
// felt.
#pragma once

#include <kern/printk.h>
#include <mm/frame.h>
#include <stdatomic.h>

#define FRAME_NONE UINT32_MAX

static inline u32 frame_index(const struct frame *f)
{
    return (u32)(f - frame_table);
}

// The frame of a page-table entry that is present: it was put there by mm, so it exists.
static inline struct frame *frame_of_pte(pte_t e)
{
    return &frame_table[(pte_addr(e) - frame_table_base) >> PAGE_SHIFT];
}

// Nobody but the caller has a reference. What others did to the frame before they let go of theirs is then over.
static inline bool frame_is_sole(struct frame *f)
{
    return atomic_load_explicit(&f->refs, memory_order_acquire) == 1;
}

/*
 * As frame_get(), for a caller that keeps the reference it already has from being dropped meanwhile. The only reference
 * there is can't be changed by anyone else: then no locked instruction is needed.
 */
static inline void frame_share(struct frame *f)
{
    u32 refs = atomic_load_explicit(&f->refs, memory_order_relaxed);

    assert(refs != 0);
    if (refs == 1)
        atomic_store_explicit(&f->refs, 2, memory_order_relaxed);
    else
        atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
}

/* Drop a reference, unless it is the only one there is: then the frame is the caller's alone, and this is false. */
static inline bool frame_put_shared(struct frame *f)
{
    u32 refs = atomic_load_explicit(&f->refs, memory_order_acquire);

    while (refs > 1)
        if (atomic_compare_exchange_weak_explicit(&f->refs, &refs, refs - 1, memory_order_acq_rel,
                                                  memory_order_acquire))
            return true;
    return false;
}

/* Lists of frames, linked by index: the head is the first one's index. */
static inline void frame_list_push(u32 *head, struct frame *f)
{
    f->prev = FRAME_NONE;
    f->next = *head;
    if (*head != FRAME_NONE)
        frame_table[*head].prev = frame_index(f);
    *head = frame_index(f);
}

static inline void frame_list_remove(u32 *head, struct frame *f)
{
    if (f->prev == FRAME_NONE)
        *head = f->next;
    else
        frame_table[f->prev].next = f->next;
    if (f->next != FRAME_NONE)
        frame_table[f->next].prev = f->prev;
}

// References to let go of together: the allocator's lock is taken once for many frames.
#define FRAME_BATCH_ORDER 5
#define FRAME_BATCH       (1u << FRAME_BATCH_ORDER)

struct frame_batch {
    u32 count;
    struct frame *frames[FRAME_BATCH];  // free already, as far as anyone but the allocator knows
};

void frame_batch_put(struct frame_batch *batch, struct frame *f);
void frame_batch_finish(struct frame_batch *batch);
