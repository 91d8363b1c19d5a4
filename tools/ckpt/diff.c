// ckpt diff: what differs between two epochs: processes, registers, descriptors, regions, memory.
//
// Memory that differs is told by the names of variables where there are symbols, else as bytes. Pages that both epochs
// keep in the same block of the same file are equal without being read.
#include "epoch.h"
#include "hex.h"
#include "json.h"
#include "symbols.h"

#include <base/byteorder.h>
#include <lib/tool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define BYTES_SHOWN 16  // of a variable
#define GAP         8   // changed bytes that are nearer belong to one change
#define LINES_SHOWN 8   // of a page, unless all are wanted

struct comparison {
    const struct options *options;
    const struct symbols *symbols;
    struct epoch *a, *b;
    bool same_file;
    json_t *changes;  // JSON only
    u64 count;        // of differences
    u64 pages;        // that differ
    int status;
};

// One difference: printed, or put into the list with what the caller adds.
static json_t *change_add(struct comparison *c, const char *kind, s32 pid)
{
    json_t *j = json_object();

    json_object_set_new(j, "change", json_string(kind));
    json_put_signed(j, "pid", pid);
    json_array_append_new(c->changes, j);
    return j;
}

static bool is_json(const struct comparison *c)
{
    return c->options->view == VIEW_JSON;
}

static void tell_process(struct comparison *c, const struct ckpt_process *p, bool added)
{
    char name[CKPT_NAME_SIZE];

    c->count++;
    if (is_json(c)) {
        change_add(c, added ? "process-added" : "process-removed", p->pid);
        return;
    }
    printf("%c process %d %s\n", added ? '+' : '-', p->pid, ckpt_text(name, sizeof name, p->name, strlen(p->name)));
}

static void tell_value(struct comparison *c, s32 pid, const char *what, const char *name, u64 before, u64 after)
{
    char from[64], to[64];

    c->count++;
    if (is_json(c)) {
        json_t *j = change_add(c, what, pid);
        json_object_set_new(j, "name", json_string(name));
        json_put_number(j, "before", before);
        json_put_number(j, "after", after);
        return;
    }
    bool is_pc = strcmp(name, c->a->machine->register_names[c->a->machine->pc]) == 0;
    printf("process %d: %s %s: %08jx%s -> %08jx%s\n", pid, what, name, (uintmax_t)before,
           symbols_text(is_pc ? c->symbols : NULL, before, from, sizeof from), (uintmax_t)after,
           symbols_text(is_pc ? c->symbols : NULL, after, to, sizeof to));
}

static void compare_value(struct comparison *c, s32 pid, const char *what, const char *name, u64 before, u64 after)
{
    if (before != after)
        tell_value(c, pid, what, name, before, after);
}

static void compare_registers(struct comparison *c, const struct epoch_process *p, const struct epoch_process *q)
{
    const struct ckpt_machine *m = c->a->machine;
    s32 pid = p->process.pid;

    for (u32 i = 0; i < m->registers_size / m->register_width; i++)
        compare_value(c, pid, "register", m->register_names[i], process_register(c->a, p, i),
                      process_register(c->b, q, i));
    if (p->fpu.size == q->fpu.size && p->fpu.size && memcmp(p->fpu.bytes, q->fpu.bytes, p->fpu.size) != 0) {
        c->count++;
        if (is_json(c))
            change_add(c, "fpu", pid);
        else
            printf("process %d: floating-point state differs\n", pid);
    }
    compare_value(c, pid, "restart", "call", p->restart.call, q->restart.call);
    compare_value(c, pid, "restart", "done", p->restart.done, q->restart.done);
}

static const struct ckpt_file *file_of(const struct epoch *e, const struct epoch_process *p, u32 fd)
{
    for (u32 i = 0; i < p->fds; i++)
        if (p->fd[i].fd == fd)
            return &e->file[p->fd[i].file - 1].file;
    return NULL;
}

