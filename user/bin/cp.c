// cp: copy files; -r: directories with all that is in them.
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool recursive;

static int complain(const char *path)
{
    warn("%s", path);
    return 1;
}

static int copy_bytes(int from, int to)
{
    static char buf[65536];
    ssize_t n;

    while ((n = read(from, buf, sizeof(buf))) > 0)
        for (ssize_t done = 0, some; done < n; done += some)
            if ((some = write(to, buf + done, (size_t)(n - done))) <= 0)
                return -1;
    return n < 0 ? -1 : 0;
}

static bool is_same(const struct stat *st, const char *path)
{
    struct stat other;

    return stat(path, &other) == 0 && other.ino == st->ino && other.dev == st->dev;
}

static int copy_file(int from, const char *to)
{
    int fd = open(to, O_WRONLY | O_CREATE | O_TRUNC);

    if (fd < 0)
        return complain(to);
    int status = copy_bytes(from, fd) ? complain(to) : 0;
    close(fd);
    return status;
}

static int copy(const char *from, const char *to);

static int copy_tree(const char *from, const char *to)
{
    char inner_from[PATH_LEN], inner_to[PATH_LEN];
    struct dirent *e;
    int status = 0;
    DIR *d = opendir(from);

    if (!d)
        return complain(from);
    if (mkdir(to) && errno != EEXIST) {
        status = complain(to);
        closedir(d);
        return status;
    }
    while ((e = readdir(d)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        int a = snprintf(inner_from, sizeof(inner_from), "%s/%s", from, e->d_name);
        int b = snprintf(inner_to, sizeof(inner_to), "%s/%s", to, e->d_name);
        if (a >= PATH_LEN || b >= PATH_LEN)
            errx(1, "%s/%s: path too long", from, e->d_name);
        status |= copy(inner_from, inner_to);
    }
    closedir(d);
    return status;
}

static int copy(const char *from, const char *to)
{
    struct stat st;
    int status = 1;
    int fd = open(from, O_RDONLY);

    if (fd < 0 || fstat(fd, &st)) {
        complain(from);
    } else if (is_same(&st, to)) {
        warnx("%s and %s are the same file", from, to);
    } else if (st.type != T_DIR) {
        status = copy_file(fd, to);
    } else if (recursive) {
        status = copy_tree(from, to);
    } else {
        warnx("%s: is a directory", from);
    }
    if (fd >= 0)
        close(fd);
    return status;
}

int main(int argc, char **argv)
{
    char path[PATH_LEN];
    struct stat st;
    int letter, status = 0;

    while ((letter = getopt(argc, argv, "r")) != -1) {
        if (letter == '?')
            usage("cp [-r] FILE... NEWNAME-OR-DIR");
        recursive = true;
    }
    if (argc - optind < 2)
        usage("cp [-r] FILE... NEWNAME-OR-DIR");
    const char *to = argv[argc - 1];
    bool into = stat(to, &st) == 0 && st.type == T_DIR;
    if (argc - optind > 2 && !into)
        errx(2, "%s: not a directory", to);
    for (int i = optind; i < argc - 1; i++) {
        const char *slash = strrchr(argv[i], '/');
        snprintf(path, sizeof(path), into ? "%s/%s" : "%s", to, slash ? slash + 1 : argv[i]);
        status |= copy(argv[i], path);
    }
    return status;
}
