// Prints the kernel's counters, one "name value" a line, for the tests' leak check.
#include <amber.h>
#include <stdio.h>

#define SHOW(field) printf("%s %llu\n", #field, (unsigned long long)s.field)

int main(void)
{
    struct sysinfo s;

    if (sysinfo(&s) < 0) {
        perror("counters");
        return 1;
    }
    SHOW(cpus);
    SHOW(frames_total);
    SHOW(frames_free);
    SHOW(frames_cache);
    SHOW(kmem_live);
    SHOW(commit_limit);
    SHOW(commit_used);
    SHOW(procs_live);
    SHOW(threads_live);
    SHOW(files_live);
    SHOW(inodes_live);
    SHOW(pipes_live);
    SHOW(spaces_live);
    SHOW(disk_blocks);
    SHOW(disk_free);
    SHOW(inodes_total);
    SHOW(inodes_free);
    SHOW(disk_reads);
    SHOW(disk_writes);
    SHOW(disk_flushes);
    SHOW(switches);
    SHOW(syscalls);
    SHOW(faults);
    return 0;
}
