// init: the first process. Opens the console, runs /etc/rc or /rc if there is one, and keeps a shell going; takes in
// all orphans.
#include <amber.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONSOLE_MAJOR 1

static void console_open(void)
{
    if (open("/console", O_RDWR) < 0) {
        (void)mknod("/console", CONSOLE_MAJOR, 1);
        if (open("/console", O_RDWR) < 0)
            exit(1);
    }
    dup(STDIN_FILENO);
    dup(STDIN_FILENO);
}

static pid_t start(char *const argv[])
{
    pid_t pid;

    // Memory and places for processes come back, and the machine lives only as long as this process does.
    while ((pid = fork()) < 0)
        sleep(1);
    if (pid == 0) {
        execv(argv[0], argv);
        err(127, "%s", argv[0]);
    }
    return pid;
}

// Wait until that child has ended, and for whoever else ends meanwhile. False if it couldn't even begin.
static bool wait_for(pid_t pid)
{
    int status = 0;

    for (pid_t ended = 0; ended != pid;) {
        ended = wait(&status);
        if (ended < 0)
            err(1, "wait");
    }
    return !(WIFEXITED(status) && WEXITSTATUS(status) == 127);
}

static void run_script(char *path)
{
    struct stat st;

    if (stat(path, &st) == 0 && st.type == T_FILE)
        wait_for(start((char *[]){ "/sh", path, NULL }));
}

int main(void)
{
    console_open();
    run_script("/etc/rc");
    run_script("/rc");
    for (;;) {
        if (!wait_for(start((char *[]){ "/sh", NULL })))
            sleep(1);
        // Whatever the shell left behind, the next one finds the terminal in order.
        tcsetpgrp(STDIN_FILENO, 0);
        tcsetmode(STDIN_FILENO, TTY_COOKED);
    }
}