static void tell_descriptor(struct comparison *c, s32 pid, u32 fd, const struct ckpt_file *f, bool added)
{
    char path[CKPT_PATH_MAX + 1];

    c->count++;
    ckpt_text(path, sizeof path, f->path, f->path_length);
    if (is_json(c)) {
        json_t *j = change_add(c, added ? "fd-added" : "fd-removed", pid);
        json_put_number(j, "fd", fd);
        json_put_text(j, "path", f->path, f->path_length);
        return;
    }
    printf("process %d: %c fd %u (%s)\n", pid, added ? '+' : '-', fd, path);
}

static bool same_file(const struct ckpt_file *f, const struct ckpt_file *g)
{
    return f->kind == g->kind && f->ino == g->ino && f->generation == g->generation &&
           f->path_length == g->path_length && memcmp(f->path, g->path, f->path_length) == 0;
}

static void compare_file(struct comparison *c, s32 pid, u32 fd, const struct ckpt_file *f, const struct ckpt_file *g)
{
    char name[32];

    if (!same_file(f, g)) {
        tell_descriptor(c, pid, fd, f, false);
        tell_descriptor(c, pid, fd, g, true);
        return;
    }
    snprintf(name, sizeof name, "fd %u", fd);
    compare_value(c, pid, "offset of", name, f->offset, g->offset);
    compare_value(c, pid, "size of", name, f->size, g->size);
}

static void compare_descriptors(struct comparison *c, const struct epoch_process *p, const struct epoch_process *q)
{
    s32 pid = p->process.pid;

    for (u32 fd = 0; fd < CKPT_FDS_MAX; fd++) {
        const struct ckpt_file *f = file_of(c->a, p, fd), *g = file_of(c->b, q, fd);
        if (f && g)
            compare_file(c, pid, fd, f, g);
        else if (f || g)
            tell_descriptor(c, pid, fd, f ? f : g, g != NULL);
    }
}

static void tell_region(struct comparison *c, s32 pid, const struct ckpt_region *g, bool added)
{
    char protection[4];

    c->count++;
    region_protection_text(g->prot, protection);
    if (is_json(c)) {
        json_t *j = change_add(c, added ? "region-added" : "region-removed", pid);
        json_put_number(j, "start", g->start);
        json_put_number(j, "end", g->end);
        return;
    }
    printf("process %d: %c region %08jx-%08jx %s %s\n", pid, added ? '+' : '-', (uintmax_t)g->start, (uintmax_t)g->end,
           protection, region_kind_text(g->kind));
}

static bool region_is_in(const struct epoch_space *s, const struct ckpt_region *g)
{
    for (u32 i = 0; i < s->space.regions; i++)
        if (memcmp(&s->regions[i], g, sizeof *g) == 0)
            return true;
    return false;
}

static void compare_regions(struct comparison *c, s32 pid, const struct epoch_space *s, const struct epoch_space *t)
{
    for (u32 i = 0; i < s->space.regions; i++)
        if (!region_is_in(t, &s->regions[i]))
            tell_region(c, pid, &s->regions[i], false);
    for (u32 i = 0; i < t->space.regions; i++)
        if (!region_is_in(s, &t->regions[i]))
            tell_region(c, pid, &t->regions[i], true);
}

// Memory. A page's two contents, and the bytes in it that differ.

static void print_bytes(const u8 *bytes, size_t n)
{
    for (size_t i = 0; i < MIN(n, BYTES_SHOWN); i++)
        printf(" %02x", bytes[i]);
    if (n > BYTES_SHOWN)
        printf(" ...");
}

// A small variable as a number, too.
static void print_number(const u8 *bytes, size_t n)
{
    if (n == 4)
        printf(" (%u)", le32(bytes));
}

static void tell_bytes(struct comparison *c, s32 pid, u64 at, const struct symbol *s, const u8 *before, const u8 *after,
                       size_t n)
{
    c->count++;
    if (is_json(c)) {
        json_t *j = change_add(c, "memory", pid);
        json_put_number(j, "address", at);
        json_put_number(j, "size", n);
        if (s)
            json_object_set_new(j, "symbol", json_string(s->name));
        json_put_bytes(j, "before", before, n);
        json_put_bytes(j, "after", after, n);
        return;
    }
    printf("process %d: %08jx", pid, (uintmax_t)at);
    if (s && s->address == at)
        printf(" %s:", s->name);
    else if (s)
        printf(" %s+0x%jx:", s->name, (uintmax_t)(at - s->address));
    else
        printf(":");
    print_bytes(before, n);
    print_number(before, n);
    printf(" ->");
    print_bytes(after, n);
    print_number(after, n);
    putchar('\n');
}

