// Cloning a space: for fork, and as the snapshot that a checkpoint writes out.
#include "space.h"
#include <uapi/errno.h>

static int clone_into(struct vmspace *from, bool promise, struct vmspace *to) REQUIRES(from->lock, to->lock)
{
    int err = 0;

    if (promise)
        err = commit_promise(to, from->committed);
    else
        snapshot_mark(to);
    if (!err)
        err = regions_clone(from, to);
    if (!err)
        err = page_table_clone(from->root, to->root);
    to->heap_start = from->heap_start;
    to->heap_end = from->heap_end;
    to->heap_limit = from->heap_limit;
    to->resident = from->resident;
    return err;
}

int vmspace_clone(struct vmspace *from, bool promise, struct vmspace **out)
{
    struct vmspace *to;
    int err = vmspace_create(&to);

    if (err)
        return err;
    mutex_lock(&from->lock);
    mutex_lock_nested(&to->lock);
    err = clone_into(from, promise, to);
    mutex_unlock(&to->lock);
    mutex_unlock(&from->lock);

    // Also after a failure: pages may have become read-only.
    if (space_is_current(from))
        tlb_flush_all();
    if (err) {
        vmspace_destroy(to);
        return err;
    }
    *out = to;
    return 0;
}
