// The calendar.
#include <base/calendar.h>

#define DAY_SECONDS 86400

static bool is_leap(u32 year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static u32 month_days(u32 month, u32 year)
{
    static const u8 days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    return days[month - 1] + (month == 2 && is_leap(year));
}

void calendar_from_seconds(u64 seconds, struct calendar *out)
{
    const u32 cycle = 146097;  // days of 400 years, which repeat
    u64 days = seconds / DAY_SECONDS;
    u32 rest = (u32)(seconds % DAY_SECONDS);
    u32 year = 1970 + (u32)(days / cycle) * 400;
    u32 left = (u32)(days % cycle);
    u32 month = 1;

    for (; left >= 365u + is_leap(year); year++)
        left -= 365 + is_leap(year);
    *out = (struct calendar){
        .year = year,
        .hour = rest / 3600,
        .minute = rest / 60 % 60,
        .second = rest % 60,
        .weekday = (u32)((days + 4) % 7),  // 1970 began with a Thursday
        .day_of_year = left,
    };
    for (; left >= month_days(month, year); month++)
        left -= month_days(month, year);
    out->month = month;
    out->day = left + 1;
}
