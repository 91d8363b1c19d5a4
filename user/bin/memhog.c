// memhog: take memory, page by page, each page with contents of its own; check them; and hold them for a time.
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PAGE  4096
#define WORDS (PAGE / sizeof(uint32_t))

static void fill(uint32_t *page, uint32_t number)
{
    for (uint32_t i = 0; i < WORDS; i++)
        page[i] = number * 2654435761u + i;
}

static int is_intact(const uint32_t *page, uint32_t number)
{
    for (uint32_t i = 0; i < WORDS; i++)
        if (page[i] != number * 2654435761u + i)
            return 0;
    return 1;
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3)
        usage("memhog MIB [SECONDS]");
    uint32_t mib = (uint32_t)strtoul(argv[1], NULL, 10);
    uint32_t pages = mib * (1024 * 1024 / PAGE);
    if (mib == 0 || mib > 2047)
        errx(2, "%s: from 1 to 2047 MiB", argv[1]);
    uint32_t *memory = sbrk((intptr_t)pages * PAGE);
    if (memory == (void *)-1)
        err(1, "%u MiB", mib);
    for (uint32_t i = 0; i < pages; i++)
        fill(memory + i * WORDS, i + 1);
    printf("%u MiB taken\n", mib);
    if (argc > 2)
        sleep((unsigned)atoi(argv[2]));
    for (uint32_t i = 0; i < pages; i++)
        if (!is_intact(memory + i * WORDS, i + 1))
            errx(1, "page %u has changed", i);
    printf("%u MiB intact\n", mib);
    return 0;
}
