#include "progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define BAR_WIDTH   40
#define FIRST_NS    500000000ull  // what is done by then needs no bar
#define INTERVAL_NS 100000000ull
#define NS_PER_S    1000000000ull

static u64 now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (u64)ts.tv_sec * NS_PER_S + (u64)ts.tv_nsec;
}

void progress_begin(struct progress *p, const char *what, u64 whole, bool quiet)
{
    *p = (struct progress){
        .what = what, .whole = whole, .begun_ns = now_ns(), .wanted = !quiet && isatty(STDERR_FILENO)
    };
}

void progress_set(struct progress *p, u64 done)
{
    if (!p->wanted || !p->whole)
        return;
    u64 now = now_ns();
    if (now - p->begun_ns < FIRST_NS || now - p->shown_ns < INTERVAL_NS)
        return;
    p->shown_ns = now;
    p->shown = true;
    done = MIN(done, p->whole);
    int filled = (int)((double)done / (double)p->whole * BAR_WIDTH);
    fprintf(stderr, "\r%s [%.*s%*s] %3d %%", p->what, filled, "########################################",
            BAR_WIDTH - filled, "", (int)((double)done / (double)p->whole * 100));
    fflush(stderr);
}

void progress_end(struct progress *p)
{
    if (p->shown)
        fputs("\r\033[K", stderr);
    p->shown = p->wanted = false;
}
