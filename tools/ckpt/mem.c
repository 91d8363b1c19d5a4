// ckpt mem: an epoch's memory, region by region: what is in the image, what is zeros, what is shared.
#include "epoch.h"
#include "json.h"
#include "table.h"

#include <lib/tool.h>
#include <stdio.h>
#include <stdlib.h>

struct counts {
    u64 all;       // pages that the region has
    u64 resident;  // pages in the image
    u64 earlier;   // of those: pages that the epoch before has, too
    u64 others;    // of those: pages that another tree of this epoch has, too
};

// How often a block is named: in this epoch, and whether in the one before.
struct uses {
    u8 *here;
    bool *earlier;
    u64 blocks;
};

static int mem_plain(struct input *in)
{
    struct ckpt_verifier *v = tool_alloc(1, sizeof *v);

    printf("%s:\n", in->path);
    enum ckpt_error err = ckpt_describe_memory(v, &in->source, in->epoch, input_put, stdout);
    int status = err ? input_complain(in, err, v->failed_at) : EXIT_GOOD;
    free(v);
    return status;
}

static void count_uses(struct uses *u, const struct pages *p, bool earlier)
{
    for (size_t i = 0; i < p->count; i++) {
        u32 block = p->list[i].block;
        if (block >= u->blocks)
            continue;
        if (earlier)
            u->earlier[block] = true;
        else if (u->here[block] < 2)
            u->here[block]++;
    }
}

static void count_epoch(struct uses *u, const struct epoch *e, bool earlier)
{
    for (size_t i = 0; i < e->contents; i++)
        count_uses(u, &e->content[i].pages, earlier);
    for (size_t i = 0; i < e->spaces; i++)
        count_uses(u, &e->space[i].pages, earlier);
}

// The epoch before is a help only: when it can't be read, nothing is shared with it.
static void uses_find(struct uses *u, struct input *in, const struct epoch *e)
{
    struct epoch earlier;

    *u = (struct uses){ .blocks = e->header.blocks };
    u->here = tool_alloc(u->blocks, 1);
    u->earlier = tool_alloc(u->blocks, sizeof *u->earlier);
    count_epoch(u, e, false);
    if (!e->older || epoch_load(&earlier, in, e->info.previous, true))
        return;
    count_epoch(u, &earlier, true);
    epoch_release(&earlier);
}

static struct counts count_region(const struct uses *u, const struct pages *p, u64 start, u64 end)
{
    struct counts c = { .all = (end - start) / CKPT_BLOCK_SIZE };

    for (size_t i = 0; i < p->count; i++) {
        u64 address = p->list[i].index * CKPT_BLOCK_SIZE;
        if (address < start || address >= end)
            continue;
        c.resident++;
        c.earlier += u->earlier[p->list[i].block];
        c.others += u->here[p->list[i].block] > 1;
    }
    return c;
}

static void put_row(struct table *t, const char *kind, u64 ordinal, const struct ckpt_region *g, const struct counts *c)
{
    char protection[4];

    region_protection_text(g->prot, protection);
    table_put(t, "%s", kind);
    table_put(t, "%ju", (uintmax_t)ordinal);
    table_put(t, "%08jx-%08jx", (uintmax_t)g->start, (uintmax_t)g->end);
    table_put(t, "%s", protection);
    table_put(t, "%s", g->kind ? region_kind_text(g->kind) : "file");
    table_put(t, "%ju", (uintmax_t)c->all);
    table_put(t, "%ju", (uintmax_t)c->resident);
    table_put(t, "%ju", (uintmax_t)(c->all - MIN(c->all, c->resident)));
    table_put(t, "%ju", (uintmax_t)c->earlier);
    table_put(t, "%ju", (uintmax_t)c->others);
}

// What is counted, one after the other.
typedef void row_fn(void *arg, const char *kind, u64 ordinal, const struct ckpt_region *g, const struct counts *c);

static void each_region(const struct epoch *e, const struct uses *u, row_fn *fn, void *arg)
{
    for (size_t i = 0; i < e->contents; i++) {
        struct ckpt_region whole = { .end = ROUND_UP(e->content[i].content.size, CKPT_BLOCK_SIZE), .prot = 3 };
        struct counts c = count_region(u, &e->content[i].pages, 0, whole.end);
        fn(arg, "content", i + 1, &whole, &c);
    }
    for (size_t i = 0; i < e->spaces; i++)
        for (u32 k = 0; k < e->space[i].space.regions; k++) {
            const struct ckpt_region *g = &e->space[i].regions[k];
            struct counts c = count_region(u, &e->space[i].pages, g->start, g->end);
            fn(arg, "space", i + 1, g, &c);
        }
}

static void row_to_table(void *arg, const char *kind, u64 ordinal, const struct ckpt_region *g, const struct counts *c)
{
    put_row(arg, kind, ordinal, g, c);
}

static void row_to_json(void *arg, const char *kind, u64 ordinal, const struct ckpt_region *g, const struct counts *c)
{
    json_t *j = json_object();
    char protection[4];

    json_put_number(j, kind, ordinal);
    json_put_number(j, "start", g->start);
    json_put_number(j, "end", g->end);
    region_protection_text(g->prot, protection);
    json_object_set_new(j, "protection", json_string(protection));
    json_object_set_new(j, "kind", json_string(g->kind ? region_kind_text(g->kind) : "file"));
    json_put_number(j, "pages", c->all);
    json_put_number(j, "resident", c->resident);
    json_put_number(j, "zero", c->all - MIN(c->all, c->resident));
    json_put_number(j, "shared_with_previous", c->earlier);
    json_put_number(j, "shared_with_others", c->others);
    json_array_append_new(arg, j);
}

static int mem(const struct options *o, struct input *in)
{
    struct epoch e;
    struct uses u;
    int status = EXIT_GOOD;

    if (o->view == VIEW_PLAIN)
        return mem_plain(in);
    if (!epoch_open(&e, in, true, &status))
        return status;
    uses_find(&u, in, &e);
    if (o->view == VIEW_JSON) {
        json_t *list = json_array();
        each_region(&e, &u, row_to_json, list);
        status = json_print(list) ? EXIT_GOOD : EXIT_TROUBLE;
    } else {
        struct table *t = table_create("OF >N ADDRESSES PROT KIND >PAGES >RESIDENT >ZERO >AS-BEFORE >SHARED");
        each_region(&e, &u, row_to_table, t);
        table_end(t, VIEW_TABLE, stdout);
    }
    free(u.here);
    free(u.earlier);
    epoch_release(&e);
    return status;
}

int cmd_mem(const struct options *o)
{
    return input_each(o, mem);
}
