// pages MIB SECONDS [FILE]: fills memory with numbers made from addresses, computes on for a while, at most until FILE
// is there, and then looks at every one of them.
#include <amber.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static bool is_there(const char *path)
{
    struct stat st;

    return path && stat(path, &st) == 0;
}

int main(int argc, char **argv)
{
    size_t words = (size_t)(argc > 1 ? atoi(argv[1]) : 4) * 1024 * 1024 / 4;
    uint32_t *memory = malloc(words * 4);
    uint32_t sum = 0;
    const char *file = argc > 3 ? argv[3] : NULL;

    if (!memory) {
        perror("pages");
        return 1;
    }
    for (size_t i = 0; i < words; i++)
        memory[i] = (uint32_t)i * 2654435761u ^ 0x5a5a5a5a;
    printf("filled\n");
    int end = uptime() + 100 * (argc > 2 ? atoi(argv[2]) : 3);
    for (uint32_t n = 0; uptime() < end && (n % 4096 || !is_there(file)); n++)
        sum += n * n;
    for (size_t i = 0; i < words; i++)
        if (memory[i] != ((uint32_t)i * 2654435761u ^ 0x5a5a5a5a)) {
            printf("word %u is wrong\n", (unsigned)i);
            return 1;
        }
    printf("all pages are right%s\n", sum == 1 ? "!" : "");
    return 0;
}
