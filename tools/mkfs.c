// mkfs: make a disk image with Amber's file system, and put files into it.
#include "mkfs/tree.h"
#include "mkfs/write.h"

#include <base/string.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <lib/tool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_SIZE (64ull << 20)

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 16 };

struct options {
    u64 size, inodes, journal_blocks;
    bool force, replace, quiet;
};

static const char usage_text[] =
    "usage: mkfs [-s SIZE] [-i INODES] [-j BLOCKS] [-frq] IMAGE [FILE|DIR|FILE:/PATH|DIR:/PATH ...]\n"
    "Make the disk image IMAGE with Amber's file system, holding the given files and directories.\n"
    "\n"
    "  FILE, DIR          go into the image's root under their own names, a DIR with all that is in it\n"
    "  FILE:/PATH         goes to PATH in the image, whose directories are made; PATH/ keeps the file's name\n"
    "  -s, --size SIZE    bytes, or with K, M, G, T (default: what IMAGE has now, or 64M); the file is sparse\n"
    "  -i, --inodes N     room for that many files and directories (default: one for each 16K)\n"
    "  -j, --journal N    blocks of 4K for the journal (default: 1/32 of the disk, 64 to 8192)\n"
    "  -f, --force        replace IMAGE if it exists\n"
    "  -r, --replace      of two files of the same name the later one wins (default: an error)\n"
    "  -q, --quiet        say nothing when all went well\n"
    "  -h, --help         this text\n"
    "\n"
    "Names are cut to 14 characters. SOURCE_DATE_EPOCH in the environment makes images reproducible.\n"
    "Exit status: 0 made, 1 not made, 16 wrong usage.\n";

static bool number_option(const char *what, const char *text, bool (*parse)(const char *, u64 *), u64 *out)
{
    if (parse(text, out) && *out)
        return true;
    tool_error("%s '%s' is not a number above 0", what, text);
    return false;
}

// -1: go on. Else: the exit status to leave with.
static int options_parse(int argc, char **argv, struct options *o)
{
    static const struct option longs[] = {
        { "size", required_argument, NULL, 's' },    { "inodes", required_argument, NULL, 'i' },
        { "journal", required_argument, NULL, 'j' }, { "force", no_argument, NULL, 'f' },
        { "replace", no_argument, NULL, 'r' },       { "quiet", no_argument, NULL, 'q' },
        { "help", no_argument, NULL, 'h' },          {},
    };
    bool ok = true;
    int c;

    while (ok && (c = getopt_long(argc, argv, "s:i:j:frqh", longs, NULL)) != -1) {
        switch (c) {
        case 's':
            ok = number_option("size", optarg, parse_size, &o->size);
            break;
        case 'i':
            ok = number_option("number of inodes", optarg, parse_number, &o->inodes);
            break;
        case 'j':
            ok = number_option("number of journal blocks", optarg, parse_number, &o->journal_blocks);
            break;
        case 'f':
            o->force = true;
            break;
        case 'r':
            o->replace = true;
            break;
        case 'q':
            o->quiet = true;
            break;
        case 'h':
            fputs(usage_text, stdout);
            return EXIT_OK;
        default:
            ok = false;
        }
    }
    if (ok && optind < argc)
        return -1;
    fputs(usage_text, stderr);
    return EXIT_USAGE;
}

static bool is_in_use(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool yes = fd >= 0 && tool_machine_has(fd);

    if (yes)
        tool_error("%s: %s", path, MACHINE_HAS_IT);
    if (fd >= 0)
        close(fd);
    return yes;
}

// May the image be written there? Settles the size when none was given.
static bool target_check(const char *path, struct options *o)
{
    struct stat st;

    if (stat(path, &st) != 0) {
        if (errno != ENOENT) {
            tool_error("%s: %s", path, strerror(errno));
            return false;
        }
        st.st_size = 0;
    } else if (!S_ISREG(st.st_mode)) {
        tool_error("%s: is not a regular file; make an image in a file and copy it there", path);
        return false;
    } else if (st.st_size && !o->force) {
        tool_error("%s: exists; -f replaces it, with all that is in it", path);
        return false;
    } else if (is_in_use(path)) {
        return false;
    }
    if (!o->size)
        o->size = st.st_size ? (u64)st.st_size : DEFAULT_SIZE;
    return true;
}

static void summary_print(const char *path, const struct mkfs_result *r)
{
    printf("%s: %ju MiB, %ju of %ju data blocks and %ju of %ju inodes used, journal of %ju blocks\n", path,
           (uintmax_t)(r->super.blocks * FS_BLOCK_SIZE >> 20), (uintmax_t)r->blocks_used,
           (uintmax_t)(r->super.blocks - 1 - r->super.data_start), (uintmax_t)r->inodes_used,
           (uintmax_t)r->super.inodes - 1, (uintmax_t)r->super.journal_blocks);
}

int main(int argc, char **argv)
{
    struct options o = {};
    struct mkfs_result result;
    struct tree tree;

    int status = options_parse(argc, argv, &o);
    if (status >= 0)
        return status;
    const char *image = argv[optind];
    if (!target_check(image, &o))
        return EXIT_FAILED;

    bool ok = true;
    tree_init(&tree, o.replace);
    for (int k = optind + 1; ok && k < argc; k++)
        ok = tree_add(&tree, argv[k]);
    ok = ok && mkfs_write(&tree, image, o.size, o.inodes, o.journal_blocks, &result);
    tree_release(&tree);
    if (ok && !o.quiet)
        summary_print(image, &result);
    return ok ? EXIT_OK : EXIT_FAILED;
}
