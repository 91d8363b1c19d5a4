// Reading an image through the file system, and saying what is wrong with it.
#include "image.h"
#include "commit.h"
#include "machine.h"
#include <base/string.h>
#include <kern/printk.h>
#include <uapi/errno.h>

// What is known without reading.
static bool read_known(const struct image *image, u64 offset, void *buf, size_t n)
{
    if (!image->header || offset >= (u64)CKPT_SLOTS * CKPT_BLOCK_SIZE)
        return recent_read(image->recent, offset, buf, n);
    bool is_first = offset + n <= CKPT_BLOCK_SIZE;
    if (is_first)
        memcpy(buf, (u8 *)frame_data(image->header) + offset, n);
    else
        memset(buf, 0, n);
    return true;
}

static bool source_known(void *ctx, u64 offset, u8 block[CKPT_BLOCK_SIZE])
{
    return read_known(ctx, offset, block, CKPT_BLOCK_SIZE);
}

static int source_read(void *ctx, u64 offset, void *buf, size_t n)
{
    struct image *image = ctx;
    struct piece piece = { .data = buf, .size = (u32)n };
    size_t done = 0;

    image->read_error = 0;
    if (read_known(image, offset, buf, n))
        return 0;
    if (image->commit)
        commit_await_blocks(image->commit);
    image->read_error = inode_read(image->inode, offset, &piece, 1, &done);
    if (!image->read_error && done < n)
        image->read_error = -EBADMSG;
    return image->read_error;
}

void image_init(struct image *image, struct inode *inode, const char *path)
{
    image->inode = inode;
    image->source = (struct ckpt_source){ .read = source_read, .known = source_known, .ctx = image };
    image_resize(image);
    image->header = NULL;
    image->commit = NULL;
    image->recent = NULL;
    image->read_error = 0;
    ckpt_text(image->name, sizeof(image->name), path, strlen(path));
}

void image_resize(struct image *image)
{
    inode_identify(image->inode, &image->id);
    image->source.size = image->id.size;
}

enum ckpt_error image_open(struct image *image, u64 number, struct ckpt_epoch *epoch)
{
    enum ckpt_error error = ckpt_open(&image->reader, &image->source, number);
    struct ckpt_item item;

    if (!error && image->reader.header.machine != machine_id)
        error = CKPT_BAD_MACHINE;
    if (!error)
        error = ckpt_next(&image->reader, &item);
    if (!error && epoch)
        *epoch = item.epoch;
    return error;
}

enum ckpt_error image_open_same(struct image *image, u64 number, struct ckpt_epoch *epoch)
{
    struct ckpt_item item;

    if (image->reader.header.epoch != number)
        return image_open(image, number, epoch);
    ckpt_open_again(&image->reader);
    enum ckpt_error error = ckpt_next(&image->reader, &item);
    if (!error)
        *epoch = item.epoch;
    return error;
}

int image_errno(const struct image *image, enum ckpt_error error)
{
    switch (error) {
    case CKPT_READ_FAILED:
        return image->read_error;
    case CKPT_NOT_IMAGE:
    case CKPT_BAD_VERSION:
    case CKPT_BAD_FEATURE:
    case CKPT_BAD_MACHINE:
    case CKPT_BAD_PAGE_SIZE:
    case CKPT_UNKNOWN_RECORD:
    case CKPT_NO_EPOCH:
        return -ENOEXEC;
    default:
        return -EBADMSG;
    }
}

int image_refuse(const struct image *image, enum ckpt_error error, u64 at)
{
    int err = image_errno(image, error);

    if (error == CKPT_NO_EPOCH)
        printk("%s: %s (ckptinfo -l tells which are)\n", image->name, ckpt_error_text(error));
    else
        printk("%s: %s (at byte %llu)%s\n", image->name, ckpt_error_text(error), (unsigned long long)at,
               err == -EBADMSG ? "; use another copy or an earlier epoch" : "");
    return err;
}
