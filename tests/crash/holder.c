// holder MIB: a process worth saving. It holds MIB of numbered pages, changes some all the time, and looks at all of
// them once in a while. When there is a file /let-go it looks at them a last time, tells, and ends.
#include <amber.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define WORDS 1024  // of a page

static uint32_t word_of(uint32_t page, uint32_t version, uint32_t i)
{
    return (page * 2654435761u) ^ (version * 40503u) ^ i;
}

static void page_fill(uint32_t *page, uint32_t number, uint32_t version)
{
    page[0] = version;
    for (uint32_t i = 1; i < WORDS; i++)
        page[i] = word_of(number, version, i);
}

static void look(const uint32_t *pages, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++)
        for (uint32_t i = 1; i < WORDS; i++)
            if (pages[k * WORDS + i] != word_of(k, pages[k * WORDS], i)) {
                printf("page %u is wrong at word %u\n", k, i);
                exit(1);
            }
}

int main(int argc, char **argv)
{
    uint32_t n = (uint32_t)(argc > 1 ? atoi(argv[1]) : 2) * 256;
    uint32_t *pages = malloc(n * WORDS * sizeof(*pages));
    int stop;

    if (!pages) {
        perror("holder");
        return 1;
    }
    for (uint32_t k = 0; k < n; k++)
        page_fill(&pages[k * WORDS], k, 1);
    printf("holding\n");
    for (uint32_t version = 2; (stop = open("/let-go", O_RDONLY)) < 0; version++) {
        for (uint32_t k = version % 16; k < n; k += 16)
            page_fill(&pages[k * WORDS], k, version);
        if (version % 16 == 0)
            look(pages, n);
        sleep_ticks(1);
    }
    close(stop);
    look(pages, n);
    printf("all pages are right\n");
    return 0;
}
