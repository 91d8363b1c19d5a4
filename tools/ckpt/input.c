#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <lib/tool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int input_read(void *ctx, u64 offset, void *buf, size_t n)
{
    struct input *in = ctx;

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
    return 0;
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

bool input_open(struct input *in, const char *name)
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
    return true;
}

void input_close(struct input *in)
{
    if (in->fd >= 0)
        close(in->fd);
    in->fd = -1;
}

int input_complain(const struct input *in, enum ckpt_error error, u64 at)
{
    if (error == CKPT_READ_FAILED) {
        tool_error("%s: %s", in->path, strerror(in->error));
        return EXIT_TROUBLE;
    }
    if (error == CKPT_NO_EPOCH)
        tool_error("%s: %s (ckpt log tells which are)", in->path, ckpt_error_text(error));
    else
        tool_error("%s: %s (at byte %ju)", in->path, ckpt_error_text(error), (uintmax_t)at);
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

        if (input_open(&in, o->args[i])) {
            if (o->epoch)
                in.epoch = o->epoch;
            one = act(o, &in);
            input_close(&in);
        }
        status = MAX(status, one);
    }
    return status;
}
