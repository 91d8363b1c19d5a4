// Reading an epoch from JSON. Every number is held against the limits of the format before it is used.
#include "json.h"

#include <base/byteorder.h>
#include <lib/tool.h>
#include <stdlib.h>
#include <string.h>

// Where we are, for messages; and whether all was well so far. After the first complaint nothing more is said.
struct reading {
    const char *where;
    struct epoch *epoch;
    bool failed;
};

static void complain(struct reading *r, const char *what, const char *why)
{
    if (!r->failed)
        tool_error("%s: image.json: %s: %s", r->where, what, why);
    r->failed = true;
}

bool json_get_number(const json_t *object, const char *name, u64 *out)
{
    const json_t *value = json_object_get(object, name);

    if (json_is_string(value))
        return parse_number(json_string_value(value), out);
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *out = (u64)json_integer_value(value);
    return true;
}

static u64 number(struct reading *r, const json_t *object, const char *name, u64 max)
{
    u64 value = 0;

    if (!json_get_number(object, name, &value) || value > max) {
        complain(r, name, "no possible number");
        return 0;
    }
    return value;
}

static u32 number32(struct reading *r, const json_t *object, const char *name)
{
    return (u32)number(r, object, name, UINT32_MAX);
}

static s32 signed32(struct reading *r, const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    if (!json_is_integer(value) || json_integer_value(value) < INT32_MIN || json_integer_value(value) > INT32_MAX) {
        complain(r, name, "no possible number");
        return 0;
    }
    return (s32)json_integer_value(value);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse_hex(const json_t *value, size_t max, u8 **bytes, size_t *n)
{
    const char *text = json_string_value(value);

    if (!text || json_string_length(value) % 2 || json_string_length(value) / 2 > max)
        return false;
    *n = json_string_length(value) / 2;
    *bytes = tool_alloc(*n + 1, 1);
    for (size_t i = 0; i < *n; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0) {
            free(*bytes);
            *bytes = NULL;
            return false;
        }
        (*bytes)[i] = (u8)(high << 4 | low);
    }
    return true;
}

bool json_get_bytes(const json_t *object, const char *name, size_t max, u8 **bytes, size_t *n)
{
    return parse_hex(json_object_get(object, name), max, bytes, n);
}

static u8 *bytes(struct reading *r, const json_t *object, const char *name, size_t max, size_t *n)
{
    u8 *out = NULL;

    *n = 0;
    if (!json_get_bytes(object, name, max, &out, n))
        complain(r, name, "not hexadecimal, or too long");
    return out ? out : tool_alloc(1, 1);
}

// Terminated, and the caller's; *n its length.
static char *text(struct reading *r, const json_t *object, const char *name, size_t max, size_t *n)
{
    const json_t *value = json_object_get(object, name);
    u8 *out = NULL;

    *n = 0;
    if (json_is_object(value)) {
        if (!json_get_bytes(value, "hex", max, &out, n))
            complain(r, name, "not hexadecimal, or too long");
    } else if (json_is_string(value) && json_string_length(value) <= max) {
        *n = json_string_length(value);
        out = memcpy(tool_alloc(*n + 1, 1), json_string_value(value), *n);
    } else {
        complain(r, name, "no text, or too long");
    }
    return out ? (char *)out : tool_alloc(1, 1);
}

// Which of the words it is.
static u32 word(struct reading *r, const json_t *object, const char *name, const char *const *words, u32 count)
{
    const char *value = json_string_value(json_object_get(object, name));

    for (u32 i = 0; value && i < count; i++)
        if (words[i] && strcmp(value, words[i]) == 0)
            return i;
    complain(r, name, "no word that belongs there");
    return 0;
}

static void read_figures(struct reading *r, const json_t *object)
{
    const json_t *j = json_object_get(object, "epoch");
    struct ckpt_epoch *e = &r->epoch->info;

    e->epoch = number(r, j, "number", UINT64_MAX);
    e->parent = number(r, j, "parent", UINT64_MAX);
    e->wall_ns = number(r, j, "wall_ns", UINT64_MAX);
    e->uptime_ns = number(r, j, "uptime_ns", UINT64_MAX);
    e->pause_ns = number(r, j, "pause_ns", UINT64_MAX);
    e->pages_written = number(r, j, "pages_written", UINT64_MAX);
    e->blocks_written = number(r, j, "blocks_written", UINT64_MAX);
}

// [first page, pages, place of the first]. An archive has as many places as pages, so the work is bounded by its size,
// but for pages that are named again and again: 2^24 of a tree are enough for 64 GiB.
#define TREE_PAGES_MAX (1u << 24)

