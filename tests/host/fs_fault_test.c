// kernel/fs when things fail: every n-th disk request, every n-th allocation of memory, a full disk, a full inode
// table. Errors may come back, nothing else may happen: no hang, no leak, and a disk on which fsck finds nothing,
// before and after the next mount.
//
// usage: fs_fault_test [SEED]
#include "fs_host.h"
#include <base/string.h>
#include <fsfmt/fsfmt.h>
#include <stdlib.h>
#include <uapi/errno.h>
#include <uapi/fcntl.h>

#define DISK_BLOCKS 600

static struct disk *disk;
static u64 faults_tried;

static void write_pattern(const char *path, u64 at, size_t n)
{
    static u8 bytes[100000];
    struct piece piece = { bytes, (u32)n };
    struct file *f;
    size_t done;

    if (path_open(NULL, path, O_RDWR | O_CREATE, &f))
        return;
    memset(bytes, path[1], n);
    (void)!inode_write(file_inode(f), at, &piece, 1, &done);
    (void)!file_sync(f);
    file_put(f);
}

static void read_pattern(const char *path)
{
    static u8 bytes[20000];
    struct piece piece = { bytes, sizeof(bytes) };
    struct file *f;
    size_t done = 1;

    if (path_open(NULL, path, O_RDONLY, &f))
        return;
    while (file_read(f, &piece, 1, &done) == 0 && done)
        for (size_t k = 0; k < done; k++)
            CHECK(bytes[k] == 0 || bytes[k] == (u8)path[1]);
    file_put(f);
}

static void write_frames(const char *path, u32 count)
{
    struct frame *frames[40] = {};
    struct file *f;
    u32 got = 0;

    while (got < count && (frames[got] = frame_alloc()))
        memset(frame_data(frames[got++]), path[1], 4096);
    if (got && path_create_unnamed(&f) == 0) {
        if (inode_preallocate(file_inode(f), (count + 5) * 4096ull) == 0 &&
            inode_write_frames(file_inode(f), 0, frames, got) == 0 && path_publish(NULL, path, f) == 0)
            (void)!inode_read_frames(file_inode(f), 0, frames, got);
        file_put(f);
    }
    while (got)
        frame_put(frames[--got]);
}

static void run_backing(const char *path)
{
    struct backing *b;
    struct frame *frames[SUPPLY_MAX];
    struct inode *i;
    u32 given;

    if (path_lookup(NULL, path, &i))
        return;
    if (inode_backing(i, &b) == 0) {
        for (u64 at = 0; at < 30000; at += 4096 + 4096 * host_random(2) + 100 * host_random(2))
            if (b->ops->pages(b, at, 4096 * (1 + host_random(8)), frames, 1 + host_random(SUPPLY_MAX), &given) == 0)
                while (given)
                    frame_put(frames[--given]);
        b->ops->destroy(b);
    }
    inode_put(i);
}

// A bit of everything. What fails, fails.
static void work(void)
{
    char path[32];

    write_pattern("/a", 0, 3000);
    write_pattern("/b", 5000, 100000);
    (void)!path_mkdir(NULL, "/d");
    (void)!path_mkdir(NULL, "/d/e");
    write_frames("/c", 30);
    for (u32 k = 0; k < 140; k++) {
        snprintf(path, sizeof(path), "/d/n%u", k);
        (void)!path_link(NULL, "/a", path);
    }
    (void)!fs_sync();
}

static void work_on(void)
{
    char path[32];

    read_pattern("/b");
    read_pattern("/c");
    (void)!path_rename(NULL, "/d/n7", "/d/e/moved");
    (void)!path_rename(NULL, "/b", "/d/n8");
    (void)!path_rename(NULL, "/d/e", "/e");
    write_frames("/c", 12);
    run_backing("/c");
    for (u32 k = 20; k < 140; k++) {
        snprintf(path, sizeof(path), "/d/n%u", k);
        (void)!path_unlink(NULL, path);
    }
    (void)!path_unlink(NULL, "/d/n8");
    write_pattern("/a", 0, 200);
    (void)!path_unlink(NULL, "/a");
    (void)!path_unlink(NULL, "/e/moved");
    (void)!path_unlink(NULL, "/e");
    (void)!fs_sync();
}

