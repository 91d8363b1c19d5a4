// sleep: wait some seconds; fractions are allowed.
#include <err.h>
#include <stdlib.h>
#include <time.h>

int main(int argc, char **argv)
{
    char *end;
    double seconds = argc == 2 ? strtod(argv[1], &end) : -1;

    if (!(seconds >= 0 && seconds < 1e9) || *end)
        usage("sleep SECONDS");
    struct timespec ts = { .tv_sec = (time_t)seconds };
    ts.tv_nsec = (long)((seconds - (double)ts.tv_sec) * 1e9);
    if (nanosleep(&ts, NULL))
        err(1, "sleep");
    return 0;
}
