// recover: go on with the process in a checkpoint image, in this one's place.
#include <amber.h>
#include <err.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    if (argc != 2)
        usage("recover FILE");
    printf("recover: restarting from %s\n", argv[1]);
    fflush(stdout);
    restart(argv[1]);
    err(1, "%s", argv[1]);
}
