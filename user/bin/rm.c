// rm: remove files; -r: directories with all that is in them; -f: no complaint about what is not there.
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
    for (int i = optind; i < argc; i++) {
        if (!is_directory(argv[i])) {
            status |= remove_one(argv[i]);
        } else if (recursive) {
            status |= remove_tree(argv[i]);
        } else {
            warnx("%s: is a directory", argv[i]);
            status = 1;
        }
    }
    return status;
}
