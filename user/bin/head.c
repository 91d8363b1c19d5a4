// head: the first lines of files.
#include <ctype.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void head(FILE *f, long lines)
{
    for (int c; lines > 0 && (c = getc(f)) != EOF; lines -= c == '\n')
        putchar(c);
}

int main(int argc, char **argv)
{
    long lines = 10;
    int letter, status = 0;

    if (argc > 1 && argv[1][0] == '-' && isdigit(argv[1][1])) {
        lines = atol(argv[1] + 1);
        optind = 2;
    }
    while ((letter = getopt(argc, argv, "n:")) != -1) {
        if (letter == '?')
            usage("head [-LINES | -n LINES] [FILE...]");
        lines = atol(optarg);
    }
    if (optind == argc)
        head(stdin, lines);
    for (int i = optind; i < argc; i++) {
        FILE *f = fopen(argv[i], "r");
        if (!f) {
            warn("%s", argv[i]);
            status = 1;
            continue;
        }
        if (argc - optind > 1)
            printf("%s==> %s <==\n", i > optind ? "\n" : "", argv[i]);
        head(f, lines);
        fclose(f);
    }
    return status;
}
