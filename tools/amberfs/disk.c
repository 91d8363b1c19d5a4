// Requests are done at once, in the order in which they come; a flush is fdatasync(). So what the kernel's journal
// makes durable is durable here, too.
#include "disk.h"

#include <dev/disk.h>
#include <errno.h>
#include <fcntl.h>
#include <kern/time.h>
#include <lib/tool.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static struct disk disk = { .name = "image" };
static int disk_fd = -1;

int host_disk_open(const char *path, struct disk **out)
{
    struct stat st;

    disk_fd = open(path, O_RDWR | O_CLOEXEC);
    if (disk_fd < 0)
        return -errno;
    int err = fstat(disk_fd, &st) != 0 || flock(disk_fd, LOCK_EX | LOCK_NB) != 0 ? -errno : 0;
    if (!err && !S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
        err = -ENOTBLK;
    if (!err && tool_machine_has(disk_fd))
        err = -EBUSY;
    off_t size = S_ISBLK(st.st_mode) ? lseek(disk_fd, 0, SEEK_END) : st.st_size;
    disk.blocks = (u64)MAX(size, 0) / DISK_BLOCK_SIZE;
    *out = &disk;
    if (err)
        host_disk_close();
    return err;
}

void host_disk_close(void)
{
    if (disk_fd >= 0)
        close(disk_fd);
    disk_fd = -1;
}

static int transfer_some(const struct disk_request *r, size_t done)
{
    struct iovec pieces[DISK_MAX_BLOCKS];
    int count = 0;

    for (u32 k = (u32)(done / DISK_BLOCK_SIZE); k < r->count; k++, count++) {
        size_t skip = count ? 0 : done % DISK_BLOCK_SIZE;
        pieces[count] = (struct iovec){ (u8 *)frame_data(r->frames[k]) + skip, DISK_BLOCK_SIZE - skip };
    }
    off_t at = (off_t)(r->block * DISK_BLOCK_SIZE + done);
    ssize_t n = r->op == DISK_READ ? preadv(disk_fd, pieces, count, at) : pwritev(disk_fd, pieces, count, at);
    if (n < 0)
        return errno == EINTR ? 0 : -EIO;
    return n ? (int)n : -EIO;
}

static int execute(const struct disk_request *r)
{
    if (!disk_has(&disk, r))
        return -EIO;
    if (r->op == DISK_FLUSH)
        return fdatasync(disk_fd) == 0 ? 0 : -EIO;
    for (size_t done = 0; done < (size_t)r->count * DISK_BLOCK_SIZE;) {
        int n = transfer_some(r, done);
        if (n < 0)
            return n;
        done += (size_t)n;
    }
    return 0;
}

void disk_submit(struct disk *d, struct disk_request *r)
{
    (void)d;
    r->status = execute(r);
    r->complete = true;
    if (r->done)
        r->done(r);
}

int disk_wait(struct disk_request *r)
{
    return r->status;
}

// Files are dated by the host's clock.
u64 time_wall_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (u64)ts.tv_sec * NS_PER_SECOND + (u64)ts.tv_nsec;
}
