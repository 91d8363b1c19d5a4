// df: what is used of the disk.
#include <amber.h>
#include <err.h>
#include <stdio.h>

#define BLOCK 4096

int main(void)
{
    struct sysinfo s;

    if (sysinfo(&s))
        err(1, "system");
    uint64_t used = s.disk_blocks - s.disk_free;
    printf("         total KiB   used KiB   free KiB  used\n");
    printf("blocks  %10llu %10llu %10llu  %3llu%%\n", s.disk_blocks * (BLOCK / 1024), used * (BLOCK / 1024),
           s.disk_free * (BLOCK / 1024), s.disk_blocks ? used * 100 / s.disk_blocks : 0);
    printf("files   %10llu %10llu %10llu\n", s.inodes_total, s.inodes_total - s.inodes_free, s.inodes_free);
    return 0;
}