static void tell_lines(struct comparison *c, s32 pid, u64 address, const u8 *before, const u8 *after)
{
    u32 lines = 0;

    for (size_t i = 0; i < CKPT_BLOCK_SIZE; i += HEX_LINE) {
        if (memcmp(before + i, after + i, HEX_LINE) == 0)
            continue;
        if (is_json(c)) {
            tell_bytes(c, pid, address + i, NULL, before + i, after + i, HEX_LINE);
            continue;
        }
        c->count++;
        if (lines++ >= LINES_SHOWN && !c->options->all)
            continue;
        hex_line("- ", address + i, before + i, HEX_LINE, "");
        hex_line("+ ", address + i, after + i, HEX_LINE, "");
    }
    if (lines > LINES_SHOWN && !c->options->all && !is_json(c))
        printf("  ... and %u more lines of this page (-a shows them)\n", lines - LINES_SHOWN);
}

// The end of the change that begins at `from`: where GAP bytes are equal, or a symbol ends.
static size_t change_end(const u8 *before, const u8 *after, size_t from, size_t limit)
{
    size_t end = from + 1;

    for (size_t i = end; i < limit && i < end + GAP; i++)
        if (before[i] != after[i])
            end = i + 1;
    return end;
}

static bool is_small(const struct symbol *s)
{
    return s && s->size && s->size <= 8;
}

// A small variable is shown whole, in what lies in this page; of others the bytes that differ.
static size_t tell_change(struct comparison *c, s32 pid, u64 page, const u8 *before, const u8 *after, size_t at)
{
    const struct symbol *s = symbols_at(c->symbols, page + at);
    size_t limit = CKPT_BLOCK_SIZE, begin = at;

    if (s && s->size)
        limit = (size_t)MIN(limit, s->address + s->size - page);
    size_t end = change_end(before, after, at, limit);
    if (is_small(s)) {
        begin = s->address > page ? (size_t)(s->address - page) : 0;
        end = limit;
    }
    tell_bytes(c, pid, page + begin, s, before + begin, after + begin, end - begin);
    return end;
}

static void tell_page(struct comparison *c, s32 pid, u64 page, const u8 *before, const u8 *after)
{
    c->pages++;
    if (!c->symbols) {
        if (!is_json(c))
            printf("process %d: page %08jx\n", pid, (uintmax_t)page);
        tell_lines(c, pid, page, before, after);
        return;
    }
    for (size_t at = 0; at < CKPT_BLOCK_SIZE;)
        if (before[at] != after[at])
            at = tell_change(c, pid, page, before, after, at);
        else
            at++;
}

static bool page_get(struct comparison *c, struct epoch *e, const struct ckpt_page *page, u8 *out)
{
    enum ckpt_error err = CKPT_OK;

    if (page)
        err = epoch_page(e, page, out);
    else
        memset(out, 0, CKPT_BLOCK_SIZE);
    if (err)
        c->status = input_complain(e->input, err, e->failed_at);
    return !err;
}

static bool compare_page(struct comparison *c, s32 pid, u64 index, const struct ckpt_page *p, const struct ckpt_page *q)
{
    u8 before[CKPT_BLOCK_SIZE], after[CKPT_BLOCK_SIZE];

    if (p && q && c->same_file && p->block == q->block)
        return true;
    if (!page_get(c, c->a, p, before) || !page_get(c, c->b, q, after))
        return false;
    if (memcmp(before, after, CKPT_BLOCK_SIZE) != 0)
        tell_page(c, pid, index * CKPT_BLOCK_SIZE, before, after);
    return true;
}

static bool compare_memory(struct comparison *c, s32 pid, const struct pages *p, const struct pages *q)
{
    size_t i = 0, k = 0;

    while (i < p->count || k < q->count) {
        u64 from_p = i < p->count ? p->list[i].index : UINT64_MAX;
        u64 from_q = k < q->count ? q->list[k].index : UINT64_MAX;
        u64 index = MIN(from_p, from_q);
        if (!compare_page(c, pid, index, from_p == index ? &p->list[i] : NULL, from_q == index ? &q->list[k] : NULL))
            return false;
        i += from_p == index;
        k += from_q == index;
    }
    return true;
}

