// Takes all memory, and every page that becomes free, for some seconds; meanwhile it ends the shell that started it.
#include <amber.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#define TAKERS       6
#define HOLD_TICKS   600
#define SETTLE_TICKS 200
#define LARGE        (4 << 20)
#define PAGE         4096

// All that there is, then a page as often as there is one.
static bool take(int size)
{
    char *memory = sbrk(size);

    if (memory == (char *)-1)
        return false;
    for (int i = 0; i < size; i += PAGE)
        memory[i] = 1;
    return true;
}

static void take_until(int end)
{
    for (int size = LARGE; size >= PAGE; size /= 2)
        while (take(size))
            ;
    while (uptime() < end)
        (void)take(PAGE);
    _exit(0);
}

int main(void)
{
    int shell = getppid(), start = uptime();

    for (int i = 0; i < TAKERS; i++)
        if (fork() == 0)
            take_until(start + HOLD_TICKS);
    // What is called later is in memory then, errno included: this process needs no page any more.
    kill(-1);
    sleep_ticks(SETTLE_TICKS);
    kill(shell);
    while (uptime() < start + HOLD_TICKS)
        sleep_ticks(1);
    while (wait(NULL) >= 0)
        ;
    write(STDOUT_FILENO, "given back\n", 11);
    return 0;
}
