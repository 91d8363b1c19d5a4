// POSIX's calls where they are not the kernel's own.
#include <amber.h>
#include <base/calendar.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_SECOND 1000000000ull
#define NS_PER_TICK   (NS_PER_SECOND / TICKS_PER_SECOND)

// The kernel's forms (i386/syscall.S).
int sys_lseek(int fd, int64_t *offset, int whence);
int sys_clock(uint64_t *ns);
int sys_time(uint64_t *ns);

off_t lseek(int fd, off_t offset, int whence)
{
    return sys_lseek(fd, &offset, whence) < 0 ? -1 : offset;
}

pid_t wait(int *status)
{
    return waitpid(-1, status, 0);
}

int creat(const char *path, int mode)
{
    return open(path, O_WRONLY | O_CREATE | O_TRUNC, mode);
}

int stat(const char *path, struct stat *st)
{
    int fd = open(path, O_RDONLY);

    if (fd < 0)
        return -1;
    int result = fstat(fd, st);
    int reason = errno;
    close(fd);
    errno = reason;
    return result;
}

int isatty(int fd)
{
    struct stat st;

    if (fstat(fd, &st) == 0 && st.type == T_DEV)
        return 1;
    errno = ENOTTY;
    return 0;
}

int rmdir(const char *path)
{
    struct stat st;

    if (stat(path, &st))
        return -1;
    if (st.type != T_DIR) {
        errno = ENOTDIR;
        return -1;
    }
    return unlink(path);
}

int execvp(const char *file, char *const argv[])
{
    char path[PATH_LEN];

    execv(file, argv);
    if (strchr(file, '/') || (errno != ENOENT && errno != EISDIR))
        return -1;
    snprintf(path, sizeof(path), "/%s", file);
    return execv(path, argv);
}

static int sleep_ns(uint64_t ns)
{
    for (uint64_t ticks = (ns + NS_PER_TICK - 1) / NS_PER_TICK; ticks;) {
        int some = ticks > 1000000 ? 1000000 : (int)ticks;
        if (sleep_ticks(some))
            return -1;
        ticks -= (uint64_t)some;
    }
    return 0;
}

unsigned sleep(unsigned seconds)
{
    (void)sleep_ns(seconds * NS_PER_SECOND);
    return 0;
}

int usleep(unsigned microseconds)
{
    return sleep_ns(microseconds * 1000ull);
}

int nanosleep(const struct timespec *ts, struct timespec *left)
{
    if (ts->tv_sec < 0 || ts->tv_nsec < 0 || (uint64_t)ts->tv_nsec >= NS_PER_SECOND) {
        errno = EINVAL;
        return -1;
    }
    return sleep_ns((uint64_t)ts->tv_sec * NS_PER_SECOND + (uint64_t)ts->tv_nsec);
}

// The clocks cannot fail for an address that is the program's.
uint64_t clock_ns(void)
{
    uint64_t ns = 0;

    (void)sys_clock(&ns);
    return ns;
}

uint64_t wall_clock_ns(void)
{
    uint64_t ns = 0;

    (void)sys_time(&ns);
    return ns;
}

int clock_gettime(int clock, struct timespec *ts)
{
    if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC) {
        errno = EINVAL;
        return -1;
    }
    uint64_t ns = clock == CLOCK_REALTIME ? wall_clock_ns() : clock_ns();
    ts->tv_sec = (time_t)(ns / NS_PER_SECOND);
    ts->tv_nsec = (long)(ns % NS_PER_SECOND);
    return 0;
}

time_t time(time_t *seconds)
{
    time_t now = (time_t)(wall_clock_ns() / NS_PER_SECOND);

    if (seconds)
        *seconds = now;
    return now;
}

// Times before 1970 are taken for its beginning.
struct tm *gmtime_r(const time_t *seconds, struct tm *tm)
{
    struct calendar c;

    calendar_from_seconds(*seconds > 0 ? (uint64_t)*seconds : 0, &c);
    *tm = (struct tm){
        .tm_sec = (int)c.second,
        .tm_min = (int)c.minute,
        .tm_hour = (int)c.hour,
        .tm_mday = (int)c.day,
        .tm_mon = (int)c.month - 1,
        .tm_year = (int)c.year - 1900,
        .tm_wday = (int)c.weekday,
        .tm_yday = (int)c.day_of_year,
    };
    return tm;
}

struct directory {
    int fd;
    size_t next, count;
    struct dirent_slot slots[64];
    struct dirent entry;
};

DIR *opendir(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY);
    DIR *d = NULL;

    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) == 0 && st.type != T_DIR)
        errno = ENOTDIR;
    else
        d = calloc(1, sizeof(*d));
    if (d)
        d->fd = fd;
    else
        close(fd);
    return d;
}

struct dirent *readdir(DIR *d)
{
    for (;;) {
        if (d->next == d->count) {
            ssize_t n = read(d->fd, d->slots, sizeof(d->slots));
            if (n <= 0)
                return NULL;
            d->next = 0;
            d->count = (size_t)n / sizeof(d->slots[0]);
        }
        const struct dirent_slot *slot = &d->slots[d->next++];
        if (slot->inum == 0)
            continue;
        d->entry.d_ino = slot->inum;
        memcpy(d->entry.d_name, slot->name, NAME_LEN);
        return &d->entry;
    }
}

int closedir(DIR *d)
{
    int result = close(d->fd);

    free(d);
    return result;
}

// The name of the directory *child in its parent, which is the directory `above`.
static int name_in_parent(const char *above, const struct stat *child, char name[NAME_LEN + 1])
{
    char path[PATH_LEN];
    struct dirent *e;
    struct stat st;
    int found = -1;
    DIR *d = opendir(above);

    if (!d)
        return -1;
    errno = ENOENT;
    while (found && (e = readdir(d)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            (e->d_ino != 65535 && e->d_ino != child->ino))
            continue;
        snprintf(path, sizeof(path), "%s/%s", above, e->d_name);
        if (stat(path, &st) == 0 && st.ino == child->ino && st.dev == child->dev) {
            strcpy(name, e->d_name);
            found = 0;
        }
    }
    closedir(d);
    return found;
}

// From here to the root, by "..": the path grows at its front.
char *getcwd(char *buf, size_t size)
{
    char here[PATH_LEN] = ".", name[NAME_LEN + 1];
    char *start = buf + size;
    struct stat st, up;

    if (size < 2)
        goto too_long;
    *--start = 0;
    for (;;) {
        if (stat(here, &st))
            return NULL;
        strcpy(here + strlen(here), "/..");
        if (stat(here, &up))
            return NULL;
        if (up.ino == st.ino && up.dev == st.dev)
            break;
        if (name_in_parent(here, &st, name))
            return NULL;
        size_t n = strlen(name);
        if ((size_t)(start - buf) < n + 2 || strlen(here) + 4 + NAME_LEN + 1 > sizeof(here))
            goto too_long;
        start -= n;
        memcpy(start, name, n);
        *--start = '/';
    }
    if (!*start)
        *--start = '/';
    return memmove(buf, start, (size_t)(buf + size - start));

too_long:
    errno = ERANGE;
    return NULL;
}

// There is no environment.
char *getenv(const char *name)
{
    return NULL;
}
