// Messages of programs that fail.
#include <assert.h>
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void say(const char *format, va_list ap, const char *reason)
{
    char text[512];
    int n;

    fflush(stdout);
    n = snprintf(text, sizeof(text), "%s: ", program_name);
    vsnprintf(text + n, sizeof(text) - (size_t)n, format, ap);
    fprintf(stderr, reason ? "%s: %s\n" : "%s\n", text, reason);
}

#define SAY(reason)                                                                                                    \
    va_list ap;                                                                                                        \
    va_start(ap, format);                                                                                              \
    say(format, ap, reason);                                                                                           \
    va_end(ap)

void warn(const char *format, ...)
{
    SAY(strerror(errno));
}

void warnx(const char *format, ...)
{
    SAY(NULL);
}

_Noreturn void err(int status, const char *format, ...)
{
    SAY(strerror(errno));
    exit(status);
}

_Noreturn void errx(int status, const char *format, ...)
{
    SAY(NULL);
    exit(status);
}

_Noreturn void usage(const char *text)
{
    fflush(stdout);
    fprintf(stderr, "usage: %s\n", text);
    exit(2);
}

_Noreturn void assert_failed(const char *what, const char *file, int line)
{
    fflush(stdout);
    fprintf(stderr, "%s:%d: %s: assertion failed: %s\n", file, line, program_name, what);
    abort();
}
