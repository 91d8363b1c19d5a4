// Cloning a space: for fork, and as the snapshot that a checkpoint writes out.
#include "space.h"
#include "tracking.h"
#include <uapi/errno.h>

static int clone_into(struct vmspace *from, bool promise, struct vmspace *to, int (*pages)(pte_t *from, pte_t *to))
    REQUIRES(from->lock, to->lock)
{
    int err = 0;

    if (promise)
        err = commit_promise(to, from->committed);
    else
        space_make_snapshot(to);
    if (!err)
        err = regions_clone(from, to);
    if (!err)
        err = pages(from->root, to->root);
    to->heap_start = from->heap_start;
    to->heap_end = from->heap_end;
    to->heap_limit = from->heap_limit;
    to->resident = from->resident;
    return err;
}

static void clone_begin(struct vmspace *from, struct vmspace *to) ACQUIRE(from->lock, to->lock)
{
    mutex_lock(&from->lock);
    mutex_lock_nested(&to->lock);
}

// Also after a failure the processor may know pages as writable, and as dirty, that no longer are.
static int clone_end(struct vmspace *from, struct vmspace *to, int err, struct vmspace **out)
    RELEASE(from->lock, to->lock)
{
    mutex_unlock(&to->lock);
    mutex_unlock(&from->lock);
    if (space_is_current(from))
        tlb_flush_all();
    if (err) {
        vmspace_destroy(to);
        return err;
    }
    *out = to;
    return 0;
}

int vmspace_clone(struct vmspace *from, bool promise, struct vmspace **out)
{
    struct vmspace *to;
    int err = vmspace_create(&to);

    if (err)
        return err;
    clone_begin(from, to);
    err = clone_into(from, promise, to, page_table_clone);
    return clone_end(from, to, err, out);
}

static int snapshot_into(struct vmspace *from, struct vmspace *to, const struct mark_label *base,
                         const struct page_set **changed, struct snapshot_mark **mark) REQUIRES(from->lock, to->lock)
{
    int err = tracking_begin(from);

    if (err)
        return err;
    struct snapshot_mark *m = snapshot_mark_create(from->tracking);
    if (!m)
        return -ENOMEM;
    err = clone_into(from, false, to, page_table_share);
    snapshot_mark_begin(m, to->root, base, changed);
    if (err)
        snapshot_mark_drop(m);
    else
        *mark = m;
    return err;
}

int vmspace_snapshot(struct vmspace *from, const struct mark_label *base, struct vmspace **out,
                     const struct page_set **changed, struct snapshot_mark **mark)
{
    struct vmspace *to;
    int err = vmspace_create(&to);

    if (err)
        return err;
    clone_begin(from, to);
    err = snapshot_into(from, to, base, changed, mark);
    return clone_end(from, to, err, out);
}

// All pages are clean from now on. Those that were not have changed since all marks there are.
static void clean_pages(struct vmspace *space) REQUIRES(space->lock)
{
    struct page_set dirty = { .chunks = NULL };
    bool needed = tracking_is_needed(space->tracking);

    page_table_clean(space->root, needed ? &dirty : NULL);
    if (needed)
        tracking_add_set(space->tracking, &dirty);
    page_set_release(&dirty);
}

int vmspace_mark(struct vmspace *space, const struct mark_label *label)
{
    const struct page_set *changed;
    struct snapshot_mark *mark = NULL;

    mutex_lock(&space->lock);
    int err = tracking_begin(space);
    if (!err)
        mark = snapshot_mark_create(space->tracking);
    if (mark) {
        clean_pages(space);
        snapshot_mark_begin(mark, NULL, NULL, &changed);
    }
    mutex_unlock(&space->lock);
    if (!mark)
        return -ENOMEM;
    snapshot_mark_keep(mark, label);
    return 0;
}
