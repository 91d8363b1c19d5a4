// Messages, memory and numbers for the host's tools.
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000ull

void tool_error(const char *format, ...)
{
    va_list ap;

    fflush(stdout);
    fprintf(stderr, "%s: ", program_invocation_short_name);
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputc('\n', stderr);
}

static void *memory_or_exit(void *memory)
{
    if (!memory) {
        tool_error("out of memory");
        exit(8);
    }
    return memory;
}

void *tool_alloc(size_t count, size_t size)
{
    return memory_or_exit(calloc(count ? count : 1, size));
}

void tool_grow(void **items, size_t *room, size_t count, size_t size)
{
    if (count <= *room)
        return;
    *room = MAX(count, 2 * *room);
    *items = memory_or_exit(reallocarray(*items, *room, size));
}

// QEMU keeps a read lock on byte 200 + P for each permission P that it doesn't share with others; to write is number 1.
#define QEMU_KEEPS_WRITING 201

bool tool_machine_has(int fd)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = QEMU_KEEPS_WRITING, .l_len = 1 };

    return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

static bool parse_digits(const char *text, u64 *out, const char **end)
{
    char *stop;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    *out = strtoull(text, &stop, 10);
    *end = stop;
    return errno == 0;
}

bool parse_number(const char *text, u64 *out)
{
    const char *end;

    return parse_digits(text, out, &end) && !*end;
}

bool parse_size(const char *text, u64 *out)
{
    static const char units[] = "KMGT";
    const char *end;
    u32 shift = 0;

    if (!parse_digits(text, out, &end))
        return false;
    for (u32 k = 0; *end && units[k]; k++)
        if ((*end & ~0x20) == units[k])
            shift = 10 * (k + 1);
    if (*end && (!shift || end[1]))
        return false;
    if (*out > (u64)INT64_MAX >> shift)
        return false;
    *out <<= shift;
    return true;
}

u64 tool_now(bool *fixed)
{
    const char *epoch = getenv("SOURCE_DATE_EPOCH");
    struct timespec ts;
    u64 seconds;

    *fixed = epoch && parse_number(epoch, &seconds) && seconds < UINT64_MAX / NS_PER_S;
    if (*fixed)
        return seconds * NS_PER_S;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (u64)ts.tv_sec * NS_PER_S + (u64)ts.tv_nsec;
}
