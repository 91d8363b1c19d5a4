// Bases, read from the records of an image.
#include "base.h"
#include <mm/kmalloc.h>
#include <uapi/errno.h>

struct base *base_create(u64 epoch, u32 digest, u32 spaces, u32 contents)
{
    struct base *b = kzalloc(sizeof(*b));

    if (!b)
        return NULL;
    b->epoch = epoch;
    b->digest = digest;
    b->space_count = spaces;
    b->content_count = contents;
    b->spaces = kzalloc(spaces * sizeof(*b->spaces));
    b->contents = kzalloc(contents * sizeof(*b->contents));
    if (b->spaces && b->contents)
        return b;
    base_destroy(b);
    return NULL;
}

void base_destroy(struct base *b)
{
    if (!b)
        return;
    kfree(b->spaces);
    kfree(b->contents);
    kfree(b);
}

static void note(struct base *b, const struct ckpt_item *item, u32 last)
{
    switch (item->type) {
    case CKPT_CONTENT:
        b->contents[item->object - 1].size = item->content.size;
        break;
    case CKPT_TREE:
        if (last == CKPT_CONTENT)
            b->contents[item->object - 1].tree = item->tree;
        else
            b->spaces[item->object - 1] = item->tree;
        break;
    case CKPT_FILE:
        if (!item->file.content)
            break;
        struct base_content *c = &b->contents[item->file.content - 1];
        c->ino = item->file.ino;
        c->generation = item->file.generation;
        c->changes = item->file.changes;
        break;
    default:
        break;
    }
}

static enum ckpt_error read_records(struct base *b, struct ckpt_reader *r)
{
    struct ckpt_item item = { .type = CKPT_EPOCH };

    while (item.type != CKPT_END) {
        u32 last = item.type;
        enum ckpt_error error = ckpt_next(r, &item);
        if (error)
            return error;
        note(b, &item, last);
    }
    return CKPT_OK;
}

int base_read(struct image *image, u64 epoch, u32 digest, struct base **out)
{
    struct ckpt_reader *r = &image->reader;
    struct ckpt_epoch e;
    enum ckpt_error error = image_open_same(image, epoch, &e);

    if (error)
        return image_refuse(image, error, r->failed_at);
    struct base *b = base_create(epoch, digest, e.spaces, e.contents);
    if (!b)
        return -ENOMEM;
    error = read_records(b, r);
    if (error) {
        base_destroy(b);
        return image_refuse(image, error, r->failed_at);
    }
    *out = b;
    return 0;
}
