// Clocks and calendars. The calendar is UTC.
#pragma once

#include <sys/types.h>

#define CLOCK_REALTIME  0  // since 1970-01-01 UTC
#define CLOCK_MONOTONIC 1  // since the machine started

struct timespec {
    time_t tv_sec;
    long tv_nsec;
};

struct tm {
    int tm_sec, tm_min, tm_hour;
    int tm_mday;  // from 1
    int tm_mon;   // from 0
    int tm_year;  // since 1900
    int tm_wday;  // 0: Sunday
    int tm_yday;  // from 0
};

int clock_gettime(int clock, struct timespec *ts);  // EINVAL
time_t time(time_t *seconds);                       // seconds may be NULL
int nanosleep(const struct timespec *ts,
              struct timespec *left);  // rounded up to whole ticks of 10 ms; *left is not used
struct tm *gmtime_r(const time_t *seconds, struct tm *tm);
