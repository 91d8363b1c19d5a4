// ckpt export: an image as a tar archive, compressed with zstd: docs/formats/checkpoint-json.md.
#include "json.h"
#include "progress.h"
#include "select.h"

#include <archive.h>
#include <archive_entry.h>
#include <lib/tool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct output {
    struct archive *archive;
    const char *path;
};

static bool trouble(const struct output *out)
{
    tool_error("%s: %s", out->path, archive_error_string(out->archive));
    return false;
}

static bool member_begin(struct output *out, const char *name, u64 size, u64 wall_ns)
{
    struct archive_entry *entry = archive_entry_new();

    archive_entry_set_pathname(entry, name);
    archive_entry_set_size(entry, (la_int64_t)size);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_mtime(entry, (time_t)(wall_ns / 1000000000), 0);
    bool ok = archive_write_header(out->archive, entry) == ARCHIVE_OK;
    archive_entry_free(entry);
    return ok || trouble(out);
}

static bool member_data(struct output *out, const void *bytes, size_t n)
{
    return archive_write_data(out->archive, bytes, n) == (la_ssize_t)n || trouble(out);
}

static bool member_json(struct output *out, const char *name, json_t *value, u64 wall_ns)
{
    char *text = json_dumps(value, JSON_INDENT(1));
    size_t n = text ? strlen(text) : 0;
    bool ok = text && member_begin(out, name, n, wall_ns) && member_data(out, text, n);

    free(text);
    json_decref(value);
    return ok;
}

static json_t *history_json(const struct selection *s)
{
    const struct epoch *e = &s->epochs[0];
    json_t *j = json_object(), *epochs = json_array();

    json_object_set_new(j, "format", json_string("amber-checkpoint-archive"));
    json_put_number(j, "version", 1);
    json_object_set_new(j, "machine", json_string(e->machine->name));
    json_put_number(j, "page_size", CKPT_BLOCK_SIZE);
    json_put_bytes(j, "identity", e->header.identity, CKPT_IDENTITY_SIZE);
    json_put_number(j, "pages", s->pages);
    for (size_t i = 0; i < s->count; i++)
        json_array_append_new(epochs, json_epoch(&s->epochs[i], s->place));
    json_object_set_new(j, "epochs", epochs);
    return j;
}

static bool write_pages(const struct options *o, struct selection *s, struct output *out, int *status)
{
    struct progress progress;
    u8 bytes[CKPT_BLOCK_SIZE];
    bool ok = true;

    progress_begin(&progress, "export", s->pages, o->quiet);
    for (size_t n = 0; n < s->pages && ok; n++) {
        ok = selection_page(s, n, bytes, status) && member_data(out, bytes, sizeof bytes);
        progress_set(&progress, n);
    }
    progress_end(&progress);
    return ok;
}

static bool write_all(const struct options *o, struct selection *s, struct output *out, int *status)
{
    u64 wall_ns = s->epochs[s->count - 1].info.wall_ns;

    return member_json(out, "image.json", history_json(s), wall_ns) &&
           member_begin(out, "pages", (u64)s->pages * CKPT_BLOCK_SIZE, wall_ns) && write_pages(o, s, out, status) &&
           (archive_write_close(out->archive) == ARCHIVE_OK || trouble(out));
}

static bool output_open(struct output *out)
{
    return (archive_write_set_format_pax_restricted(out->archive) == ARCHIVE_OK &&
            archive_write_add_filter_zstd(out->archive) == ARCHIVE_OK &&
            archive_write_open_filename(out->archive, out->path) == ARCHIVE_OK) ||
           trouble(out);
}

static int export(const struct options *o, struct selection *s, const char *path)
{
    struct output out = { archive_write_new(), path };
    int status = EXIT_GOOD;

    if (!output_open(&out)) {
        archive_write_free(out.archive);
        return EXIT_TROUBLE;
    }
    bool ok = write_all(o, s, &out, &status);
    archive_write_free(out.archive);
    if (!ok) {
        unlink(path);
        return status == EXIT_GOOD ? EXIT_TROUBLE : status;
    }
    if (!o->quiet)
        printf("%s: %zu %s, %zu pages\n", path, s->count, s->count == 1 ? "epoch" : "epochs", s->pages);
    return EXIT_GOOD;
}

int cmd_export(const struct options *o)
{
    const char *path = o->args[1];
    struct selection s;
    int status;

    if (!o->force && access(path, F_OK) == 0) {
        tool_error("%s: exists; -f replaces it", path);
        return EXIT_TROUBLE;
    }
    if (!selection_open(&s, o, o->args[0], &status))
        return status;
    status = export(o, &s, path);
    selection_close(&s);
    return status;
}
