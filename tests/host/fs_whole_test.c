// Reads and writes of bytes whose pieces are whole page frames, as large calls of programs are: a part of each goes
// straight between frames and disk. One file against an array of bytes, with small reads and writes through the cache
// in between; then the same while memory, reads and writes fail; at last fsck.
//
// usage: fs_whole_test [SEED [OPERATIONS]]
#include "fs_host.h"
#include <base/string.h>
#include <stdlib.h>
#include <uapi/errno.h>
#include <uapi/fcntl.h>

#define DISK_BLOCKS 4096
#define PAGES       300  // of one call, at most
#define FILE_MAX    (900 * PAGE_SIZE)

static u8 model[FILE_MAX];
static u64 model_size;
static struct frame *frames[PAGES + 1];
static struct piece pieces[PAGES + 1];
static struct file *file;
static u32 operations = 3000, wholes;

static void open_file(void)
{
    CHECK_OK(path_open(NULL, "/file", O_RDWR | O_CREATE, &file));
}

// Pieces as a program's memory gives them: from `into` its first page on, `n` bytes. *count of them.
static void pieces_make(u32 into, size_t n, u32 *count)
{
    u32 k = 0;

    for (size_t left = n; left > 0; k++, into = 0) {
        u32 part = (u32)MIN(left, PAGE_SIZE - into);
        pieces[k] = (struct piece){ (u8 *)frame_data(frames[k]) + into, part };
        left -= part;
    }
    *count = k;
}

static void pieces_fill(u32 count)
{
    u32 word = host_random(1u << 30);

    for (u32 k = 0; k < count; k++)
        for (u32 at = 0; at < pieces[k].size; at++, word++)
            ((u8 *)pieces[k].data)[at] = (u8)((word >> 3) + word * 7);
}

// A place and a length that often begin or end at a page.
static void random_range(u64 *at, size_t *n, u32 *into)
{
    u64 from = host_random(2) ? model_size : host_random((u32)MIN(model_size + 9 * PAGE_SIZE, FILE_MAX));

    *at = host_random(4) ? ROUND_DOWN(from, PAGE_SIZE) + (host_random(3) ? 0 : host_random(PAGE_SIZE)) : from;
    *at = MIN(*at, FILE_MAX - 1);
    *n = 1 + host_random(host_random(3) ? PAGES * PAGE_SIZE - 1 : 5000);
    if (host_random(2))
        *n = ROUND_UP(*n, PAGE_SIZE);
    *n = (size_t)MIN(*n, FILE_MAX - *at);
    *into = host_random(4) ? (u32)(*at % PAGE_SIZE) : host_random(PAGE_SIZE);
    *n = MIN(*n, (size_t)PAGES * PAGE_SIZE);
    wholes += *n > 20 * PAGE_SIZE && *into == *at % PAGE_SIZE;
}

static void to_model(u64 at, u32 count, size_t n)
{
    if (n && at > model_size)
        memset(model + model_size, 0, at - model_size);
    for (u32 k = 0; n > 0; k++) {
        size_t part = MIN(n, pieces[k].size);
        memcpy(model + at, pieces[k].data, part);
        at += part;
        n -= part;
        model_size = MAX(model_size, at);
    }
}

// What fails has changed the file up to *done; blocks behind that which the file had before may have the old or the new
// bytes: read anew.
static void learn(u64 at, size_t n)
{
    struct inode_identity id;
    size_t done;

    inode_identify(file_inode(file), &id);
    CHECK(id.size >= model_size);
    if (id.size > model_size)
        memset(model + model_size, 0, id.size - model_size);
    model_size = id.size;
    if (at >= model_size)
        return;
    struct piece all = { model + at, (u32)MIN(n, model_size - at) };
    CHECK_OK(inode_read(file_inode(file), at, &all, 1, &done));
}

static void write_once(bool may_fail)
{
    size_t n, done;
    u64 at;
    u32 into, count;

    random_range(&at, &n, &into);
    pieces_make(into, n, &count);
    pieces_fill(count);
    int err = inode_write(file_inode(file), at, pieces, count, &done);
    CHECK(done <= n && (!err || may_fail));
    CHECK(err || done == n);
    to_model(at, count, done);
    if (err) {
        host_fail_memory(0, false);
        host_fail_disk(DISK_READ, 0, false);
        host_fail_disk(DISK_WRITE, 0, false);
        learn(at + done, n - done);
    }
}

