// grep: lines that match a pattern: characters, '.' any one, '*' any number of what stands before it, '^' and '$' the
// line's ends, '\' takes the next one as it is. -F: the pattern is text. Exit status: 0 found, 1 not found, 2 trouble.
#include <ctype.h>
#include <err.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool fixed, ignore_case, invert, count_only, show_numbers, quiet;

static char fold(char c)
{
    return ignore_case ? (char)tolower(c) : c;
}

// Does one character of the pattern match c? A literal one is preceded by '\' or not.
static bool match_one(const char *pattern, char c)
{
    if (c == 0)
        return false;
    if (*pattern == '\\' && pattern[1])
        return fold(pattern[1]) == fold(c);
    return *pattern == '.' || fold(*pattern) == fold(c);
}

static bool match_here(const char *pattern, const char *text)
{
    for (;;) {
        if (!*pattern)
            return true;
        if (*pattern == '$' && !pattern[1])
            return !*text;
        const char *after = pattern + (*pattern == '\\' && pattern[1] ? 2 : 1);
        if (*after == '*') {
            // As few as possible first, then one more at a time.
            do
                if (match_here(after + 1, text))
                    return true;
            while (match_one(pattern, *text++));
            return false;
        }
        if (!match_one(pattern, *text))
            return false;
        pattern = after;
        text++;
    }
}

static bool starts_with(const char *text, const char *what)
{
    while (*what && fold(*text) == fold(*what)) {
        text++;
        what++;
    }
    return !*what;
}

static bool match(const char *pattern, const char *text)
{
    if (!fixed && *pattern == '^')
        return match_here(pattern + 1, text);
    do
        if (fixed ? starts_with(text, pattern) : match_here(pattern, text))
            return true;
    while (*text++);
    return false;
}

static void show(const char *name, int number, const char *line)
{
    if (name)
        printf("%s:", name);
    if (show_numbers)
        printf("%d:", number);
    puts(line);
}

static bool search(const char *pattern, FILE *f, const char *name)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t n;
    int found = 0;

    for (int number = 1; (n = getline(&line, &size, f)) > 0; number++) {
        if (line[n - 1] == '\n')
            line[n - 1] = 0;
        if (match(pattern, line) == invert)
            continue;
        found++;
        if (!count_only && !quiet)
            show(name, number, line);
    }
    if (count_only && name)
        printf("%s:%d\n", name, found);
    else if (count_only)
        printf("%d\n", found);
    free(line);
    return found > 0;
}

static const char *read_options(int argc, char **argv)
{
    int letter;

    while ((letter = getopt(argc, argv, "Fivcnq")) != -1) {
        if (letter == '?')
            usage("grep [-Fivcnq] PATTERN [FILE...]");
        fixed |= letter == 'F';
        ignore_case |= letter == 'i';
        invert |= letter == 'v';
        count_only |= letter == 'c';
        show_numbers |= letter == 'n';
        quiet |= letter == 'q';
    }
    if (optind == argc)
        usage("grep [-Fivcnq] PATTERN [FILE...]");
    return argv[optind++];
}

int main(int argc, char **argv)
{
    const char *pattern = read_options(argc, argv);
    bool found = false, trouble = false;

    if (optind == argc)
        return !search(pattern, stdin, NULL);
    for (int i = optind; i < argc; i++) {
        FILE *f = fopen(argv[i], "r");
        if (!f) {
            warn("%s", argv[i]);
            trouble = true;
            continue;
        }
        found |= search(pattern, f, argc - optind > 1 ? argv[i] : NULL);
        fclose(f);
    }
    return trouble ? 2 : !found;
}
