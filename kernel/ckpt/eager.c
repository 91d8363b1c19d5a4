// Memory out of an image, all at once: what lies together in the image is read together.
#include "lazy.h"
#include <base/crc32c.h>
#include <mm/kmalloc.h>
#include <proc/proc.h>
#include <uapi/errno.h>

#define RUN_MAX 254  // one of the disk's requests

// Pages that lie one after the other in the image.
struct eager {
    struct image *image;
    struct vmspace *space;
    struct ckpt_lookup lookup;
    u64 expected;  // pages that the tree says it has, but for those that came
    u32 count;
    struct frame *frames[RUN_MAX];
    struct ckpt_page pages[RUN_MAX];
};

static int allocate(struct eager *e)
{
    for (u32 i = 0; i < e->count; i++) {
        e->frames[i] = frame_alloc();
        if (!e->frames[i])
            return -ENOMEM;
    }
    return 0;
}

static void release(struct eager *e)
{
    for (u32 i = 0; i < e->count; i++) {
        if (e->frames[i])
            frame_put(e->frames[i]);
        e->frames[i] = NULL;
    }
    e->count = 0;
}

static int refuse(struct eager *e, enum ckpt_error error, u32 i)
{
    return image_refuse(e->image, error, (u64)e->pages[i].block * CKPT_BLOCK_SIZE);
}

// Check the frames and make them the space's.
static int install(struct eager *e)
{
    for (u32 i = 0; i < e->count; i++) {
        struct frame *frame = e->frames[i];

        if (crc32c(0, frame_data(frame), PAGE_SIZE) != e->pages[i].crc)
            return refuse(e, CKPT_BAD_CHECKSUM, i);
        if (e->pages[i].index >= USER_END / PAGE_SIZE)
            return refuse(e, CKPT_BAD_TREE, i);
        e->frames[i] = NULL;
        int err = vmspace_install(e->space, (uaddr_t)(e->pages[i].index * PAGE_SIZE), frame);
        if (err)
            return err == -EFAULT ? refuse(e, CKPT_BAD_TREE, i) : err;
    }
    return 0;
}

static int read_run(struct eager *e)
{
    int err = allocate(e);

    if (!err)
        err = inode_read_frames(e->image->inode, (u64)e->pages[0].block * CKPT_BLOCK_SIZE, e->frames, e->count);
    if (!err)
        err = install(e);
    release(e);
    thread_breathe();
    return err || !proc_killed(proc_self()) ? err : -EINTR;
}

// The pages from `from` on that lie together in the image; e->count 0: there are no more.
static enum ckpt_error next_run(struct eager *e, u64 from)
{
    for (e->count = 0; e->count < RUN_MAX; e->count++) {
        struct ckpt_page *page = &e->pages[e->count];
        enum ckpt_error error = ckpt_lookup(&e->lookup, from, true, page);
        if (error)
            return error;
        if (!page->block || (e->count && page->block != e->pages[0].block + e->count))
            break;
        from = page->index + 1;
    }
    return CKPT_OK;
}

static int read_all(struct eager *e)
{
    u64 from = 0;

    for (;;) {
        enum ckpt_error error = next_run(e, from);
        if (error)
            return image_refuse(e->image, error, e->lookup.failed_at);
        if (e->count > e->expected || (!e->count && e->expected))
            return image_refuse(e->image, CKPT_BAD_TREE, e->lookup.failed_at);
        if (!e->count)
            return 0;
        e->expected -= e->count;
        from = e->pages[e->count - 1].index + 1;
        int err = read_run(e);
        if (err)
            return err;
    }
}

int eager_read(struct image *image, const struct ckpt_bounds *bounds, const struct ckpt_tree *tree,
               struct vmspace *space)
{
    struct eager *e = kzalloc(sizeof(*e));

    if (!e)
        return -ENOMEM;
    e->image = image;
    e->space = space;
    e->expected = tree->pages;
    ckpt_lookup_init(&e->lookup, bounds, tree);
    int err = read_all(e);
    kfree(e);
    return err;
}
