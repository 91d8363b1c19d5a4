// Regions: what addresses mean. And the heap, which is the region that moves.
#include "space.h"
#include "tracking.h"
#include <mm/kmalloc.h>
#include <uapi/errno.h>

struct backing *backing_get(struct backing *b)
{
    u32 before = atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);

    assert(before != 0);
    return b;
}

void backing_put(struct backing *b)
{
    u32 before = atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel);

    assert(before != 0);
    if (before == 1)
        b->ops->destroy(b);
}

// The first region that ends after va; NULL if there is none.
static struct region *region_after(struct vmspace *space, uaddr_t va) REQUIRES(space->lock)
{
    struct region *r;

    list_for_each(r, &space->regions, link)
        if (va < r->end)
            return r;
    return NULL;
}

struct region *region_find(struct vmspace *space, uaddr_t va)
{
    struct region *r = region_after(space, va);

    return r && va >= r->start ? r : NULL;
}

static bool range_is_free(struct vmspace *space, uaddr_t start, uaddr_t end) REQUIRES(space->lock)
{
    struct region *r = region_after(space, start);

    return !r || end <= r->start;
}

static void region_link(struct vmspace *space, struct region *r) REQUIRES(space->lock)
{
    struct region *after = region_after(space, r->start);

    list_append(after ? &after->link : &space->regions, &r->link);
    figure_add(&space->region_count, 1);
    figure_add(&space->pages, (s32)region_pages(r));
}

static void region_unlink(struct vmspace *space, struct region *r) REQUIRES(space->lock)
{
    list_remove(&r->link);
    figure_add(&space->region_count, -1);
    figure_add(&space->pages, -(s32)region_pages(r));
}

static struct region *region_copy(const struct region *like)
{
    struct region *r = kmalloc(sizeof(*r));

    if (r) {
        *r = *like;
        list_init(&r->link);
    }
    return r;
}

// Without locks.
static void region_free(struct region *r)
{
    if (r->backing)
        backing_put(r->backing);
    kfree(r);
}

static bool region_valid(const struct region *r)
{
    bool aligned = !(r->start % PAGE_SIZE) && !(r->end % PAGE_SIZE);

    bool placed = r->start < r->end && r->end <= USER_END;
    bool known = !(r->prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC)) && r->kind <= REGION_STACK;

    return aligned && placed && known && r->offset + r->filled >= r->offset;
}

// Fit what was asked for to what regions are like here.
static void region_normalize(struct region *r)
{
    r->reserved = r->reserved && (r->prot & PROT_WRITE);
    r->filled = r->backing ? MIN(r->filled, (u64)(r->end - r->start)) : 0;
    r->ahead = 0;
    r->touched = r->start;
}

static int region_insert(struct vmspace *space, struct region *r) REQUIRES(space->lock)
{
    if (!range_is_free(space, r->start, r->end))
        return -EINVAL;
    if (space->region_count == REGIONS_MAX)
        return -ENOMEM;
    int err = r->reserved ? commit_promise(space, region_pages(r)) : 0;
    if (!err)
        region_link(space, r);
    return err;
}

int vmspace_add(struct vmspace *space, const struct region *like)
{
    int err = -EINVAL;
    struct region *r = NULL;

    if (!region_valid(like))
        goto out;
    err = -ENOMEM;
    r = region_copy(like);
    if (!r)
        goto out;
    region_normalize(r);

    mutex_lock(&space->lock);
    err = region_insert(space, r);
    if (!err && space->tracking)
        tracking_add_range(space->tracking, r->start, r->end);
    mutex_unlock(&space->lock);
    if (!err)
        return 0;
out:
    kfree(r);
    if (like->backing)
        backing_put(like->backing);
    return err;
}

int regions_clone(struct vmspace *from, struct vmspace *to)
{
    struct region *r;

    list_for_each(r, &from->regions, link) {
        struct region *copy = region_copy(r);
        if (!copy)
            return -ENOMEM;
        if (copy->backing)
            backing_get(copy->backing);
        list_append(&to->regions, &copy->link);
    }
    to->region_count = from->region_count;
    to->pages = from->pages;
    return 0;
}

void regions_destroy(struct vmspace *space)
{
    while (!list_empty(&space->regions)) {
        struct region *r = list_first(&space->regions, struct region, link);
        list_remove(&r->link);
        region_free(r);
    }
}

static uaddr_t page_above(uaddr_t va)
{
    return ROUND_UP(va, PAGE_SIZE);
}

// The region that the heap consists of; NULL while the heap is empty.
static struct region *heap_region(struct vmspace *space) REQUIRES(space->lock)
{
    struct region *r = region_find(space, space->heap_start);

    return r && r->kind == REGION_HEAP ? r : NULL;
}

void vmspace_set_heap(struct vmspace *space, uaddr_t start, uaddr_t limit)
{
    mutex_lock(&space->lock);
    space->heap_start = space->heap_end = start;
    space->heap_limit = limit;
    mutex_unlock(&space->lock);
}

