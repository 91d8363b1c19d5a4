// hexdump: a file's bytes as numbers and characters, 16 a line.
#include <ctype.h>
#include <err.h>
#include <stdint.h>
#include <stdio.h>

static void show(uint64_t offset, const unsigned char *bytes, size_t n)
{
    printf("%08llx ", offset);
    for (size_t i = 0; i < 16; i++) {
        if (i == 8)
            putchar(' ');
        if (i < n)
            printf(" %02x", bytes[i]);
        else
            fputs("   ", stdout);
    }
    fputs("  |", stdout);
    for (size_t i = 0; i < n; i++)
        putchar(isprint(bytes[i]) ? bytes[i] : '.');
    puts("|");
}

int main(int argc, char **argv)
{
    unsigned char bytes[16];
    uint64_t offset = 0;
    size_t n;

    if (argc > 2)
        usage("hexdump [FILE]");
    FILE *f = argc > 1 ? fopen(argv[1], "r") : stdin;
    if (!f)
        err(1, "%s", argv[1]);
    for (; (n = fread(bytes, 1, sizeof(bytes), f)) > 0; offset += n)
        show(offset, bytes, n);
    if (ferror(f))
        err(1, "%s", argc > 1 ? argv[1] : "standard input");
    printf("%08llx\n", offset);
    return 0;
}
