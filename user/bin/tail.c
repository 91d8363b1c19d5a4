// tail: the last lines of files.
#include <ctype.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// Keeps the last `lines` lines in a ring of buffers.
static void tail(FILE *f, size_t lines)
{
    struct line {
        char *text;
        size_t size;
    } *ring = calloc(lines, sizeof(*ring));
    size_t n = 0;

    if (!ring)
        err(1, "memory");
    while (getline(&ring[n % lines].text, &ring[n % lines].size, f) > 0)
        n++;
    for (size_t i = n > lines ? n - lines : 0; i < n; i++)
        fputs(ring[i % lines].text, stdout);
    for (size_t i = 0; i < lines; i++)
        free(ring[i].text);
    free(ring);
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
            usage("tail [-LINES | -n LINES] [FILE...]");
        lines = atol(optarg);
    }
    if (lines <= 0)
        return 0;
    if (optind == argc)
        tail(stdin, (size_t)lines);
    for (int i = optind; i < argc; i++) {
        FILE *f = fopen(argv[i], "r");
        if (!f) {
            warn("%s", argv[i]);
            status = 1;
            continue;
        }
        if (argc - optind > 1)
            printf("%s==> %s <==\n", i > optind ? "\n" : "", argv[i]);
        tail(f, (size_t)lines);
        fclose(f);
    }
    return status;
}
