// check_pid: a parent saves its counting child into child_dump.img and kills it; `recover child_dump.img` lets it count
// on.
#include <amber.h>
#include <err.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define IMAGE       "child_dump.img"
#define COUNT_TO    100
#define PAUSE_TICKS 5
#define HEAD_START  100  // ticks in which the child counts before it's saved

static void count(void)
{
    for (int n = 1; n <= COUNT_TO; n++) {
        printf("child: counter %d\n", n);
        sleep_ticks(PAUSE_TICKS);
    }
}

int main(void)
{
    int saved;
    pid_t child = fork();

    if (child < 0)
        err(1, "fork");
    if (child == 0) {
        count();
        return 0;
    }
    printf("parent: child %d counts\n", child);
    sleep_ticks(HEAD_START);
    saved = checkpoint(child, IMAGE);
    if (saved < 0)
        warn("%s", IMAGE);
    else
        printf("parent: child %d is saved in %s\n", child, IMAGE);
    if (kill(child))
        warn("kill %d", child);
    wait(NULL);
    printf("parent: child %d is dead\n", child);
    return saved < 0;
}