static void mount_work_unmount(void *arg)
{
    void (*const parts[])(void) = { work, work_on };

    for (u32 k = 0; k < ARRAY_SIZE(parts); k++) {
        // The mount may be what fails; then there is nothing to undo.
        if (fs_mount(disk) == 0) {
            parts[k]();
            CHECK_OK(fs_unmount());
        }
        host_check_nothing_left();
    }
}

static void mount_and_look(void *arg)
{
    struct fs_figures figures;

    CHECK_OK(fs_mount(disk));
    read_pattern("/a");
    read_pattern("/b");
    read_pattern("/c");
    fs_figures(&figures);
    CHECK_OK(fs_unmount());
    host_check_nothing_left();
}

// Arm n = 1, 2, 3, ... until the workload ends without reaching it.
static void try_all(const char *what, void (*arm)(u32 n, bool on), bool (*reached)(void), bool from_then_on)
{
    static u8 image[DISK_BLOCKS * FS_BLOCK_SIZE];
    u32 n = 0;

    host_format(0, 0, 0);
    memcpy(image, host_disk_bytes(), sizeof(image));
    do {
        n++;
        memcpy(host_disk_bytes(), image, sizeof(image));
        arm(n, from_then_on);
        host_run(mount_work_unmount, NULL);
        bool again = reached();
        arm(0, false);
        if (host_fsck())
            host_fail("%s %u fails%s: fsck objects", what, n, from_then_on ? ", and all after it" : "");
        host_run(mount_and_look, NULL);
        if (host_fsck())
            host_fail("%s %u fails%s: fsck objects after the next mount", what, n,
                      from_then_on ? ", and all after it" : "");
        faults_tried += again;
        if (!again)
            break;
        // The later ones are much alike.
        if (n > 200)
            n += host_random(n / 50);
    } while (true);
    printf("fs_fault_test: %s: each of the first %u fails%s\n", what, n - 1, from_then_on ? ", and all after it" : "");
}

static void arm_read(u32 n, bool on)
{
    host_fail_disk(DISK_READ, n, on);
}

static void arm_write(u32 n, bool on)
{
    host_fail_disk(DISK_WRITE, n, on);
}

static void arm_flush(u32 n, bool on)
{
    host_fail_disk(DISK_FLUSH, n, on);
}

// A full disk.

static u64 free_blocks(void)
{
    struct fs_figures f;

    fs_figures(&f);
    return f.blocks_free;
}

static u64 free_inodes(void)
{
    struct fs_figures f;

    fs_figures(&f);
    return f.inodes_free;
}

static void fill_with_files(void)
{
    static u8 bytes[50000];
    char path[32];

    for (u32 k = 0;; k++) {
        struct piece piece = { bytes, 1 + host_random(sizeof(bytes) - 1) };
        struct file *f;
        size_t done;
        snprintf(path, sizeof(path), "/f%u", k);
        int err = path_open(NULL, path, O_RDWR | O_CREATE, &f);
        if (err) {
            CHECK(err == -ENOSPC);
            return;
        }
        err = host_random(3) ? inode_write(file_inode(f), 0, &piece, 1, &done)
                             : inode_preallocate(file_inode(f), piece.size);
        file_put(f);
        if (err) {
            CHECK(err == -ENOSPC);
            return;
        }
    }
}

static void remove_files(u32 every)
{
    char path[32];

    for (u32 k = 0; k < 1000; k++) {
        snprintf(path, sizeof(path), "/f%u", k);
        if (k % every == 0) {
            int err = path_unlink(NULL, path);
            CHECK(err == 0 || err == -ENOENT);
        }
    }
}

