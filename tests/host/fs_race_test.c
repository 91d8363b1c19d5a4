// kernel/fs under several threads: all of them work on the same few names, switched at random at every lock. Nobody
// knows what the result should be; but nothing may hang, break the order of locks, leak, or leave a disk that fsck
// objects to, and each file holds what one writer wrote.
//
// usage: fs_race_test [SEED [ROUNDS]]
#include "fs_host.h"
#include <base/string.h>
#include <stdlib.h>
#include <uapi/errno.h>
#include <uapi/fcntl.h>

#define THREADS    6
#define OPERATIONS 150

static struct disk *disk;

static const char *random_path(void)
{
    static char paths[64][64];
    static u32 turn;
    char *out = paths[turn++ % 64];

    switch (host_random(3)) {
    case 0:
        snprintf(out, 64, "/%c", 'a' + host_random(4));
        break;
    case 1:
        snprintf(out, 64, "/%c/%c", 'a' + host_random(4), 'a' + host_random(4));
        break;
    default:
        snprintf(out, 64, "/%c/%c/%c", 'a' + host_random(3), 'a' + host_random(3), 'a' + host_random(3));
    }
    return out;
}

// Every byte of a file is the number of the thread that wrote it last.
static void write_file(u32 me)
{
    static u8 bytes[THREADS][8192];
    struct file *f;
    size_t done;
    int err = path_open(NULL, random_path(), O_RDWR | O_CREATE | (host_random(2) ? O_TRUNC : 0), &f);

    if (err)
        return;
    memset(bytes[me], (int)me + 1, sizeof(bytes[me]));
    struct piece piece = { bytes[me], 1 + host_random(sizeof(bytes[me])) };
    u64 at = host_random(20) * 4096;
    if (file_kind(f) == FILE_INODE)
        (void)!inode_write(file_inode(f), at, &piece, 1, &done);
    if (host_random(4) == 0)
        (void)!file_truncate(f, host_random(40000));
    if (host_random(8) == 0)
        CHECK_OK(file_sync(f));
    file_put(f);
}

static void read_file(u32 me)
{
    static u8 bytes[THREADS][5000];
    struct piece piece = { bytes[me], sizeof(bytes[me]) };
    struct file *f;
    size_t done;

    if (path_open(NULL, random_path(), O_RDONLY, &f))
        return;
    while (file_read(f, &piece, 1, &done) == 0 && done)
        if (file_kind(f) == FILE_INODE && inode_type(file_inode(f)) == T_FILE)
            for (size_t k = 0; k < done; k++)
                CHECK(bytes[me][k] <= THREADS);
    file_put(f);
}

static void publish(u32 me)
{
    struct frame *frames[6];
    struct file *f;

    if (path_create_unnamed(&f))
        return;
    for (u32 k = 0; k < ARRAY_SIZE(frames); k++) {
        frames[k] = frame_alloc();
        CHECK(frames[k]);
        memset(frame_data(frames[k]), (int)me + 1, 4096);
    }
    CHECK_OK(inode_write_frames(file_inode(f), 0, frames, ARRAY_SIZE(frames)));
    (void)!path_publish(NULL, random_path(), f);
    for (u32 k = 0; k < ARRAY_SIZE(frames); k++)
        frame_put(frames[k]);
    file_put(f);
}

static void in_directory(u32 me)
{
    struct inode *dir;

    if (path_lookup(NULL, random_path(), &dir))
        return;
    // Relative names, in a directory that others remove meanwhile.
    (void)!path_mkdir(dir, "sub");
    (void)!path_link(dir, random_path(), "lnk");
    (void)!path_rename(dir, "lnk", "../lnk");
    (void)!path_unlink(dir, "sub");
    (void)!path_unlink(dir, "../lnk");
    inode_put(dir);
}

// As a restore looks for files: by a number that may be free, being taken, or in use by another file.
static void find_any(void)
{
    struct inode *i;

    if (inode_find(1 + host_random(30), 1 + host_random(4), &i) == 0)
        inode_put(i);
}

static void worker(void *arg)
{
    u32 me = (u32)(uintptr_t)arg;

    for (u32 n = 0; n < OPERATIONS; n++) {
        switch (host_random(10)) {
        case 0:
        case 1:
            write_file(me);
            break;
        case 2:
            read_file(me);
            break;
        case 3:
            (void)!path_mkdir(NULL, random_path());
            break;
        case 4:
            (void)!path_unlink(NULL, random_path());
            break;
        case 5:
            (void)!path_link(NULL, random_path(), random_path());
            break;
        case 6:
        case 7:
            (void)!path_rename(NULL, random_path(), random_path());
            break;
        case 8:
            in_directory(me);
            break;
        default:
            for (u32 k = host_random(20); k > 0; k--)
                find_any();
            if (host_random(4) == 0)
                publish(me);
            else if (host_random(8) == 0)
                CHECK_OK(fs_sync());
        }
    }
}

// Pipes between the threads: what goes in comes out, in order.
struct pipe_ends {
    struct file *reader, *writer;
};

#define PIPED 100000

static void piper(void *arg)
{
    struct pipe_ends *p = arg;
    u8 bytes[7000];
    u32 sent = 0;

    while (sent < PIPED) {
        struct piece piece = { bytes, 1 + host_random(sizeof(bytes) - 1) };
        size_t done;
        piece.size = MIN(piece.size, PIPED - sent);
        for (u32 k = 0; k < piece.size; k++)
            bytes[k] = (u8)((sent + k) % 251);
        CHECK_OK(file_write(p->writer, &piece, 1, &done));
        CHECK(done == piece.size);
        sent += piece.size;
    }
    file_put(p->writer);
}

static void pipes(void)
{
    struct pipe_ends p;
    u8 bytes[5000];
    u32 got = 0;
    size_t done;

    CHECK_OK(pipe_create(&p.reader, &p.writer));
    host_spawn(piper, &p);
    for (;;) {
        struct piece piece = { bytes, 1 + host_random(sizeof(bytes) - 1) };
        CHECK_OK(file_read(p.reader, &piece, 1, &done));
        if (!done)
            break;
        for (size_t k = 0; k < done; k++)
            CHECK(bytes[k] == (got + k) % 251);
        got += done;
    }
    CHECK(got == PIPED);
    file_put(p.reader);
    host_join();
    CHECK(pipes_live() == 0);
}

static void body(void *arg)
{
    CHECK_OK(fs_mount(disk));
    for (u32 n = 0; n < THREADS; n++)
        host_spawn(worker, (void *)(uintptr_t)n);
    host_join();
    pipes();
    CHECK(files_live() == 0);
    CHECK_OK(fs_unmount());
    host_check_nothing_left();
    CHECK(!host_said("damaged"));
    CHECK(host_fsck() == 0);
}

int main(int argc, char **argv)
{
    u64 seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    u32 rounds = argc > 2 ? (u32)strtoul(argv[2], NULL, 0) : 40;

    host_set_memory(600);
    for (u32 n = 0; n < rounds; n++) {
        host_seed(seed * 1000 + n);
        host_set_preemption(2 + n % 12);
        disk = host_disk_create(1024);
        host_format(0, 0, n % 2 ? 64 : 0);
        host_run(body, NULL);
    }
    host_disk_destroy();
    printf("fs_race_test: seed %llu, %u rounds of %u threads\n", (unsigned long long)seed, rounds, THREADS);
    return 0;
}
