// Time: a nanosecond clock that never goes back, and the tick.
#pragma once

#include <base/types.h>

#define TICKS_PER_SECOND 100
#define NS_PER_SECOND    1000000000ull
#define NS_PER_TICK      (NS_PER_SECOND / TICKS_PER_SECOND)
#define NEVER            UINT64_MAX

/* Nanoseconds since the machine started. */
u64 time_ns(void);

/* Ticks since the machine started: time_ns() / NS_PER_TICK. */
u32 time_ticks(void);

/* Nanoseconds since 1970-01-01 UTC, by the battery clock read at boot. */
u64 time_wall_ns(void);
void time_set_wall(u64 wall_ns_now);
