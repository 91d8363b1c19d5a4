// appender FILE N: writes numbered lines to FILE, one each five ticks, and one to its second descriptor for the same
// open file.
#include <amber.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    char line[32];
    int n = argc > 2 ? atoi(argv[2]) : 10;

    if (argc < 2)
        return 2;
    int fd = open(argv[1], O_CREATE | O_WRONLY | O_TRUNC);
    int other = dup(fd);
    for (int i = 1; i <= n; i++) {
        if (i == 3)
            printf("appending\n");
        snprintf(line, sizeof(line), "line %d\n", i);
        // Both descriptors are one open file, before and after a restore: they move one offset.
        if (write(i % 2 ? fd : other, line, strlen(line)) != (ssize_t)strlen(line)) {
            perror(argv[1]);
            return 1;
        }
        sleep_ticks(5);
    }
    printf("appended %d\n", n);
    return 0;
}
