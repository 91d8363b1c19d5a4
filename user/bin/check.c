// check: save itself into a file, then count. Restored from that file, it counts again.
#include <amber.h>
#include <err.h>
#include <stdio.h>
#include <unistd.h>

#define COUNT_TO 100

int main(int argc, char **argv)
{
    int awake;

    if (argc != 2)
        usage("check FILE");
    awake = checkpoint(getpid(), argv[1]);
    if (awake < 0)
        err(1, "%s", argv[1]);
    if (awake)
        printf("check: awake again from %s\n", argv[1]);
    else
        printf("check: saved in %s; `recover %s` counts again\n", argv[1], argv[1]);
    for (int n = 1; n <= COUNT_TO; n++)
        printf("Counter: %d\n", n);
    return 0;
}
