// kill: end processes.
#include <err.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int status = 0;

    if (argc < 2)
        usage("kill PID...");
    for (int i = 1; i < argc; i++) {
        char *end;
        long pid = strtol(argv[i], &end, 10);
        if (end == argv[i] || *end || pid <= 0)
            errx(2, "%s: not a process number", argv[i]);
        if (kill((pid_t)pid)) {
            warn("%s", argv[i]);
            status = 1;
        }
    }
    return status;
}
