// Address spaces as a whole: making, ending, entering, and looking at them. Regions are in region.c, faults in fault.c.
#include "page_set.h"
#include "space.h"
#include "tracking.h"
#include <mm/kmalloc.h>
#include <uapi/errno.h>

static _Atomic u32 live, snapshots;

int vmspace_create(struct vmspace **out)
{
    struct vmspace *space = kzalloc(sizeof(*space));
    struct frame *root = space ? frame_alloc() : NULL;

    if (!root) {
        kfree(space);
        return -ENOMEM;
    }
    mutex_init(&space->lock, "memory", RANK_SPACE);
    list_init(&space->regions);
    space->root = frame_data(root);
    mmu_root_init(space->root);
    atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
    *out = space;
    return 0;
}

void vmspace_destroy(struct vmspace *space)
{
    if (!space)
        return;
    assert(!space_is_current(space));
    mutex_lock(&space->lock);
    page_table_unmap(space->root, 0, USER_END, false);
    commit_release(space, space->committed);
    mutex_unlock(&space->lock);

    regions_destroy(space);
    tracking_put(space->tracking);
    frame_put(frame_of(space->root));
    if (space->snapshot)
        atomic_fetch_sub(&snapshots, 1);
    kfree(space);
    atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
}

void space_make_snapshot(struct vmspace *space)
{
    space->snapshot = true;
    atomic_fetch_add(&snapshots, 1);
}

u32 snapshots_live(void)
{
    return atomic_load(&snapshots);
}

void vmspace_use(struct vmspace *space)
{
    struct thread *self = thread_self();

    self->space = space;
    self->mmu_root = space ? virt_to_phys(space->root) : mmu_kernel_root();
    mmu_switch(self->mmu_root);
}

// Where the backing of a region is known to supply nothing but zeros: pages [from, to) of the space. The page at `to`
// is then the next one that it does supply, if it supplies as much.
struct hole {
    struct backing *backing;
    uaddr_t from, to;
};

// What a backing has to be asked for: its next page after that of `page`.
struct question {
    struct backing *backing;  // a reference
    u64 offset;
    uaddr_t page, end;  // end: of what it supplies
};

static uaddr_t supplied_end(const struct region *r)
{
    return r->start + ROUND_UP((uaddr_t)r->filled, PAGE_SIZE);
}

/*
 * The next page of one region, as vmspace_next_pages(). -EAGAIN: the backing has to be asked first, as *ask says.
 * `known` is what was asked before.
 */
static int region_next_page(struct vmspace *space, const struct region *r, const struct hole *known, uaddr_t *va,
                            struct frame **present, struct question *ask) REQUIRES(space->lock)
{
    uaddr_t at = MAX(*va, r->start), supplied = at;
    pte_t entry;

    if (region_is_supplied(r, at) && r->backing->ops->next) {
        bool answered = known->backing == r->backing && known->from <= at && at <= known->to;
        bool here = !answered && page_table_next(space->root, &supplied, at + PAGE_SIZE, &entry);
        if (!answered && !here) {
            *ask = (struct question){ backing_get(r->backing), r->offset + (at - r->start), at, supplied_end(r) };
            return -EAGAIN;
        }
        supplied = here ? at : known->to;
    }
    bool is_supplied = region_is_supplied(r, supplied);
    bool found = page_table_next(space->root, &at, is_supplied ? supplied + PAGE_SIZE : r->end, &entry);
    if (!found && !is_supplied)
        return -ENOENT;
    *va = found ? at : supplied;
    *present = found ? frame_of_pte(entry) : NULL;
    return 0;
}

static int next_page(struct vmspace *space, const struct hole *known, uaddr_t *va, struct frame **present,
                     struct question *ask) REQUIRES(space->lock)
{
    struct region *r;

    list_for_each(r, &space->regions, link) {
        int err = *va < r->end ? region_next_page(space, r, known, va, present, ask) : -ENOENT;
        if (err != -ENOENT)
            return err;
        *va = MAX(*va, r->end);
    }
    return -ENOENT;
}

// Ask, and let the backing go.
static int answer(const struct question *ask, struct hole *out)
{
    u64 offset = ask->offset;
    int err = ask->backing->ops->next(ask->backing, &offset);

    *out = (struct hole){ ask->backing, ask->page, ask->end };
    if (!err && offset <= ask->offset)
        out->to = ask->page;
    else if (!err && offset - ask->offset < ask->end - ask->page)
        out->to = ask->page + ROUND_DOWN((uaddr_t)(offset - ask->offset), PAGE_SIZE);
    backing_put(ask->backing);
    return err == -ENOENT ? 0 : err;
}

