// ckpt show: what is in an image.
#include "epoch.h"
#include "json.h"
#include "table.h"

#include <lib/tool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// In the words that the guest's ckptinfo uses.
static int show_plain(struct input *in)
{
    struct ckpt_reader *r = tool_alloc(1, sizeof *r);
    enum ckpt_error err = ckpt_open(r, &in->source, in->epoch);

    printf("%s:\n", in->path);
    if (!err)
        err = ckpt_describe(r, input_put, stdout);
    int status = err ? input_complain(in, err, r->failed_at) : EXIT_GOOD;
    free(r);
    return status;
}

static void put_head(const struct input *in, const struct epoch *e)
{
    char date[64];

    printf("%s: epoch %ju", in->path, (uintmax_t)e->info.epoch);
    if (e->info.parent)
        printf(" from %ju", (uintmax_t)e->info.parent);
    printf(", %s, saved %s UTC, %u older kept\n%zu processes, %zu files, %zu pipes, %zu carried contents\n\n",
           e->machine->name, date_text(e->info.wall_ns, date, sizeof date), e->older, e->processes, e->files, e->pipes,
           e->contents);
}

static void put_process(struct table *t, const struct epoch *e, const struct epoch_process *p)
{
    const struct epoch_space *s = epoch_space_of(e, p);
    char name[CKPT_NAME_SIZE];

    table_put(t, "%d", p->process.pid);
    table_put(t, "%d", p->process.ppid);
    table_put(t, "%s", s ? "alive" : "ended");
    table_put(t, "%ju", s ? (uintmax_t)s->pages.tree.pages * (CKPT_BLOCK_SIZE / 1024) : 0);
    table_put(t, "%u", p->fds);
    table_put(t, "%08jx", (uintmax_t)process_register(e, p, e->machine->pc));
    table_put(t, "%s", ckpt_text(name, sizeof name, p->process.name, strlen(p->process.name)));
}

static int show_table(struct input *in)
{
    struct epoch e;
    int status = EXIT_GOOD;

    if (!epoch_open(&e, in, false, &status))
        return status;
    put_head(in, &e);
    struct table *t = table_create(">PID >PPID STATE >KIB >FDS PC NAME");
    for (size_t i = 0; i < e.processes; i++)
        put_process(t, &e, &e.process[i]);
    table_end(t, VIEW_TABLE, stdout);
    epoch_release(&e);
    return status;
}

static int show_json(struct input *in)
{
    struct epoch e;
    int status = EXIT_GOOD;

    if (!epoch_open(&e, in, false, &status))
        return status;
    if (!json_print(json_image(&e)))
        status = EXIT_TROUBLE;
    epoch_release(&e);
    return status;
}

static int show(const struct options *o, struct input *in)
{
    if (o->view == VIEW_JSON)
        return show_json(in);
    return o->view == VIEW_TABLE ? show_table(in) : show_plain(in);
}

int cmd_show(const struct options *o)
{
    return input_each(o, show);
}
