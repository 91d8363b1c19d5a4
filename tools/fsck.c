// fsck: check a disk image, and repair it.
#include "fsck/fsck.h"

#include <base/string.h>
#include <getopt.h>
#include <inttypes.h>
#include <lib/tool.h>

enum { EXIT_CLEAN = 0, EXIT_REPAIRED = 1, EXIT_LEFT = 4, EXIT_OPERATIONAL = 8, EXIT_USAGE = 16 };

static const char usage_text[] =
    "usage: fsck [-n|-y] IMAGE\n"
    "Check the Amber file system in a disk image, as it is after replaying its journal.\n"
    "\n"
    "  -n, --dry-run   change nothing: tell what is wrong, and what -y would make of it (the default)\n"
    "  -y, --repair    replay the journal into the image, repair all that is wrong, free orphans\n"
    "  -h, --help      this text\n"
    "\n"
    "Exit status: 0 clean, 1 repaired, 4 errors left, 8 the check could not be done, 16 wrong usage.\n";

static int status_of(const char *path, bool repair, const struct fsck_result *r)
{
    if (r->orphans)
        printf("%s: freed %" PRIu64 " orphans\n", path, r->orphans);
    if (!r->found) {
        printf("%s: clean, %" PRIu64 " inodes and %" PRIu64 " data blocks in use\n", path, r->inodes_used,
               r->blocks_used);
        return EXIT_CLEAN;
    }
    if (!repair) {
        printf("%s: %" PRIu64 " errors; nothing was changed; -y repairs\n", path, r->found);
        return EXIT_LEFT;
    }
    printf("%s: %" PRIu64 " errors, %" PRIu64 " of them left\n", path, r->found, r->left);
    return r->left ? EXIT_LEFT : EXIT_REPAIRED;
}

static int check(const char *path, bool repair)
{
    struct fsck_result result;
    struct image img;
    int status = EXIT_OPERATIONAL;

    if (!image_open(&img, path, repair))
        return status;
    if (fsck_run(&img, repair, stdout, &result) && !img.failed && (!repair || image_flush(&img)))
        status = status_of(path, repair, &result);
    image_close(&img);
    return status;
}

int main(int argc, char **argv)
{
    static const struct option longs[] = {
        { "dry-run", no_argument, NULL, 'n' },
        { "repair", no_argument, NULL, 'y' },
        { "help", no_argument, NULL, 'h' },
        {},
    };
    bool dry = false, repair = false, ok = true;
    int c;

    while ((c = getopt_long(argc, argv, "nyh", longs, NULL)) != -1) {
        switch (c) {
        case 'n':
            dry = true;
            break;
        case 'y':
            repair = true;
            break;
        case 'h':
            fputs(usage_text, stdout);
            return EXIT_CLEAN;
        default:
            ok = false;
        }
    }
    if (!ok || argc - optind != 1 || (dry && repair)) {
        fputs(usage_text, stderr);
        return EXIT_USAGE;
    }
    return check(argv[optind], repair);
}
