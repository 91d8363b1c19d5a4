// amberfs ls: list a directory. The image is only read; its journal is replayed in memory.
#include "amberfs.h"

#include <inttypes.h>
#include <lib/files.h>
#include <stdio.h>

static void entry_print(struct image *img, u64 ino, const char *name)
{
    static const char letters[] = "?d-c";
    struct fs_inode i;
    enum fs_error e = image_inode_load(img, ino, &i);

    if (e) {
        printf("? %6" PRIu64 "   - %12s %s (%s)\n", ino, "-", name, fs_error_text(e));
        return;
    }
    printf("%c %6" PRIu64 " %3u %12" PRIu64 " %s", letters[i.type], ino, i.nlink, i.size, name);
    if (i.type == FS_DEV)
        printf(" (%u, %u)", i.major, i.minor);
    putchar('\n');
}

static bool slot_print(void *arg, u64 slot, enum fs_error error, const struct fs_dirent *entry)
{
    if (error)
        printf("? slot %" PRIu64 ": %s\n", slot, fs_error_text(error));
    else if (entry->ino)
        entry_print(arg, entry->ino, entry->name);
    return true;
}

static bool list(struct image *img, const char *path)
{
    struct fs_inode i;
    u64 ino;

    if (!path_find(img, path, &ino, &i))
        return false;
    if (i.type == FS_DIR)
        dir_slots(img, &i, slot_print, img);
    else
        entry_print(img, ino, path);
    return true;
}

int amberfs_ls(int argc, char **argv)
{
    struct image img;

    if (!image_open_to_read(&img, argv[1]))
        return EXIT_FAILED;
    bool ok = list(&img, argc > 2 ? argv[2] : "/") && !img.failed;
    image_close(&img);
    return ok ? EXIT_OK : EXIT_FAILED;
}
