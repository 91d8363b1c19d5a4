// Who takes a test of kinds.c through something: starts it, restores it, and looks how it ends.
//
// Each kind works in a folder of its own, /t/KIND: image "img", standard output "out", the file "go" that it waits for.
#pragma once

#include <amber.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KIND_PATIENCE = 6000 };  // ticks
enum { KINDS_MAX = 100 };

static const char *kind;  // the one under test
static char folder[64], image[64], output[64], go[64];

/* Print that the kind has failed, why, and what it said itself. Returns 1. */
static inline int failed(const char *what)
{
    char text[300];
    ssize_t n = 0;
    int fd;

    printf("FAILED %s: %s (%s)\n", kind, what, strerror(errno));
    fd = open(output, O_RDONLY);
    if (fd >= 0) {
        while ((n = read(fd, text, sizeof(text))) > 0)
            fwrite(text, 1, (size_t)n, stdout);
        close(fd);
    }
    // Whoever waits may go, and end.
    close(open(go, O_CREATE | O_WRONLY));
    return 1;
}

static inline void set_kind(const char *name)
{
    kind = name;
    snprintf(folder, sizeof(folder), "/t/%s", name);
    snprintf(image, sizeof(image), "/t/%s/img", name);
    snprintf(output, sizeof(output), "/t/%s/out", name);
    snprintf(go, sizeof(go), "/t/%s/go", name);
}

static inline pid_t kind_start(void)
{
    char *const vector[] = { "kinds", (char *)kind, go, NULL };

    mkdir("/t");
    mkdir(folder);
    unlink(go);
    unlink(image);
    fflush(stdout);
    pid_t pid = fork();
    if (pid)
        return pid;
    int fd = open(output, O_CREATE | O_TRUNC | O_WRONLY);
    if (fd < 0 || chdir(folder))
        err(1, "%s", output);
    dup2(fd, 1);
    dup2(fd, 2);
    close(fd);
    execv("/kinds", vector);
    err(1, "/kinds");
}

/* epoch 0: the newest. */
static inline pid_t kind_restore(uint64_t epoch, uint32_t flags)
{
    struct ckpt_restore_args args = { .path = (uintptr_t)image, .epoch = epoch, .flags = flags };

    fflush(stdout);
    pid_t pid = fork();
    if (pid)
        return pid;
    ckpt_restore(&args);
    err(99, "restore");
}

static inline int output_begins(const char *text)
{
    char line[32] = "";
    int fd = open(output, O_RDONLY);
    ssize_t n = fd >= 0 ? read(fd, line, sizeof(line) - 1) : 0;

    if (fd >= 0)
        close(fd);
    return n > 0 && strncmp(line, text, strlen(text)) == 0;
}

/* 0: it is ready. */
static inline int wait_for_ready(pid_t pid)
{
    int status;

    for (int end = uptime() + KIND_PATIENCE; uptime() < end; sleep_ticks(1)) {
        if (output_begins("ready\n"))
            return 0;
        if (waitpid(pid, &status, WNOHANG) == pid)
            return -1;
    }
    return -1;
}

/* Say go, and look how it ends: 0 when it passed. */
static inline int kind_finish(pid_t pid)
{
    int status = 0, end = uptime() + KIND_PATIENCE;

    close(open(go, O_CREATE | O_WRONLY));
    while (waitpid(pid, &status, WNOHANG) != pid) {
        if (uptime() > end)
            return failed("it doesn't end");
        sleep_ticks(1);
    }
    if (status)
        return failed(WIFSIGNALED(status) ? "it was killed" : "it ended with an error");
    if (!output_begins("ready\npass\n"))
        return failed("it didn't pass");
    unlink(output);
    unlink(go);
    return 0;
}

/* The names of all kinds, as kinds --list says; returns how many. */
static inline int list_kinds(char names[KINDS_MAX][32])
{
    char *const vector[] = { "kinds", "--list", NULL };
    char *line = NULL;
    size_t size = 0;
    int fds[2], n = 0;

    if (pipe(fds))
        err(1, "pipe");
    if (fork() == 0) {
        dup2(fds[1], 1);
        close(fds[0]);
        close(fds[1]);
        execv("/kinds", vector);
        err(1, "/kinds");
    }
    close(fds[1]);
    FILE *f = fdopen(fds[0], "r");
    for (; n < KINDS_MAX && getline(&line, &size, f) > 0; n++) {
        line[strcspn(line, "\n")] = 0;
        snprintf(names[n], 32, "%s", line);
    }
    fclose(f);
    wait(NULL);
    return n;
}

/* Do it to each kind that is named, "all" meaning all, and print "ok KIND" where it returned 0; returns how many
 * failed. */
static inline int for_each_kind(char **list, int count, int (*test)(void))
{
    static char names[KINDS_MAX][32];
    char *all[KINDS_MAX];
    int failures = 0;

    if (count == 1 && strcmp(list[0], "all") == 0) {
        count = list_kinds(names);
        for (int k = 0; k < count; k++)
            all[k] = names[k];
        list = all;
    }
    for (int k = 0; k < count; k++) {
        set_kind(list[k]);
        if (test())
            failures++;
        else
            printf("ok %s\n", kind);
    }
    return failures;
}
