// Page trees in the making: a fresh one, or one that takes from an old one all that hasn't changed.
//
// Changes come in ascending order, so one node of each level is in the making, and none is come back to. A node is
// loaded from the old tree when the first change below it comes, and handed out when the last one has come.

#include "tree.h"
#include <base/crc32c.h>
#include <base/string.h>

void ckpt_builder_init(struct ckpt_builder *b, u32 height, const struct ckpt_bounds *bounds,
                       const struct ckpt_tree *base, int (*emit)(void *, const u8 *, u32 *), void *ctx)
{
    memset(b, 0, offsetof(struct ckpt_builder, node));
    b->emit = emit;
    b->ctx = ctx;
    if (base) {
        b->base = *base;
        b->bounds = *bounds;
    }
    b->tree = b->base;
    b->tree.height = height;
}

// Make `level`'s node the one on the way to `index`: the old tree's, or an empty one.
static enum ckpt_error load(struct ckpt_builder *b, u32 level, u64 index)
{
    bool is_root = level + 1 == b->tree.height;
    struct entry e = is_root ? (struct entry){ b->base.root, b->base.crc }
                             : entry_get(b->node[level + 1], entry_slot(index, level + 1));

    b->existed[level] = e.block != 0;
    b->changed[level] = false;
    if (e.block)
        return ckpt_node_read(&b->bounds, e, b->node[level], &b->failed_at);
    memset(b->node[level], 0, CKPT_BLOCK_SIZE);
    return CKPT_OK;
}

static void tell_replaced(struct ckpt_builder *b, u32 first, u32 count)
{
    if (b->replaced && count)
        b->replaced(b->ctx, first, count);
}

// Change an entry of `level`'s node, or the root above them all. Each is changed once: what stands there is the base's.
static void set_entry(struct ckpt_builder *b, u32 level, u64 index, struct entry e)
{
    bool is_root = level == b->tree.height;
    u32 old = is_root ? b->base.root : entry_get(b->node[level], entry_slot(index, level)).block;

    if (is_root) {
        b->tree.root = e.block;
        b->tree.crc = e.crc;
    } else {
        entry_put(b->node[level], entry_slot(index, level), e);
        b->changed[level] = true;
    }
    tell_replaced(b, old, old && old != e.block);
}

static bool node_is_empty(const u8 *node)
{
    for (u32 slot = 0; slot < CKPT_FANOUT; slot++)
        if (entry_get(node, slot).block)
            return false;
    return true;
}

// The node of `level` that holds the last change is complete: hand it out and enter it above.
static enum ckpt_error complete(struct ckpt_builder *b, u32 level)
{
    struct entry e = { 0 };

    if (!b->changed[level])
        return CKPT_OK;
    if (b->existed[level] && b->tree.nodes-- == 0)
        return CKPT_BAD_TREE;  // the old tree has more nodes than it says
    if (!node_is_empty(b->node[level])) {
        e.crc = crc32c(0, b->node[level], CKPT_BLOCK_SIZE);
        if (b->emit(b->ctx, b->node[level], &e.block))
            return CKPT_WRITE_FAILED;
        b->tree.nodes++;
        b->written++;
    }
    set_entry(b, level + 1, b->last, e);
    return CKPT_OK;
}

// Do both pages lie under the same node of that level?
static bool same_node(u64 a, u64 b, u32 level)
{
    u32 shift = (level + 1) * CKPT_FANOUT_BITS;

    return a >> shift == b >> shift;
}

// Complete the nodes that the next change isn't in, and load those that it is in.
static enum ckpt_error move_to(struct ckpt_builder *b, u64 index)
{
    enum ckpt_error err = CKPT_OK;
    u32 level = 0;

    if (!b->begun)
        level = b->tree.height;
    for (; !err && !(level == b->tree.height) && !same_node(b->last, index, level); level++)
        err = complete(b, level);
    while (!err && level-- > 0)
        err = load(b, level, index);
    b->last = index;
    b->begun = true;
    return err;
}

// Entries of the leaf, from `slot` on.
static enum ckpt_error set_pages(struct ckpt_builder *b, u32 slot, u32 count, const u32 *block, const u32 *crc)
{
    u8 *leaf = b->node[0];
    u32 gone = 0, gone_count = 0;

    for (u32 i = 0; i < count; i++) {
        struct entry old = entry_get(leaf, slot + i);
        if (old.block == block[i] && old.crc == crc[i])
            continue;
        if (old.block && b->tree.pages-- == 0)
            return CKPT_BAD_TREE;  // the old tree has more pages than it says
        b->tree.pages += block[i] != 0;
        b->changed[0] = true;
        entry_put(leaf, slot + i, (struct entry){ block[i], crc[i] });
        if (!old.block || old.block == block[i])
            continue;
        if (old.block != gone + gone_count) {
            tell_replaced(b, gone, gone_count);
            gone = old.block;
            gone_count = 0;
        }
        gone_count++;
    }
    tell_replaced(b, gone, gone_count);
    return CKPT_OK;
}

enum ckpt_error ckpt_builder_set_run(struct ckpt_builder *b, u64 index, u32 count, const u32 *block, const u32 *crc)
{
    u64 end = index + count;

    if (end < index || end > 1ull << (b->tree.height * CKPT_FANOUT_BITS) || (b->begun && index <= b->last))
        return CKPT_BAD_TREE;
    while (index < end) {
        u32 slot = entry_slot(index, 0), n = (u32)MIN(end - index, CKPT_FANOUT - slot);
        enum ckpt_error err = move_to(b, index);
        if (!err)
            err = set_pages(b, slot, n, block, crc);
        if (err)
            return err;
        index += n;
        block += n;
        crc += n;
        b->last = index - 1;
    }
    return CKPT_OK;
}

enum ckpt_error ckpt_builder_set(struct ckpt_builder *b, u64 index, u32 block, u32 crc)
{
    return ckpt_builder_set_run(b, index, 1, &block, &crc);
}

enum ckpt_error ckpt_builder_finish(struct ckpt_builder *b)
{
    enum ckpt_error err = CKPT_OK;

    for (u32 level = 0; !err && b->begun && level < b->tree.height; level++)
        err = complete(b, level);
    return err;
}
