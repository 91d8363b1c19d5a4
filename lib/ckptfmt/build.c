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
    if (b->replaced && old && old != e.block)
        b->replaced(b->ctx, old);
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

enum ckpt_error ckpt_builder_set(struct ckpt_builder *b, u64 index, u32 block, u32 crc)
{
    struct entry old;
    enum ckpt_error err;

    if (index >> (b->tree.height * CKPT_FANOUT_BITS) || (b->begun && index <= b->last))
        return CKPT_BAD_TREE;
    err = move_to(b, index);
    if (err)
        return err;
    old = entry_get(b->node[0], entry_slot(index, 0));
    if (old.block == block && old.crc == crc)
        return CKPT_OK;
    if (old.block && b->tree.pages-- == 0)
        return CKPT_BAD_TREE;  // the old tree has more pages than it says
    if (block)
        b->tree.pages++;
    set_entry(b, 0, index, (struct entry){ block, crc });
    return CKPT_OK;
}

enum ckpt_error ckpt_builder_finish(struct ckpt_builder *b)
{
    enum ckpt_error err = CKPT_OK;

    for (u32 level = 0; !err && b->begun && level < b->tree.height; level++)
        err = complete(b, level);
    return err;
}
