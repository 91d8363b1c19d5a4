// The tree of a file's blocks: FS_ROOT_SLOTS slots in the inode, over `height` levels of index blocks with
// FS_SLOTS_PER_BLOCK slots.
//
// A slot read from the disk is checked before it is used: a block outside the data area is -EIO (or passed over, when
// all is thrown away anyhow). What the checks can't see, a block that belongs to two files, may give wrong data, but
// never a block outside the data area.
#include "tree.h"
#include "alloc.h"
#include <base/byteorder.h>
#include <base/string.h>
#include <kern/printk.h>
#include <uapi/errno.h>

#define INDEX_AHEAD 16  // index blocks that are read at once

// Blocks that one slot at `level` covers.
static u64 span(u32 level)
{
    return 1ull << (9 * level);
}

static u64 index_get(struct buffer *b, u32 n)
{
    return le64(buf_data(b) + 8 * n);
}

static void index_put(struct buffer *b, u32 n, u64 slot)
{
    put_le64(buf_data(b) + 8 * n, slot);
}

// Looking up.

// Slot n of a leaf: of an index block, or of the inode (index NULL).
static u64 leaf_get(struct inode *i, struct buffer *index, u32 n)
{
    return index ? index_get(index, n) : i->d.slots[n];
}

// What a slot must be to continue one that is `distance` before it.
static u64 slot_after(u64 slot, u32 distance)
{
    return slot ? slot + distance : 0;
}

static u32 run_length(struct inode *i, struct buffer *index, u32 n, u32 max)
{
    u64 first = leaf_get(i, index, n), step = first ? 1 : 0;
    u32 count = 1;

    if (index) {
        const u8 *at = buf_data(index) + 8 * n;
        for (max = MIN(max, FS_SLOTS_PER_BLOCK - n); count < max && le64(at + 8 * count) == first + count * step;)
            count++;
    } else {
        for (max = MIN(max, FS_ROOT_SLOTS - n); count < max && i->d.slots[n + count] == first + count * step;)
            count++;
    }
    return count;
}

// A run may not lead out of the data area either.
static int check_run(struct inode *i, u64 slot, u32 count)
{
    if (fs_slot_check(slot, true, fs_layout()) || fs_slot_check(slot_after(slot, count - 1), true, fs_layout()))
        return inode_damaged(i, "a pointer to data leads out of the data area");
    return 0;
}

// The index block that slot n of `parent` (NULL: the inode) points to. If it isn't in memory, those that follow it on
// the disk are read with it: it's a large file then, and others of its blocks will be wanted.
static int read_index(struct inode *i, struct buffer *parent, u32 n, struct buffer **out)
{
    u64 slot = leaf_get(i, parent, n);

    if (fs_slot_check(slot, false, fs_layout()))
        return inode_damaged(i, "a pointer to an index block leads out of the data area");
    *out = buf_cached(slot);
    if (*out)
        return 0;
    u32 run = run_length(i, parent, n, INDEX_AHEAD);
    if (run > 1 && !fs_slot_check(slot + run - 1, false, fs_layout()))
        buf_prefetch(slot, run);
    return buf_read(slot, out);
}

int tree_map(struct inode *i, u64 at, u32 max, u64 *slot, u32 *count)
{
    u32 level = i->d.height;
    struct buffer *index = NULL;

    *slot = 0;
    *count = max;
    if (at >= fs_height_blocks(level))
        return 0;
    u32 n = (u32)(at >> (9 * level));
    while (level > 0) {
        struct buffer *below;
        if (!leaf_get(i, index, n)) {
            *count = (u32)MIN(max, span(level) - at % span(level));
            goto out;
        }
        int err = read_index(i, index, n, &below);
        if (index)
            buf_put(index);
        if (err)
            return err;
        index = below;
        level--;
        n = (u32)(at >> (9 * level)) % FS_SLOTS_PER_BLOCK;
    }
    *slot = leaf_get(i, index, n);
    *count = run_length(i, index, n, max);
out:
    if (index)
        buf_put(index);
    return check_run(i, *slot, *count);
}

u64 tree_goal(struct inode *i, u64 at)
{
    u64 slot;
    u32 count;

    if (at == 0 || tree_map(i, at - 1, 1, &slot, &count) || !slot)
        return 0;
    return FS_SLOT_BLOCK(slot) + 1;
}

// Extending.

u32 tree_reach(struct inode *i, u64 at)
{
    if (i->d.height == 0 && at < FS_ROOT_SLOTS)
        return FS_ROOT_SLOTS - (u32)at;
    return FS_SLOTS_PER_BLOCK - (u32)(at % FS_SLOTS_PER_BLOCK);
}

