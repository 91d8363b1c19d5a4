// amberfs: look into a disk image without changing it. The journal is replayed in memory, so that the disk of a machine
// that was killed reads as its next boot would find it.
#include <base/string.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <lib/files.h>
#include <lib/tool.h>
#include <stdio.h>
#include <unistd.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 16 };

static const char usage_text[] =
    "usage: amberfs ls IMAGE [PATH]\n"
    "       amberfs cat IMAGE PATH\n"
    "       amberfs cp IMAGE PATH FILE\n"
    "Look into an Amber disk image, which is not changed: list a directory (type, inode, links, size, name), write a\n"
    "file's contents to standard output, or copy a file out of the image.\n"
    "\n"
    "  -h, --help   this text\n"
    "\n"
    "Exit status: 0 done, 1 not done, 16 wrong usage.\n";

static void entry_print(struct image *img, u64 ino, const char *name)
{
    static const char letters[] = "?d-c";
    struct fs_inode i;
    enum fs_error e = inode_load(img, ino, &i);

    if (e) {
        printf("? %6" PRIu64 "   - %12s %s (%s)\n", ino, "-", name, fs_error_text(e));
        return;
    }
    printf("%c %6" PRIu64 " %3u %12" PRIu64 " %s", letters[i.type], ino, i.nlink, i.size, name);
    if (i.type == FS_DEV)
        printf(" (%u, %u)", i.major, i.minor);
    putchar('\n');
}

static bool slot_print(void *arg, u64 slot, enum fs_error error, const struct fs_dirent *entry)
{
    if (error)
        printf("? slot %" PRIu64 ": %s\n", slot, fs_error_text(error));
    else if (entry->ino)
        entry_print(arg, entry->ino, entry->name);
    return true;
}

static bool list(struct image *img, const char *path)
{
    struct fs_inode i;
    u64 ino;

    if (!path_find(img, path, &ino, &i))
        return false;
    if (i.type == FS_DIR)
        dir_slots(img, &i, slot_print, img);
    else
        entry_print(img, ino, path);
    return true;
}

static bool write_full(int fd, const u8 *bytes, size_t n)
{
    while (n) {
        ssize_t done = write(fd, bytes, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return false;
        bytes += done;
        n -= (size_t)done;
    }
    return true;
}

static bool contents_copy(struct image *img, const struct fs_inode *i, const char *path, int fd, const char *to)
{
    u8 block[FS_BLOCK_SIZE];

    for (u64 at = 0; at < i->size; at += FS_BLOCK_SIZE) {
        enum fs_error e = file_block_read(img, i, at / FS_BLOCK_SIZE, block);
        if (e) {
            tool_error("%s: %s: at byte %" PRIu64 ": %s; fsck tells more", img->path, path, at, fs_error_text(e));
            return false;
        }
        if (!write_full(fd, block, MIN(i->size - at, FS_BLOCK_SIZE))) {
            tool_error("%s: %s", to, strerror(errno));
            return false;
        }
    }
    return true;
}

// Copy a file's contents to the file `to`, or to standard output when it's NULL.
static bool copy(struct image *img, const char *path, const char *to)
{
    struct fs_inode i;
    u64 ino;

    if (!path_find(img, path, &ino, &i))
        return false;
    if (i.type != FS_FILE) {
        tool_error("%s: %s is not a file", img->path, path);
        return false;
    }
    if (!to)
        return contents_copy(img, &i, path, STDOUT_FILENO, "standard output");
    int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        tool_error("%s: %s", to, strerror(errno));
        return false;
    }
    bool ok = contents_copy(img, &i, path, fd, to);
    if (close(fd) != 0) {
        tool_error("%s: %s", to, strerror(errno));
        ok = false;
    }
    return ok;
}

enum command { COMMAND_NONE, COMMAND_LIST, COMMAND_CAT, COMMAND_COPY };

// args: the command and its arguments.
static enum command command_of(int count, char **args)
{
    if (strcmp(args[0], "ls") == 0 && (count == 2 || count == 3))
        return COMMAND_LIST;
    if (strcmp(args[0], "cat") == 0 && count == 3)
        return COMMAND_CAT;
    if (strcmp(args[0], "cp") == 0 && count == 4)
        return COMMAND_COPY;
    return COMMAND_NONE;
}

static bool command_run(enum command command, int count, char **args)
{
    struct image img;
    bool ok;

    if (!image_open_to_read(&img, args[1]))
        return false;
    if (command == COMMAND_LIST)
        ok = list(&img, count == 3 ? args[2] : "/");
    else
        ok = copy(&img, args[2], command == COMMAND_COPY ? args[3] : NULL);
    ok = ok && !img.failed && fflush(stdout) == 0;
    image_close(&img);
    return ok;
}

int main(int argc, char **argv)
{
    static const struct option longs[] = { { "help", no_argument, NULL, 'h' }, {} };
    enum command command = COMMAND_NONE;
    int c;

    while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        if (c == 'h') {
            fputs(usage_text, stdout);
            return EXIT_OK;
        }
        optind = argc;
    }
    if (optind < argc)
        command = command_of(argc - optind, argv + optind);
    if (command == COMMAND_NONE) {
        fputs(usage_text, stderr);
        return EXIT_USAGE;
    }
    return command_run(command, argc - optind, argv + optind) ? EXIT_OK : EXIT_FAILED;
}
