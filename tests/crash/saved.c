#include "saved.h"
#include <string.h>

struct file_source {
    struct image *img;
    const struct fs_inode *inode;
};

static int source_read(void *ctx, u64 offset, void *buf, size_t n)
{
    struct file_source *s = ctx;
    u8 block[FS_BLOCK_SIZE], *to = buf;

    while (n) {
        size_t in_block = offset % FS_BLOCK_SIZE, some = MIN(n, FS_BLOCK_SIZE - in_block);
        if (file_block_read(s->img, s->inode, offset / FS_BLOCK_SIZE, block))
            return -1;
        memcpy(to, block + in_block, some);
        to += some;
        offset += some;
        n -= some;
    }
    return 0;
}

bool saved_probe(struct image *img, const struct fs_inode *i)
{
    struct file_source file = { img, i };
    u8 bytes[CKPT_PROBE_SIZE];

    return i->size >= sizeof(bytes) && source_read(&file, 0, bytes, sizeof(bytes)) == 0 &&
           ckpt_probe(bytes, sizeof(bytes));
}

enum ckpt_error saved_verify(struct image *img, const struct fs_inode *i, u64 *wall_ns, u64 *at)
{
    static struct ckpt_verifier v;
    struct file_source file = { img, i };
    struct ckpt_source source = { .read = source_read, .ctx = &file, .size = i->size };
    enum ckpt_error e = ckpt_verify(&v, &source, 0);

    *wall_ns = v.reader.header.wall_ns;
    while (!e)
        e = ckpt_verify_previous(&v);
    *at = v.failed_at;
    return e == CKPT_NO_EPOCH ? CKPT_OK : e;
}
