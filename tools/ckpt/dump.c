// ckpt dump: the memory of a process, in hexadecimal and as text.
#include "epoch.h"
#include "hex.h"
#include "symbols.h"

#include <errno.h>
#include <lib/tool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_LENGTH 256

struct range {
    u64 from, to;
};

static bool parse_address(const char *text, size_t n, const struct symbols *symbols, u64 *address, u64 *size)
{
    char *copy = strndup(text, n), *end = copy;
    const struct symbol *s = copy ? symbols_find(symbols, copy) : NULL;

    *size = 0;
    if (s) {
        *address = s->address;
        *size = s->size;
    } else if (copy && *copy) {
        errno = 0;
        *address = strtoull(copy, &end, 0);
        if (errno || *copy == '-')
            end = copy;
    }
    bool ok = s || (copy && *copy && !*end);
    free(copy);
    return ok;
}

// START, START..END, START+LENGTH; START and END are numbers or names of symbols.
static bool parse_range(const char *text, const struct symbols *symbols, struct range *out)
{
    const char *dots = strstr(text, ".."), *plus = strchr(text, '+');
    size_t n = dots ? (size_t)(dots - text) : plus ? (size_t)(plus - text) : strlen(text);
    u64 size, ignored;

    if (!parse_address(text, n, symbols, &out->from, &size))
        return false;
    if (dots)
        return parse_address(dots + 2, strlen(dots + 2), symbols, &out->to, &ignored) && out->to >= out->from;
    if (plus && !parse_address(plus + 1, strlen(plus + 1), NULL, &size, &ignored))
        return false;
    if (!plus && !size)
        size = DEFAULT_LENGTH;
    return !__builtin_add_overflow(out->from, size, &out->to);
}

// The name that begins in a line, or that it lies in when it is the first.
static const char *name_of_line(const struct symbols *s, u64 at, size_t n, bool first, char *to, size_t size)
{
    const struct symbol *symbol = symbols_at(s, at + n - 1);

    to[0] = 0;
    if (symbol && (first || symbol->address >= at))
        snprintf(to, size, "  %s", symbol->name);
    return to;
}

static enum ckpt_error dump_region(struct epoch *e, const struct epoch_space *s, struct range r,
                                   const struct symbols *symbols)
{
    u8 line[HEX_LINE], last[HEX_LINE];
    char name[128];
    bool same = false, first = true;

    for (u64 at = r.from; at < r.to; at += HEX_LINE, first = false) {
        size_t n = (size_t)MIN(r.to - at, HEX_LINE);
        enum ckpt_error err = epoch_memory(e, &s->pages, at, line, n);
        if (err)
            return err;
        name_of_line(symbols, at, n, first, name, sizeof name);
        if (!first && n == HEX_LINE && at + n < r.to && !name[0] && memcmp(line, last, n) == 0) {
            if (!same)
                puts("*");
            same = true;
        } else {
            hex_line("", at, line, n, name);
            same = false;
        }
        memcpy(last, line, n);
    }
    return CKPT_OK;
}

// The parts of the range that are in regions.
static int dump_range(struct epoch *e, const struct epoch_space *s, struct range r, const struct symbols *symbols)
{
    bool any = false;

    for (u32 i = 0; i < s->space.regions; i++) {
        struct range part = { MAX(r.from, s->regions[i].start), MIN(r.to, s->regions[i].end) };
        if (part.from >= part.to)
            continue;
        any = true;
        enum ckpt_error err = dump_region(e, s, part, symbols);
        if (err)
            return input_complain(e->input, err, e->failed_at);
    }
    if (!any)
        tool_error("%s: no memory from %#jx to %#jx; ckpt mem tells where there is", e->input->path, (uintmax_t)r.from,
                   (uintmax_t)r.to);
    return any ? EXIT_GOOD : EXIT_TROUBLE;
}

static int dump(const struct options *o, struct epoch *e, const struct symbols *symbols)
{
    const struct epoch_process *p = epoch_find(e, o->pid);
    const struct epoch_space *s = p ? epoch_space_of(e, p) : NULL;
    int status = EXIT_GOOD;

    if (!s) {
        tool_error("%s: there is no living process %d; ckpt ps tells which there are", e->input->path, o->pid);
        return EXIT_TROUBLE;
    }
    for (int i = 1; i < o->count && status == EXIT_GOOD; i++) {
        struct range r;
        if (!parse_range(o->args[i], symbols, &r)) {
            tool_error("'%s' is neither START, START+LENGTH nor START..END, nor a known symbol", o->args[i]);
            return EXIT_TROUBLE;
        }
        status = dump_range(e, s, r, symbols);
    }
    return status;
}

int cmd_dump(const struct options *o)
{
    struct symbols *symbols = NULL;
    struct input in;
    struct epoch e;
    int status = EXIT_TROUBLE;

    if (o->symbols && !(symbols = symbols_load(o->symbols)))
        return EXIT_TROUBLE;
    if (!input_open(&in, o->args[0], o->rescue))
        goto out;
    if (o->epoch)
        in.epoch = o->epoch;
    if (epoch_open(&e, &in, true, &status)) {
        status = dump(o, &e, symbols);
        epoch_release(&e);
    }
    input_close(&in);
out:
    symbols_release(symbols);
    return status;
}