static void read_extent(struct reading *r, const json_t *extent, struct pages *p)
{
    json_int_t first = json_integer_value(json_array_get(extent, 0));
    json_int_t count = json_integer_value(json_array_get(extent, 1));
    json_int_t place = json_integer_value(json_array_get(extent, 2));

    if (json_array_size(extent) != 3 || first < 0 || first > INT64_MAX / 2 || count < 1 || place < 0 ||
        count > (json_int_t)TREE_PAGES_MAX - (json_int_t)p->count || place > (json_int_t)UINT32_MAX - count) {
        complain(r, "extents", "no possible numbers");
        return;
    }
    for (json_int_t i = 0; i < count; i++)
        pages_add(p, (u64)(first + i), (u32)(place + i), 0);
}

static void read_pages(struct reading *r, const json_t *object, struct pages *p)
{
    const json_t *tree = json_object_get(object, "tree");
    json_t *extents = json_object_get(tree, "extents"), *extent;
    size_t i;

    p->tree.height = (u32)number(r, tree, "height", CKPT_HEIGHT_MAX);
    if (!json_is_array(extents))
        complain(r, "extents", "no list");
    json_array_foreach(extents, i, extent) if (!r->failed) read_extent(r, extent, p);
}

static void read_content(struct reading *r, const json_t *j)
{
    struct epoch_content *c = epoch_add_content(r->epoch);

    c->content.size = number(r, j, "size", INT64_MAX);
    read_pages(r, j, &c->pages);
}

static void read_pipe(struct reading *r, const json_t *j)
{
    struct ckpt_pipe *p = &epoch_add_pipe(r->epoch)->pipe;
    size_t n;

    p->bytes = bytes(r, j, "bytes", CKPT_PIPE_MAX, &n);
    p->size = (u32)n;
}

static void read_file(struct reading *r, const json_t *j)
{
    static const char *const kinds[] = { "directory", "file", "device", "pipe-read", "pipe-write" };
    static const char *const accesses[] = { "read", "write", "read-write" };
    struct ckpt_file *f = &epoch_add_file(r->epoch)->file;
    u32 kind = word(r, j, "kind", kinds, ARRAY_SIZE(kinds));
    size_t n;

    f->kind = kind ? kind : CKPT_FILE_INODE;
    f->flags =
        word(r, j, "access", accesses, ARRAY_SIZE(accesses)) | (json_is_true(json_object_get(j, "append")) ? 0x800 : 0);
    f->path = text(r, j, "path", CKPT_PATH_MAX, &n);
    f->path_length = (u32)n;
    f->offset = number(r, j, "offset", INT64_MAX);
    f->ino = number(r, j, "inode", UINT64_MAX);
    f->generation = number(r, j, "generation", UINT64_MAX);
    f->size = number(r, j, "size", UINT64_MAX);
    f->changes = number(r, j, "changes", UINT64_MAX);
    f->type = number32(r, j, "type");
    f->nlink = number32(r, j, "links");
    f->major = number32(r, j, "major");
    f->minor = number32(r, j, "minor");
    f->pipe = number(r, j, "pipe", UINT64_MAX);
    f->content = number(r, j, "content", UINT64_MAX);
}

static void read_region(struct reading *r, const json_t *j, struct ckpt_region *g)
{
    static const char *const kinds[] = { NULL, "data", "heap", "stack" };
    const char *protection = json_string_value(json_object_get(j, "protection"));

    g->start = number(r, j, "start", UINT64_MAX);
    g->end = number(r, j, "end", UINT64_MAX);
    if (!protection || strlen(protection) != 3)
        complain(r, "protection", "not three letters");
    else
        g->prot = (protection[0] == 'r') | (protection[1] == 'w') << 1 | (protection[2] == 'x') << 2;
    g->kind = word(r, j, "kind", kinds, ARRAY_SIZE(kinds));
    g->flags = json_is_true(json_object_get(j, "promised")) ? CKPT_REGION_PROMISED : 0;
}

static void read_space(struct reading *r, const json_t *j)
{
    struct epoch_space *s = epoch_add_space(r->epoch);
    json_t *list = json_object_get(j, "regions"), *region;
    size_t i, count = json_array_size(list);

    s->space.heap_start = number(r, j, "heap_start", UINT64_MAX);
    s->space.heap_end = number(r, j, "heap_end", UINT64_MAX);
    s->space.heap_limit = number(r, j, "heap_limit", UINT64_MAX);
    if (!json_is_array(list) || count > CKPT_REGIONS_MAX) {
        complain(r, "regions", "no list, or too many");
        return;
    }
    s->space.regions = (u32)count;
    s->regions = tool_alloc(count, sizeof *s->regions);
    json_array_foreach(list, i, region) read_region(r, region, &s->regions[i]);
    read_pages(r, j, &s->pages);
}

