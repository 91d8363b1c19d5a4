// brood MIB N SECONDS: fills memory, and has N children that share it; all look at all of it at the end.
#include <amber.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int look(const uint32_t *memory, size_t words, int changed)
{
    for (size_t i = 1; i < words; i++)
        if (memory[i] != (uint32_t)i * 2654435761u)
            return 1;
    return memory[0] != (uint32_t)changed;
}

int main(int argc, char **argv)
{
    size_t words = (size_t)(argc > 1 ? atoi(argv[1]) : 1) * 1024 * 1024 / 4;
    int n = argc > 2 ? atoi(argv[2]) : 2, ticks = 100 * (argc > 3 ? atoi(argv[3]) : 2), status, wrong = 0;
    uint32_t *memory = malloc(words * 4);

    if (!memory)
        return 1;
    for (size_t i = 0; i < words; i++)
        memory[i] = (uint32_t)i * 2654435761u;
    for (int k = 1; k <= n; k++)
        if (fork() == 0) {
            memory[0] = (uint32_t)k;
            sleep_ticks(ticks);
            _exit(look(memory, words, k));
        }
    printf("born\n");
    for (int k = 0; k < n; k++)
        wrong += waitpid(-1, &status, 0) < 0 || status != 0;
    wrong += look(memory, words, 0);
    printf("brood: %d wrong\n", wrong);
    return wrong;
}
