// cmp: are two files the same? "-" is the standard input. Exit status: 0 yes, 1 no, 2 trouble. -s: says nothing.
#include <err.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static FILE *open_or_die(const char *path)
{
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");

    if (!f)
        err(2, "%s", path);
    return f;
}

int main(int argc, char **argv)
{
    uint64_t byte = 1, line = 1;
    bool silent = argc > 1 && strcmp(argv[1], "-s") == 0;
    int c, d;

    if (argc - silent != 3)
        usage("cmp [-s] FILE FILE");
    const char *name[2] = { argv[1 + silent], argv[2 + silent] };
    FILE *a = open_or_die(name[0]), *b = open_or_die(name[1]);
    while ((c = getc(a)) == (d = getc(b)) && c != EOF) {
        byte++;
        line += c == '\n';
    }
    if (ferror(a) || ferror(b))
        err(2, "%s", name[ferror(a) ? 0 : 1]);
    if (c == d)
        return 0;
    if (!silent && (c == EOF || d == EOF))
        printf("cmp: %s ends after byte %llu\n", name[c == EOF ? 0 : 1], byte - 1);
    else if (!silent)
        printf("%s %s differ: byte %llu, line %llu\n", name[0], name[1], byte, line);
    return 1;
}
