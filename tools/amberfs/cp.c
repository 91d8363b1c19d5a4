// amberfs cp: copy files out of the image, or, when the last argument begins with ":", into it.
//
// What goes in is written to a file without a name, which then takes the place of what had the name, durably: at any
// moment the name means the old file or the whole new one.
#include "amberfs.h"
#include "out.h"
#include "volume.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <lib/tool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE (1u << 20)

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static char *joined(const char *folder, const char *name)
{
    size_t n = strlen(folder);
    char *path = NULL;

    if (asprintf(&path, n && folder[n - 1] == '/' ? "%s%s" : "%s/%s", folder, name) < 0) {
        tool_error("out of memory");
        exit(EXIT_FAILED);
    }
    return path;
}

// Out.

static bool is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool out_one(struct image *img, const char *from, const char *to)
{
    char *path = is_folder(to) ? joined(to, base_name(from)) : NULL;
    bool ok = file_out(img, from, path ? path : to);

    free(path);
    return ok;
}

static int copy_out(const char *image, int count, char **from, const char *to)
{
    struct image img;
    bool ok = true;

    if (count > 1 && !is_folder(to)) {
        tool_error("%s is not a directory", to);
        return EXIT_FAILED;
    }
    if (!image_open_to_read(&img, image))
        return EXIT_FAILED;
    for (int i = 0; i < count && ok; i++)
        ok = out_one(&img, from[i][0] == ':' ? from[i] + 1 : from[i], to);
    ok = ok && !img.failed;
    image_close(&img);
    return ok ? EXIT_OK : EXIT_FAILED;
}

// In.

static bool fill(const char *image, int fd, const char *from, struct file *f, const char *to)
{
    u8 *bytes = tool_alloc(PIECE, 1);
    u64 offset = 0;
    size_t done;
    int err = 0;
    ssize_t n = 0;

    while (!err && (n = read(fd, bytes, PIECE)) > 0)
        for (size_t at = 0; at < (size_t)n && !err; at += done, offset += done)
            err = volume_file_write(f, offset, bytes + at, (u32)((size_t)n - at), &done);
    free(bytes);
    if (err)
        return amberfs_fail(image, to, err);
    if (n < 0)
        tool_error("%s: %s", from, strerror(errno));
    return n == 0;
}

static bool in_file(const char *image, const char *from, const char *to)
{
    struct file *f;
    int fd = open(from, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        tool_error("%s: %s", from, strerror(errno));
        return false;
    }
    int err = volume_file_unnamed(&f);
    bool ok = err ? amberfs_fail(image, to, err) : fill(image, fd, from, f, to);
    close(fd);
    if (err)
        return false;
    if (ok && (err = volume_file_publish(f, to)))
        ok = amberfs_fail(image, to, err);
    volume_file_close(f);
    return ok;
}

static bool in_any(const char *image, const char *from, const char *to, bool recursive);

static bool in_folder(const char *image, const char *from, const char *to)
{
    struct volume_stat st;
    int err = volume_mkdir(to);
    struct dirent *entry;
    bool ok = true;

    if (err == -EEXIST && volume_stat(to, &st) == 0 && st.type == VOLUME_DIRECTORY)
        err = 0;
    if (err)
        return amberfs_fail(image, to, err);
    DIR *dir = opendir(from);
    if (!dir) {
        tool_error("%s: %s", from, strerror(errno));
        return false;
    }
    while (ok && (entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        char *inner = joined(from, entry->d_name), *target = joined(to, entry->d_name);
        ok = in_any(image, inner, target, true);
        free(inner);
        free(target);
    }
    closedir(dir);
    return ok;
}

static bool in_any(const char *image, const char *from, const char *to, bool recursive)
{
    if (!amberfs_name_fits(image, to))
        return false;
    if (!is_folder(from))
        return in_file(image, from, to);
    if (recursive)
        return in_folder(image, from, to);
    tool_error("%s is a directory; -r copies it with all that is in it", from);
    return false;
}

static bool in_one(const char *image, const char *from, const char *to, bool to_folder, bool recursive)
{
    char *path = to_folder ? joined(to, base_name(from)) : NULL;
    bool ok = in_any(image, from, path ? path : to, recursive);

    free(path);
    return ok;
}

static int copy_in(const char *image, int count, char **from, const char *to, bool recursive)
{
    struct volume_stat st;
    bool ok = true;

    to = *to ? to : "/";
    if (volume_open(image))
        return EXIT_FAILED;
    bool to_folder = volume_stat(to, &st) == 0 && st.type == VOLUME_DIRECTORY;
    if (count > 1 && !to_folder) {
        tool_error("%s: %s is not a directory", image, to);
        ok = false;
    }
    for (int i = 0; i < count && ok; i++)
        ok = in_one(image, from[i], to, to_folder, recursive);
    return amberfs_end(image, ok);
}

int amberfs_cp(int argc, char **argv)
{
    bool recursive = argc > 1 && strcmp(argv[1], "-r") == 0;

    argc -= recursive;
    argv += recursive;
    if (argc < 4)
        return EXIT_USAGE;
    const char *to = argv[argc - 1];
    if (to[0] == ':')
        return copy_in(argv[1], argc - 3, argv + 2, to + 1, recursive);
    return copy_out(argv[1], argc - 3, argv + 2, to);
}
