// rm: remove files; -r: directories with all that is in them; -f: no complaint about what is not there.
#include <base/string.h>
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool recursive, force;

static int remove_one(const char *path)
{
    if (unlink(path) == 0 || (force && errno == ENOENT))
        return 0;
    warn("%s", path);
    return 1;
}

static bool is_directory(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && st.type == T_DIR;
}

// Removing entries while reading a directory is safe: slots stay where they are.
static int remove_tree(const char *path)
{
    char inner[PATH_LEN];
    struct dirent *e;
    int status = 0;
    DIR *d = opendir(path);

    if (!d) {
        warn("%s", path);
        return 1;
    }
    while ((e = readdir(d)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (snprintf(inner, sizeof(inner), "%s/%s", path, e->d_name) >= (int)sizeof(inner))
            errx(1, "%s/%s: path too long", path, e->d_name);
        status |= is_directory(inner) ? remove_tree(inner) : remove_one(inner);
    }
    closedir(d);
    return status | remove_one(path);
}

static int remove_any(const char *path)
{
    if (!is_directory(path))
        return remove_one(path);
    if (recursive)
        return remove_tree(path);
    warnx("%s: is a directory", path);
    return 1;
}

int main(int argc, char **argv)
{
    int letter, status = 0;

    while ((letter = getopt(argc, argv, "rf")) != -1) {
        if (letter == '?')
            usage("rm [-rf] FILE...");
        recursive |= letter == 'r';
        force |= letter == 'f';
    }
    if (optind == argc)
        usage("rm [-rf] FILE...");
    // These are not entries that could go: what is in them would, and then they stay.
    for (int i = optind; i < argc; i++)
        if (recursive && path_ends_in_dots(argv[i]))
            errx(1, "%s: the root, . and .. can't be removed; nothing was", argv[i]);
    for (int i = optind; i < argc; i++)
        status |= remove_any(argv[i]);
    return status;
}
