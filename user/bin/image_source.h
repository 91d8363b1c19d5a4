// An open file as the source of an image's bytes.
#pragma once

#include <ckptfmt/ckptfmt.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static inline int image_read(void *ctx, u64 offset, void *buf, size_t n)
{
    int fd = *(int *)ctx;

    if (lseek(fd, (off_t)offset, SEEK_SET) < 0)
        return -1;
    for (ssize_t done; n > 0; buf = (char *)buf + done, n -= (size_t)done) {
        done = read(fd, buf, n);
        if (done == 0)
            errno = EIO;
        if (done <= 0)
            return -1;
    }
    return 0;
}

/* *fd becomes the open file, which the source goes on using. -1: errno. */
static inline int image_open(const char *path, int *fd, struct ckpt_source *source)
{
    off_t size;

    *fd = open(path, O_RDONLY);
    if (*fd < 0)
        return -1;
    size = lseek(*fd, 0, SEEK_END);
    if (size < 0)
        return -1;
    *source = (struct ckpt_source){ .read = image_read, .ctx = fd, .size = (u64)size };
    return 0;
}
