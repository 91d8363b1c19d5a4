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

// The buffer's frame, with a reference, in place of the buffer.
static struct frame *frame_of_buffer(struct buffer *b)
{
    struct frame *f = frame_get(b->frame);

    buf_put(b);
    return f;
}

// NULL: block `slot` is not in the cache.
static struct frame *cached_frame(u64 slot)
{
    struct buffer *b = buf_cached(slot);

    return b ? frame_of_buffer(b) : NULL;
}

// The frame of block `slot`, which the cache then has, as it has most of the `run` blocks from there on: a program's
// first pages are soon followed by the others.
static int read_frame(u64 slot, u32 run, struct frame **out)
{
    struct buffer *b;

    *out = cached_frame(slot);
    if (*out)
        return 0;
    buf_prefetch(slot, run);
    int err = buf_read(slot, &b);
    if (!err)
        *out = frame_of_buffer(b);
    return err;
}

// The cache's frames for block `at` and those after it, at most `want`, as far as they lie wholly in the file, are no
// holes, and come with reading the first. *given stays 0 if not even the first is so.
static int shared_pages(struct inode *i, u64 at, struct frame **out, u32 want, u32 *given)
{
    u64 slot = 0;
    u32 run = 0;
    int err = 0;

    mutex_lock(&i->lock);
    u64 whole = i->d.size / FS_BLOCK_SIZE;
    if (at < whole)
        err = tree_map(i, at, PREFETCH_MAX, &slot, &run);
    if (!err && slot && !fs_slot_unwritten(slot)) {
        u32 most = (u32)MIN((u64)MIN(want, run), whole - at);
        err = read_frame(slot, run, &out[0]);
        *given = !err;
        while (!err && *given < most && (out[*given] = cached_frame(slot + *given)))
            ++*given;
    }
    mutex_unlock(&i->lock);
    return err;
}

static int own_page(struct inode *i, u64 offset, u64 limit, struct frame **out)
{
    struct frame *frame = frame_alloc();
    size_t done = 0;
    int err = 0;

    if (!frame)
        return -ENOMEM;
    struct piece piece = { .data = frame_data(frame), .size = (u32)MIN(limit, (u64)PAGE_SIZE) };
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

static int pages(struct backing *b, u64 offset, u64 limit, struct frame **out, u32 want, u32 *given)
{
    struct inode *i = container_of(b, struct file_backing, backing)->inode;

    *given = 0;
    if (offset % FS_BLOCK_SIZE == 0 && limit >= PAGE_SIZE) {
        int err = shared_pages(i, offset / FS_BLOCK_SIZE, out, (u32)MIN((u64)want, limit / PAGE_SIZE), given);
        if (err || *given)
            return err;
    }
    *given = 1;
    return own_page(i, offset, limit, out);
}

static void destroy(struct backing *b)
{
    struct file_backing *f = container_of(b, struct file_backing, backing);

    inode_backing_end(f->inode);
    inode_put(f->inode);
    kfree(f);
}

static const struct backing_ops ops = { .pages = pages, .destroy = destroy };

int inode_backing(struct inode *i, struct backing **out)
{
    int err = inode_check_file(i);

    if (err)
        return err;
    struct file_backing *f = kzalloc(sizeof(*f));
    if (!f)
        return -ENOMEM;
    err = inode_backing_begin(i);
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
