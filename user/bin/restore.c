// restore: become the process in a checkpoint image, with its family, and go on where it was.
#include <amber.h>
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define USAGE "restore [-a] [-e EPOCH] [-f strict | accept | rollback] [-i FD=FD]... FILE"

// Of a pair, up to the character `last`; -1: there is none.
static int descriptor(const char *text, char last, const char **after)
{
    char *end;
    long long n = strtoll(text, &end, 10);

    *after = end + 1;
    return end == text || *end != last || n < 0 || n > INT_MAX ? -1 : (int)n;
}

static void check_open(int fd, const char *pair)
{
    int copy = dup(fd);

    if (copy >= 0)
        close(copy);
    else if (errno == EBADF)
        errx(1, "%s: descriptor %d is not open here", pair, fd);
}

static uint64_t epoch(const char *text)
{
    char *end;

    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (end == text || *end || n <= 0 || errno)
        errx(2, "%s: not an epoch", text);
    return (uint64_t)n;
}

static unsigned policy(const char *name)
{
    if (!strcmp(name, "strict"))
        return 0;
    if (!strcmp(name, "accept"))
        return CKPT_RESTORE_ACCEPT;
    if (!strcmp(name, "rollback"))
        return CKPT_RESTORE_ROLLBACK;
    errx(2, "%s: not a policy: strict, accept or rollback", name);
}

// SAVED=THEIRS
static void inherit(struct ckpt_restore_args *args, const char *pair)
{
    const char *rest;

    if (args->inherits == CKPT_INHERIT_MAX)
        errx(2, "too many -i");
    int saved = descriptor(pair, '=', &rest);
    int theirs = saved < 0 ? -1 : descriptor(rest, 0, &rest);
    if (theirs < 0)
        errx(2, "%s: not FD=FD", pair);
    check_open(theirs, pair);
    args->inherit[args->inherits].saved = saved;
    args->inherit[args->inherits].theirs = theirs;
    args->inherits++;
}

int main(int argc, char **argv)
{
    struct ckpt_restore_args args = { 0 };
    int letter;

    while ((letter = getopt(argc, argv, "ae:f:i:")) != -1) {
        switch (letter) {
        case 'a':
            args.flags |= CKPT_RESTORE_EAGER;
            break;
        case 'e':
            args.epoch = epoch(optarg);
            break;
        case 'f':
            args.flags |= policy(optarg);
            break;
        case 'i':
            inherit(&args, optarg);
            break;
        default:
            usage(USAGE);
        }
    }
    if (argc - optind != 1)
        usage(USAGE);
    args.path = (uintptr_t)argv[optind];
    ckpt_restore(&args);
    err(1, "%s", argv[optind]);
}
