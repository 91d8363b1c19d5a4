// checkpoint: save running processes into a file. They run on, unless they are to end or to stop.
#include <amber.h>
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define USAGE      "checkpoint [-t] [-k | -s] [-n] [-F] [-x] [-H EPOCHS] PID FILE"

#define FIRST_WAIT (TICKS_PER_SECOND)
#define STEP       (TICKS_PER_SECOND / 5)
#define BAR        40

static long number(const char *text, long least, const char *what)
{
    char *end;
    long long n = strtoll(text, &end, 10);

    if (end == text || *end || n < least || n > INT_MAX)
        errx(2, "%s: not %s", text, what);
    return (long)n;
}

static void parse(int argc, char **argv, struct ckpt_save_args *args)
{
    const uint32_t ends = CKPT_SAVE_KILL | CKPT_SAVE_STOP;
    int letter;

    while ((letter = getopt(argc, argv, "tksnFxH:")) != -1) {
        switch (letter) {
        case 't':
            args->flags |= CKPT_SAVE_TREE;
            break;
        case 'k':
            args->flags |= CKPT_SAVE_KILL;
            break;
        case 's':
            args->flags |= CKPT_SAVE_STOP;
            break;
        case 'n':
            args->flags |= CKPT_SAVE_NOWAIT;
            break;
        case 'F':
            args->flags |= CKPT_SAVE_CONTENTS;
            break;
        case 'x':
            args->flags |= CKPT_SAVE_EXTERNAL;
            break;
        case 'H':
            args->history = (uint32_t)number(optarg, 0, "a number of epochs");
            break;
        default:
            usage(USAGE);
        }
    }
    if (argc - optind != 2 || (args->flags & ends) == ends)
        usage(USAGE);
    args->pid = (int32_t)number(argv[optind], 1, "a process number");
    args->path = (uintptr_t)argv[optind + 1];
}

static void draw(const struct ckpt_figures *f)
{
    uint64_t due = f->pages_due > f->looked_at ? f->pages_due : f->looked_at;
    int full = due ? (int)(f->looked_at * BAR / due) : 0;

    fprintf(stderr, "\r[");
    for (int i = 0; i < BAR; i++)
        fprintf(stderr, "%c", i < full ? '#' : ' ');
    fprintf(stderr, "] %d%%", due ? (int)(f->looked_at * 100 / due) : 0);
}

// When it takes longer than a second, show how far it has come.
static void follow(struct ckpt_figures *f)
{
    uint64_t id = f->id;
    int shown = 0;

    for (int wait = FIRST_WAIT; ckpt_wait(&id, wait, f) < 0; wait = STEP) {
        if (errno != ETIMEDOUT)
            err(1, "waiting");
        draw(f);
        shown = 1;
    }
    if (shown)
        fprintf(stderr, "\r%*s\r", BAR + 8, "");
}

// Is there something that this may go on from, or take the place of?
static int is_there(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return 0;
    if (st.type != T_FILE)
        errx(1, "%s: not a file", path);
    return st.size > 0;
}

static void tell(const char *path, const struct ckpt_save_args *args, const struct ckpt_figures *f)
{
    double ms = (double)f->total_ns / 1e6;

    printf("checkpoint: process %d", args->pid);
    if (f->processes > 1)
        printf(" and %u more", f->processes - 1);
    printf(" saved in %s, epoch %llu\n", path, f->epoch);
    printf("  pause %.2f ms, %llu of %llu pages written, %llu KiB in %.1f ms, %.1f MB/s\n", (double)f->pause_ns / 1e6,
           f->pages_written, f->pages, f->bytes_written / 1024, ms, ms > 0 ? (double)f->bytes_written / 1e3 / ms : 0.0);
}

int main(int argc, char **argv)
{
    struct ckpt_save_args args = { .history = CKPT_HISTORY_DEFAULT };
    struct ckpt_figures figures;
    const char *path;
    int waits;

    parse(argc, argv, &args);
    path = argv[optind + 1];
    waits = !(args.flags & CKPT_SAVE_NOWAIT);
    args.flags |= CKPT_SAVE_NOWAIT;
    int was_there = is_there(path);
    if (ckpt_save(&args, &figures) < 0)
        err(1, "process %d into %s", args.pid, path);
    if (!waits) {
        printf("checkpoint: process %d is being saved in %s\n", args.pid, path);
        return 0;
    }
    follow(&figures);
    if (figures.error) {
        errno = figures.error;
        err(1, "process %d into %s", args.pid, path);
    }
    tell(path, &args, &figures);
    if (was_there && figures.epoch == 1)
        printf("  in place of what was in %s, which it could not go on from\n", path);
    return 0;
}
