// ckpt pack: a new image with an image's newest epochs, or with one. ckpt compact: the same, in its place.
#include "progress.h"
#include "select.h"
#include "writer.h"

#include <lib/tool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

// An older epoch alone goes another way from here than the file that it comes from: it begins a history of its own. So
// do those that are rescued: the file that they come from has used the next numbers.
static bool new_identity(struct selection *s)
{
    u8 identity[CKPT_IDENTITY_SIZE];

    if (getrandom(identity, sizeof identity, 0) != sizeof identity) {
        tool_error("no random numbers");
        return false;
    }
    for (size_t i = 0; i < s->count; i++)
        memcpy(s->epochs[i].header.identity, identity, sizeof identity);
    return true;
}

static bool copy_pages(const struct options *o, struct selection *s, struct writer *w, int *status)
{
    struct progress progress;
    u8 bytes[CKPT_BLOCK_SIZE];
    bool ok = true;

    progress_begin(&progress, "pack", s->pages, o->quiet);
    for (size_t n = 0; n < s->pages && ok; n++) {
        ok = selection_page(s, n, bytes, status) && writer_page(w, bytes, &s->place[s->blocks[n]]);
        progress_set(&progress, n);
    }
    progress_end(&progress);
    return ok;
}

static bool pack_epochs(const struct options *o, struct selection *s, struct writer *w, int *status)
{
    if ((!s->newest || o->rescue) && !new_identity(s))
        return false;
    if (!copy_pages(o, s, w, status))
        return false;
    for (size_t i = 0; i < s->count; i++)
        if (!writer_epoch(w, &s->epochs[i], s->place))
            return false;
    return writer_finish(w);
}

static int pack(const struct options *o, const char *from, const char *to, bool force)
{
    struct selection s;
    int status;

    if (!selection_open(&s, o, from, &status))
        return status;
    u64 before = s.in.source.size;
    struct writer *w = writer_create(to, force);
    if (!w || !pack_epochs(o, &s, w, &status))
        status = status == EXIT_GOOD ? EXIT_TROUBLE : status;
    if (w)
        writer_release(w);
    struct stat st;
    if (status == EXIT_GOOD && !o->quiet && stat(to, &st) == 0)
        printf("%s: %zu %s, %ju KiB, before %ju KiB\n", to, s.count, s.count == 1 ? "epoch" : "epochs",
               (uintmax_t)st.st_size / 1024, (uintmax_t)before / 1024);
    selection_close(&s);
    return status;
}

int cmd_pack(const struct options *o)
{
    return pack(o, o->args[0], o->args[1], o->force);
}

int cmd_compact(const struct options *o)
{
    int status = EXIT_GOOD;

    for (int i = 0; i < o->count; i++) {
        int one = pack(o, o->args[i], o->args[i], true);
        status = MAX(status, one);
    }
    return status;
}
