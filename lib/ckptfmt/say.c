// Numbers, times and dates in words.

#include "say.h"
#include <base/calendar.h>
#include <base/format.h>

#define NS_PER_MS     1000000u
#define NS_PER_SECOND 1000000000u

void ckpt_say(const struct listing *l, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    format_to(l->put, l->arg, format, ap);
    va_end(ap);
}

void ckpt_say_seconds(const struct listing *l, const char *what, u64 ns)
{
    u64 ms = ns / NS_PER_MS;

    ckpt_say(l, "%s%llu.%03u s", what, (unsigned long long)(ms / 1000), (unsigned)(ms % 1000));
}

void ckpt_say_date(const struct listing *l, u64 wall_ns)
{
    struct calendar c;

    calendar_from_seconds(wall_ns / NS_PER_SECOND, &c);
    ckpt_say(l, "%04u-%02u-%02u %02u:%02u:%02u UTC", c.year, c.month, c.day, c.hour, c.minute, c.second);
}
