// What storage costs, measured from inside. Each run prints lines "name value unit"; bench/storage.py puts them
// together.
//
//     storage raw-write MINOR MIB KIB     sequential write of disk MINOR, with a flush: MIB in all, KIB a call
//     storage raw-read MINOR MIB KIB      sequential read
//     storage file-write NAME MIB KIB     the same of a file, which is made anew
//     storage file-read NAME KIB
//     storage fill NAME BLOCKS            make a file through the cache, so that so many blocks are cached
//     storage populate FROM TO            make the files that the next one looks at
//     storage costs FILES                 look-up, append, create and delete in a directory with so many files
#include <amber.h>
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE       4096u
#define KIB        1024u
#define MIB        (1024u * KIB)
#define DISK_MAJOR 2
#define DIRECTORY  "/many"
#define OPERATIONS 200
#define SAMPLES    5

static char *pages;  // page-aligned
static size_t pages_size;

static void pages_make(size_t size)
{
    size_t end = (size_t)sbrk(0);

    if (sbrk((intptr_t)(-end % PAGE)) == (void *)-1 || (pages = sbrk((intptr_t)size)) == (void *)-1)
        err(1, "memory");
    pages_size = size;
    for (size_t at = 0; at < size; at += 64)
        *(uint32_t *)(pages + at) = (uint32_t)at * 2654435761u + 1;
}

static void show(const char *name, uint64_t bytes, uint64_t ns)
{
    printf("%s %.2f MB/s\n", name, (double)bytes * 1000 / (double)ns);
}

static int opened(const char *path, int flags)
{
    int fd = open(path, flags);

    if (fd < 0)
        err(1, "%s", path);
    return fd;
}

// All of it, in calls as large as `pages`.
static void write_all(int fd, uint64_t size)
{
    for (uint64_t at = 0; at < size; at += pages_size)
        if (write(fd, pages, pages_size) != (ssize_t)pages_size)
            err(1, "write");
}

static void read_all(int fd, uint64_t size)
{
    for (uint64_t at = 0; at < size; at += pages_size)
        if (read(fd, pages, pages_size) != (ssize_t)pages_size)
            err(1, "read");
}

static uint64_t timed_write(int fd, uint64_t size)
{
    uint64_t begin = clock_ns();

    write_all(fd, size);
    if (fsync(fd) < 0)
        err(1, "fsync");
    return clock_ns() - begin;
}

static uint64_t timed_read(int fd, uint64_t size)
{
    uint64_t begin = clock_ns();

    read_all(fd, size);
    return clock_ns() - begin;
}

// An emulator translates what runs for the first time. So a little of the same is done before what is timed: on the
// disk's beginning, or with another file.
#define WARM_CALLS 4

static void warm_up(int fd, uint64_t (*timed)(int fd, uint64_t size))
{
    timed(fd, WARM_CALLS * pages_size);
    if (lseek(fd, 0, SEEK_SET) < 0)
        err(1, "lseek");
}

static void raw(char **args, const char *name, uint64_t (*timed)(int fd, uint64_t size))
{
    uint64_t size = (uint64_t)atoi(args[1]) * MIB;

    pages_make((size_t)atoi(args[2]) * KIB);
    unlink("/raw");
    if (mknod("/raw", DISK_MAJOR, atoi(args[0])) < 0)
        err(1, "/raw");
    int fd = opened("/raw", O_RDWR);
    warm_up(fd, timed);
    show(name, size, timed(fd, size));
}

static void raw_write(char **args)
{
    raw(args, "raw_write", timed_write);
}

static void raw_read(char **args)
{
    raw(args, "raw_read", timed_read);
}

static struct sysinfo figures(void)
{
    struct sysinfo info;

    if (sysinfo(&info) < 0)
        err(1, "sysinfo");
    return info;
}

static void file_write(char **args)
{
    uint64_t size = (uint64_t)atoi(args[1]) * MIB;

    pages_make((size_t)atoi(args[2]) * KIB);
    unlink(args[0]);
    warm_up(opened("/warm", O_CREATE | O_TRUNC | O_WRONLY), timed_write);
    sync();
    int fd = opened(args[0], O_CREATE | O_WRONLY);
    struct sysinfo before = figures();
    show("file_write", size, timed_write(fd, size));
    struct sysinfo after = figures();
    printf("write_requests %u requests\n", (unsigned)(after.disk_writes - before.disk_writes));
    printf("metadata %.4f percent\n", ((double)(before.disk_free - after.disk_free) * PAGE / (double)size - 1) * 100);
}