static void full_disk(void *arg)
{
    CHECK_OK(fs_mount(disk));
    u64 blocks = free_blocks(), inodes = free_inodes();
    for (u32 round = 0; round < 12; round++) {
        u64 size = 4096 * (blocks + 10);
        struct file *f;
        fill_with_files();
        // A claim that can't be fulfilled leaves nothing behind.
        if (path_create_unnamed(&f) == 0) {
            u64 before = free_blocks();
            CHECK_ERR(-ENOSPC, inode_preallocate(file_inode(f), size));
            CHECK(free_blocks() == before);
            file_put(f);
        }
        // What is freed can be used at once.
        remove_files(2);
        fill_with_files();
        remove_files(1);
        CHECK(free_inodes() == inodes);
    }
    // The root directory keeps the block or two that it grew by.
    CHECK(free_blocks() + 3 >= blocks);
    CHECK_OK(fs_unmount());
    host_check_nothing_left();
}

// A directory full of names until no inode is left.
static void full_inode_table(void *arg)
{
    char path[32];
    u32 n = 0;

    CHECK_OK(fs_mount(disk));
    u64 inodes = free_inodes();
    for (;; n++) {
        snprintf(path, sizeof(path), "/f%u", n);
        int err = path_mknod(NULL, path, 1, 1);
        if (err == 0)
            continue;
        CHECK(err == -ENOSPC);
        break;
    }
    CHECK(n == inodes && free_inodes() == 0);
    CHECK_ERR(-ENOSPC, path_mkdir(NULL, "/d"));
    remove_files(1);
    CHECK(free_inodes() == inodes);
    CHECK_OK(path_mkdir(NULL, "/d"));
    CHECK_OK(fs_unmount());
    host_check_nothing_left();
}

// An error while data is written is told by fsync, once the data is written it's good again.
static void late_write_error(void *arg)
{
    u8 bytes[9000];
    struct piece piece = { bytes, sizeof(bytes) };
    struct file *f;
    size_t done;

    memset(bytes, 'x', sizeof(bytes));
    CHECK_OK(fs_mount(disk));
    CHECK_OK(path_open(NULL, "/x", O_RDWR | O_CREATE, &f));
    CHECK_OK(file_write(f, &piece, 1, &done));
    host_fail_disk(DISK_WRITE, 1, false);
    CHECK_ERR(-EIO, file_sync(f));
    CHECK_OK(file_sync(f));
    CHECK_OK(file_sync(f));
    memset(bytes, 0, sizeof(bytes));
    CHECK_OK(inode_read(file_inode(f), 0, &piece, 1, &done));
    CHECK(done == sizeof(bytes) && bytes[0] == 'x' && bytes[8999] == 'x');
    // The log itself can't be written: read-only from then on, and reading goes on.
    CHECK_OK(path_mkdir(NULL, "/d"));
    host_fail_disk(DISK_WRITE, 1, false);
    CHECK_ERR(-EIO, fs_sync());
    CHECK_ERR(-EROFS, path_mkdir(NULL, "/e"));
    CHECK_ERR(-EROFS, inode_write(file_inode(f), 0, &piece, 1, &done));
    CHECK_OK(inode_read(file_inode(f), 0, &piece, 1, &done));
    file_put(f);
    CHECK_OK(fs_unmount());
    host_check_nothing_left();
}

// A truncation fails half way, and the file is let go of: it must be known as unfinished when it's opened again,
// however many others were opened meanwhile.
#define NAMES (1024 + 100)

