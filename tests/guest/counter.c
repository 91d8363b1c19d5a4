// counter N TICKS: prints "count 1" ... "count N" with a pause of TICKS after each, and then a digest of all that it
// did.
#include <amber.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    int n = argc > 1 ? atoi(argv[1]) : 10;
    int ticks = argc > 2 ? atoi(argv[2]) : 10;
    unsigned digest = 2166136261u;

    for (int i = 1; i <= n; i++) {
        digest = (digest ^ (unsigned)i) * 16777619u;
        printf("count %d\n", i);
        sleep_ticks(ticks);
    }
    printf("digest %08x\n", digest);
    return n & 0xff;
}
