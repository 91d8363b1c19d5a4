// Address spaces as a whole: making, ending, entering, and looking at them. Regions are in region.c, faults in fault.c.
#include "space.h"
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
    frame_put(frame_of(space->root));
    if (space->snapshot)
        atomic_fetch_sub(&snapshots, 1);
    kfree(space);
    atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
}

void snapshot_mark(struct vmspace *space)
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

// The next page of one region, as vmspace_next_page().
static bool region_next_page(struct vmspace *space, const struct region *r, uaddr_t *va, struct frame **present)
    REQUIRES(space->lock)
{
    uaddr_t at = MAX(*va, r->start);
    bool supplied = at - r->start < r->filled;
    pte_t entry;
    bool found = page_table_next(space->root, &at, supplied ? at + PAGE_SIZE : r->end, &entry);

    if (!found && !supplied)
        return false;
    *va = found ? at : MAX(*va, r->start);
    *present = found ? frame_of_pte(entry) : NULL;
    return true;
}

bool vmspace_next_page(struct vmspace *space, uaddr_t *va, struct frame **present)
{
    struct region *r;
    bool found = false;

    mutex_lock(&space->lock);
    *va = ROUND_DOWN(*va, PAGE_SIZE);
    list_for_each(r, &space->regions, link) {
        found = *va < r->end && region_next_page(space, r, va, present);
        if (found)
            break;
    }
    mutex_unlock(&space->lock);
    return found;
}

static u64 region_resident(struct vmspace *space, const struct region *r) REQUIRES(space->lock)
{
    u64 n = 0;
    pte_t entry;

    for (uaddr_t va = r->start; page_table_next(space->root, &va, r->end, &entry); va += PAGE_SIZE)
        n++;
    return n;
}

u32 vmspace_export(struct vmspace *space, struct x_region *out, u32 n)
{
    struct region *r;
    u32 i = 0;

    mutex_lock(&space->lock);
    list_for_each(r, &space->regions, link) {
        if (i < n)
            out[i] = (struct x_region){ r->start, r->end, region_resident(space, r), r->prot, r->kind };
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
