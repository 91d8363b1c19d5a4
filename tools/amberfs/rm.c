// amberfs rm: remove files, and with -r directories and all that is in them.
#include "amberfs.h"
#include "volume.h"

#include <base/string.h>
#include <errno.h>
#include <lib/tool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct names {
    char **list;
    size_t count, room;
};

static void remember(void *arg, const char *name)
{
    struct names *n = arg;
    char *copy = strdup(name);

    tool_grow((void **)&n->list, &n->room, n->count + 1, sizeof *n->list);
    if (copy)
        n->list[n->count++] = copy;
}

static int remove_all(const char *path);

static int remove_inner(const char *folder)
{
    struct names names = {};
    int err = volume_list(folder, remember, &names);

    for (size_t i = 0; i < names.count; i++) {
        char *path = NULL;
        if (!err && asprintf(&path, "%s/%s", folder, names.list[i]) >= 0)
            err = remove_all(path);
        free(path);
        free(names.list[i]);
    }
    free(names.list);
    return err;
}

static int remove_all(const char *path)
{
    struct volume_stat st;
    int err = volume_stat(path, &st);

    if (!err && st.type == VOLUME_DIRECTORY)
        err = remove_inner(path);
    return err ? err : volume_unlink(path);
}

static int remove_one(const char *path, bool recursive)
{
    struct volume_stat st;
    int err = volume_stat(path, &st);

    if (err || recursive)
        return err ? err : remove_all(path);
    return st.type == VOLUME_DIRECTORY ? -EISDIR : volume_unlink(path);
}

// What is no entry could not go: what is in it would, and then it stays.
static bool are_entries(const char *image, int count, char **paths)
{
    for (int i = 0; i < count; i++)
        if (path_ends_in_dots(paths[i])) {
            tool_error("%s: %s: the root, . and .. can't be removed; nothing was", image, paths[i]);
            return false;
        }
    return true;
}

int amberfs_rm(int argc, char **argv)
{
    bool recursive = argc > 1 && strcmp(argv[1], "-r") == 0;
    bool ok = true;

    argc -= recursive;
    argv += recursive;
    if (argc < 3)
        return EXIT_USAGE;
    if (recursive && !are_entries(argv[1], argc - 2, argv + 2))
        return EXIT_FAILED;
    if (volume_open(argv[1]))
        return EXIT_FAILED;
    for (int i = 2; i < argc; i++) {
        int err = remove_one(argv[i], recursive);
        if (err)
            ok = amberfs_fail(argv[1], argv[i], err);
    }
    return amberfs_end(argv[1], ok);
}
