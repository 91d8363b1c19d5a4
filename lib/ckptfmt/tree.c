// Page trees in the file: walking one, finding pages in one, telling its blocks.

#include "tree.h"
#include <base/crc32c.h>
#include <base/string.h>

void ckpt_bounds(struct ckpt_bounds *bounds, const struct ckpt_reader *r)
{
    const struct ckpt_header *h = &r->header;

    bounds->source = r->source;
    bounds->blocks = h->blocks;
    bounds->features = h->features;
    bounds->records_first = h->records_block;
    bounds->records_end = h->records_block + DIV_ROUND_UP(h->records_size, CKPT_BLOCK_SIZE);
}

bool ckpt_block_is_usable(const struct ckpt_bounds *b, u32 block)
{
    return block >= CKPT_SLOTS && block < b->blocks && (block < b->records_first || block >= b->records_end);
}

// A node without any entry would make a search go on and on, and no writer writes one.
static bool node_is_sound(const u8 *node)
{
    bool empty = true;

    for (u32 slot = 0; slot < CKPT_FANOUT; slot++) {
        struct entry e = entry_get(node, slot);

        if (e.block)
            empty = false;
        else if (e.crc)
            return false;
    }
    return !empty;
}

enum ckpt_error ckpt_node_read(const struct ckpt_bounds *bounds, struct entry e, u8 node[CKPT_BLOCK_SIZE],
                               u64 *failed_at)
{
    const struct ckpt_source *source = bounds->source;
    u64 offset = (u64)e.block * CKPT_BLOCK_SIZE;

    if (!ckpt_block_is_usable(bounds, e.block))
        return CKPT_BAD_BLOCK;
    *failed_at = offset;
    if (source->known && source->known(source->ctx, offset, node))
        return CKPT_OK;
    if (source->read(source->ctx, offset, node, CKPT_BLOCK_SIZE))
        return CKPT_READ_FAILED;
    if (crc32c(0, node, CKPT_BLOCK_SIZE) != e.crc)
        return CKPT_BAD_CHECKSUM;
    return node_is_sound(node) ? CKPT_OK : CKPT_BAD_TREE;
}

// ---- walking

// Enter a node, which becomes the one of `level`.
static enum ckpt_error enter(struct ckpt_walk *w, u32 level, struct entry e)
{
    if (w->nodes_left == 0)
        return CKPT_BAD_TREE;
    w->nodes_left--;
    w->level = level;
    w->place[level] = 0;
    return ckpt_node_read(&w->bounds, e, w->node[level], &w->failed_at);
}

static void walk_init(struct ckpt_walk *w, const struct ckpt_reader *r, const struct ckpt_tree *tree)
{
    ckpt_bounds(&w->bounds, r);
    w->pages_left = tree->pages;
    w->nodes_left = tree->nodes;
    w->failed_at = 0;
    w->height = tree->height;
    w->level = tree->height;
}

static enum ckpt_error enter_root(struct ckpt_walk *w, const struct ckpt_tree *tree)
{
    return enter(w, tree->height - 1, (struct entry){ tree->root, tree->crc });
}

enum ckpt_error ckpt_walk_begin(struct ckpt_walk *w, const struct ckpt_reader *r, const struct ckpt_tree *tree)
{
    walk_init(w, r, tree);
    return tree->root ? enter_root(w, tree) : CKPT_OK;
}

// The next entry that is not empty, of w->level's node; false at the end. Goes up where a node ends, never down.
static bool next_entry(struct ckpt_walk *w, struct entry *e)
{
    while (w->level < w->height) {
        if (w->place[w->level] == CKPT_FANOUT) {
            w->level++;
            continue;
        }
        *e = entry_get(w->node[w->level], w->place[w->level]++);
        if (e->block)
            return true;
    }
    return false;
}

// A page's entry was met: may there be another page, and there?
static enum ckpt_error count_page(struct ckpt_walk *w, u32 block)
{
    if (!ckpt_block_is_usable(&w->bounds, block))
        return CKPT_BAD_BLOCK;
    if (w->pages_left == 0)
        return CKPT_BAD_TREE;
    w->pages_left--;
    return CKPT_OK;
}

// The page number of the entry before w->place, at level 0.
static u64 page_index(const struct ckpt_walk *w)
{
    u64 index = 0;

    for (u32 level = w->height; level-- > 0;)
        index = index << CKPT_FANOUT_BITS | (w->place[level] - 1);
    return index;
}

static enum ckpt_error expect_nothing_left(const struct ckpt_walk *w)
{
    return w->pages_left || w->nodes_left ? CKPT_BAD_TREE : CKPT_OK;
}

enum ckpt_error ckpt_walk_next(struct ckpt_walk *w, struct ckpt_page *page)
{
    enum ckpt_error err;
    struct entry e;

    while (next_entry(w, &e)) {
        if (w->level == 0) {
            *page = (struct ckpt_page){ .index = page_index(w), .block = e.block, .crc = e.crc };
            return count_page(w, e.block);
        }
        err = enter(w, w->level - 1, e);
        if (err)
            return err;
    }
    page->block = 0;
    return expect_nothing_left(w);
}

// ---- finding

void ckpt_lookup_init(struct ckpt_lookup *l, const struct ckpt_bounds *bounds, const struct ckpt_tree *tree)
{
    l->bounds = *bounds;
    l->tree = *tree;
    l->failed_at = 0;
    l->leaf = 0;
    memset(l->block, 0, sizeof l->block);
}

// Make `level`'s node the one that `e` names.
static enum ckpt_error hold(struct ckpt_lookup *l, u32 level, struct entry e)
{
    enum ckpt_error err;

