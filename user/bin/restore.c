// restore: become the process in a checkpoint image, with its family, and go on where it was.
#include <amber.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define USAGE "restore [-a] [-e EPOCH] [-f strict | accept | rollback] [-i FD=FD]... FILE"

static long number(const char *text, char **end, const char *whole)
{
    long n = strtol(text, end, 10);

    if (*end == text || n < 0)
        errx(2, "%s: not a number", whole);
    return n;
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
    char *end;

    if (args->inherits == CKPT_INHERIT_MAX)
        errx(2, "too many -i");
    args->inherit[args->inherits].saved = (int)number(pair, &end, pair);
    if (*end != '=')
        errx(2, "%s: not FD=FD", pair);
    args->inherit[args->inherits].theirs = (int)number(end + 1, &end, pair);
    if (*end)
        errx(2, "%s: not FD=FD", pair);
    args->inherits++;
}

int main(int argc, char **argv)
{
    struct ckpt_restore_args args = { 0 };
    int letter;
    char *end;

    while ((letter = getopt(argc, argv, "ae:f:i:")) != -1) {
        switch (letter) {
        case 'a':
            args.flags |= CKPT_RESTORE_EAGER;
            break;
        case 'e':
            args.epoch = (uint64_t)number(optarg, &end, optarg);
            if (*end || !args.epoch)
                errx(2, "%s: not an epoch", optarg);
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
