// How a conformance program is written: a table of named tests, each run in a child of its own.
//
//     t_files             runs all; one line each: "ok NAME" or "FAILED NAME"
//     t_files NAME ...    runs these
//     t_files --list      names them
//
// A test returns when all is as it should be. CHECK() ends it with a reason.
#pragma once

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct test {
    const char *name;
    void (*run)(void);
};

#define TEST(function)                                                                                                 \
    {                                                                                                                  \
#function, function                                                                                            \
    }

#define CHECK(condition, ...)                                                                                          \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            printf("%s:%d: %s: ", __FILE__, __LINE__, #condition);                                                     \
            printf(__VA_ARGS__);                                                                                       \
            printf(" (errno: %s)\n", strerror(errno));                                                                 \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

/* The status word of a child, which must exist. */
static inline int wait_for(pid_t pid)
{
    int status = -1;

    CHECK(waitpid(pid, &status, 0) == pid, "child %d is lost", pid);
    return status;
}

/* Run `body` in a child; returns its status word. */
static inline int in_child(void (*body)(void))
{
    fflush(stdout);
    pid_t pid = fork();
    CHECK(pid >= 0, "fork");
    if (pid == 0) {
        body();
        exit(0);
    }
    return wait_for(pid);
}

static inline int run_test(const struct test *t)
{
    int status = in_child(t->run);

    if (WIFSIGNALED(status))
        printf("%s: killed (%d)\n", t->name, WTERMSIG(status));
    printf("%s %s\n", status ? "FAILED" : "ok", t->name);
    return status != 0;
}

static inline int run_tests(const struct test *tests, size_t n, int argc, char **argv)
{
    int failed = 0;

    if (argc > 1 && strcmp(argv[1], "--list") == 0) {
        for (size_t i = 0; i < n; i++)
            printf("%s\n", tests[i].name);
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        int wanted = argc == 1;
        for (int a = 1; a < argc; a++)
            wanted |= strcmp(argv[a], tests[i].name) == 0;
        if (wanted)
            failed |= run_test(&tests[i]);
    }
    return failed;
}

#define RUN_TESTS(tests)                                                                                               \
    int main(int argc, char **argv)                                                                                    \
    {                                                                                                                  \
        return run_tests(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);                                         \
    }
