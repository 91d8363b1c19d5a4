// kernel/fs on disks that lie: a good file system, with some of its metadata changed at random (checksums made right
// again, so that the lie is believed), is mounted and used in every way. Errors and wrong data are fine; a crash, a
// hang, a leak, or a write outside of the data area and the metadata's own places is not.
//
// usage: fs_hostile_test [SEED [DISKS]]
#include "fs_host.h"
#include <base/byteorder.h>
#include <base/crc32c.h>
#include <base/string.h>
#include <fsfmt/fsfmt.h>
#include <stdlib.h>
#include <uapi/errno.h>
#include <uapi/fcntl.h>

#define DISK_BLOCKS 400

static struct disk *disk;
static struct fs_super super;
static u64 mounts;

static u8 *block_at(u64 block)
{
    return host_disk_bytes() + block * FS_BLOCK_SIZE;
}

static void make_file(const char *path, u64 at, u32 size)
{
    static u8 bytes[200000];
    struct piece piece = { bytes, size };
    struct file *f;
    size_t done;

    CHECK_OK(path_open(NULL, path, O_RDWR | O_CREATE, &f));
    memset(bytes, path[1], size);
    CHECK_OK(inode_write(file_inode(f), at, &piece, 1, &done));
    file_put(f);
}

// Something of everything.
static void populate(void *arg)
{
    char path[32];

    CHECK_OK(fs_mount(disk));
    make_file("/a", 0, 5000);
    make_file("/b", 0, 200000);
    make_file("/c", 20ull << 20, 100000);
    CHECK_OK(path_mkdir(NULL, "/d"));
    CHECK_OK(path_mkdir(NULL, "/d/e"));
    CHECK_OK(path_mknod(NULL, "/dev", 1, 1));
    for (u32 k = 0; k < 300; k++) {
        snprintf(path, sizeof(path), "/d/n%u", k);
        CHECK_OK(path_link(NULL, "/a", path));
    }
    CHECK_OK(fs_unmount());
}

// Damage.

static void mend_checksum(u8 *record, u64 ino)
{
    u8 seed[8];

    put_le64(seed, ino);
    put_le32(record + 252, crc32c(crc32c(0, seed, sizeof(seed)), record, 252));
}

static void damage_inode(void)
{
    u64 ino = host_random(12);
    u8 *record = block_at(super.inode_table_start + ino / 16) + ino % 16 * FS_INODE_SIZE;
    static const u8 fields[] = { 0, 4, 8, 16, 24, 48, 56, 72, 240 };
    u32 at = host_random(2) ? fields[host_random(sizeof(fields))] : 80 + 8 * host_random(20);
    u64 value = host_random(4) ? host_random(DISK_BLOCKS + 4) : (u64)host_random(UINT32_MAX) << host_random(33);

    if (at == 0 || at == 72)
        record[at] = (u8)host_random(5);
    else
        put_le64(record + at, value);
    mend_checksum(record, ino);
}

// A place in the data area: index blocks and directories among them.
static void damage_data(void)
{
    u64 block = super.data_start + host_random(120);
    u64 value = host_random(3) ? host_random(DISK_BLOCKS + 4) : (u64)host_random(UINT32_MAX) << host_random(33);

    if (host_random(8) == 0)
        value |= FS_SLOT_UNWRITTEN;
    for (u32 n = host_random(4); n < 4; n++)
        put_le64(block_at(block) + 8 * host_random(host_random(2) ? 8 : 512), value);
}

static void damage_bitmap(void)
{
    u64 start = host_random(2) ? super.block_bitmap_start : super.inode_bitmap_start;

    for (u32 n = 0; n < 6; n++)
        block_at(start)[host_random(DISK_BLOCKS / 8)] ^= (u8)(1 << host_random(8));
}

static void damage_anything(void)
{
    u64 first = super.journal_start + (host_random(2) ? 0 : host_random((u32)super.journal_blocks));

    block_at(first)[host_random(FS_BLOCK_SIZE)] ^= (u8)(1 << host_random(8));
}

// Use.

