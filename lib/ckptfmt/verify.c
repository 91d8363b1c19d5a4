// Everything in an image that can be checked without the machine it is for.

#include <base/string.h>
#include <ckptfmt/ckptfmt.h>

// Pages that lie one after the other in the file.
struct run {
    u32 first, count;
    u32 crc[CKPT_RUN_BLOCKS];
};

static enum ckpt_error check_run(struct ckpt_verifier *v, struct run *run)
{
    const struct ckpt_source *source = v->reader.source;
    u64 offset = (u64)run->first * CKPT_BLOCK_SIZE;

    v->failed_at = offset;
    if (run->count && source->read(source->ctx, offset, v->run, run->count * CKPT_BLOCK_SIZE))
        return CKPT_READ_FAILED;
    for (u32 i = 0; i < run->count; i++) {
        v->failed_at = offset + i * CKPT_BLOCK_SIZE;
        if (ckpt_page_checksum(v->reader.header.features, v->run + i * CKPT_BLOCK_SIZE) != run->crc[i])
            return CKPT_BAD_CHECKSUM;
    }
    run->count = 0;
    return CKPT_OK;
}

// Pages come in ascending order, so the regions are passed once.
static bool page_is_in_region(struct ckpt_verifier *v, u64 index)
{
    u64 address = index * CKPT_BLOCK_SIZE;

    while (v->region < v->region_count && address >= v->regions[v->region].end)
        v->region++;
    return v->region < v->region_count && address >= v->regions[v->region].start;
}

static enum ckpt_error next_page(struct ckpt_verifier *v, struct ckpt_page *page)
{
    enum ckpt_error err = ckpt_walk_next(&v->walk, page);

    v->failed_at = v->walk.failed_at;
    if (err || page->block == 0)
        return err;
    v->pages++;
    return page_is_in_region(v, page->index) ? CKPT_OK : CKPT_BAD_TREE;
}

static enum ckpt_error check_tree(struct ckpt_verifier *v, const struct ckpt_tree *tree)
{
    struct run run = { 0 };
    struct ckpt_page page;
    enum ckpt_error err = ckpt_walk_begin(&v->walk, &v->reader, tree);

    v->failed_at = v->walk.failed_at;
    while (!err) {
        err = next_page(v, &page);
        if (err)
            break;
        if (run.count == CKPT_RUN_BLOCKS || page.block != run.first + run.count)
            err = check_run(v, &run);
        if (err || page.block == 0)
            break;
        if (run.count == 0)
            run.first = page.block;
        run.crc[run.count++] = page.crc;
    }
    v->nodes += tree->nodes;
    return err;
}

static void remember_regions(struct ckpt_verifier *v, const struct ckpt_space *s)
{
    v->region = 0;
    v->region_count = s->regions;
    for (u32 i = 0; i < s->regions; i++)
        ckpt_space_region(s, i, &v->regions[i]);
}

// A content's pages lie in it as a space's in a region.
static void remember_content(struct ckpt_verifier *v, const struct ckpt_content *c)
{
    v->region = 0;
    v->region_count = 1;
    v->regions[0] = (struct ckpt_region){ .end = ROUND_UP(c->size, CKPT_BLOCK_SIZE) };
}

static enum ckpt_error check_item(struct ckpt_verifier *v, const struct ckpt_item *item)
{
    switch (item->type) {
    case CKPT_CONTENT:
        remember_content(v, &item->content);
        return CKPT_OK;
    case CKPT_SPACE:
        remember_regions(v, &item->space);
        return CKPT_OK;
    case CKPT_TREE:
        return check_tree(v, &item->tree);
    default:
        return CKPT_OK;
    }
}

static enum ckpt_error check_epoch(struct ckpt_verifier *v)
{
    struct ckpt_item item = { .type = CKPT_EPOCH };
    enum ckpt_error err = CKPT_OK;

    v->pages = v->nodes = 0;
    v->region = v->region_count = 0;
    while (!err && item.type != CKPT_END) {
        err = ckpt_next(&v->reader, &item);
        v->failed_at = v->reader.failed_at;
        if (!err)
            err = check_item(v, &item);
    }
    return err;
}

enum ckpt_error ckpt_verify(struct ckpt_verifier *v, const struct ckpt_source *source, u64 epoch)
{
    enum ckpt_error err = ckpt_open(&v->reader, source, epoch);

    v->failed_at = v->reader.failed_at;
    return err ? err : check_epoch(v);
}

enum ckpt_error ckpt_verify_previous(struct ckpt_verifier *v)
{
    enum ckpt_error err = ckpt_open_previous(&v->reader);

    v->failed_at = v->reader.failed_at;
    return err ? err : check_epoch(v);
}
