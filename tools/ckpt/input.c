#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <lib/tool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// Bytes of the newest header become zeros.
static void hide_newest(const struct input *in, u64 offset, u8 *bytes, size_t n)
{
    u64 from = (u64)in->newest_slot * CKPT_BLOCK_SIZE, to = from + CKPT_BLOCK_SIZE;

    from = MAX(from, offset);
    to = MIN(to, offset + n);
    if (in->rescue && from < to)
        memset(bytes + (from - offset), 0, (size_t)(to - from));
}

static int input_read(void *ctx, u64 offset, void *buf, size_t n)
{
    struct input *in = ctx;
    u8 *bytes = buf;
    u64 begin = offset;
    size_t size = n;

    while (n > 0) {
        ssize_t done = pread(in->fd, buf, n, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            in->error = done ? errno : EIO;
            return -1;
        }
        buf = (u8 *)buf + done;
        offset += (u64)done;
        n -= (size_t)done;
        in->bytes_read += (u64)done;
    }
    hide_newest(in, begin, bytes, size);
    return 0;
}

// CKPT_NO_EPOCH: the slot is empty, or not in the file.
static enum ckpt_error read_header(struct input *in, u32 slot, struct ckpt_header *out)
{
    u8 block[CKPT_BLOCK_SIZE];
    u64 at = (u64)slot * CKPT_BLOCK_SIZE;

    if (in->source.size < at + sizeof block)
        return CKPT_NO_EPOCH;
    if (input_read(in, at, block, sizeof block))
        return CKPT_READ_FAILED;
    if (block[0] == 0 && memcmp(block, block + 1, sizeof block - 1) == 0)
        return CKPT_NO_EPOCH;
    return ckpt_header_decode(block, in->source.size, out);
}

// An older header than the good one may tell of a longer file than there is, see docs/formats/checkpoint.md, 5.
static void note_bad(struct input *in, u32 slot, enum ckpt_error err, const struct ckpt_header *h, u64 newest)
{
    if (err == CKPT_NO_EPOCH || (err == CKPT_TRUNCATED && h->epoch < newest))
        return;
    in->has_bad = true;
    in->bad_slot = slot;
    in->newest = newest;
}

static void look_at_headers(struct input *in)
{
    struct ckpt_header first = {}, second = {};
    enum ckpt_error err = read_header(in, 0, &first), err_second = read_header(in, 1, &second);

    in->has_both = !err && !err_second;
    in->newest_slot = in->has_both && second.epoch > first.epoch;
    if (err && !err_second)
        note_bad(in, 0, err, &first, second.epoch);
    if (!err && err_second)
        note_bad(in, 1, err_second, &second, first.epoch);
    in->bytes_read = 0;
}

// FILE@EPOCH: open FILE, and remember the epoch.
static int open_epoch(struct input *in, const char *name)
{
    const char *at = strrchr(name, '@');
    int fd = -1;

    if (!at || !parse_number(at + 1, &in->epoch) || !in->epoch)
        return -1;
    char *file = strndup(name, (size_t)(at - name));
    if (file)
        fd = open(file, O_RDONLY | O_CLOEXEC);
    free(file);
    return fd;
}

bool input_open(struct input *in, const char *name, bool rescue)
{
    struct stat st;

    *in = (struct input){ .path = name };
    in->fd = open(name, O_RDONLY | O_CLOEXEC);
    if (in->fd < 0 && errno == ENOENT)
        in->fd = open_epoch(in, name);
    if (in->fd < 0 || fstat(in->fd, &st) != 0) {
        tool_error("%s: %s", name, strerror(errno));
        input_close(in);
        return false;
    }
    in->source = (struct ckpt_source){ .read = input_read, .ctx = in, .size = (u64)st.st_size };
    look_at_headers(in);
    in->rescue = rescue;
    if (rescue && !in->has_both) {
        tool_error("%s: there is no second header that would lead to an older epoch", name);
        input_close(in);
        return false;
    }
    return true;
}

void input_close(struct input *in)
{
    if (in->fd >= 0)
        close(in->fd);
    in->fd = -1;
}

// How many of the newest epochs are sound; *damaged: the one before them, 0: there is none.
static u64 count_sound(const struct input *in, u64 *damaged)
{
    struct ckpt_verifier *v = tool_alloc(1, sizeof *v);
    enum ckpt_error err = ckpt_verify(v, &in->source, 0);
    u64 sound = 0;

    for (; !err; sound++)
        err = ckpt_verify_previous(v);
    *damaged = err == CKPT_NO_EPOCH ? 0 : v->reader.header.epoch;
    free(v);
    return sound;
}

// What may help, for the end of a message.
static void hint(const struct input *in, char *out, size_t size)
{
    u64 damaged;

    *out = 0;
    if (in->rescue)
        return;
    u64 sound = count_sound(in, &damaged);
    if (!sound && in->has_both)
        snprintf(out, size, "; --rescue reads it as it was before its newest epoch");
    if (sound && damaged)
        snprintf(out, size, "; epoch %ju is damaged, those after it are not: pack -k %ju keeps them, -e N another one",
                 (uintmax_t)damaged, (uintmax_t)sound);
}

int input_complain(const struct input *in, enum ckpt_error error, u64 at)
{
    if (error == CKPT_READ_FAILED) {
        tool_error("%s: %s", in->path, strerror(in->error));
        return EXIT_TROUBLE;
    }
    if (error == CKPT_NO_EPOCH) {
        tool_error("%s: %s (ckpt log tells which are)", in->path, ckpt_error_text(error));
    } else {
        char text[160];
        hint(in, text, sizeof text);
        tool_error("%s: %s (at byte %ju)%s", in->path, ckpt_error_text(error), (uintmax_t)at, text);
    }
    return EXIT_BAD;
}

void input_put(void *file, const char *bytes, size_t n)
{
    fwrite(bytes, 1, n, file);
}

int input_each(const struct options *o, int (*act)(const struct options *o, struct input *in))
{
    int status = EXIT_GOOD;

    for (int i = 0; i < o->count; i++) {
        struct input in;
        int one = EXIT_TROUBLE;

        if (input_open(&in, o->args[i], o->rescue)) {
            if (o->epoch)
                in.epoch = o->epoch;
            one = act(o, &in);
            input_close(&in);
        }
        status = MAX(status, one);
    }
    return status;
}
