// sort: lines in order. -r: backwards; -n: by the number at their beginning; -u: each only once.
#include <err.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool backwards, by_number, once;

struct lines {
    char **line;
    size_t count, room;
};

static void read_lines(FILE *f, struct lines *all)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t n;

    while ((n = getline(&line, &size, f)) > 0) {
        if (line[n - 1] == '\n')
            line[n - 1] = 0;
        if (all->count == all->room) {
            all->room = all->room ? all->room * 2 : 256;
            all->line = realloc(all->line, all->room * sizeof(char *));
        }
        if (!all->line || !(all->line[all->count++] = strdup(line)))
            err(2, "memory");
    }
    free(line);
}

static int compare_numbers(const char *a, const char *b)
{
    double x = strtod(a, NULL), y = strtod(b, NULL);

    return (x > y) - (x < y);
}

static int compare(const void *a, const void *b)
{
    const char *x = *(char *const *)a, *y = *(char *const *)b;
    int order = by_number ? compare_numbers(x, y) : 0;

    if (order == 0)
        order = strcmp(x, y);
    return backwards ? -order : order;
}

int main(int argc, char **argv)
{
    struct lines all = { 0 };
    int letter, status = 0;

    while ((letter = getopt(argc, argv, "rnu")) != -1) {
        if (letter == '?')
            usage("sort [-rnu] [FILE...]");
        backwards |= letter == 'r';
        by_number |= letter == 'n';
        once |= letter == 'u';
    }
    if (optind == argc)
        read_lines(stdin, &all);
    for (int i = optind; i < argc; i++) {
        FILE *f = fopen(argv[i], "r");
        if (!f) {
            warn("%s", argv[i]);
            status = 2;
            continue;
        }
        read_lines(f, &all);
        fclose(f);
    }
    if (all.count)
        qsort(all.line, all.count, sizeof(char *), compare);
    for (size_t i = 0; i < all.count; i++)
        if (!once || i == 0 || strcmp(all.line[i - 1], all.line[i]) != 0)
            puts(all.line[i]);
    return status;
}
