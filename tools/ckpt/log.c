// ckpt log: all epochs that an image keeps, newest first.
#include "epoch.h"
#include "json.h"
#include "table.h"

#include <lib/tool.h>
#include <stdio.h>
#include <stdlib.h>

#define NS_PER_US 1000u

static int log_plain(struct input *in)
{
    struct ckpt_reader *r = tool_alloc(1, sizeof *r);
    enum ckpt_error err = ckpt_open(r, &in->source, 0);

    printf("%s:\n", in->path);
    if (!err)
        err = ckpt_describe_log(r, input_put, stdout);
    int status = err ? input_complain(in, err, r->failed_at) : EXIT_GOOD;
    free(r);
    return status;
}

static u64 pages_of(const struct epoch *e)
{
    u64 pages = 0;

    for (size_t i = 0; i < e->contents; i++)
        pages += e->content[i].pages.tree.pages;
    for (size_t i = 0; i < e->spaces; i++)
        pages += e->space[i].pages.tree.pages;
    return pages;
}

static void put_epoch(struct table *t, const struct epoch *e)
{
    char date[64];

    table_put(t, "%ju", (uintmax_t)e->info.epoch);
    table_put(t, "%ju", (uintmax_t)e->info.parent);
    table_put(t, "%s", date_text(e->info.wall_ns, date, sizeof date));
    table_put(t, "%ju", (uintmax_t)pages_of(e));
    table_put(t, "%ju", (uintmax_t)e->info.pages_written);
    table_put(t, "%ju", (uintmax_t)(e->info.pause_ns / NS_PER_US));
    table_put(t, "%zu", e->processes);
}

static void log_table(const struct epoch *epochs, size_t count)
{
    struct table *t = table_create(">EPOCH >FROM SAVED(UTC) >PAGES >WRITTEN >PAUSE/us >PROCESSES");

    for (size_t i = count; i-- > 0;)
        put_epoch(t, &epochs[i]);
    table_end(t, VIEW_TABLE, stdout);
}

static json_t *epoch_json(const struct epoch *e)
{
    json_t *j = json_object(), *pids = json_array();

    json_put_number(j, "number", e->info.epoch);
    json_put_number(j, "parent", e->info.parent);
    json_put_number(j, "previous", e->info.previous);
    json_put_number(j, "wall_ns", e->info.wall_ns);
    json_put_number(j, "uptime_ns", e->info.uptime_ns);
    json_put_number(j, "pause_ns", e->info.pause_ns);
    json_put_number(j, "pages", pages_of(e));
    json_put_number(j, "pages_written", e->info.pages_written);
    json_put_number(j, "blocks_written", e->info.blocks_written);
    json_put_number(j, "digest", e->header.digest);
    for (size_t i = 0; i < e->processes; i++)
        json_array_append_new(pids, json_integer(e->process[i].process.pid));
    json_object_set_new(j, "pids", pids);
    return j;
}

static int log_json(const struct epoch *epochs, size_t count)
{
    json_t *list = json_array();

    for (size_t i = count; i-- > 0;)
        json_array_append_new(list, epoch_json(&epochs[i]));
    return json_print(list) ? EXIT_GOOD : EXIT_TROUBLE;
}

static int show_log(const struct options *o, struct input *in)
{
    struct epoch *epochs;
    size_t count;
    u64 failed_at;
    int status = EXIT_GOOD;

    if (o->view == VIEW_PLAIN)
        return log_plain(in);
    enum ckpt_error err = epochs_load(in, 0, false, &epochs, &count, &failed_at);
    if (err)
        return input_complain(in, err, failed_at);
    if (o->view == VIEW_JSON)
        status = log_json(epochs, count);
    else
        log_table(epochs, count);
    epochs_release(epochs, count);
    return status;
}

int cmd_log(const struct options *o)
{
    return input_each(o, show_log);
}