static void read_once(bool may_fail)
{
    size_t n, done;
    u64 at;
    u32 into, count;

    random_range(&at, &n, &into);
    pieces_make(into, n, &count);
    int err = inode_read(file_inode(file), at, pieces, count, &done);
    size_t expected = at < model_size ? (size_t)MIN(n, model_size - at) : 0;
    CHECK(err ? may_fail && done < expected : done == expected);
    for (u32 k = 0; done > 0; k++) {
        size_t part = MIN(done, pieces[k].size);
        CHECK(memcmp(model + at, pieces[k].data, part) == 0);
        at += part;
        done -= part;
    }
}

static void cut_once(void)
{
    u64 size = host_random((u32)MIN(model_size + 3 * PAGE_SIZE, FILE_MAX));

    CHECK_OK(inode_truncate(file_inode(file), size));
    if (size > model_size)
        memset(model + model_size, 0, size - model_size);
    model_size = size;
}

static void remount(struct disk *disk)
{
    file_put(file);
    CHECK_OK(fs_unmount());
    CHECK(host_fsck() == 0);
    CHECK_OK(fs_mount(disk));
    open_file();
}

static void operate(struct disk *disk)
{
    switch (host_random(12)) {
    case 0:
        cut_once();
        break;
    case 1:
        CHECK_OK(inode_preallocate(file_inode(file), host_random(FILE_MAX)));
        break;
    case 2:
        CHECK_OK(fs_sync());
        break;
    case 3:
        if (!host_random(20))
            remount(disk);
        break;
    case 4:
    case 5:
    case 6:
    case 7:
        write_once(false);
        break;
    default:
        read_once(false);
    }
}

static void fail_something(void)
{
    switch (host_random(3)) {
    case 0:
        host_fail_memory(1 + host_random(60), false);
        break;
    case 1:
        host_fail_disk(DISK_READ, 1 + host_random(4), false);
        break;
    default:
        // A failed write of the journal's would end the file system's life; its thread has nothing to write now.
        CHECK_OK(fs_sync());
        host_fail_disk(DISK_WRITE, 1 + host_random(4), false);
    }
    if (host_random(2))
        write_once(true);
    else
        read_once(true);
    host_fail_memory(0, false);
    host_fail_disk(DISK_READ, 0, false);
    host_fail_disk(DISK_WRITE, 0, false);
}

static void write_pages(u32 from, u32 n)
{
    size_t done;
    u32 count;

    pieces_make(0, n * PAGE_SIZE, &count);
    pieces_fill(count);
    CHECK_OK(inode_write(file_inode(file), from * PAGE_SIZE, pieces, count, &done));
    to_model(from * PAGE_SIZE, count, done);
}

// What follows the hole stands on the disk right behind what is before it: one request must not have both.
static void read_around_a_hole(void)
{
    enum { SOME = 20 };
    size_t done;
    u32 count;

    write_pages(0, SOME);
    write_pages(SOME + 1, SOME);
    pieces_make(0, (2 * SOME + 1) * PAGE_SIZE, &count);
    CHECK_OK(inode_read(file_inode(file), 0, pieces, count, &done));
    CHECK(done == model_size);
    for (u32 k = 0; k < count; k++)
        CHECK(memcmp(model + k * PAGE_SIZE, pieces[k].data, PAGE_SIZE) == 0);
}

static void body(void *arg)
{
    struct disk *disk = arg;

    CHECK_OK(fs_mount(disk));
    // Some lie together, as a request likes them; the others are more pieces of memory than one of them takes.
    for (u32 k = 0; k <= PAGES; k++)
        CHECK(frames[k < PAGES / 3 ? k : PAGES + PAGES / 3 - k] = frame_alloc());
    open_file();
    read_around_a_hole();
    for (u32 k = 0; k < operations; k++)
        operate(disk);
    for (u32 k = 0; k < operations; k++) {
        fail_something();
        operate(disk);
    }
    file_put(file);
    for (u32 k = 0; k <= PAGES; k++)
        frame_put(frames[k]);
    CHECK_OK(fs_unmount());
}

int main(int argc, char **argv)
{
    u64 seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;

    operations = argc > 2 ? (u32)atoi(argv[2]) : operations;
    host_seed(seed);
    host_set_memory(4096);
    struct disk *disk = host_disk_create(DISK_BLOCKS);
    host_format(0, 0, 0);
    host_run(body, disk);
    CHECK(host_fsck() == 0);
    CHECK(host_frames_used() == 0 && host_objects() == 0);
    printf("fs_whole_test: seed %llu, %u operations, %u with whole frames: good\n", (unsigned long long)seed,
           3 * operations, wholes);
    host_disk_destroy();
    return 0;
}
