// The memory that an epoch holds: which regions, and how much of each is in the image.

#include "say.h"
#include <base/string.h>

#define KIB_PER_PAGE (CKPT_BLOCK_SIZE / 1024)

static void say_count(const struct listing *l, const struct ckpt_region *g, u64 pages)
{
    u64 size = (g->end - g->start) / CKPT_BLOCK_SIZE;

    ckpt_say(l, "%8llu KiB, %6llu pages, %6llu of zeros\n", (unsigned long long)(size * KIB_PER_PAGE),
             (unsigned long long)pages, (unsigned long long)(size - MIN(size, pages)));
}

static void say_region(const struct listing *l, const struct ckpt_region *g, u64 pages)
{
    static const char *const kinds[] = {
        [CKPT_REGION_DATA] = "data",
        [CKPT_REGION_HEAP] = "heap",
        [CKPT_REGION_STACK] = "stack",
    };

    ckpt_say(l, "    %08llx-%08llx %c%c%c %-5s", (unsigned long long)g->start, (unsigned long long)g->end,
             g->prot & 1 ? 'r' : '-', g->prot & 2 ? 'w' : '-', g->prot & 4 ? 'x' : '-', kinds[g->kind]);
    say_count(l, g, pages);
}

// Walk the tree of the space whose regions v remembers: each region is told when its last page was passed.
static enum ckpt_error say_space_tree(const struct listing *l, struct ckpt_verifier *v, const struct ckpt_tree *tree)
{
    struct ckpt_page page = { .block = 1 };
    enum ckpt_error err = ckpt_walk_begin(&v->walk, &v->reader, tree);
    u64 pages = 0;

    while (!err && page.block) {
        err = ckpt_walk_next(&v->walk, &page);
        if (err)
            break;
        for (; v->region < v->region_count; v->region++, pages = 0) {
            if (page.block && page.index * CKPT_BLOCK_SIZE < v->regions[v->region].end)
                break;
            say_region(l, &v->regions[v->region], pages);
        }
        pages++;
    }
    v->failed_at = v->walk.failed_at;
    return err;
}

static void begin_space(const struct listing *l, struct ckpt_verifier *v, const struct ckpt_item *item)
{
    ckpt_say(l, "space %llu:\n", (unsigned long long)item->object);
    v->region = 0;
    v->region_count = item->space.regions;
    for (u32 i = 0; i < v->region_count; i++)
        ckpt_space_region(&item->space, i, &v->regions[i]);
}

static void say_content_tree(const struct listing *l, const struct ckpt_verifier *v, const struct ckpt_tree *tree)
{
    u64 size = v->reader.content_size[v->reader.contents - 1];
    struct ckpt_region whole = { .end = ROUND_UP(size, CKPT_BLOCK_SIZE) };

    ckpt_say(l, "content %llu: %llu bytes\n    %-27s", (unsigned long long)v->reader.contents, (unsigned long long)size,
             "whole file");
    say_count(l, &whole, tree->pages);
}

static void say_process(const struct listing *l, const struct ckpt_process *p)
{
    char name[CKPT_NAME_SIZE];

    if (p->state == CKPT_ALIVE)
        ckpt_say(l, "process %d \"%s\": space %llu\n", p->pid, ckpt_text(name, sizeof name, p->name, strlen(p->name)),
                 (unsigned long long)p->space);
}

static enum ckpt_error say_item(const struct listing *l, struct ckpt_verifier *v, const struct ckpt_item *item)
{
    switch (item->type) {
    case CKPT_SPACE:
        begin_space(l, v, item);
        return CKPT_OK;
    case CKPT_TREE:
        if (v->reader.spaces)
            return say_space_tree(l, v, &item->tree);
        say_content_tree(l, v, &item->tree);
        return CKPT_OK;
    case CKPT_PROCESS:
        say_process(l, &item->process);
        return CKPT_OK;
    default:
        return CKPT_OK;
    }
}

enum ckpt_error ckpt_describe_memory(struct ckpt_verifier *v, const struct ckpt_source *source, u64 epoch,
                                     ckpt_put_text *put, void *arg)
{
    struct listing l = { put, arg };
    struct ckpt_item item = { .type = CKPT_EPOCH };
    enum ckpt_error err = ckpt_open(&v->reader, source, epoch);

    v->failed_at = v->reader.failed_at;
    while (!err && item.type != CKPT_END) {
        err = ckpt_next(&v->reader, &item);
        v->failed_at = v->reader.failed_at;
        if (!err)
            err = say_item(&l, v, &item);
    }
    return err;
}