static void file_read(char **args)
{
    struct stat st;

    pages_make((size_t)atoi(args[1]) * KIB);
    int fd = opened(args[0], O_RDONLY);
    if (fstat(fd, &st) < 0)
        err(1, "%s", args[0]);
    warm_up(opened("/warm", O_RDONLY), timed_read);
    struct sysinfo before = figures();
    show("file_read", st.size, timed_read(fd, st.size));
    printf("read_requests %u requests\n", (unsigned)(figures().disk_reads - before.disk_reads));
}

static void fill(char **args)
{
    int fd = opened(args[0], O_CREATE | O_TRUNC | O_WRONLY);

    pages_make(PAGE);
    write_all(fd, (uint64_t)atoi(args[1]) * PAGE);
    sync();
}

static const char *name_of(const char *prefix, int n)
{
    static char name[16];

    snprintf(name, sizeof(name), "%s%d", prefix, n);
    return name;
}

static void create(const char *name)
{
    close(opened(name, O_CREATE | O_WRONLY));
}

static void enter_directory(void)
{
    (void)mkdir(DIRECTORY);
    if (chdir(DIRECTORY) < 0)
        err(1, DIRECTORY);
}

static void populate(char **args)
{
    enter_directory();
    for (int n = atoi(args[0]); n < atoi(args[1]); n++)
        create(name_of("f", n));
    sync();
}

static uint32_t state = 1;

static int any_of(int files)
{
    state = state * 1664525 + 1013904223;
    return (int)((uint64_t)(state >> 4) * (uint32_t)files >> 28);
}

static void look_up(int files, int k)
{
    close(opened(name_of("f", any_of(files)), O_RDONLY));
}

static void look_up_missing(int files, int k)
{
    if (open(name_of("g", k), O_RDONLY) >= 0)
        errx(1, "there is a file that was never made");
}

// To one of a hundred files all over the directory, so that as many have a block already, however many files there are.
static void append(int files, int k)
{
    int fd = opened(name_of("f", any_of(100) * (files / 100)), O_WRONLY | O_APPEND);

    if (write(fd, "one line of text\n", 17) != 17)
        err(1, "write");
    close(fd);
}

static void create_new(int files, int k)
{
    create(name_of("n", k));
}

static void delete_new(int files, int k)
{
    if (unlink(name_of("n", k)) < 0)
        err(1, "unlink");
}

static void each(const char *name, void (*operation)(int files, int k), int files)
{
    uint64_t begin = clock_ns();

    for (int k = 0; k < OPERATIONS; k++)
        operation(files, k);
    printf("%s %.2f us\n", name, (double)(clock_ns() - begin) / OPERATIONS / 1000);
    sync();
}

static void costs(char **args)
{
    int files = atoi(args[0]);

    enter_directory();
    look_up(files, 0);
    for (int k = 0; k < SAMPLES; k++) {
        each("look_up", look_up, files);
        each("look_up_missing", look_up_missing, files);
        each("append", append, files);
        each("create", create_new, files);
        each("delete", delete_new, files);
    }
    printf("cached %u blocks\n", (unsigned)figures().frames_cache);
}

static const struct mode {
    const char *name;
    int args;
    void (*run)(char **args);
} modes[] = {
    { "raw-write", 3, raw_write }, { "raw-read", 3, raw_read }, { "file-write", 3, file_write },
    { "file-read", 2, file_read }, { "fill", 2, fill },         { "populate", 2, populate },
    { "costs", 1, costs },
};

int main(int argc, char **argv)
{
    for (size_t n = 0; n < sizeof(modes) / sizeof(modes[0]); n++) {
        if (argc == 2 + modes[n].args && strcmp(argv[1], modes[n].name) == 0) {
            modes[n].run(argv + 2);
            return 0;
        }
    }
    errx(2, "see the head of bench/storage.c");
}
