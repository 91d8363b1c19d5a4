// Saves memory as the original xv6 checkpointing project does: original_way KIB ROUNDS. 1 KiB a time, each made durable
// by a journal transaction of its own before the next begins. Prints a line "name value unit" a round, the first of
// which makes the file and the others overwrite it.
#include <amber.h>
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE 1024

static char piece[PIECE];

static void save(int kib)
{
    int fd = open("/original.img", O_CREATE | O_WRONLY);

    if (fd < 0)
        err(1, "original.img");
    for (int k = 0; k < kib; k++) {
        memset(piece, k + 1, sizeof(piece));
        if (write(fd, piece, sizeof(piece)) != PIECE || fsync(fd) < 0)
            err(1, "original.img");
    }
    close(fd);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        errx(2, "usage: original_way KIB ROUNDS");
    unlink("/original.img");
    for (int k = 0; k < atoi(argv[2]); k++) {
        uint64_t begin = clock_ns();
        save(atoi(argv[1]));
        printf("%s %.4f MB/s\n", k ? "original_way" : "original_way_new",
               (double)atoi(argv[1]) * PIECE * 1000 / (double)(clock_ns() - begin));
    }
    unlink("/original.img");
    return 0;
}
