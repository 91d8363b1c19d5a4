#include "out.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <lib/tool.h>
#include <string.h>
#include <unistd.h>

static bool write_full(int fd, const u8 *bytes, size_t n)
{
    while (n) {
        ssize_t done = write(fd, bytes, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return false;
        bytes += done;
        n -= (size_t)done;
    }
    return true;
}

static bool contents_copy(struct image *img, const struct fs_inode *i, const char *path, int fd, const char *to)
{
    u8 block[FS_BLOCK_SIZE];

    for (u64 at = 0; at < i->size; at += FS_BLOCK_SIZE) {
        enum fs_error e = file_block_read(img, i, at / FS_BLOCK_SIZE, block);
        if (e) {
            tool_error("%s: %s: at byte %" PRIu64 ": %s; fsck tells more", img->path, path, at, fs_error_text(e));
            return false;
        }
        if (!write_full(fd, block, MIN(i->size - at, FS_BLOCK_SIZE))) {
            tool_error("%s: %s", to, strerror(errno));
            return false;
        }
    }
    return true;
}

bool file_out(struct image *img, const char *path, const char *to)
{
    struct fs_inode i;
    u64 ino;

    if (!path_find(img, path, &ino, &i))
        return false;
    if (i.type != FS_FILE) {
        tool_error("%s: %s is not a file", img->path, path);
        return false;
    }
    if (!to)
        return contents_copy(img, &i, path, STDOUT_FILENO, "standard output");
    int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        tool_error("%s: %s", to, strerror(errno));
        return false;
    }
    bool ok = contents_copy(img, &i, path, fd, to);
    if (close(fd) != 0) {
        tool_error("%s: %s", to, strerror(errno));
        ok = false;
    }
    return ok;
}
