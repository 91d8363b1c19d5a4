// free: what is used of the memory. -v: and how many there are of everything in the kernel.
#include <amber.h>
#include <err.h>
#include <stdio.h>
#include <string.h>

static void show_objects(const struct sysinfo *s)
{
    printf("kernel objects %llu, processes %u, threads %u, files %u, inodes %u, pipes %u, address spaces %u\n",
           s->kmem_live, s->procs_live, s->threads_live, s->files_live, s->inodes_live, s->pipes_live, s->spaces_live);
    printf("disk reads %llu, writes %llu, flushes %llu; switches %llu, system calls %llu, page faults %llu\n",
           s->disk_reads, s->disk_writes, s->disk_flushes, s->switches, s->syscalls, s->faults);
}

int main(int argc, char **argv)
{
    struct sysinfo s;

    if (sysinfo(&s))
        err(1, "system");
    uint64_t kib = s.page_size / 1024;
    printf("          total KiB   free KiB  cache KiB\n");
    printf("memory   %10llu %10llu %10llu\n", s.frames_total * kib, s.frames_free * kib, s.frames_cache * kib);
    printf("promised %10llu %10llu\n", s.commit_limit * kib, (s.commit_limit - s.commit_used) * kib);
    if (argc > 1 && strcmp(argv[1], "-v") == 0)
        show_objects(&s);
    return 0;
}