static bool compare_process(struct comparison *c, const struct epoch_process *p, const struct epoch_process *q)
{
    const struct epoch_space *s = epoch_space_of(c->a, p), *t = epoch_space_of(c->b, q);
    s32 pid = p->process.pid;

    compare_value(c, pid, "state", "state", p->process.state, q->process.state);
    if (!s || !t)
        return true;
    compare_registers(c, p, q);
    compare_descriptors(c, p, q);
    compare_value(c, pid, "heap", "end", s->space.heap_end, t->space.heap_end);
    compare_regions(c, pid, s, t);
    return compare_memory(c, pid, &s->pages, &t->pages);
}

static void compare(struct comparison *c)
{
    for (size_t i = 0; i < c->a->processes; i++) {
        const struct epoch_process *p = &c->a->process[i], *q = epoch_find(c->b, p->process.pid);
        if (c->options->pid && p->process.pid != c->options->pid)
            continue;
        if (!q)
            tell_process(c, &p->process, false);
        else if (!compare_process(c, p, q))
            return;
    }
    for (size_t i = 0; i < c->b->processes; i++) {
        const struct ckpt_process *p = &c->b->process[i].process;
        if (!epoch_find(c->a, p->pid) && (!c->options->pid || p->pid == c->options->pid))
            tell_process(c, p, true);
    }
}

static bool is_same_file(const struct input *a, const struct input *b)
{
    struct stat st, tt;

    return fstat(a->fd, &st) == 0 && fstat(b->fd, &tt) == 0 && st.st_dev == tt.st_dev && st.st_ino == tt.st_ino;
}

// 0: alike; 1: not; 2: trouble, or an image that isn't one.
static int conclude(struct comparison *c)
{
    if (is_json(c)) {
        json_t *j = json_object();
        json_put_number(j, "from", c->a->info.epoch);
        json_put_number(j, "to", c->b->info.epoch);
        json_put_number(j, "pages", c->pages);
        json_object_set(j, "changes", c->changes);
        if (!json_print(j))
            return EXIT_TROUBLE;
    } else if (!c->options->quiet && c->status == EXIT_GOOD) {
        printf("%ju %s, %ju %s\n", (uintmax_t)c->count, c->count == 1 ? "difference" : "differences",
               (uintmax_t)c->pages, c->pages == 1 ? "page" : "pages");
    }
    return c->status != EXIT_GOOD ? EXIT_TROUBLE : c->count ? EXIT_BAD : EXIT_GOOD;
}

static int diff(const struct options *o, const struct symbols *symbols, struct epoch *a, struct epoch *b)
{
    struct comparison c = { .options = o, .symbols = symbols, .a = a, .b = b };

    if (a->machine != b->machine) {
        tool_error("%s and %s are of different machines", a->input->path, b->input->path);
        return EXIT_TROUBLE;
    }
    c.same_file = is_same_file(a->input, b->input);
    c.changes = json_array();
    compare(&c);
    int status = conclude(&c);
    json_decref(c.changes);
    return status;
}

static int diff_inputs(const struct options *o, const struct symbols *symbols, struct input *in)
{
    struct epoch a, b;
    int status;

    if (!epoch_open(&a, &in[0], true, &status))
        return EXIT_TROUBLE;
    if (epoch_open(&b, &in[1], true, &status)) {
        status = diff(o, symbols, &a, &b);
        epoch_release(&b);
    } else {
        status = EXIT_TROUBLE;
    }
    epoch_release(&a);
    return status;
}

int cmd_diff(const struct options *o)
{
    struct symbols *symbols = NULL;
    struct input in[2];
    int status = EXIT_TROUBLE;

    if (o->symbols && !(symbols = symbols_load(o->symbols)))
        return EXIT_TROUBLE;
    if (input_open(&in[0], o->args[0], false)) {
        if (input_open(&in[1], o->args[1], false)) {
            status = diff_inputs(o, symbols, in);
            input_close(&in[1]);
        }
        input_close(&in[0]);
    }
    symbols_release(symbols);
    return status;
}
