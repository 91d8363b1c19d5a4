// cont: let stopped processes, and their stopped descendants, run on.
#include <amber.h>
#include <err.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    int status = 0;

    if (argc < 2)
        usage("cont PID...");
    for (int i = 1; i < argc; i++) {
        char *end;
        long pid = strtol(argv[i], &end, 10);
        if (end == argv[i] || *end || pid <= 0)
            errx(2, "%s: not a process number", argv[i]);
        if (cont((pid_t)pid)) {
            warn("%s", argv[i]);
            status = 1;
        }
    }
    return status;
}
