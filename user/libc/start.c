// The beginning and the end of a program.
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Noreturn void program_start(int argc, char **argv);
int main(int argc, char **argv);

#define FUNCTIONS 32

int errno;
const char *program_name = "?";

static void (*at_exit[FUNCTIONS])(void);
static int at_exit_count;

_Noreturn void program_start(int argc, char **argv)
{
    if (argc > 0) {
        const char *slash = strrchr(argv[0], '/');
        program_name = slash ? slash + 1 : argv[0];
    }
    int status = main(argc, argv);
    if (fflush(stdout) || ferror(stdout)) {
        errno = ferror(stdout);
        warn("standard output");
        status = status ? status : EXIT_FAILURE;
    }
    exit(status);
}

int atexit(void (*function)(void))
{
    if (at_exit_count == FUNCTIONS) {
        errno = ENOMEM;
        return -1;
    }
    at_exit[at_exit_count++] = function;
    return 0;
}

_Noreturn void exit(int status)
{
    while (at_exit_count)
        at_exit[--at_exit_count]();
    fflush(NULL);
    _exit(status);
}

_Noreturn void abort(void)
{
    __builtin_trap();
}
