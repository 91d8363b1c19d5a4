// What the programs that measure checkpoints have in common: memory of distinct pages, a share of which changes; pipes
// on which all arrives or the program ends; saving, and lines "name value unit".
#pragma once

#include <amber.h>
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE       4096u
#define KIB        1024u
#define MIB        (1024u * KIB)
#define PAGE_WORDS (PAGE / 4)
#define IMAGE      "/bench.ckpt"
#define SECOND     1000000000ull

static uint32_t *memory;  // page-aligned, the end of the heap
static uint32_t pages;

static inline void fill(uint32_t kib)
{
    size_t end = (size_t)sbrk(0);

    pages = kib * KIB / PAGE;
    if (sbrk((intptr_t)(-end % PAGE)) == (void *)-1)
        err(1, "memory");
    memory = sbrk((intptr_t)(pages * PAGE));
    if (memory == (void *)-1)
        err(1, "memory");
    for (uint32_t i = 0; i < pages; i++)
        for (uint32_t w = 0; w < PAGE_WORDS; w += 16)
            memory[i * PAGE_WORDS + w] = i * 2654435761u ^ w ^ 1;
}

// The pages after those that changed last.
static inline void change(uint32_t count)
{
    static uint32_t at;

    for (uint32_t i = 0; i < count; i++, at = (at + 1) % pages)
        memory[at * PAGE_WORDS]++;
}

static inline void show_ns(const char *name, uint64_t ns)
{
    printf("%s %.1f us\n", name, (double)ns / 1000);
}

static inline struct ckpt_figures save(pid_t pid, unsigned flags, uint32_t history)
{
    struct ckpt_save_args args = { .path = (uintptr_t)IMAGE, .pid = pid, .flags = flags, .history = history };
    struct ckpt_figures f = { 0 };

    if (ckpt_save(&args, &f) < 0)
        err(1, "checkpoint");
    return f;
}

// Away with the image, so that the next checkpoint makes a new one.
static inline void remove_image(void)
{
    unlink(IMAGE);
    sync();
}

static inline void put(int fd, const void *from, size_t n)
{
    if (write(fd, from, n) != (ssize_t)n)
        err(1, "pipe");
}

static inline void get(int fd, void *to, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t some = read(fd, (char *)to + done, n - done);
        if (some <= 0)
            errx(1, "pipe: the other side ended");
        done += (size_t)some;
    }
}

static inline void make_pipe(int ends[2])
{
    if (pipe(ends) < 0)
        err(1, "pipe");
}

static inline pid_t fork_child(void)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0)
        err(1, "fork");
    return pid;
}

// Pipes to a child and back. The child waits for a byte on the one and answers on the other, and may be an image
// meanwhile: so it has only its own ends of them.
struct talk {
    int there[2], back[2];
};

static inline void talk_open(struct talk *t)
{
    make_pipe(t->there);
    make_pipe(t->back);
}

static inline pid_t talk_fork(struct talk *t)
{
    talk_open(t);
    pid_t child = fork_child();
    if (child == 0) {
        close(t->there[1]);
        close(t->back[0]);
    }
    return child;
}

static inline void tell(const struct talk *t)
{
    put(t->there[1], "g", 1);
}

static inline void be_told(const struct talk *t)
{
    char byte;

    get(t->there[0], &byte, 1);
}

#define FAILED '!'

static inline void answer(const struct talk *t, char byte)
{
    put(t->back[1], &byte, 1);
}

static inline void hear(const struct talk *t)
{
    char byte;

    get(t->back[0], &byte, 1);
    if (byte == FAILED)
        errx(1, "the other side failed");
}

// A restore, by a new child, of the image's first process, which talked over `saved` and will over `theirs`. Tells it
// to go on, and returns when it all began: the process answers when it runs.
static pid_t restored;

static inline uint64_t restore_begin(const struct talk *saved, const struct talk *theirs, unsigned flags,
                                     uint64_t epoch)
{
    tell(theirs);
    uint64_t begin = clock_ns();
    restored = fork_child();
    if (restored == 0) {
        struct ckpt_restore_args args = { .path = (uintptr_t)IMAGE, .epoch = epoch, .flags = flags, .inherits = 2 };
        args.inherit[0].saved = saved->there[0], args.inherit[0].theirs = theirs->there[0];
        args.inherit[1].saved = saved->back[1], args.inherit[1].theirs = theirs->back[1];
        ckpt_restore(&args);
        answer(theirs, FAILED);
        err(1, "restore");
    }
    return begin;
}

static inline void end_child(pid_t child)
{
    kill(child);
    (void)waitpid(child, NULL, 0);
}

// What the program is asked to measure, and of what or how many.
struct mode {
    const char *name;
    void (*run)(uint32_t n);
};

// Returns if the arguments name none of them.
static inline void run_mode(const struct mode *modes, size_t count, int argc, char **argv)
{
    for (size_t k = 0; k < count && argc == 3; k++) {
        if (strcmp(argv[1], modes[k].name) != 0)
            continue;
        modes[k].run((uint32_t)atoi(argv[2]));
        unlink(IMAGE);
        exit(0);
    }
}
