// Page trees: walking one that is on disk, and building a fresh one.

#include <base/byteorder.h>
#include <base/crc32c.h>
#include <base/string.h>
#include <ckptfmt/ckptfmt.h>

enum { ENTRY_BLOCK = 0, ENTRY_CRC = 4, ENTRY_SIZE = 8 };

static bool block_is_usable(const struct ckpt_walk *w, u32 block)
{
    return block >= CKPT_SLOTS && block < w->blocks && (block < w->records_first || block >= w->records_end);
}

// Enter the node in `block`, which becomes the one of w->level.
static enum ckpt_error enter(struct ckpt_walk *w, u32 block, u32 crc)
{
    u8 *node = w->node[w->level];
    u64 offset = (u64)block * CKPT_BLOCK_SIZE;

    if (!block_is_usable(w, block))
        return CKPT_BAD_BLOCK;
    if (w->nodes_left-- == 0)
        return CKPT_BAD_TREE;
    w->failed_at = offset;
    if (w->source->read(w->source->ctx, offset, node, CKPT_BLOCK_SIZE))
        return CKPT_READ_FAILED;
    if (crc32c(0, node, CKPT_BLOCK_SIZE) != crc)
        return CKPT_BAD_CHECKSUM;
    w->place[w->level] = 0;
    return CKPT_OK;
}

enum ckpt_error ckpt_walk_begin(struct ckpt_walk *w, const struct ckpt_reader *r, const struct ckpt_tree *tree)
{
    const struct ckpt_header *h = &r->header;

    w->source = r->source;
    w->blocks = h->blocks;
    w->records_first = h->records_block;
    w->records_end = h->records_block + DIV_ROUND_UP(h->records_size, CKPT_BLOCK_SIZE);
    w->pages_left = tree->pages;
    w->nodes_left = tree->nodes;
    w->failed_at = 0;
    w->height = tree->height;
    w->level = tree->height;
    if (tree->root == 0)
        return CKPT_OK;
    w->level = tree->height - 1;
    return enter(w, tree->root, tree->crc);
}

// The page number of the entry before w->place, at level 0.
static u64 page_index(const struct ckpt_walk *w)
{
    u64 index = 0;

    for (u32 level = w->height; level-- > 0;)
        index = index << CKPT_FANOUT_BITS | (w->place[level] - 1);
    return index;
}

static enum ckpt_error finish(struct ckpt_walk *w, struct ckpt_page *page)
{
    page->block = 0;
    return w->pages_left || w->nodes_left ? CKPT_BAD_TREE : CKPT_OK;
}

enum ckpt_error ckpt_walk_next(struct ckpt_walk *w, struct ckpt_page *page)
{
    while (w->level < w->height) {
        const u8 *entry;
        u32 block, crc;
        enum ckpt_error err;

        if (w->place[w->level] == CKPT_FANOUT) {
            w->level++;
            continue;
        }
        entry = w->node[w->level] + w->place[w->level]++ * ENTRY_SIZE;
        block = le32(entry + ENTRY_BLOCK);
        crc = le32(entry + ENTRY_CRC);
        if (block == 0) {
            if (crc)
                return CKPT_BAD_TREE;
            continue;
        }
        if (w->level == 0) {
            if (!block_is_usable(w, block))
                return CKPT_BAD_BLOCK;
            if (w->pages_left-- == 0)
                return CKPT_BAD_TREE;
            *page = (struct ckpt_page){ .index = page_index(w), .block = block, .crc = crc };
            return CKPT_OK;
        }
        w->level--;
        err = enter(w, block, crc);
        if (err)
            return err;
    }
    return finish(w, page);
}

void ckpt_builder_init(struct ckpt_builder *b, u32 height, int (*emit)(void *, const u8 *, u32 *), void *ctx)
{
    memset(b, 0, offsetof(struct ckpt_builder, node));
    b->emit = emit;
    b->ctx = ctx;
    b->tree.height = height;
    memset(b->node, 0, height * sizeof b->node[0]);
}

static void set_entry(struct ckpt_builder *b, u32 level, u64 index, u32 block, u32 crc)
{
    u8 *entry = b->node[level] + (index >> (level * CKPT_FANOUT_BITS)) % CKPT_FANOUT * ENTRY_SIZE;

    put_le32(entry + ENTRY_BLOCK, block);
    put_le32(entry + ENTRY_CRC, crc);
}

// The node of `level` that holds the last page is complete: hand it out and enter it above.
static int complete(struct ckpt_builder *b, u32 level)
{
    u32 crc = crc32c(0, b->node[level], CKPT_BLOCK_SIZE);
    u32 block;
    int err = b->emit(b->ctx, b->node[level], &block);

    if (err)
        return err;
    b->tree.nodes++;
    if (level + 1 == b->tree.height) {
        b->tree.root = block;
        b->tree.crc = crc;
    } else {
        set_entry(b, level + 1, b->last, block, crc);
    }
    memset(b->node[level], 0, CKPT_BLOCK_SIZE);
    return 0;
}

// Do both pages lie under the same node of that level?
static bool same_node(u64 a, u64 b, u32 level)
{
    u32 shift = (level + 1) * CKPT_FANOUT_BITS;

    return a >> shift == b >> shift;
}

int ckpt_builder_add(struct ckpt_builder *b, u64 index, u32 block, u32 crc)
{
    int err;

    for (u32 level = 0; b->tree.pages > 0 && !same_node(b->last, index, level); level++) {
        err = complete(b, level);
        if (err)
            return err;
    }
    set_entry(b, 0, index, block, crc);
    b->last = index;
    b->tree.pages++;
    return 0;
}

int ckpt_builder_finish(struct ckpt_builder *b)
{
    int err;

    for (u32 level = 0; b->tree.pages > 0 && level < b->tree.height; level++) {
        err = complete(b, level);
        if (err)
            return err;
    }
    return 0;
}
