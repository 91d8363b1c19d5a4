#include "fs_sample.h"
#include <base/byteorder.h>
#include <base/crc32c.h>
#include <base/string.h>
#include <uapi/errno.h>
#include <uapi/fcntl.h>

#define DEPTH_MAX   3
#define ENTRIES_MAX 100
#define INODE_CRC   252

static const struct sample *sample;
static struct disk *disk;
static u8 bytes[SAMPLE_SIZE_MAX];

// ---- making it

static void make_file(const char *path, u64 at, u32 size)
{
    struct piece piece = { bytes, size };
    struct file *f;
    size_t done;

    CHECK_OK(path_open(NULL, path, O_RDWR | O_CREATE, &f));
    memset(bytes, path[1], size);
    CHECK_OK(inode_write(file_inode(f), at, &piece, 1, &done));
    file_put(f);
}

static void populate(void *synced)
{
    char path[32];

    CHECK_OK(fs_mount(disk));
    CHECK_OK(path_mkdir(NULL, "/d"));
    CHECK_OK(path_mkdir(NULL, "/d/e"));
    make_file("/a", 0, 5000);
    make_file("/b", 0, sample->b_size);
    make_file("/c", 20ull << 20, sample->c_size);
    CHECK_OK(path_mknod(NULL, "/dev", 1, 1));
    for (u32 k = 0; k < sample->links; k++) {
        snprintf(path, sizeof(path), "/d/n%u", k);
        CHECK_OK(path_link(NULL, "/a", path));
    }
    CHECK_OK(fs_sync());
    if (synced)
        memcpy(synced, host_disk_bytes(), (size_t)sample->blocks * FS_BLOCK_SIZE);
    CHECK_OK(fs_unmount());
}

struct disk *sample_create(const struct sample *s, struct fs_super *super, u8 *synced)
{
    sample = s;
    disk = host_disk_create(s->blocks);
    host_format(0, 0, 0);
    CHECK(fs_super_decode(host_disk_bytes(), s->blocks, super) == FS_OK);
    host_run(populate, synced);
    return disk;
}

void sample_seal_inode(u8 *record, u64 ino)
{
    u8 seed[8];

    put_le64(seed, ino);
    put_le32(record + INODE_CRC, crc32c(crc32c(0, seed, sizeof(seed)), record, INODE_CRC));
}

typedef int transfer_fn(struct inode *i, u64 offset, struct frame **frames, u32 count);

// Somewhere in the file.
static void transfer_frames(struct inode *i, transfer_fn *transfer)
{
    struct frame *frames[8];

    for (u32 k = 0; k < ARRAY_SIZE(frames); k++) {
        frames[k] = frame_alloc_zeroed();
        CHECK(frames[k]);
    }
    (void)!transfer(i, host_random(40) * 4096, frames, ARRAY_SIZE(frames));
    for (u32 k = 0; k < ARRAY_SIZE(frames); k++)
        frame_put(frames[k]);
}

// ---- looking at it

static void read_file(struct file *f)
{
    struct piece piece = { bytes, 30000 };
    struct stat st;
    size_t done;
    u64 now;

    for (u32 n = 0; n < 8 && file_read(f, &piece, 1, &done) == 0 && done; n++)
        ;
    (void)!file_stat(f, &st);
    if (file_kind(f) != FILE_INODE)
        return;
    (void)!file_seek(f, 20 << 20, SEEK_SET, &now);
    (void)!file_read(f, &piece, 1, &done);
    transfer_frames(file_inode(f), inode_read_frames);
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
    CHECK(done <= sizeof(entries));
    for (u32 k = 0; k < done / sizeof(entries[0]) && depth < DEPTH_MAX; k += 1 + k / 8) {
        if (!entries[k].inum)
            continue;
        snprintf(below, sizeof(below), "%s/%.14s", path, entries[k].name);
        walk(below, depth + 1);
    }
}

void sample_walk(void)
{
    struct fs_figures figures;

    walk("", 0);
    walk("/", 0);
    fs_figures(&figures);
}

// ---- changing it

static void change_file(const char *path)
{
    struct piece piece = { bytes, 0 };
    struct file *f;
    size_t done;
    u64 now;

    if (path_open(NULL, path, O_RDWR, &f))
        return;
    for (u32 n = 0; n < 4; n++) {
        piece.size = 1 + host_random(60000 - 1);
        (void)!file_seek(f, host_random(sample->b_size), SEEK_SET, &now);
        (void)!file_write(f, &piece, 1, &done);
    }
    if (file_kind(f) == FILE_INODE) {
        transfer_frames(file_inode(f), inode_write_frames);
        (void)!inode_preallocate(file_inode(f), host_random(2 * sample->b_size));
    }
    (void)!file_truncate(f, host_random(2) ? 0 : host_random(2 * sample->b_size));
    (void)!file_sync(f);
    file_put(f);
}

void sample_change(void)
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
    for (u32 k = 0; k < sample->links; k++) {
        snprintf(path, sizeof(path), "%s/d/n%u", k % 2 ? "" : "/e", k);
        (void)!path_unlink(NULL, path);
    }
    for (u32 k = 0; k < ARRAY_SIZE(files); k++)
        (void)!path_unlink(NULL, files[k]);
    (void)!path_unlink(NULL, "/e/d/e");
    (void)!path_unlink(NULL, "/d");
    (void)!fs_sync();
}