static void unfinished_cut(void *arg)
{
    static u8 bytes[400 * 1024];
    struct piece piece = { bytes, sizeof(bytes) };
    struct file *f;
    char path[32];
    size_t done;

    CHECK_OK(fs_mount(disk));
    memset(bytes, 'x', sizeof(bytes));
    CHECK_OK(path_open(NULL, "/x", O_RDWR | O_CREATE, &f));
    for (u64 k = 0; k < 5; k++) {
        // Each part hangs under an index block of its own.
        CHECK_OK(inode_write(file_inode(f), k << 21, &piece, 1, &done));
        piece.size = 5000;
    }
    for (u32 k = 0; k < NAMES; k++) {
        snprintf(path, sizeof(path), "/n%u", k);
        CHECK_OK(path_mknod(NULL, path, 1, 1));
    }
    file_put(f);
    CHECK_OK(fs_unmount());
    host_check_nothing_left();
    CHECK_OK(fs_mount(disk));
    CHECK_OK(path_open(NULL, "/x", O_RDWR, &f));
    // What is read now: the inode's block, and then the index blocks, the third of which can't be had.
    host_fail_disk(DISK_READ, 3, false);
    int err = file_truncate(f, 1000);
    CHECK(err == -EIO && host_disk_failed());
    host_fail_disk(DISK_READ, 0, false);
    file_put(f);
    for (u32 k = 0; k < NAMES; k++) {
        struct inode *i;
        snprintf(path, sizeof(path), "/n%u", k);
        CHECK_OK(path_lookup(NULL, path, &i));
        inode_put(i);
    }
    CHECK_OK(path_open(NULL, "/x", O_RDWR, &f));
    CHECK_OK(file_truncate(f, sizeof(bytes)));
    CHECK_OK(inode_read(file_inode(f), 0, &piece, 1, &done));
    for (u32 k = 0; k < done; k++)
        CHECK(bytes[k] == (k < 1000 ? 'x' : 0));
    file_put(f);
    CHECK_OK(path_unlink(NULL, "/x"));
    CHECK_OK(fs_unmount());
    host_check_nothing_left();
}

// Memory is asked for until there is no more. How many frames does the file system keep?
static u32 frames_kept(void)
{
    static struct frame *all[1000];
    u32 count = 0;

    while (count < ARRAY_SIZE(all) && (all[count] = frame_alloc()))
        count++;
    u32 kept = host_frames_used() - count;
    while (count > 0)
        frame_put(all[--count]);
    return kept;
}

// The index of a large directory goes when nobody uses the directory and memory is short.
static void index_in_the_way(void *arg)
{
    char path[32];

    CHECK_OK(fs_mount(disk));
    CHECK_OK(path_mkdir(NULL, "/d"));
    CHECK_OK(path_mknod(NULL, "/d/n", 1, 1));
    CHECK_OK(fs_sync());
    for (u32 k = 0; k < 6000; k++) {
        snprintf(path, sizeof(path), "/d/n%u", k);
        CHECK_OK(path_link(NULL, "/d/n", path));
    }
    CHECK_OK(fs_unmount());
    CHECK_OK(fs_mount(disk));
    u32 before = frames_kept();
    CHECK_ERR(-EEXIST, path_mkdir(NULL, "/d/n5999"));
    CHECK(frames_kept() <= before + 1);
    CHECK_ERR(-EEXIST, path_mkdir(NULL, "/d/n5999"));
    CHECK_OK(fs_unmount());
    host_check_nothing_left();
}

static void run(void (*body)(void *), u64 inodes)
{
    host_format(0, inodes, 0);
    host_run(body, NULL);
    CHECK(host_fsck() == 0);
}

int main(int argc, char **argv)
{
    u64 seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;

    host_seed(seed);
    host_set_memory(900);
    disk = host_disk_create(DISK_BLOCKS);
    run(full_disk, 0);
    run(full_inode_table, 300);
    run(late_write_error, 0);
    run(unfinished_cut, NAMES + 100);
    run(index_in_the_way, 0);
    for (u32 on = 0; on < 2; on++) {
        // With little memory blocks are read again and again.
        host_set_memory(on ? 130 : 200);
        try_all("read", arm_read, host_disk_failed, on);
        try_all("write", arm_write, host_disk_failed, on);
        try_all("flush", arm_flush, host_disk_failed, on);
        try_all("allocation", host_fail_memory, host_memory_failed, on);
    }
    host_disk_destroy();
    printf("fs_fault_test: seed %llu, %llu faults, full disks and tables: nothing but errors\n",
           (unsigned long long)seed, (unsigned long long)faults_tried);
    return 0;
}
