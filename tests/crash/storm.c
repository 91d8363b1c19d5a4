// Storms of calls on files, for the tests that cut the power: storm KIND ROUND [COUNT]. The files are in /w, and
// consist of the sectors of sector.h. What must be true of them at any moment is told, and looked after, by contents.c.
#include "sector.h"
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK 64  // sectors of one write at most

static uint32_t round_number, count, serial, state;

static uint32_t random_below(uint32_t n)
{
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % n;
}

static uint32_t new_file_id(void)
{
    return (uint32_t)getpid() << 20 ^ round_number << 10 ^ ++serial;
}

static int open_file(const char *path, int flags)
{
    int fd = open(path, flags);

    if (fd < 0)
        err(1, "%s", path);
    return fd;
}

/* Write sectors [from, from + n) at the descriptor's offset. False: the disk is full. */
static bool write_sectors(int fd, uint32_t file, uint32_t length, uint32_t from, uint32_t n)
{
    static struct sector sectors[CHUNK];

    while (n > 0) {
        uint32_t some = n < CHUNK ? n : CHUNK;
        ssize_t size = (ssize_t)(some * SECTOR_SIZE);
        for (uint32_t i = 0; i < some; i++)
            sector_make(&sectors[i], file, length, round_number, from + i);
        ssize_t done = write(fd, sectors, (size_t)size);
        if (done != size && (done >= 0 || errno == ENOSPC))
            return false;
        if (done < 0)
            err(1, "write");
        from += some;
        n -= some;
    }
    return true;
}

static uint32_t id_of(int fd)
{
    struct sector first;

    lseek(fd, 0, SEEK_SET);
    return read(fd, &first, sizeof(first)) == sizeof(first) ? first.file : new_file_id();
}

// Each of the two ways has files of its own: both may be under way, and a file has one writer.
static void append(bool durable)
{
    for (uint32_t step = 0; step < count; step++) {
        char path[16];
        snprintf(path, sizeof(path), "/w/a%u", step % 4 + (durable ? 0 : 4));
        int fd = open_file(path, O_CREATE | O_RDWR);
        uint32_t id = id_of(fd);
        off_t end = lseek(fd, 0, SEEK_END);
        if (!write_sectors(fd, id, 0, (uint32_t)(end / SECTOR_SIZE), 1 + random_below(24)))
            errx(1, "%s: the disk is full", path);
        if (durable && fsync(fd))
            err(1, "%s", path);
        close(fd);
    }
}

// All of a file of fixed size, a piece here and a piece there.
static void overwrite(void)
{
    enum { PIECES = 32, PIECE = 16 };
    char path[16];

    for (uint32_t k = 0; k < count; k++) {
        snprintf(path, sizeof(path), "/w/o%u", k);
        int fd = open_file(path, O_CREATE | O_RDWR);
        uint32_t id = id_of(fd), start = random_below(PIECES);
        if (lseek(fd, 0, SEEK_END) == 0)
            (void)write_sectors(fd, id, 0, 0, PIECES * PIECE);
        for (uint32_t i = 0; i < PIECES; i++) {
            uint32_t from = (start + i * 11) % PIECES * PIECE;  // 11 has no divisor in common with PIECES
            lseek(fd, from * SECTOR_SIZE, SEEK_SET);
            (void)write_sectors(fd, id, 0, from, PIECE);
        }
        close(fd);
    }
}

static void replace(void)
{
    for (uint32_t step = 0; step < count; step++) {
        char path[16];
        uint32_t length = 1 + random_below(200);
        int fd = open_file("/w/t", O_CREATE | O_TRUNC | O_RDWR);
        if (!write_sectors(fd, new_file_id(), length, 0, length))
            errx(1, "the disk is full");
        if (random_below(2) && fsync(fd))
            err(1, "fsync");
        close(fd);
        snprintf(path, sizeof(path), "/w/r%u", step % 2);
        if (rename("/w/t", path))
            err(1, "%s", path);
    }
}

static void create_small(const char *path)
{
    int fd = open(path, O_CREATE | O_RDWR);

    if (fd < 0 && errno != ENOSPC)
        err(1, "%s", path);
    if (fd >= 0)
        (void)write_sectors(fd, new_file_id(), 1, 0, 1);
    close(fd);
}

