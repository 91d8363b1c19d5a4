// mkdir: make directories; -p: also those above them, and no complaint about what is there.
#include <err.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_directory(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && st.type == T_DIR;
}

static int make(const char *path, bool existing_allowed)
{
    if (mkdir(path) == 0 || (existing_allowed && errno == EEXIST && is_directory(path)))
        return 0;
    warn("%s", path);
    return 1;
}

static int make_with_parents(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        bool failed = !is_directory(path) && make(path, true);
        *slash = '/';
        if (failed)
            return 1;
    }
    return make(path, true);
}

int main(int argc, char **argv)
{
    bool parents = false;
    int letter, status = 0;

    while ((letter = getopt(argc, argv, "p")) != -1) {
        if (letter == '?')
            usage("mkdir [-p] DIR...");
        parents = true;
    }
    if (optind == argc)
        usage("mkdir [-p] DIR...");
    for (int i = optind; i < argc; i++)
        status |= parents ? make_with_parents(argv[i]) : make(argv[i], false);
    return status;
}
