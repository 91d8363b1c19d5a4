// amberfs df: how much room there is. The image is only read.
#include "amberfs.h"

#include <inttypes.h>
#include <lib/image.h>
#include <stdio.h>

#define KIB_PER_BLOCK (FS_BLOCK_SIZE / 1024)

static u64 count_free(struct image *img, u64 map_start, u64 bits)
{
    u8 block[FS_BLOCK_SIZE];
    u64 free = 0;

    for (u64 n = 0; n < bits; n++) {
        if (n % FS_BITS_PER_BLOCK == 0)
            image_read(img, map_start + n / FS_BITS_PER_BLOCK, block);
        free += !(block[n % FS_BITS_PER_BLOCK / 8] >> n % 8 & 1);
    }
    return free;
}

static void print(const char *path, struct image *img)
{
    const struct fs_super *s = &img->super;
    u64 blocks = count_free(img, s->block_bitmap_start, s->blocks);
    u64 inodes = count_free(img, s->inode_bitmap_start, s->inodes);

    printf("%-24s %10s %10s %10s %5s %8s %8s\n", "image", "KiB", "used", "free", "use", "inodes", "free");
    printf("%-24s %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %4" PRIu64 "%% %8" PRIu64 " %8" PRIu64 "\n", path,
           s->blocks * KIB_PER_BLOCK, (s->blocks - blocks) * KIB_PER_BLOCK, blocks * KIB_PER_BLOCK,
           (s->blocks - blocks) * 100 / s->blocks, s->inodes, inodes);
}

int amberfs_df(int argc, char **argv)
{
    struct image img;

    (void)argc;
    if (!image_open_to_read(&img, argv[1]))
        return EXIT_FAILED;
    print(argv[1], &img);
    bool ok = !img.failed;
    image_close(&img);
    return ok ? EXIT_OK : EXIT_FAILED;
}
