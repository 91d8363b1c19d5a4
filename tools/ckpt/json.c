#include "json.h"

#include <lib/tool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void json_put_number(json_t *object, const char *name, u64 value)
{
    char text[24];

    if (value <= INT64_MAX) {
        json_object_set_new(object, name, json_integer((json_int_t)value));
        return;
    }
    snprintf(text, sizeof text, "%ju", (uintmax_t)value);
    json_object_set_new(object, name, json_string(text));
}

void json_put_signed(json_t *object, const char *name, s64 value)
{
    json_object_set_new(object, name, json_integer(value));
}

static json_t *hex(const u8 *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    char *text = tool_alloc(2 * n + 1, 1);

    for (size_t i = 0; i < n; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    json_t *value = json_string(text);
    free(text);
    return value;
}

void json_put_bytes(json_t *object, const char *name, const u8 *bytes, size_t n)
{
    json_object_set_new(object, name, hex(bytes, n));
}

// Text that isn't UTF-8 is { "hex": "..." }.
void json_put_text(json_t *object, const char *name, const char *text, size_t length)
{
    json_t *value = memchr(text, 0, length) ? NULL : json_stringn(text, length);

    json_object_set_new(object, name, value ? value : json_pack("{s:o}", "hex", hex((const u8 *)text, length)));
}

static void put_string(json_t *object, const char *name, const char *text)
{
    json_object_set_new(object, name, json_string(text));
}

// Its shape, and with `place` where its pages are: [first page, pages, place of the first] for each run.
static void put_pages(json_t *object, const struct pages *p, const u32 *place)
{
    json_t *tree = json_object(), *extents = json_array();

    json_put_number(tree, "pages", p->tree.pages);
    json_put_number(tree, "nodes", p->tree.nodes);
    json_put_number(tree, "height", p->tree.height);
    json_object_set_new(object, "tree", tree);
    for (size_t i = 0, n; place && i < p->count; i += n) {
        for (n = 1; i + n < p->count && p->list[i + n].index == p->list[i].index + n &&
                    place[p->list[i + n].block] == place[p->list[i].block] + n;)
            n++;
        json_array_append_new(extents, json_pack("[III]", (json_int_t)p->list[i].index, (json_int_t)n,
                                                 (json_int_t)place[p->list[i].block]));
    }
    if (place)
        json_object_set(tree, "extents", extents);
    json_decref(extents);
}

static json_t *epoch_figures(const struct epoch *e)
{
    json_t *j = json_object();

    json_put_number(j, "number", e->info.epoch);
    json_put_number(j, "parent", e->info.parent);
    json_put_number(j, "wall_ns", e->info.wall_ns);
    json_put_number(j, "uptime_ns", e->info.uptime_ns);
    json_put_number(j, "pause_ns", e->info.pause_ns);
    json_put_number(j, "pages_written", e->info.pages_written);
    json_put_number(j, "blocks_written", e->info.blocks_written);
    return j;
}

static json_t *content_json(const struct epoch_content *c, u64 ordinal, const u32 *place)
{
    json_t *j = json_object();

    json_put_number(j, "content", ordinal);
    json_put_number(j, "size", c->content.size);
    put_pages(j, &c->pages, place);
    return j;
}

static json_t *pipe_json(const struct ckpt_pipe *p, u64 ordinal)
{
    json_t *j = json_object();

    json_put_number(j, "pipe", ordinal);
    json_put_number(j, "size", p->size);
    json_put_bytes(j, "bytes", p->bytes, p->size);
    return j;
}

static json_t *file_json(const struct ckpt_file *f, u64 ordinal)
{
    json_t *j = json_object();

    json_put_number(j, "file", ordinal);
    put_string(j, "kind", file_kind_text(f));
    put_string(j, "access", file_access_text(f->flags));
    json_object_set_new(j, "append", json_boolean(f->flags & 0x800));
    json_put_text(j, "path", f->path, f->path_length);
    json_put_number(j, "offset", f->offset);
    json_put_number(j, "inode", f->ino);
    json_put_number(j, "generation", f->generation);
    json_put_number(j, "size", f->size);
    json_put_number(j, "changes", f->changes);
    json_put_number(j, "type", f->type);
    json_put_number(j, "links", f->nlink);
    json_put_number(j, "major", f->major);
    json_put_number(j, "minor", f->minor);
    json_put_number(j, "pipe", f->pipe);
    json_put_number(j, "content", f->content);
    return j;
}

static json_t *region_json(const struct ckpt_region *g)
{
    json_t *j = json_object();
    char protection[4];

    json_put_number(j, "start", g->start);
    json_put_number(j, "end", g->end);
    region_protection_text(g->prot, protection);
    put_string(j, "protection", protection);
    put_string(j, "kind", region_kind_text(g->kind));
    json_object_set_new(j, "promised", json_boolean(g->flags & CKPT_REGION_PROMISED));
    return j;
}

static json_t *space_json(const struct epoch_space *s, u64 ordinal, const u32 *place)
{
    json_t *j = json_object(), *regions = json_array();

    json_put_number(j, "space", ordinal);
    json_put_number(j, "heap_start", s->space.heap_start);
    json_put_number(j, "heap_end", s->space.heap_end);
    json_put_number(j, "heap_limit", s->space.heap_limit);
    for (u32 i = 0; i < s->space.regions; i++)
        json_array_append_new(regions, region_json(&s->regions[i]));
    json_object_set_new(j, "regions", regions);
    put_pages(j, &s->pages, place);
    return j;
}

static json_t *registers_json(const struct epoch *e, const struct epoch_process *p)
{
    json_t *j = json_object();

    for (u32 i = 0; i < p->registers.size / e->machine->register_width; i++)
        json_put_number(j, e->machine->register_names[i], process_register(e, p, i));
    return j;
}

static json_t *cwd_json(const struct ckpt_cwd *c)
{
    json_t *j = json_object();

    json_put_text(j, "path", c->path, c->path_length);
    json_put_number(j, "inode", c->ino);
    json_put_number(j, "generation", c->generation);
    return j;
}

static json_t *descriptors_json(const struct epoch_process *p)
{
    json_t *list = json_array();

    for (u32 i = 0; i < p->fds; i++)
        json_array_append_new(list,
                              json_pack("{s:I,s:I}", "fd", (json_int_t)p->fd[i].fd, "file", (json_int_t)p->fd[i].file));
    return list;
}

static void put_living(json_t *j, const struct epoch *e, const struct epoch_process *p)
{
    json_t *restart = json_object();

    json_put_number(j, "space", p->process.space);
    json_put_number(j, "uptime_ns", p->process.uptime_ns);
    json_object_set_new(j, "registers", registers_json(e, p));
    json_put_bytes(j, "fpu", p->fpu.bytes, p->fpu.size);
    json_put_number(restart, "call", p->restart.call);
    json_put_number(restart, "done", p->restart.done);
    json_put_number(restart, "left_ns", p->restart.left_ns);
    json_object_set_new(j, "restart", restart);
    json_object_set_new(j, "cwd", cwd_json(&p->cwd));
    json_object_set_new(j, "descriptors", descriptors_json(p));
}

static json_t *process_json(const struct epoch *e, const struct epoch_process *p)
{
    json_t *j = json_object();

    json_put_signed(j, "pid", p->process.pid);
    json_put_signed(j, "ppid", p->process.ppid);
    json_put_signed(j, "pgid", p->process.pgid);
    json_put_text(j, "name", p->process.name, strlen(p->process.name));
    put_string(j, "state", p->process.state == CKPT_ALIVE ? "alive" : "ended");
    json_put_signed(j, "status", p->process.status);
    json_put_number(j, "parent", p->process.parent);
    if (p->process.state == CKPT_ALIVE)
        put_living(j, e, p);
    return j;
}

static void put_records(json_t *j, const struct epoch *e, const u32 *place)
{
    json_t *contents = json_array(), *pipes = json_array(), *files = json_array(), *spaces = json_array(),
           *processes = json_array();

    for (size_t i = 0; i < e->contents; i++)
        json_array_append_new(contents, content_json(&e->content[i], i + 1, place));
    for (size_t i = 0; i < e->pipes; i++)
        json_array_append_new(pipes, pipe_json(&e->pipe[i].pipe, i + 1));
    for (size_t i = 0; i < e->files; i++)
        json_array_append_new(files, file_json(&e->file[i].file, i + 1));
    for (size_t i = 0; i < e->spaces; i++)
        json_array_append_new(spaces, space_json(&e->space[i], i + 1, place));
    for (size_t i = 0; i < e->processes; i++)
        json_array_append_new(processes, process_json(e, &e->process[i]));
    json_object_set_new(j, "contents", contents);
    json_object_set_new(j, "pipes", pipes);
    json_object_set_new(j, "files", files);
    json_object_set_new(j, "spaces", spaces);
    json_object_set_new(j, "processes", processes);
}

json_t *json_epoch(const struct epoch *e, const u32 *place)
{
    json_t *j = json_object();

    json_object_set_new(j, "epoch", epoch_figures(e));
    put_records(j, e, place);
    return j;
}

static json_t *json_features(u32 features)
{
    json_t *j = json_array();

    if (features & CKPT_FEATURE_SUMS)
        json_array_append_new(j, json_string("sums"));
    return j;
}

json_t *json_image(const struct epoch *e)
{
    json_t *j = json_object();

    put_string(j, "format", "amber-checkpoint");
    json_put_number(j, "version", CKPT_VERSION);
    json_object_set_new(j, "features", json_features(e->header.features));
    put_string(j, "machine", e->machine->name);
    json_put_number(j, "page_size", CKPT_BLOCK_SIZE);
    json_put_bytes(j, "identity", e->header.identity, CKPT_IDENTITY_SIZE);
    json_put_number(j, "blocks", e->header.blocks);
    json_put_number(j, "digest", e->header.digest);
    json_put_number(j, "older_epochs", e->older);
    json_t *epoch = json_epoch(e, NULL);
    json_put_number(json_object_get(epoch, "epoch"), "previous", e->info.previous);
    json_object_update(j, epoch);
    json_decref(epoch);
    return j;
}

bool json_print(json_t *value)
{
    bool ok = json_dumpf(value, stdout, JSON_INDENT(2)) == 0 && putchar('\n') == '\n' && fflush(stdout) == 0;

    json_decref(value);
    return ok;
}