static int heap_begin(struct vmspace *space, uaddr_t end) REQUIRES(space->lock)
{
    struct region heap = {
        .start = space->heap_start,
        .end = end,
        .prot = PROT_READ | PROT_WRITE,
        .kind = REGION_HEAP,
        .reserved = true,
    };
    struct region *r = region_copy(&heap);

    if (!r)
        return -ENOMEM;
    int err = region_insert(space, r);
    if (err)
        kfree(r);
    return err;
}

static int heap_extend(struct vmspace *space, struct region *heap, uaddr_t end) REQUIRES(space->lock)
{
    size_t more = (end - heap->end) >> PAGE_SHIFT;

    if (!range_is_free(space, heap->end, end))
        return -ENOMEM;
    int err = heap->reserved ? commit_promise(space, more) : 0;
    if (err)
        return err;
    heap->end = end;
    figure_add(&space->pages, (s32)more);
    return 0;
}

// Move the heap's last page; from and to are page boundaries.
static int heap_grow(struct vmspace *space, uaddr_t from, uaddr_t to) REQUIRES(space->lock)
{
    struct region *heap = heap_region(space);

    if (from == to)
        return 0;
    int err = heap ? heap_extend(space, heap, to) : heap_begin(space, to);
    return err ? -ENOMEM : 0;
}

// Pages of [from, to) will go, but not all of the first and the last table.
static int open_ends(struct vmspace *space, uaddr_t from, uaddr_t to) REQUIRES(space->lock)
{
    int err = from < to ? page_table_open(space->root, from) : 0;

    return err || from >= to ? err : page_table_open(space->root, to - 1);
}

// Returns the region if nothing is left of it, for the caller to free without locks.
static struct region *heap_shrink(struct vmspace *space, uaddr_t from, uaddr_t to) REQUIRES(space->lock)
{
    struct region *heap = heap_region(space);

    if (from == to || !heap)
        return NULL;
    u32 gone = page_table_unmap(space->root, to, from, space_is_current(space));
    if (space->tracking)
        tracking_add_range(space->tracking, to, from);
    figure_add(&space->resident, -(s32)gone);
    commit_release(space, heap->reserved ? (from - to) >> PAGE_SHIFT : gone);

    if (to == heap->start) {
        region_unlink(space, heap);
        return heap;
    }
    heap->end = to;
    heap->filled = MIN(heap->filled, (u64)(to - heap->start));
    figure_add(&space->pages, -(s32)((from - to) >> PAGE_SHIFT));
    return NULL;
}

// Where the break would come to lie. -ENOMEM if it can't.
static int break_target(struct vmspace *space, intptr_t delta, uaddr_t *target) REQUIRES(space->lock)
{
    size_t distance = delta < 0 ? 0 - (size_t)delta : (size_t)delta;
    size_t room = delta < 0 ? space->heap_end - space->heap_start : space->heap_limit - space->heap_end;

    if (distance > room)
        return -ENOMEM;
    *target = delta < 0 ? space->heap_end - distance : space->heap_end + distance;
    return 0;
}

int vmspace_brk(struct vmspace *space, intptr_t delta, uaddr_t *old)
{
    struct region *emptied = NULL;
    uaddr_t target;

    mutex_lock(&space->lock);
    uaddr_t now = space->heap_end;
    int err = break_target(space, delta, &target);
    if (!err && delta < 0)
        err = open_ends(space, page_above(target), page_above(now));
    if (!err && delta > 0)
        err = heap_grow(space, page_above(now), page_above(target));
    else if (!err)
        emptied = heap_shrink(space, page_above(now), page_above(target));
    if (!err) {
        space->heap_end = target;
        *old = now;
    }
    mutex_unlock(&space->lock);
    if (emptied)
        region_free(emptied);
    return err;
}

void vmspace_heap_export(struct vmspace *space, u64 *start, u64 *end, u64 *limit)
{
    mutex_lock(&space->lock);
    *start = space->heap_start;
    *end = space->heap_end;
    *limit = space->heap_limit;
    mutex_unlock(&space->lock);
}

// Is [start, end) one region of the heap, or empty without one?
static bool heap_fits(struct vmspace *space, uaddr_t start, uaddr_t end) REQUIRES(space->lock)
{
    struct region *r = region_find(space, start);
    bool heap = r && r->kind == REGION_HEAP;

    return start == end ? !heap : heap && r->start == start && r->end == end;
}

int vmspace_heap_import(struct vmspace *space, u64 start, u64 end, u64 limit)
{
    if (start % PAGE_SIZE || start > end || end > limit || limit > USER_END)
        return -EINVAL;
    mutex_lock(&space->lock);
    int err = heap_fits(space, (uaddr_t)start, page_above((uaddr_t)end)) ? 0 : -EINVAL;
    if (!err) {
        space->heap_start = (uaddr_t)start;
        space->heap_end = (uaddr_t)end;
        space->heap_limit = (uaddr_t)limit;
    }
    mutex_unlock(&space->lock);
    return err;
}