// A new index block, empty, part of the handle.
static int create_index(struct tx *tx, struct inode *i, u64 goal, u64 *claim, struct buffer **out)
{
    struct buffer *b;
    u64 block;
    u32 count;
    int err = alloc_reserve(alloc_index_goal(goal), 1, claim, &block, &count);

    if (err)
        return err;
    err = buf_zeroed(block, &b);
    if (err)
        goto out_cancel;
    err = tx_write(tx, b);
    if (err)
        goto out_forget;
    err = alloc_commit(tx, block, 1);
    if (err)
        goto out_forget;
    i->d.blocks++;
    *out = b;
    return 0;

out_forget:
    tx_forget(tx, block);
    buf_put(b);
out_cancel:
    alloc_cancel(block, 1);
    return err;
}

// One level more: what the root slots were goes into a new index block, under the first of them.
static int grow(struct tx *tx, struct inode *i, u64 goal, u64 *claim)
{
    struct buffer *b;

    if (memory_is_zero(i->d.slots, sizeof(i->d.slots))) {
        i->d.height++;
        return 0;
    }
    int err = create_index(tx, i, goal, claim, &b);
    if (err)
        return err;
    for (u32 k = 0; k < FS_ROOT_SLOTS; k++)
        index_put(b, k, i->d.slots[k]);
    memset(i->d.slots, 0, sizeof(i->d.slots));
    i->d.slots[0] = b->block;
    i->d.height++;
    buf_put(b);
    return 0;
}

// The index block that slot n of `parent` (NULL: the inode) points to, changeable, made if there is none. Puts the
// parent.
static int descend(struct tx *tx, struct inode *i, struct buffer *parent, u32 n, u64 goal, u64 *claim,
                   struct buffer **out)
{
    struct buffer *b;
    int err;

    if (leaf_get(i, parent, n)) {
        err = read_index(i, parent, n, &b);
        if (!err) {
            err = tx_write(tx, b);
            if (err)
                buf_put(b);
        }
    } else {
        err = create_index(tx, i, goal, claim, &b);
        if (!err && parent)
            index_put(parent, n, b->block);
        else if (!err)
            i->d.slots[n] = b->block;
    }
    if (parent)
        buf_put(parent);
    if (!err)
        *out = b;
    return err;
}

int tree_prepare(struct tx *tx, struct inode *i, u64 at, u64 goal, u64 *claim, struct leaf *leaf)
{
    struct buffer *index = NULL;
    int err = 0;

    if (at >= fs_height_blocks(FS_MAX_HEIGHT))
        return -EFBIG;
    while (!err && at >= fs_height_blocks(i->d.height))
        err = grow(tx, i, goal, claim);
    u32 level = i->d.height;
    u32 n = (u32)(at >> (9 * level));
    while (!err && level > 0) {
        err = descend(tx, i, index, n, goal, claim, &index);
        level--;
        n = (u32)(at >> (9 * level)) % FS_SLOTS_PER_BLOCK;
    }
    *leaf = (struct leaf){ .index = index, .at = n };
    return err;
}

void tree_release(struct leaf *leaf)
{
    if (leaf->index)
        buf_put(leaf->index);
}

void tree_assign(struct inode *i, struct leaf *leaf, u64 slot, u32 count)
{
    for (u32 k = 0; k < count; k++) {
        if (!leaf_get(i, leaf->index, leaf->at + k))
            i->d.blocks++;
        if (leaf->index)
            index_put(leaf->index, leaf->at + k, slot_after(slot, k));
        else
            i->d.slots[leaf->at + k] = slot_after(slot, k);
    }
    tree_release(leaf);
}

// Cutting.

struct cut {
    struct tx *tx;
    struct inode *i;
    u64 keep;
    u32 groups;      // bitmap blocks that may still be touched,
    u64 last_group;  // and the one that was touched last
};

// Blocks of this file are no longer its own; a wrong count on disk doesn't wrap.
static void uncount(struct inode *i, u64 n)
{
    i->d.blocks -= MIN(n, i->d.blocks);
}

static int free_run(const struct cut *c, u64 start, u32 count)
{
    bool metadata = c->i->type == FS_DIR;
    int err = alloc_free(c->tx, start, count, metadata);

    if (err)
        return err;
    if (metadata) {
        for (u32 k = 0; k < count; k++)
            tx_forget(c->tx, start + k);
    } else {
        buf_forget(start, count);
    }
    uncount(c->i, count);
    return 0;
}

static void leaf_clear(struct inode *i, struct buffer *index, u32 n, u32 count)
{
    if (index)
        memset(buf_data(index) + 8 * n, 0, 8 * count);
    else
        memset(&i->d.slots[n], 0, 8 * count);
}

// Has the handle a credit for that bitmap block?
static bool enter_group(struct cut *c, u64 group)
{
    if (group == c->last_group)
        return true;
    if (c->groups == 0)
        return false;
    c->groups--;
    c->last_group = group;
    return true;
}

// How many slots, from `first` on at the earliest, lead block by block of one group to the block of slot `end` - 1.
static u32 run_before(struct inode *i, struct buffer *index, u32 first, u32 end)
{
    u64 slot = leaf_get(i, index, end - 1), block = FS_SLOT_BLOCK(slot);
    u64 least = MAX(block - block % FS_BITS_PER_BLOCK, fs_layout()->data_start);
    u32 most = (u32)MIN((u64)(end - first), block - least + 1), n = 1;

    while (n < most && leaf_get(i, index, end - 1 - n) == slot - n)
        n++;
    return n;
}

