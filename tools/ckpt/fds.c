// ckpt fds: the open descriptors of an epoch's processes, and the files behind them.
#include "epoch.h"
#include "json.h"
#include "table.h"

#include <stdio.h>
#include <string.h>

static void put_descriptor(struct table *t, const struct epoch *e, const struct epoch_process *p,
                           const struct ckpt_descriptor *d)
{
    const struct ckpt_file *f = &e->file[d->file - 1].file;
    char path[CKPT_PATH_MAX + 1];

    table_put(t, "%d", p->process.pid);
    table_put(t, "%u", d->fd);
    table_put(t, "%ju", (uintmax_t)d->file);
    table_put(t, "%s", file_kind_text(f));
    table_put(t, "%s%s", file_access_text(f->flags), f->flags & 0x800 ? "+append" : "");
    table_put(t, f->kind == CKPT_FILE_INODE ? "%ju" : "-", (uintmax_t)f->offset);
    table_put(t, f->kind == CKPT_FILE_INODE ? "%ju" : "-", (uintmax_t)f->size);
    table_put(t, f->pipe ? "%s %ju" : "%s", ckpt_text(path, sizeof path, f->path, f->path_length), (uintmax_t)f->pipe);
}

static json_t *descriptor_json(const struct epoch *e, const struct epoch_process *p, const struct ckpt_descriptor *d)
{
    const struct ckpt_file *f = &e->file[d->file - 1].file;
    json_t *j = json_object();

    json_put_signed(j, "pid", p->process.pid);
    json_put_number(j, "fd", d->fd);
    json_put_number(j, "file", d->file);
    json_object_set_new(j, "kind", json_string(file_kind_text(f)));
    json_object_set_new(j, "access", json_string(file_access_text(f->flags)));
    json_object_set_new(j, "append", json_boolean(f->flags & 0x800));
    json_put_number(j, "offset", f->offset);
    json_put_number(j, "size", f->size);
    json_put_number(j, "pipe", f->pipe);
    json_put_text(j, "path", f->path, f->path_length);
    return j;
}

static bool wanted(const struct options *o, const struct epoch_process *p)
{
    return !o->pid || p->process.pid == o->pid;
}

static int fds_json(const struct options *o, const struct epoch *e)
{
    json_t *list = json_array();

    for (size_t i = 0; i < e->processes; i++)
        for (u32 k = 0; wanted(o, &e->process[i]) && k < e->process[i].fds; k++)
            json_array_append_new(list, descriptor_json(e, &e->process[i], &e->process[i].fd[k]));
    return json_print(list) ? EXIT_GOOD : EXIT_TROUBLE;
}

static void fds_table(const struct options *o, const struct epoch *e)
{
    struct table *t = table_create(">PID >FD >FILE KIND ACCESS >OFFSET >SIZE PATH");

    for (size_t i = 0; i < e->processes; i++)
        for (u32 k = 0; wanted(o, &e->process[i]) && k < e->process[i].fds; k++)
            put_descriptor(t, e, &e->process[i], &e->process[i].fd[k]);
    table_end(t, o->view, stdout);
}

static int fds(const struct options *o, struct input *in)
{
    struct epoch e;
    int status = EXIT_GOOD;

    if (!epoch_open(&e, in, false, &status))
        return status;
    if (o->view == VIEW_JSON)
        status = fds_json(o, &e);
    else
        fds_table(o, &e);
    epoch_release(&e);
    return status;
}

int cmd_fds(const struct options *o)
{
    return input_each(o, fds);
}
