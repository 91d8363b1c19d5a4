// ckpt import: an image out of an archive that ckpt export made, or that follows the same layout.
//
// Nothing in it is believed: numbers are held against the format's limits here, and the image as a whole must pass
// verify before it gets its name.
#include "json.h"
#include "progress.h"
#include "writer.h"

#include <archive.h>
#include <archive_entry.h>
#include <lib/tool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JSON_MAX (1u << 30)

struct import {
    const struct options *options;
    struct archive *archive;
    const char *path;
    struct writer *writer;
    json_t *history;
    u32 *place;  // of each page of the archive: its block in the image
    u64 pages, written;
};

static bool trouble(const struct import *m, const char *why)
{
    tool_error("%s: %s", m->path, why);
    return false;
}

static bool archive_trouble(const struct import *m)
{
    return trouble(m, archive_error_string(m->archive) ? archive_error_string(m->archive) : "can't be read");
}

// Read exactly n bytes of a member.
static bool read_exactly(struct import *m, void *to, size_t n)
{
    for (u8 *at = to; n;) {
        la_ssize_t done = archive_read_data(m->archive, at, n);
        if (done < 0)
            return archive_trouble(m);
        if (done == 0)
            return trouble(m, "ends too early");
        at += done;
        n -= (size_t)done;
    }
    return true;
}

static bool read_history(struct import *m, u64 size)
{
    json_error_t error;

    if (m->history)
        return trouble(m, "has image.json twice");
    if (size > JSON_MAX)
        return trouble(m, "image.json is too large");
    char *text = tool_alloc(size + 1, 1);
    bool ok = read_exactly(m, text, size);
    if (ok)
        m->history = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    free(text);
    if (ok && !m->history)
        tool_error("%s: image.json:%d: %s", m->path, error.line, error.text);
    if (!m->history)
        return false;
    const char *format = json_string_value(json_object_get(m->history, "format"));
    u64 version;
    if (!format || strcmp(format, "amber-checkpoint-archive") != 0 ||
        !json_get_number(m->history, "version", &version) || version != 1)
        return trouble(m, "is no archive of version 1");
    if (!json_get_number(m->history, "pages", &m->pages) || m->pages > UINT32_MAX - 16)
        return trouble(m, "image.json: pages: no possible number");
    return true;
}

static bool read_pages(struct import *m, u64 size)
{
    struct progress progress;
    u8 bytes[CKPT_BLOCK_SIZE];
    size_t room = 0;
    bool ok = true;

    if (!m->history || m->place)
        return trouble(m, "pages must come once, after image.json");
    if (size != m->pages * CKPT_BLOCK_SIZE)
        return trouble(m, "pages hasn't the size that image.json says");
    m->place = tool_alloc(1, sizeof *m->place);
    progress_begin(&progress, "import", m->pages, m->options->quiet);
    for (; m->written < m->pages && ok; m->written++) {
        tool_grow((void **)&m->place, &room, m->written + 1, sizeof *m->place);
        ok = read_exactly(m, bytes, sizeof bytes) && writer_page(m->writer, bytes, &m->place[m->written]);
        progress_set(&progress, m->written);
    }
    progress_end(&progress);
    return ok;
}

static bool read_members(struct import *m)
{
    struct archive_entry *entry;
    int result;

    while ((result = archive_read_next_header(m->archive, &entry)) == ARCHIVE_OK) {
        const char *name = archive_entry_pathname(entry);
        u64 size = (u64)MAX(archive_entry_size(entry), 0);
        bool ok = true;

        if (name && strcmp(name, "image.json") == 0)
            ok = read_history(m, size);
        else if (name && strcmp(name, "pages") == 0)
            ok = read_pages(m, size);
        if (!ok)
            return false;
    }
    if (result != ARCHIVE_EOF)
        return archive_trouble(m);
    return (m->history && m->place) || trouble(m, "lacks image.json or pages");
}

static const struct ckpt_machine *machine_named(const char *name)
{
    static const u32 ids[] = { CKPT_MACHINE_I386, CKPT_MACHINE_RISCV64 };

    for (size_t i = 0; name && i < ARRAY_SIZE(ids); i++) {
        const struct ckpt_machine *machine = ckpt_machine(ids[i]);
        if (machine && strcmp(machine->name, name) == 0)
            return machine;
    }
    return NULL;
}

// The pages that a tree names are in the archive, in ascending order.
static bool pages_are_there(const struct import *m, const struct pages *p)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->list[i].block >= m->written || (i && p->list[i].index <= p->list[i - 1].index))
            return trouble(m, "extents are not in order, or name pages that aren't there");
    return true;
}

static bool epoch_is_possible(const struct import *m, const struct epoch *e)
{
    bool ok = e->processes > 0 || trouble(m, "an epoch without processes");

    for (size_t i = 0; i < e->contents && ok; i++)
        ok = pages_are_there(m, &e->content[i].pages);
    for (size_t i = 0; i < e->spaces && ok; i++)
        ok = pages_are_there(m, &e->space[i].pages);
    for (size_t i = 0; i < e->processes && ok; i++)
        ok = e->process[i].process.space <= e->spaces || trouble(m, "a process names a space that isn't there");
    return ok;
}

static bool write_epoch(struct import *m, const json_t *object, const struct ckpt_machine *machine, const u8 *identity)
{
    struct epoch e;

    if (!json_read_epoch(object, m->path, machine, &e))
        return false;
    memcpy(e.header.identity, identity, CKPT_IDENTITY_SIZE);
    bool ok = epoch_is_possible(m, &e) && writer_epoch(m->writer, &e, m->place);
    epoch_release(&e);
    return ok;
}

static bool write_epochs(struct import *m)
{
    const struct ckpt_machine *machine = machine_named(json_string_value(json_object_get(m->history, "machine")));
    json_t *list = json_object_get(m->history, "epochs"), *object;
    u8 *identity;
    size_t n, i;

    if (!machine)
        return trouble(m, "image.json: machine: none that is known");
    if (!json_get_bytes(m->history, "identity", CKPT_IDENTITY_SIZE, &identity, &n))
        return trouble(m, "image.json: identity: not hexadecimal");
    bool ok = n == CKPT_IDENTITY_SIZE || trouble(m, "image.json: identity: not 16 bytes");
    json_array_foreach(list, i, object) ok = ok && write_epoch(m, object, machine, identity);
    free(identity);
    return ok && writer_finish(m->writer);
}

static bool import(struct import *m)
{
    return (archive_read_support_format_tar(m->archive) == ARCHIVE_OK &&
            archive_read_support_filter_all(m->archive) == ARCHIVE_OK &&
            archive_read_open_filename(m->archive, m->path, 1 << 16) == ARCHIVE_OK)
               ? read_members(m) && write_epochs(m)
               : archive_trouble(m);
}

int cmd_import(const struct options *o)
{
    struct import m = { .options = o, .path = o->args[0], .archive = archive_read_new() };

    m.writer = writer_create(o->args[1], o->force);
    bool ok = m.writer && import(&m);
    if (ok && !o->quiet)
        printf("%s: %zu epochs, %ju pages\n", o->args[1], json_array_size(json_object_get(m.history, "epochs")),
               (uintmax_t)m.pages);
    if (m.writer)
        writer_release(m.writer);
    archive_read_free(m.archive);
    json_decref(m.history);
    free(m.place);
    return ok ? EXIT_GOOD : EXIT_TROUBLE;
}