    if (l->block[level] == e.block && l->crc[level] == e.crc)
        return CKPT_OK;
    l->block[level] = 0;
    err = ckpt_node_read(&l->bounds, e, l->node[level], &l->failed_at);
    if (err)
        return err;
    l->block[level] = e.block;
    l->crc[level] = e.crc;
    return CKPT_OK;
}

// Descend towards a page as far as there are nodes: *e is its entry, or the empty one at *level where the way ends.
// Mostly the way is that of the page before.
static enum ckpt_error descend(struct ckpt_lookup *l, u64 index, struct entry *e, u32 *level)
{
    enum ckpt_error err;

    if (l->block[0] && index >> CKPT_FANOUT_BITS == l->leaf) {
        *level = 0;
        *e = entry_get(l->node[0], entry_slot(index, 0));
        return CKPT_OK;
    }
    *e = (struct entry){ l->tree.root, l->tree.crc };
    for (*level = l->tree.height; *level > 0 && e->block;) {
        --*level;
        err = hold(l, *level, *e);
        if (err)
            return err;
        *e = entry_get(l->node[*level], entry_slot(index, *level));
    }
    if (*level == 0)
        l->leaf = index >> CKPT_FANOUT_BITS;
    return CKPT_OK;
}

// The number of the first page that may follow the empty entry at `level` on the way to `index`.
static u64 after_gap(const struct ckpt_lookup *l, u64 index, u32 level)
{
    u32 shift = level * CKPT_FANOUT_BITS;
    u64 slot = entry_slot(index, level);
    u64 before = (index >> shift) - slot;

    do
        slot++;
    while (slot < CKPT_FANOUT && !entry_get(l->node[level], (u32)slot).block);
    return (before + slot) << shift;
}

enum ckpt_error ckpt_lookup(struct ckpt_lookup *l, u64 index, bool next, struct ckpt_page *page)
{
    enum ckpt_error err;
    struct entry e;
    u32 level;

    page->block = 0;
    if (l->tree.root == 0)
        return CKPT_OK;
    // No node is empty: each round ends at most one way down and one way up the tree.
    for (; index >> (l->tree.height * CKPT_FANOUT_BITS) == 0; index = after_gap(l, index, level)) {
        err = descend(l, index, &e, &level);
        if (err)
            return err;
        if (e.block) {
            *page = (struct ckpt_page){ .index = index, .block = e.block, .crc = e.crc };
            return ckpt_block_is_usable(&l->bounds, e.block) ? CKPT_OK : CKPT_BAD_BLOCK;
        }
        if (!next)
            break;
    }
    return CKPT_OK;
}

// As far as the node goes.
u32 ckpt_lookup_more(const struct ckpt_lookup *l, const struct ckpt_page *page, u32 most, u32 *crc)
{
    u32 slot = entry_slot(page->index, 0), n = 0;

    for (most = MIN(most, CKPT_FANOUT - 1 - slot); n < most; n++) {
        struct entry e = entry_get(l->node[0], slot + 1 + n);
        if (e.block != page->block + 1 + n || !ckpt_block_is_usable(&l->bounds, e.block))
            break;
        crc[n] = e.crc;
    }
    return n;
}

// ---- blocks in use

// Whom to tell, and blocks one after the other that are yet to be told.
struct usage {
    bool (*use)(void *ctx, u32 first, u32 count);
    void *ctx;
    u32 first, count;
    bool passed_over;
};

static void tell_run(struct usage *u)
{
    if (u->count)
        u->use(u->ctx, u->first, u->count);
    u->count = 0;
}

static void tell_page(struct usage *u, u32 block)
{
    if (u->count == 0 || block != u->first + u->count) {
        tell_run(u);
        u->first = block;
    }
    u->count++;
}

// Tell a node, and enter it unless its user knows it.
static enum ckpt_error tell_node(struct ckpt_walk *w, struct usage *u, u32 level, struct entry e)
{
    if (!ckpt_block_is_usable(&w->bounds, e.block))
        return CKPT_BAD_BLOCK;
    tell_run(u);
    if (u->use(u->ctx, e.block, 1))
        return enter(w, level, e);
    u->passed_over = true;
    return CKPT_OK;
}

static enum ckpt_error tell_tree(const struct ckpt_reader *r, struct ckpt_walk *w, const struct ckpt_tree *tree,
                                 struct usage *u)
{
    enum ckpt_error err = CKPT_OK;
    struct entry e = { tree->root, tree->crc };

    walk_init(w, r, tree);
    u->passed_over = false;
    if (tree->root)
        err = tell_node(w, u, tree->height - 1, e);
    while (!err && next_entry(w, &e)) {
        if (w->level > 0) {
            err = tell_node(w, u, w->level - 1, e);
            continue;
        }
        err = count_page(w, e.block);
        if (!err)
            tell_page(u, e.block);
    }
    tell_run(u);
    return err || u->passed_over ? err : expect_nothing_left(w);
}

enum ckpt_error ckpt_blocks(struct ckpt_reader *r, struct ckpt_walk *w, bool (*use)(void *ctx, u32 first, u32 count),
                            void *ctx)
{
    struct usage u = { .use = use, .ctx = ctx };
    struct ckpt_item item = { .type = CKPT_EPOCH };
    enum ckpt_error err = CKPT_OK;

    use(ctx, (u32)r->header.records_block, (u32)DIV_ROUND_UP(r->header.records_size, CKPT_BLOCK_SIZE));
    while (!err && item.type != CKPT_END) {
        err = ckpt_next(r, &item);
        if (err || item.type != CKPT_TREE)
            continue;
        err = tell_tree(r, w, &item.tree, &u);
        if (err)
            r->failed_at = w->failed_at;
    }
    return err;
}
