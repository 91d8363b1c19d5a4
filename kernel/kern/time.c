// Time.
#include <arch/cpu.h>
#include <kern/time.h>

static u64 wall_at_start;

u64 time_ns(void)
{
    return clock_ns();
}

u32 time_ticks(void)
{
    return (u32)(time_ns() / NS_PER_TICK);
}

u64 time_wall_ns(void)
{
    return wall_at_start + time_ns();
}

void time_set_wall(u64 wall_ns_now)
{
    wall_at_start = wall_ns_now - time_ns();
}
