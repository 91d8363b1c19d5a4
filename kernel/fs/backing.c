// Files as the backing of memory: what exec maps.
//
// A page that is one whole block of the file is the cache's own frame, shared: nothing is copied, and all processes
// that run the program share it. While the backing lives the file can't be opened for writing, so the frame stays as it
// is. Any other page is read into a frame of its own.
#include "inodes.h"
#include "tree.h"
#include <base/string.h>
#include <mm/kmalloc.h>
#include <uapi/errno.h>

_Static_assert(PAGE_SIZE == FS_BLOCK_SIZE, "a page is a block");

struct file_backing {
    struct backing backing;
    struct inode *inode;
};

// The cache's frame for block `at`, if it lies wholly in the file and isn't a hole. *out stays NULL otherwise.
static int shared_page(struct inode *i, u64 at, struct frame **out)
{
    u64 slot = 0;
    u32 run;
    struct buffer *b;
    int err = 0;

    mutex_lock(&i->lock);
    bool whole = (at + 1) * FS_BLOCK_SIZE <= i->d.size;
    if (whole)
        err = tree_map(i, at, PREFETCH_MAX, &slot, &run);
    if (!err && slot && !fs_slot_unwritten(slot)) {
        // A program's first pages are soon followed by the others.
        b = buf_cached(slot);
        if (!b) {
            buf_prefetch(slot, run);
            err = buf_read(slot, &b);
        }
        if (!err) {
            *out = frame_get(b->frame);
            buf_put(b);
        }
    }
    mutex_unlock(&i->lock);
    return err;
}

static int own_page(struct inode *i, u64 offset, size_t limit, struct frame **out)
{
    struct frame *frame = frame_alloc();
    size_t done = 0;
    int err = 0;

    if (!frame)
        return -ENOMEM;
    struct piece piece = { .data = frame_data(frame), .size = (u32)MIN(limit, PAGE_SIZE) };
    if (piece.size)
        err = inode_read(i, offset, &piece, 1, &done);
    if (err) {
        frame_put(frame);
        return err;
    }
    memset((char *)piece.data + done, 0, PAGE_SIZE - done);
    *out = frame;
    return 0;
}

static int page(struct backing *b, u64 offset, size_t limit, struct frame **out)
{
    struct inode *i = container_of(b, struct file_backing, backing)->inode;
    struct frame *frame = NULL;

    if (offset % FS_BLOCK_SIZE == 0 && limit >= PAGE_SIZE) {
        int err = shared_page(i, offset / FS_BLOCK_SIZE, &frame);
        if (err)
            return err;
    }
    if (!frame)
        return own_page(i, offset, limit, out);
    *out = frame;
    return 0;
}

static void destroy(struct backing *b)
{
    struct file_backing *f = container_of(b, struct file_backing, backing);

    inode_backing_end(f->inode);
    inode_put(f->inode);
    kfree(f);
}

static const struct backing_ops ops = { .page = page, .destroy = destroy };

int inode_backing(struct inode *i, struct backing **out)
{
    if (i->type != FS_FILE)
        return i->type == FS_DIR ? -EISDIR : -EINVAL;
    struct file_backing *f = kzalloc(sizeof(*f));
    if (!f)
        return -ENOMEM;
    int err = inode_backing_begin(i);
    if (err) {
        kfree(f);
        return err;
    }
    f->backing.ops = &ops;
    f->backing.refs = 1;
    f->inode = inode_get(i);
    *out = &f->backing;
    return 0;
}
