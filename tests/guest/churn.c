// churn PAGES: changes a word of each of so many pages now and then, until it is killed.
#include <amber.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define WORDS 1024  // of a page
#define PAUSE 3     // ticks

int main(int argc, char **argv)
{
    uint32_t pages = (uint32_t)atoi(argc > 1 ? argv[1] : "16");
    uint32_t *memory = malloc(pages * WORDS * sizeof(*memory));

    if (!memory) {
        perror("churn");
        return 1;
    }
    printf("churning\n");
    for (volatile uint32_t *words = memory;; sleep_ticks(PAUSE))
        for (uint32_t page = 0; page < pages; page++)
            words[page * WORDS]++;
}
