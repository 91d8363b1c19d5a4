// uniq: equal lines in a row become one. -c: with their number.
#include <err.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool with_count;

static void show(const char *line, int count)
{
    if (with_count)
        printf("%7d ", count);
    puts(line);
}

static void uniq(FILE *f)
{
    char *line = NULL, *before = NULL;
    size_t size = 0;
    ssize_t n;
    int count = 0;

    while ((n = getline(&line, &size, f)) > 0) {
        if (line[n - 1] == '\n')
            line[n - 1] = 0;
        if (before && strcmp(before, line) == 0) {
            count++;
            continue;
        }
        if (before)
            show(before, count);
        free(before);
        before = strdup(line);
        if (!before)
            err(1, "memory");
        count = 1;
    }
    if (before)
        show(before, count);
    free(before);
    free(line);
}

int main(int argc, char **argv)
{
    int letter;

    while ((letter = getopt(argc, argv, "c")) != -1) {
        if (letter == '?')
            usage("uniq [-c] [FILE]");
        with_count = true;
    }
    if (optind == argc) {
        uniq(stdin);
        return 0;
    }
    FILE *f = fopen(argv[optind], "r");
    if (!f)
        err(1, "%s", argv[optind]);
    uniq(f);
    return 0;
}
