// ls: names in directories, in alphabetical order.
#include <dirent.h>
#include <err.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool show_all, show_long;

struct names {
    char (*name)[NAME_LEN + 1];
    size_t count, room;
};

static int show(const char *path, const char *name)
{
    struct stat st;

    if (!show_long) {
        puts(name);
        return 0;
    }
    if (stat(path, &st)) {
        warn("%s", path);
        return 1;
    }
    printf("%c %5u %3d %10u %s\n",
           st.type == T_DIR   ? 'd'
           : st.type == T_DEV ? 'c'
                              : '-',
           st.ino, st.nlink, st.size, name);
    return 0;
}

static void names_add(struct names *all, const char *name)
{
    if (all->count == all->room) {
        all->room = all->room ? all->room * 2 : 64;
        all->name = realloc(all->name, all->room * sizeof(all->name[0]));
        if (!all->name)
            err(1, "memory");
    }
    strcpy(all->name[all->count++], name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static int list_directory(const char *path)
{
    char full[PATH_LEN + NAME_LEN + 2];
    struct names all = { 0 };
    struct dirent *e;
    int status = 0;
    DIR *d = opendir(path);

    if (!d) {
        warn("%s", path);
        return 1;
    }
    while ((e = readdir(d)) != NULL)
        if (show_all || e->d_name[0] != '.')
            names_add(&all, e->d_name);
    closedir(d);
    if (all.count)
        qsort(all.name, all.count, sizeof(all.name[0]), by_name);
    for (size_t i = 0; i < all.count; i++) {
        snprintf(full, sizeof(full), "%s/%s", path, all.name[i]);
        status |= show(full, all.name[i]);
    }
    free(all.name);
    return status;
}

static int list(const char *path, bool with_title)
{
    struct stat st;

    if (stat(path, &st)) {
        warn("%s", path);
        return 1;
    }
    if (st.type != T_DIR)
        return show(path, path);
    if (with_title)
        printf("%s:\n", path);
    return list_directory(path);
}

int main(int argc, char **argv)
{
    int letter, status = 0;

    while ((letter = getopt(argc, argv, "al")) != -1) {
        if (letter == '?')
            usage("ls [-al] [FILE...]");
        show_all |= letter == 'a';
        show_long |= letter == 'l';
    }
    if (optind == argc)
        return list(".", false);
    for (int i = optind; i < argc; i++)
        status |= list(argv[i], argc - optind > 1);
    return status;
}
