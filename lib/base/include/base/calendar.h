// The calendar: seconds since 1970-01-01 00:00:00 UTC as a date (proleptic Gregorian, no leap seconds).
#pragma once

#include <base/types.h>

struct calendar {
    u32 year;
    u32 month, day;  // from 1
    u32 hour, minute, second;
    u32 weekday;      // 0: Sunday
    u32 day_of_year;  // from 0
};

void calendar_from_seconds(u64 seconds, struct calendar *out);