static void use_file(const char *path)
{
    static u8 bytes[60000];
    struct piece piece = { bytes, sizeof(bytes) };
    struct frame *frames[8] = {};
    struct file *f;
    size_t done;
    u64 now;

    if (path_open(NULL, path, O_RDWR, &f))
        return;
    for (u32 n = 0; n < 8 && file_read(f, &piece, 1, &done) == 0 && done; n++)
        ;
    (void)!file_seek(f, 20 << 20, SEEK_SET, &now);
    (void)!file_read(f, &piece, 1, &done);
    for (u32 n = 0; n < 4; n++) {
        piece.size = 1 + host_random(sizeof(bytes) - 1);
        (void)!file_seek(f, host_random(200000), SEEK_SET, &now);
        (void)!file_write(f, &piece, 1, &done);
    }
    for (u32 k = 0; k < ARRAY_SIZE(frames); k++) {
        frames[k] = frame_alloc_zeroed();
        CHECK(frames[k]);
    }
    if (file_kind(f) == FILE_INODE) {
        (void)!inode_write_frames(file_inode(f), host_random(40) * 4096, frames, ARRAY_SIZE(frames));
        (void)!inode_read_frames(file_inode(f), host_random(40) * 4096, frames, ARRAY_SIZE(frames));
        (void)!inode_preallocate(file_inode(f), host_random(300000));
    }
    for (u32 k = 0; k < ARRAY_SIZE(frames); k++)
        frame_put(frames[k]);
    (void)!file_truncate(f, host_random(2) ? 0 : host_random(300000));
    (void)!file_sync(f);
    file_put(f);
}

static void list(const char *path)
{
    struct dirent d[20];
    struct piece piece = { d, sizeof(d) };
    struct file *f;
    size_t done;

    if (path_open(NULL, path, O_RDONLY, &f))
        return;
    for (u32 n = 0; n < 1000 && file_read(f, &piece, 1, &done) == 0 && done; n++)
        ;
    file_put(f);
}

static void use(void)
{
    static const char *const files[] = { "/a", "/b", "/c", "/d/n7", "/dev", "/new", "/d/e/new" };
    struct file *f;
    char path[32];

    list("/");
    list("/d");
    list("/d/e");
    (void)!path_mkdir(NULL, "/d/e/f");
    (void)!path_mknod(NULL, "/new", 1, 1);
    if (path_open(NULL, "/d/e/new", O_RDWR | O_CREATE, &f) == 0)
        file_put(f);
    for (u32 k = 0; k < ARRAY_SIZE(files); k++)
        use_file(files[k]);
    (void)!path_rename(NULL, "/d/e", "/e");
    (void)!path_rename(NULL, "/d", "/e/d");
    (void)!path_rename(NULL, "/b", "/a");
    for (u32 k = 0; k < 300; k++) {
        snprintf(path, sizeof(path), "%s/d/n%u", k % 2 ? "" : "/e", k);
        (void)!path_unlink(NULL, path);
    }
    for (u32 k = 0; k < ARRAY_SIZE(files); k++)
        (void)!path_unlink(NULL, files[k]);
    (void)!path_unlink(NULL, "/e/d/e");
    (void)!path_unlink(NULL, "/d");
    (void)!fs_sync();
}

static void mount_and_use(void *arg)
{
    if (fs_mount(disk) == 0) {
        mounts++;
        use();
        CHECK_OK(fs_unmount());
    }
    if (files_live() || inodes_live() || host_frames_used() || host_objects())
        host_fail("left: %u files, %u inodes, %u frames, %llu objects", files_live(), inodes_live(), host_frames_used(),
                  (unsigned long long)host_objects());
}

int main(int argc, char **argv)
{
    static u8 image[DISK_BLOCKS * FS_BLOCK_SIZE], first[FS_BLOCK_SIZE];
    void (*const damages[])(void) = { damage_inode, damage_data, damage_bitmap, damage_anything };
    u64 seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    u32 disks = argc > 2 ? (u32)strtoul(argv[2], NULL, 0) : 3000;

    host_seed(seed);
    host_set_memory(500);
    disk = host_disk_create(DISK_BLOCKS);
    host_format(0, 0, 0);
    CHECK(fs_super_decode(host_disk_bytes(), DISK_BLOCKS, &super) == FS_OK);
    host_run(populate, NULL);
    memcpy(image, host_disk_bytes(), sizeof(image));
    memcpy(first, image, sizeof(first));
    for (u32 n = 0; n < disks; n++) {
        memcpy(host_disk_bytes(), image, sizeof(image));
        for (u32 k = host_random(6); k < 6; k++)
            damages[host_random(ARRAY_SIZE(damages))]();
        host_run(mount_and_use, NULL);
        CHECK(memcmp(block_at(0), first, FS_BLOCK_SIZE) == 0);
        CHECK(memcmp(block_at(DISK_BLOCKS - 1), image + (DISK_BLOCKS - 1) * FS_BLOCK_SIZE, FS_BLOCK_SIZE) == 0);
    }
    host_disk_destroy();
    printf("fs_hostile_test: seed %llu, %u damaged disks, %llu of them mounted: nothing but errors\n",
           (unsigned long long)seed, disks, (unsigned long long)mounts);
    return 0;
}
