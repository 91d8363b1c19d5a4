#include "disk_use.h"
#include <base/string.h>
#include <uapi/errno.h>

#define DEPTH_MAX   3
#define ENTRIES_MAX 100

static void read_file(struct file *f)
{
    static u8 bytes[30000];
    struct piece piece = { bytes, sizeof(bytes) };
    struct frame *frames[4] = {};
    struct stat st;
    size_t done;
    u64 now;

    for (u32 n = 0; n < 4 && file_read(f, &piece, 1, &done) == 0 && done; n++)
        ;
    (void)!file_stat(f, &st);
    if (file_kind(f) != FILE_INODE)
        return;
    (void)!file_seek(f, 20 << 20, SEEK_SET, &now);
    (void)!file_read(f, &piece, 1, &done);
    for (u32 k = 0; k < ARRAY_SIZE(frames); k++) {
        frames[k] = frame_alloc_zeroed();
        CHECK(frames[k]);
    }
    (void)!inode_read_frames(file_inode(f), host_random(30) * 4096, frames, ARRAY_SIZE(frames));
    for (u32 k = 0; k < ARRAY_SIZE(frames); k++)
        frame_put(frames[k]);
}

static void walk(const char *path, u32 depth)
{
    struct dirent entries[ENTRIES_MAX];
    struct piece piece = { entries, sizeof(entries) };
    struct file *f;
    size_t done = 0;
    char below[64];

    if (path_open(NULL, path, O_RDONLY, &f))
        return;
    if (file_kind(f) != FILE_INODE || inode_type(file_inode(f)) != T_DIR) {
        read_file(f);
        file_put(f);
        return;
    }
    (void)!file_read(f, &piece, 1, &done);
    file_put(f);
    EXPECT(done <= sizeof(entries));
    for (u32 k = 0; k < done / sizeof(entries[0]) && depth < DEPTH_MAX; k += 1 + k / 8) {
        if (!entries[k].inum)
            continue;
        snprintf(below, sizeof(below), "%s/%.14s", path, entries[k].name);
        walk(below, depth + 1);
    }
}

void disk_walk(void)
{
    struct fs_figures figures;

    walk("", 0);
    walk("/", 0);
    fs_figures(&figures);
}

static void change_file(const char *path)
{
    static u8 bytes[30000];
    struct piece piece = { bytes, sizeof(bytes) };
    struct file *f;
    size_t done;
    u64 now;

    if (path_open(NULL, path, O_RDWR, &f))
        return;
    for (u32 n = 0; n < 3; n++) {
        piece.size = 1 + host_random(sizeof(bytes) - 1);
        (void)!file_seek(f, host_random(100000), SEEK_SET, &now);
        (void)!file_write(f, &piece, 1, &done);
    }
    if (file_kind(f) == FILE_INODE)
        (void)!inode_preallocate(file_inode(f), host_random(100000));
    (void)!file_truncate(f, host_random(2) ? 0 : host_random(100000));
    (void)!file_sync(f);
    file_put(f);
}

void disk_write(void)
{
    static const char *const files[] = { "/a", "/b", "/c", "/d/n7", "/dev", "/new", "/d/e/new" };
    struct file *f;
    char path[32];

    (void)!path_mkdir(NULL, "/d/e/f");
    (void)!path_mknod(NULL, "/new", 1, 1);
    if (path_open(NULL, "/d/e/new", O_RDWR | O_CREATE, &f) == 0)
        file_put(f);
    for (u32 k = 0; k < ARRAY_SIZE(files); k++)
        change_file(files[k]);
    (void)!path_rename(NULL, "/d/e", "/e");
    (void)!path_rename(NULL, "/d", "/e/d");
    (void)!path_rename(NULL, "/b", "/a");
    for (u32 k = 0; k < 90; k += 3) {
        snprintf(path, sizeof(path), "%s/d/n%u", k % 2 ? "" : "/e", k);
        (void)!path_unlink(NULL, path);
    }
    for (u32 k = 0; k < ARRAY_SIZE(files); k++)
        (void)!path_unlink(NULL, files[k]);
    (void)!path_unlink(NULL, "/e/d/e");
    (void)!path_unlink(NULL, "/d");
    (void)!fs_sync();
}