// The pages from va on that are present, as far as one table goes.
static u32 present_run(struct vmspace *space, uaddr_t va, struct space_page *out, u32 most) REQUIRES(space->lock)
{
    const pte_t *entry = va < USER_END ? page_table_find(space->root, va) : NULL;
    u32 n = 0;

    for (most = entry ? MIN(most, PT_ENTRIES - pt_index(va, 0)) : 0; n < most && pte_present(entry[n]); n++)
        out[n] = (struct space_page){ va + n * PAGE_SIZE, frame_of_pte(entry[n]) };
    return n;
}

static int next_pages(struct vmspace *space, const struct hole *known, uaddr_t *va, struct space_page *out, u32 most,
                      u32 *count, struct question *ask) REQUIRES(space->lock)
{
    while (*count < most) {
        struct frame *present;
        int err = next_page(space, known, va, &present, ask);
        if (err)
            return err;
        out[(*count)++] = (struct space_page){ *va, present };
        *va += PAGE_SIZE;
        u32 more = present ? present_run(space, *va, out + *count, most - *count) : 0;
        *count += more;
        *va += more * PAGE_SIZE;
    }
    return 0;
}

int vmspace_next_pages(struct vmspace *space, uaddr_t *va, struct space_page *out, u32 most, u32 *count)
{
    struct hole known = { .backing = NULL };
    struct question ask;
    int err;

    *va = ROUND_DOWN(*va, PAGE_SIZE);
    *count = 0;
    do {
        mutex_lock(&space->lock);
        err = next_pages(space, &known, va, out, most, count, &ask);
        mutex_unlock(&space->lock);
    } while (err == -EAGAIN && !(err = answer(&ask, &known)));
    return *count ? 0 : err;
}

static struct frame *present(struct vmspace *space, uaddr_t va) REQUIRES(space->lock)
{
    const pte_t *entry = va < USER_END ? page_table_find(space->root, va) : NULL;

    return entry && pte_present(*entry) ? frame_of_pte(*entry) : NULL;
}

u32 vmspace_next_of_set(struct vmspace *space, const struct page_set *set, uaddr_t *va, struct space_page *out,
                        u32 most)
{
    uaddr_t page = *va / PAGE_SIZE;
    u32 n = 0;

    mutex_lock(&space->lock);
    while (n < most && page_set_next(set, &page)) {
        u32 end = n + MIN(page_set_run(set, page), most - n);
        u32 here = present_run(space, page * PAGE_SIZE, out + n, end - n);
        n += here;
        page += here;
        if (n < end)
            out[n++] = (struct space_page){ .va = page++ * PAGE_SIZE };
    }
    mutex_unlock(&space->lock);
    *va = page * PAGE_SIZE;
    return n;
}

struct frame *vmspace_present(struct vmspace *space, uaddr_t va)
{
    mutex_lock(&space->lock);
    struct frame *f = present(space, va);
    mutex_unlock(&space->lock);
    return f;
}

bool vmspace_supplied(struct vmspace *space, uaddr_t va)
{
    mutex_lock(&space->lock);
    struct region *r = region_find(space, va);
    bool supplied = r && region_is_supplied(r, va);
    mutex_unlock(&space->lock);
    return supplied;
}

u32 vmspace_export(struct vmspace *space, struct x_region *out, u32 n)
{
    struct region *r;
    u32 i = 0;

    mutex_lock(&space->lock);
    list_for_each(r, &space->regions, link) {
        u64 resident = page_table_count(space->root, r->start, r->end);
        if (i < n)
            out[i] = (struct x_region){ r->start, r->end, resident, r->prot, r->kind };
        i++;
    }
    mutex_unlock(&space->lock);
    return i;
}

void vmspace_figures(struct vmspace *space, u32 *regions, u64 *size, u64 *resident)
{
    *regions = atomic_load_explicit(&space->region_count, memory_order_relaxed);
    *size = (u64)atomic_load_explicit(&space->pages, memory_order_relaxed) * PAGE_SIZE;
    *resident = (u64)atomic_load_explicit(&space->resident, memory_order_relaxed) * PAGE_SIZE;
}

u32 vmspaces_live(void)
{
    return atomic_load_explicit(&live, memory_order_relaxed);
}
