// date: the time of day, UTC.
#include <stdio.h>
#include <time.h>

int main(void)
{
    struct tm tm;
    time_t now = time(NULL);

    gmtime_r(&now, &tm);
    printf("%04d-%02d-%02d %02d:%02d:%02d UTC\n", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
           tm.tm_sec);
    return 0;
}
