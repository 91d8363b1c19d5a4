// Contents of files that travel in the image: those that have no name any more, and others if it was asked for.
//
// They are saved while the processes stand still, since a file has no snapshot. Of a file that the earlier epoch holds,
// too, nothing is read if it hasn't changed, and only what differs is written if it has.
#include "contents.h"
#include "epoch.h"
#include "run.h"
#include <base/string.h>
#include <fs/file.h>
#include <mm/kmalloc.h>
#include <uapi/errno.h>

#define READ_FRAMES 128
#define COPIED      256  // pages, at a time

// A file being saved.
struct reading {
    struct epoch *x;
    struct inode *inode;
    u64 size;
    const struct base_content *base;  // NULL: the earlier epoch doesn't have it
    struct ckpt_lookup lookup;        // of the base's tree
    u8 old[PAGE_SIZE];
    struct frame *frames[READ_FRAMES];
};

static const struct base_content *find_base(const struct epoch *x, const struct inode_identity *id)
{
    const struct base *b = x->base;

    for (u32 i = 0; b && i < b->content_count; i++)
        if (b->contents[i].ino == id->ino && b->contents[i].generation == id->generation)
            return &b->contents[i];
    return NULL;
}

// Is the page in the base's tree, the very bytes? A checksum alone doesn't prove it.
static int is_in_base(struct reading *r, u64 index, struct frame *frame, u32 crc, bool *same)
{
    const struct ckpt_source *source = &r->x->store->image.source;
    struct ckpt_page page;

    *same = false;
    if (!r->base || !r->base->tree.root)
        return 0;
    enum ckpt_error error = ckpt_lookup(&r->lookup, index, false, &page);
    if (error)
        return image_refuse(&r->x->store->image, error, r->lookup.failed_at);
    if (!page.block || page.crc != crc)
        return 0;
    if (source->read(source->ctx, (u64)page.block * CKPT_BLOCK_SIZE, r->old, PAGE_SIZE))
        return image_refuse(&r->x->store->image, CKPT_READ_FAILED, (u64)page.block * CKPT_BLOCK_SIZE);
    *same = memcmp(r->old, frame_data(frame), PAGE_SIZE) == 0;
    return 0;
}

static int save_page(struct reading *r, u64 index, struct frame *frame)
{
    u64 left = r->size - index * PAGE_SIZE;
    bool same;

    if (left < PAGE_SIZE)
        memset((u8 *)frame_data(frame) + left, 0, (size_t)(PAGE_SIZE - left));
    if (memory_is_zero(frame_data(frame), PAGE_SIZE))
        return epoch_no_page(r->x, index);
    u32 crc = ckpt_page_checksum(r->x->header.features, frame_data(frame));
    int err = is_in_base(r, index, frame, crc, &same);
    return err || same ? err : epoch_pages(r->x, index, 1, &frame, &crc);
}

static int save_run(struct reading *r, u64 index, u32 count)
{
    int err = frames_alloc_each(r->frames, count);

    if (err)
        return err;
    err = inode_read_frames(r->inode, index * PAGE_SIZE, r->frames, count);
    for (u32 i = 0; !err && i < count; i++)
        err = save_page(r, index + i, r->frames[i]);
    frames_release(r->frames, count);
    return err;
}

// What lay beyond the end that the file has now.
static int cut_base(struct reading *r, u64 pages)
{
    struct ckpt_page page = { .index = pages };

    while (r->base && r->base->tree.root) {
        enum ckpt_error error = ckpt_lookup(&r->lookup, page.index, true, &page);
        if (error)
            return image_refuse(&r->x->store->image, error, r->lookup.failed_at);
        if (!page.block)
            return 0;
        int err = epoch_no_page(r->x, page.index++);
        if (err)
            return err;
    }
    return 0;
}

static int save_pages(struct reading *r, struct ckpt_tree *tree)
{
    u64 pages = DIV_ROUND_UP(r->size, PAGE_SIZE);
    int err = 0;

    epoch_tree_begin(r->x, r->base ? &r->base->tree : NULL);
    if (r->base)
        ckpt_lookup_init(&r->lookup, &r->x->base->bounds, &r->base->tree);
    for (u64 at = 0; !err && at < pages; at += READ_FRAMES)
        err = save_run(r, at, (u32)MIN(pages - at, READ_FRAMES));
    if (!err)
        err = cut_base(r, pages);
    return err ? err : epoch_tree_end(r->x, tree);
}

int epoch_content(struct epoch *x, u32 file)
{
    const struct open_file *o = x->snap->files[file];
    const struct inode_identity *id = &o->state.inode;
    const struct base_content *base = find_base(x, id);
    struct content *c = &x->contents[x->content_count++];
    struct reading *r;

    *c = (struct content){ .file = file, .size = id->size };
    if (base && base->changes == id->changes && base->size == id->size) {
        c->tree = base->tree;
        return 0;
    }
    r = kzalloc(sizeof(*r));
    if (!r)
        return -ENOMEM;
    r->x = x;
    r->inode = file_inode(o->file);
    r->size = id->size;
    r->base = base;
    int err = save_pages(r, &c->tree);
    kfree(r);
    return err;
}

// ---- back

// A file being made from an image.
struct writing {
    struct image *image;
    struct inode *inode;
    struct ckpt_lookup lookup;
    u64 expected;  // pages that the tree says it has, but for those that came
    struct run run;
    struct frame *frames[COPIED];
};

static int copy_run(struct writing *w)
{
    struct run *run = &w->run;
    int err = run_read(run, w->image->inode, w->frames);

    if (err)
        return err;
    u32 sound = run_sound(run, w->lookup.bounds.features, w->frames);
    if (sound < run->count)
        err = image_refuse(w->image, CKPT_BAD_CHECKSUM, run_offset(run, sound));
    else
        err = inode_write_frames(w->inode, run->index * PAGE_SIZE, w->frames, run->count);
    frames_release(w->frames, run->count);
    return err;
}

// What lies together in the image and in the file, one after the other.
static int copy_pages(struct writing *w, u64 size)
{
    struct run *run = &w->run;
    u64 from = 0;

    while (from * PAGE_SIZE < size) {
        enum ckpt_error error = run_find(&w->lookup, from, COPIED, true, run);
        if (error)
            return image_refuse(w->image, error, w->lookup.failed_at);
        if (run->count == 0)
            break;
        from = run->index + run->count;
        if (run->count > w->expected || from > DIV_ROUND_UP(size, PAGE_SIZE))
            return image_refuse(w->image, CKPT_BAD_TREE, run_offset(run, 0));
        w->expected -= run->count;
        int err = copy_run(w);
        if (err)
            return err;
    }
    return inode_truncate(w->inode, size);
}

int contents_restore(struct image *image, const struct ckpt_bounds *bounds, const struct ckpt_tree *tree, u64 size,
                     struct inode *to)
{
    struct writing *w = kzalloc(sizeof(*w));

    if (!w)
        return -ENOMEM;
    w->image = image;
    w->inode = to;
    w->expected = tree->pages;
    ckpt_lookup_init(&w->lookup, bounds, tree);
    int err = copy_pages(w, size);
    kfree(w);
    return err;
}
