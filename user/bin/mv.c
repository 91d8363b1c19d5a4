// mv: rename, or move into a directory.
#include <err.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_directory(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && st.type == T_DIR;
}

static int move(const char *from, const char *to, bool into)
{
    char path[PATH_LEN];
    const char *slash = strrchr(from, '/');

    snprintf(path, sizeof(path), into ? "%s/%s" : "%s", to, slash ? slash + 1 : from);
    if (rename(from, path) == 0)
        return 0;
    warn("%s -> %s", from, path);
    return 1;
}

int main(int argc, char **argv)
{
    int status = 0;

    if (argc < 3)
        usage("mv FILE... NEWNAME-OR-DIR");
    bool into = is_directory(argv[argc - 1]);
    if (argc > 3 && !into)
        errx(2, "%s: not a directory", argv[argc - 1]);
    for (int i = 1; i < argc - 1; i++)
        status |= move(argv[i], argv[argc - 1], into);
    return status;
}
