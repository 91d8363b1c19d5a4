// Prints the kernel's counters, one "name value" a line, for the tests' leak check. With an argument: after the kernel
// has given up what it keeps in its caches.
#include <amber.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHOW(field) printf("%s %llu\n", #field, (unsigned long long)s.field)

// A child takes all memory that is to be had.
static void empty_caches(void)
{
    if (fork() == 0) {
        for (int size = 64 << 20; size >= 4096; size /= 2)
            for (char *at; (at = sbrk(size)) != (char *)-1;)
                for (int k = 0; k < size; k += 4096)
                    at[k] = 1;
        _exit(0);
    }
    wait(NULL);
}

int main(int argc, char **argv)
{
    struct sysinfo s;

    (void)argv;
    if (argc > 1)
        empty_caches();
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
