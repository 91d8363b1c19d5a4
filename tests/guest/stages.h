// How a test of what a checkpoint keeps is written: it prepares some state, says that it is ready, waits for the go,
// and looks whether all is as it was. What happens to it in between is its driver's affair (cycle.c): nothing, which
// proves the test itself, or checkpoints and restores, any number of them.
//
// The go is a file that comes into being. Processes that a test forks wait for it, too, unless they are blocked in what
// is tested. The verdict is the last line of standard output, "pass" or "fail: ...", and the exit status.
#pragma once

#include <amber.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern const char *go_path;  // absolute: the working directory may be gone

// Unbuffered: what is held back in memory would be doubled by fork().
#define CHECK(condition, ...)                                                                                          \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            dprintf(1, "fail: line %d: %s: ", __LINE__, #condition);                                                   \
            dprintf(1, __VA_ARGS__);                                                                                   \
            dprintf(1, " (errno: %s)\n", strerror(errno));                                                             \
            _exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)

static inline int has_go(void)
{
    int fd = open(go_path, O_RDONLY);

    if (fd < 0)
        return 0;
    close(fd);
    return 1;
}

static inline void wait_for_go(void)
{
    while (!has_go())
        sleep_ticks(1);
}

static inline void say_ready(void)
{
    write(1, "ready\n", 6);
}

static inline void ready_and_wait(void)
{
    say_ready();
    wait_for_go();
}

/* A child that runs `body`, passes by returning, and is waited for by expect_pass(). */
static inline pid_t start(void (*body)(void))
{
    pid_t pid = fork();

    CHECK(pid >= 0, "fork");
    if (pid == 0) {
        body();
        _exit(0);
    }
    return pid;
}

static inline int status_of(pid_t pid)
{
    int status = -1;

    CHECK(waitpid(pid, &status, 0) == pid, "child %d is lost", pid);
    return status;
}

static inline void expect_pass(pid_t pid)
{
    CHECK(status_of(pid) == 0, "child %d failed", pid);
}

/* The process's entry in the list of all; its state is 0 if there is none. */
static inline struct proc_info info_of(pid_t pid)
{
    static struct proc_info list[256];
    int n = proc_list(list, 256);

    for (int k = 0; k < n && k < 256; k++)
        if (list[k].pid == pid)
            return list[k];
    return (struct proc_info){ .pid = pid };
}

static inline void wait_for_zombie(pid_t pid)
{
    while (info_of(pid).state != PS_ZOMBIE)
        sleep_ticks(1);
}

static inline void wait_until_waits_for(pid_t pid, const char *what)
{
    while (strcmp(info_of(pid).waits_for, what) != 0)
        sleep_ticks(1);
}

/* The n-th byte of a sequence that doesn't repeat soon. */
static inline unsigned char pattern(unsigned n)
{
    return (unsigned char)(n * 7 + n / 251 + n / 4096 * 13);
}

static inline void fill_pattern(unsigned char *to, unsigned from, size_t n)
{
    for (size_t k = 0; k < n; k++)
        to[k] = pattern(from + (unsigned)k);
}

/* How many bytes are as they should be; n: all. */
static inline size_t right_pattern(const unsigned char *bytes, unsigned from, size_t n)
{
    size_t k = 0;

    while (k < n && bytes[k] == pattern(from + (unsigned)k))
        k++;
    return k;
}

/* Read n bytes, in as many pieces as they come; returns how many came before the end. */
static inline size_t read_all(int fd, void *to, size_t n)
{
    size_t done = 0;
    ssize_t part;

    while (done < n && (part = read(fd, (char *)to + done, n - done)) > 0)
        done += (size_t)part;
    return done;
}