// Free data from slot `end` - 1 of a leaf down to slot `first`. *more: the handle is full.
static int cut_leaf(struct cut *c, struct buffer *index, u32 first, u32 end, bool *more)
{
    *more = false;
    for (u32 n; end > first; end -= n) {
        u64 slot = leaf_get(c->i, index, end - 1), block = FS_SLOT_BLOCK(slot);
        n = 1;
        if (!slot)
            continue;
        if (fs_slot_check(slot, true, fs_layout())) {
            (void)inode_damaged(c->i, "a pointer to data leads out of the data area; it is dropped");
            leaf_clear(c->i, index, end - 1, 1);
            continue;
        }
        if (!enter_group(c, alloc_group(block))) {
            *more = true;
            return 0;
        }
        n = run_before(c->i, index, first, end);
        int err = free_run(c, block - n + 1, n);
        if (err)
            return err;
        leaf_clear(c->i, index, end - n, n);
    }
    return 0;
}

// The last slot that is not zero, plus 1.
static u32 last_used(struct inode *i, struct buffer *index)
{
    u32 n = index ? FS_SLOTS_PER_BLOCK : FS_ROOT_SLOTS;

    while (n > 0 && !leaf_get(i, index, n - 1))
        n--;
    return n;
}

// The way down to the last block of the file.
struct path {
    struct buffer *index[FS_MAX_HEIGHT];  // index[0] hangs under the inode
    u32 at[FS_MAX_HEIGHT];                // and at[k] is the slot of its parent that points to index[k]
    u32 depth;
    u64 base;  // the first file block under the last of them
};

static void path_release(struct path *p)
{
    while (p->depth > 0)
        buf_put(p->index[--p->depth]);
}

static struct buffer *path_end(const struct path *p)
{
    return p->depth ? p->index[p->depth - 1] : NULL;
}

// Follow the last used slots down, changeable. Ends early at an index block that is empty. A pointer that is bad is
// dropped: -ESTALE, try again.
static int path_to_last(struct tx *tx, struct inode *i, struct path *p)
{
    *p = (struct path){};
    for (u32 level = i->d.height; level > 0; level--) {
        struct buffer *above = path_end(p), *b;
        u32 n = last_used(i, above);
        if (n == 0)
            return 0;
        u64 slot = leaf_get(i, above, n - 1);
        if (fs_slot_check(slot, false, fs_layout())) {
            (void)inode_damaged(i, "a pointer to an index block leads out of the data area; it is dropped");
            leaf_clear(i, above, n - 1, 1);
            return -ESTALE;
        }
        int err = buf_read(slot, &b);
        if (err)
            return err;
        p->base += (n - 1) * span(level);
        p->index[p->depth] = b;
        p->at[p->depth++] = n - 1;
        err = tx_write(tx, b);
        if (err)
            return err;
    }
    return 0;
}

// Free the empty index blocks at the end of the way, from below.
static int free_empty_indexes(struct tx *tx, struct inode *i, struct path *p)
{
    while (p->depth > 0 && last_used(i, path_end(p)) == 0) {
        struct buffer *empty = path_end(p);
        u64 block = empty->block;
        int err = alloc_free(tx, block, 1, true);
        if (err)
            return err;
        p->depth--;
        leaf_clear(i, path_end(p), p->at[p->depth], 1);
        tx_forget(tx, block);
        buf_put(empty);
        uncount(i, 1);
    }
    return 0;
}

// Does anything lie at or past `keep`, seen from the last used slots?
static int cut_last(struct cut *c, struct path *p, bool *more)
{
    struct inode *i = c->i;
    struct buffer *leaf = path_end(p);
    u32 end = last_used(i, leaf);
    bool at_bottom = p->depth == i->d.height;

    *more = false;
    if (end == 0) {
        *more = p->depth > 0;
    } else if (at_bottom && p->base + end > c->keep) {
        u32 first = c->keep > p->base ? (u32)(c->keep - p->base) : 0;
        int err = cut_leaf(c, leaf, first, end, more);
        if (err)
            return err;
        // What is before this leaf is the next handle's.
        *more |= first == 0 && p->base > c->keep;
    }
    return free_empty_indexes(c->tx, i, p);
}

int tree_cut(struct tx *tx, struct inode *i, u64 keep, bool *more)
{
    struct cut c = { .tx = tx, .i = i, .keep = keep, .groups = TREE_CUT_GROUPS, .last_group = UINT64_MAX };
    struct path p;
    int err;

    *more = false;
    while ((err = path_to_last(tx, i, &p)) == -ESTALE)
        path_release(&p);
    if (!err)
        err = cut_last(&c, &p, more);
    path_release(&p);
    if (memory_is_zero(i->d.slots, sizeof(i->d.slots)))
        i->d.height = 0;
    return err;
}
