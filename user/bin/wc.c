// wc: count lines, words and bytes.
#include <ctype.h>
#include <err.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

struct counts {
    uint64_t lines, words, bytes;
};

static bool show_lines, show_words, show_bytes;

static int count(int fd, const char *name, struct counts *c)
{
    static char buf[32768];
    bool in_word = false;
    ssize_t n;

    while ((n = read(fd, buf, sizeof(buf))) > 0) {
        c->bytes += (uint64_t)n;
        for (ssize_t i = 0; i < n; i++) {
            c->lines += buf[i] == '\n';
            bool space = isspace(buf[i]);
            c->words += !space && !in_word;
            in_word = !space;
        }
    }
    if (n < 0)
        warn("%s", name);
    return n < 0;
}

static void show(const struct counts *c, const char *name)
{
    const char *gap = "";

    if (show_lines) {
        printf("%llu", c->lines);
        gap = " ";
    }
    if (show_words) {
        printf("%s%llu", gap, c->words);
        gap = " ";
    }
    if (show_bytes)
        printf("%s%llu", gap, c->bytes);
    printf("%s%s\n", *name ? " " : "", name);
}

int main(int argc, char **argv)
{
    struct counts total = { 0 };
    int letter, status = 0;

    while ((letter = getopt(argc, argv, "lwc")) != -1) {
        if (letter == '?')
            usage("wc [-lwc] [FILE...]");
        show_lines |= letter == 'l';
        show_words |= letter == 'w';
        show_bytes |= letter == 'c';
    }
    if (!show_lines && !show_words && !show_bytes)
        show_lines = show_words = show_bytes = true;
    if (optind == argc) {
        status = count(STDIN_FILENO, "standard input", &total);
        show(&total, "");
        return status;
    }
    for (int i = optind; i < argc; i++) {
        struct counts c = { 0 };
        int fd = open(argv[i], O_RDONLY);
        if (fd < 0) {
            warn("%s", argv[i]);
            status = 1;
            continue;
        }
        status |= count(fd, argv[i], &c);
        close(fd);
        show(&c, argv[i]);
        total.lines += c.lines;
        total.words += c.words;
        total.bytes += c.bytes;
    }
    if (argc - optind > 1)
        show(&total, "total");
    return status;
}