// Directories come and go, with files that move between them and have several names. A full disk is no reason to stop.
static void names(void)
{
    char dir[32], a[40], b[40];

    (void)mkdir("/w/d");
    for (uint32_t step = 0; step < count; step++) {
        snprintf(dir, sizeof(dir), "/w/d/x%u", random_below(12));
        snprintf(a, sizeof(a), "%s/f", dir);
        snprintf(b, sizeof(b), "/w/d/g%u", random_below(12));
        if (mkdir(dir) == 0) {
            create_small(a);
            continue;
        }
        switch (random_below(3)) {
        case 0:
            (void)rename(a, b);
            break;
        case 1:
            (void)link(a, b);
            break;
        default:
            (void)unlink(b);
        }
        if (random_below(2)) {
            (void)unlink(a);
            (void)rmdir(dir);
        }
    }
    snprintf(dir, sizeof(dir), "/w/d/k%u", round_number);
    if (mkdir(dir) && errno != ENOSPC)
        err(1, "%s", dir);
}

// Files that live only for a moment: some are deleted while the commit that brings them to the disk is under way.
static void brief(void)
{
    char path[16];

    for (uint32_t step = 0; step < count; step++) {
        snprintf(path, sizeof(path), "/w/b%u", step % 8);
        (void)unlink(path);
        int fd = open_file(path, O_CREATE | O_RDWR);
        if (!write_sectors(fd, new_file_id(), 0, 0, 1 + random_below(60)))
            errx(1, "%s: the disk is full", path);
        close(fd);
    }
}

// One file goes from name to name, here and in another directory: it has exactly one at any moment.
static void wander(void)
{
    char from[32] = "/w/n0", to[32];

    (void)mkdir("/w/e");
    if (round_number == 1)
        create_small(from);
    for (uint32_t step = 1; step <= count; step++) {
        snprintf(to, sizeof(to), step % 2 ? "/w/e/n%u" : "/w/n%u", step % 20);
        if (step == count)
            snprintf(to, sizeof(to), "/w/n0");
        if (rename(from, to))
            err(1, "%s", to);
        snprintf(from, sizeof(from), "%s", to);
    }
}

static void large(void)
{
    int fd = open_file("/w/l", O_CREATE | O_TRUNC | O_RDWR);

    if (!write_sectors(fd, new_file_id(), 0, 0, count))
        errx(1, "the disk is full");
    close(fd);
}

// Shorter, longer, written past a hole: sectors are right, or zeros.
static void stretch(void)
{
    int fd = open_file("/w/z", O_CREATE | O_RDWR);
    uint32_t id = 'z';  // it may begin with a hole

    for (uint32_t step = 0; step < count; step++) {
        uint32_t at = random_below(2000);
        if (random_below(3) == 0 && ftruncate(fd, (off_t)at * SECTOR_SIZE))
            err(1, "ftruncate");
        lseek(fd, (off_t)at * SECTOR_SIZE, SEEK_SET);
        if (!write_sectors(fd, id, 0, at, 1 + random_below(40)))
            errx(1, "the disk is full");
    }
    close(fd);
}

// As much as there is, in files of COUNT sectors.
static void fill(void)
{
    char path[16];
    bool room = true;

    for (uint32_t k = 0; room; k++) {
        snprintf(path, sizeof(path), "/w/f%u", k);
        int fd = open(path, O_CREATE | O_RDWR);
        room = fd >= 0 && write_sectors(fd, new_file_id(), 0, 0, count);
        if (fd >= 0)
            close(fd);
    }
    printf("the disk is full\n");
}

int main(int argc, char **argv)
{
    if (argc < 3)
        usage("storm KIND ROUND [COUNT]");
    const char *kind = argv[1];
    round_number = (uint32_t)atoi(argv[2]);
    count = argc > 3 ? (uint32_t)atoi(argv[3]) : 20;
    state = round_number * 77 + (uint32_t)kind[0];

    (void)mkdir("/w");
    if (strcmp(kind, "append") == 0)
        append(false);
    else if (strcmp(kind, "log") == 0)
        append(true);
    else if (strcmp(kind, "overwrite") == 0)
        overwrite();
    else if (strcmp(kind, "replace") == 0)
        replace();
    else if (strcmp(kind, "names") == 0)
        names();
    else if (strcmp(kind, "wander") == 0)
        wander();
    else if (strcmp(kind, "brief") == 0)
        brief();
    else if (strcmp(kind, "large") == 0)
        large();
    else if (strcmp(kind, "stretch") == 0)
        stretch();
    else if (strcmp(kind, "fill") == 0)
        fill();
    else
        errx(2, "%s: no such kind", kind);
    return 0;
}
