// Calls the kernel with arguments that no program would use: random ones, and those at the edges.
//
//     fuzz_calls SEED SECONDS     several processes at a time, each with a seed of its own, killed and replaced all the
//     time
//
// Whatever the calls do to their process, the kernel lives on and nothing is left behind. What a call may not be given
// is what would harm the test itself: the machine's switch, and the console's settings.
#include "raw.h"
#include <amber.h>
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS      6
#define CALLS        3000
#define FOLDER       "/fuzz"
#define LIFE_TICKS   30

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static uint32_t state;

static uint32_t draw(uint32_t n)
{
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state % n;
}

static char buffer[3 * 4096];
static char *arguments[40];
static const char *const paths[] = { "a",
                                     "b",
                                     "d",
                                     "d/a",
                                     "d/../a",
                                     "",
                                     ".",
                                     "..",
                                     "/",
                                     "/fuzz",
                                     "/x",
                                     "image",
                                     "/true",
                                     "/fuzz/image",
                                     "d/b",
                                     "//a//",
                                     "averyveryverylongname" };

static uint32_t number(void)
{
    static const uint32_t edges[] = { 0,          1,          2,          3,          16,         4095,
                                      4096,       4097,       65536,      0x00400000, 0x7fffffff, 0x80000000,
                                      0x80000001, 0xfffff000, 0xfffffffc, 0xffffffff, 0x7ffff000, 0x7fffeffc };

    switch (draw(4)) {
    case 0:
        return edges[draw(COUNT(edges))];
    case 1:
        return draw(1u << (draw(31) + 1)) * 2 + draw(2);
    default:
        return draw(20);
    }
}

static uint32_t address(void)
{
    char *top = sbrk(0);

    switch (draw(6)) {
    case 0:
        return number();
    case 1:
        return (uint32_t)(uintptr_t)(top - draw(32));
    case 2:
        return (uint32_t)(uintptr_t)paths[draw(COUNT(paths))];
    case 3:
        return (uint32_t)(uintptr_t)arguments;
    default:
        return (uint32_t)(uintptr_t)(buffer + draw(sizeof(buffer)));
    }
}

static uint32_t word(void)
{
    return draw(2) ? number() : address();
}

static uint32_t path(void)
{
    return draw(8) ? (uint32_t)(uintptr_t)paths[draw(COUNT(paths))] : address();
}

// Only those that the fuzzer may end or freeze: itself, its children, and whom there isn't.
static uint32_t target(uint32_t child)
{
    uint32_t pids[] = { (uint32_t)getpid(), child, 0, 0xffffffff, 30001 };

    return pids[draw(COUNT(pids))];
}

static void call_once(uint32_t *child)
{
    uint32_t call = draw(SYS_COUNT + 3), a = word(), b = word(), c = word();

    switch (call) {
    case SYS_poweroff:
    case SYS_tcsetpgrp:
    case SYS_tcsetmode:
        return;
    case SYS_kill:
        a = target(*child);
        if (a == (uint32_t)getpid() && draw(8))
            return;
        break;
    case SYS_checkpoint:
        a = target(*child);
        b = path();
        break;
    case SYS_exit:
    case SYS__exit:
    case SYS_fork:
        if (draw(16))
            return;
        break;
    case SYS_sleep:
        a = draw(3);
        break;
    case SYS_sbrk:
        a = draw(2) ? draw(300000) - 150000 : a;
        break;
    case SYS_exec:
    case SYS_open:
    case SYS_mkdir:
    case SYS_chdir:
    case SYS_unlink:
    case SYS_mknod:
    case SYS_restart:
        a = path();
        break;
    case SYS_link:
    case SYS_rename:
        a = path();
        b = path();
        break;
    case SYS_ftruncate:
        c = draw(4) ? 0 : c;
        break;
    }
    struct raw_result r = draw(64) ? raw_call(call, a, b, c) : raw_call_at(call, address());
    if (call == SYS_fork && r.eax != UINT32_MAX) {
        state += r.eax == 0;
        *child = r.eax;
    }
}

static void work(uint32_t seed)
{
    uint32_t child = 0;
    int fds[2];

    for (int fd = 0; fd < OPEN_MAX; fd++)
        close(fd);
    state = seed * 2654435761u | 1;
    for (uint32_t i = 0; i < COUNT(arguments); i++)
        arguments[i] = (char *)(uintptr_t)(draw(8) ? (uint32_t)(uintptr_t)paths[draw(COUNT(paths))] : word());
    arguments[draw(COUNT(arguments))] = NULL;
    if (open("a", O_RDWR | O_CREATE) < 0 || pipe(fds) < 0)
        exit(1);
    for (int i = 0; i < CALLS; i++)
        call_once(&child);
    exit(0);
}

// Ends all that the workers left behind: whoever is not the first process, the shell or this one.
static void end_all(void)
{
    static struct proc_info list[512];
    int others, self = getpid(), shell = getppid();

    do {
        int n = proc_list(list, COUNT(list));
        others = 0;
        for (int i = 0; i < n; i++) {
            if (list[i].pid == 1 || list[i].pid == self || list[i].pid == shell)
                continue;
            kill(list[i].pid);
            others++;
        }
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        sleep_ticks(1);
    } while (others);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        exit(2);  // a worker that called exec
    uint32_t seed = (uint32_t)atoi(argv[1]), runs = 0;
    uint64_t end = clock_ns() + (uint64_t)atoi(argv[2]) * 1000000000u;

    unlink(FOLDER);  // an earlier run may have made a file of it
    mkdir(FOLDER);
    if (chdir(FOLDER) < 0)
        err(1, FOLDER);
    while (clock_ns() < end) {
        for (int i = 0; i < WORKERS; i++)
            if (fork() == 0)
                work(seed + runs + (uint32_t)i);
        runs += WORKERS;
        sleep_ticks(LIFE_TICKS);
        end_all();
    }
    printf("%u processes fuzzed\n", runs);
    return 0;
}
