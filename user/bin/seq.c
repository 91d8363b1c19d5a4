// seq: the numbers from FIRST (1) to LAST, by STEP (1).
#include <err.h>
#include <stdio.h>
#include <stdlib.h>

static long number(const char *text)
{
    char *end;
    long n = strtol(text, &end, 10);

    if (end == text || *end)
        errx(2, "%s: not a number", text);
    return n;
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 4)
        usage("seq [FIRST [STEP]] LAST");
    long long first = argc > 2 ? number(argv[1]) : 1;
    long long step = argc > 3 ? number(argv[2]) : 1;
    long long last = number(argv[argc - 1]);
    if (step == 0)
        errx(2, "the step is 0");
    for (long long n = first; step > 0 ? n <= last : n >= last; n += step)
        printf("%lld\n", n);
    return 0;
}