static void read_registers(struct reading *r, const json_t *j, struct ckpt_state *s)
{
    const struct ckpt_machine *m = r->epoch->machine;
    const json_t *registers = json_object_get(j, "registers");
    u8 *to = tool_alloc(m->registers_size, 1);

    for (u32 i = 0; i < m->registers_size / m->register_width; i++) {
        if (m->register_width == 8)
            put_le64(to + 8 * i, number(r, registers, m->register_names[i], UINT64_MAX));
        else
            put_le32(to + 4 * i, number32(r, registers, m->register_names[i]));
    }
    *s = (struct ckpt_state){ .machine = m->id, .size = m->registers_size, .bytes = to };
}

static void read_fpu(struct reading *r, const json_t *j, struct ckpt_state *s)
{
    const struct ckpt_machine *m = r->epoch->machine;
    size_t n;

    s->bytes = bytes(r, j, "fpu", m->fpu_size, &n);
    s->machine = m->id;
    s->size = m->fpu_size;
    if (n != m->fpu_size)
        complain(r, "fpu", "not of the machine's size");
}

static void read_descriptors(struct reading *r, const json_t *j, struct epoch_process *p)
{
    json_t *list = json_object_get(j, "descriptors"), *one;
    size_t i, count = json_array_size(list);

    if (!json_is_array(list) || count > CKPT_FDS_MAX) {
        complain(r, "descriptors", "no list, or too many");
        return;
    }
    p->fds = (u32)count;
    p->fd = tool_alloc(count, sizeof *p->fd);
    json_array_foreach(list, i, one)
    {
        p->fd[i].fd = number32(r, one, "fd");
        p->fd[i].file = number(r, one, "file", UINT64_MAX);
    }
}

static void read_living(struct reading *r, const json_t *j, struct epoch_process *p)
{
    const json_t *restart = json_object_get(j, "restart"), *cwd = json_object_get(j, "cwd");
    size_t n;

    p->process.space = number(r, j, "space", UINT64_MAX);
    p->process.uptime_ns = number(r, j, "uptime_ns", UINT64_MAX);
    if (!p->process.space)
        complain(r, "space", "a living process has one");
    read_registers(r, j, &p->registers);
    read_fpu(r, j, &p->fpu);
    p->restart.call = number32(r, restart, "call");
    p->restart.done = number(r, restart, "done", UINT64_MAX);
    p->restart.left_ns = number(r, restart, "left_ns", UINT64_MAX);
    p->cwd.path = text(r, cwd, "path", CKPT_PATH_MAX, &n);
    p->cwd.path_length = (u32)n;
    p->cwd.ino = number(r, cwd, "inode", UINT64_MAX);
    p->cwd.generation = number(r, cwd, "generation", UINT64_MAX);
    read_descriptors(r, j, p);
}

static void read_process(struct reading *r, const json_t *j)
{
    static const char *const states[] = { NULL, "alive", "ended" };
    struct epoch_process *p = epoch_add_process(r->epoch);
    size_t n;

    p->process.pid = signed32(r, j, "pid");
    p->process.ppid = signed32(r, j, "ppid");
    p->process.pgid = signed32(r, j, "pgid");
    p->process.state = word(r, j, "state", states, ARRAY_SIZE(states));
    p->process.status = signed32(r, j, "status");
    p->process.parent = number(r, j, "parent", UINT64_MAX);
    char *name = text(r, j, "name", CKPT_NAME_SIZE - 1, &n);
    memcpy(p->process.name, name, n);
    free(name);
    if (p->process.state == CKPT_ALIVE)
        read_living(r, j, p);
}

static void read_list(struct reading *r, const json_t *object, const char *name, size_t max,
                      void (*read)(struct reading *, const json_t *))
{
    json_t *list = json_object_get(object, name), *one;
    size_t i;

    if (!json_is_array(list) || json_array_size(list) > max) {
        complain(r, name, "no list, or too many");
        return;
    }
    json_array_foreach(list, i, one) if (!r->failed) read(r, one);
}

bool json_read_epoch(const json_t *object, const char *where, const struct ckpt_machine *machine, struct epoch *e)
{
    struct reading r = { .where = where, .epoch = e };

    *e = (struct epoch){ .machine = machine };
    read_figures(&r, object);
    read_list(&r, object, "contents", CKPT_CONTENTS_MAX, read_content);
    read_list(&r, object, "pipes", CKPT_PIPES_MAX, read_pipe);
    read_list(&r, object, "files", CKPT_PROCESSES_MAX * CKPT_FDS_MAX, read_file);
    read_list(&r, object, "spaces", CKPT_PROCESSES_MAX, read_space);
    read_list(&r, object, "processes", CKPT_PROCESSES_MAX, read_process);
    if (r.failed)
        epoch_release(e);
    return !r.failed;
}
