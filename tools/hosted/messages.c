// What the kernel says, and how a run ends that went wrong.
#include "hosted.h"
#include <base/format.h>
#include <base/string.h>
#include <kern/printk.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static char recent[(1 << 14) + 1];
static size_t recent_length;
static bool loud;

void host_set_loud(bool on)
{
    loud = on;
}

void printk(const char *format, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, format);
    size_t n = MIN(format_text_va(text, sizeof(text), format, ap), sizeof(text) - 1);
    va_end(ap);
    if (loud)
        fputs(text, stderr);
    if (recent_length + n >= sizeof(recent))
        recent_length = 0;
    memcpy(recent + recent_length, text, n);
    recent_length += n;
    recent[recent_length] = 0;
}

bool host_said(const char *text)
{
    return strstr(recent, text);
}

static char place[128];

void host_set_place(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    (void)format_text_va(place, sizeof(place), format, ap);
    va_end(ap);
}

static _Noreturn void die(const char *format, va_list ap)
{
    size_t from = MAX(recent_length, 2000) - 2000;
    fprintf(stderr, "%.*s", (int)(recent_length - from), recent + from);
    vfprintf(stderr, format, ap);
    fprintf(stderr, "\n%s\n", place);
    abort();
}

void host_fail(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    die(format, ap);
}

void panic(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    die(format, ap);
}
