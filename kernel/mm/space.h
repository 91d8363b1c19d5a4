// What the files of mm share about spaces, beyond their public header.
#pragma once

#include "page_table.h"
#include <mm/vmspace.h>
#include <sched/thread.h>

/* Promise that many pages, to one space. -ENOMEM. */
MUST_CHECK int commit_promise(struct vmspace *space, size_t pages) REQUIRES(space->lock);
void commit_release(struct vmspace *space, size_t pages) REQUIRES(space->lock);

/* The region that va lies in, or NULL. */
struct region *region_find(struct vmspace *space, uaddr_t va) REQUIRES(space->lock);

/* Copy from's regions into the empty space `to`. -ENOMEM leaves `to` incomplete but whole. */
MUST_CHECK int regions_clone(struct vmspace *from, struct vmspace *to) REQUIRES(from->lock);

/* Let all regions go; the pages are gone already. Sleeps. */
void regions_destroy(struct vmspace *space);

/* Make a fresh space a snapshot; and how many there are. One that was just destroyed has given its memory back. */
void space_make_snapshot(struct vmspace *space);
u32 snapshots_live(void);

/* Would the region's backing supply that page of it? */
static inline bool region_is_supplied(const struct region *r, uaddr_t page)
{
    return r->backing && page - r->start < r->filled;
}

static inline size_t region_pages(const struct region *r)
{
    return (r->end - r->start) >> PAGE_SHIFT;
}

static inline bool space_is_current(const struct vmspace *space)
{
    return thread_self()->space == space;
}

// The figures are written under the lock only, so plain loads and stores make up the change.
static inline void figure_add(_Atomic u32 *figure, s32 change)
{
    u32 n = atomic_load_explicit(figure, memory_order_relaxed);

    atomic_store_explicit(figure, n + (u32)change, memory_order_relaxed);
}
