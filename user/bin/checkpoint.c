// checkpoint: save a running process into a file. It runs on.
#include <amber.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int main(int argc, char **argv)
{
    struct stat st;
    char *end;
    long pid;

    if (argc != 3)
        usage("checkpoint PID FILE");
    pid = strtol(argv[1], &end, 10);
    if (end == argv[1] || *end || pid <= 0)
        errx(2, "%s: not a process number", argv[1]);
    if (checkpoint((pid_t)pid, argv[2]) < 0)
        err(1, "process %ld into %s", pid, argv[2]);
    if (stat(argv[2], &st))
        err(1, "%s", argv[2]);
    printf("checkpoint: process %ld is saved in %s, %u KiB\n", pid, argv[2], st.size / 1024);
    return 0;
}
