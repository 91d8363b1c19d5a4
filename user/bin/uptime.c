// uptime: how long the machine has been running.
#include <amber.h>
#include <err.h>
#include <stdio.h>

int main(void)
{
    struct sysinfo s;
    uint64_t ns = clock_ns();
    unsigned seconds = (unsigned)(ns / 1000000000);

    if (sysinfo(&s))
        err(1, "system");
    printf("up %u:%02u:%02u.%02u, %u CPUs, %u processes\n", seconds / 3600, seconds / 60 % 60, seconds % 60,
           (unsigned)(ns % 1000000000 / 10000000), s.cpus, s.procs_live);
    return 0;
}
