// Time: the time-stamp counter as a nanosecond clock, the tick, and the battery clock.
#include "machine.h"
#include <arch/irq.h>
#include <arch/port.h>
#include <arch/upcall.h>

#define TICK_HZ 100

// The interval timer (8254)
#define PIT_HZ       1193182u
#define PIT_CHANNEL0 0x40
#define PIT_CHANNEL2 0x42
#define PIT_COMMAND  0x43
#define PIT_ONCE     0xb0  // channel 2, both bytes, mode 0
#define PIT_LATCH    0x80  // channel 2
#define PIT_PERIODIC 0x34  // channel 0, both bytes, mode 2
#define PIT_GATE     0x61  // bit 0 opens channel 2, bit 1 is the loudspeaker
#define PIT_ENDED    0x20  // there: channel 2 has counted down to zero since it was set
#define PIT_MEASURE  (PIT_HZ / 100)

// ns = counts * scale >> SCALE_SHIFT
#define SCALE_SHIFT 24
static u64 start;
static u32 scale;
static u32 timer_period;

void clock_start(void)
{
    start = read_tsc();
}

u64 clock_ns(void)
{
    u64 counts = read_tsc() + this_cpu()->tsc_offset - start;

    return ((counts >> 32) * scale << (32 - SCALE_SHIFT)) + ((counts & UINT32_MAX) * scale >> SCALE_SHIFT);
}

// All clocks at one moment.
struct moment {
    u64 tsc;
    u32 lapic;
    u16 pit;
};

static u16 pit_latched(void)
{
    u8 low = in8(PIT_CHANNEL2);
    return (u16)(low | in8(PIT_CHANNEL2) << 8);
}

// The host may stop us anywhere, so the best of several readings counts: the one that took least time.
static struct moment moment_now(void)
{
    struct moment best = { 0 };
    u64 best_took = UINT64_MAX;

    for (int i = 0; i < 6; i++) {
        u64 before = read_tsc();
        out8(PIT_COMMAND, PIT_LATCH);
        u32 lapic = lapic_present() ? lapic_timer_left() : 0;
        u64 took = read_tsc() - before;
        u16 pit = pit_latched();
        if (took < best_took) {
            best_took = took;
            best = (struct moment){ before + took / 2, lapic, pit };
        }
    }
    return best;
}

// False: we were stopped for so long meanwhile that the counter has come to its end, and begun anew.
static bool measure(void)
{
    out8(PIT_GATE, (in8(PIT_GATE) & 0xfc) | 1);
    out8(PIT_COMMAND, PIT_ONCE);
    out8(PIT_CHANNEL2, 0xff);
    out8(PIT_CHANNEL2, 0xff);
    if (lapic_present())
        lapic_timer_measure();

    struct moment a = moment_now(), b;
    do
        b = moment_now();
    while ((u16)(a.pit - b.pit) < PIT_MEASURE);
    if (in8(PIT_GATE) & PIT_ENDED)
        return false;

    u32 pit = (u16)(a.pit - b.pit);
    u64 ns = (u64)pit * 838095110 / 1000000;  // of 1e9 / PIT_HZ each
    scale = (u32)((ns << SCALE_SHIFT) / (b.tsc - a.tsc));
    timer_period = (u32)((u64)(a.lapic - b.lapic) * (PIT_HZ / TICK_HZ) / pit);
    return true;
}

static void pit_tick(void *unused)
{
    upcall_tick();
}

static void pit_tick_start(void)
{
    out8(PIT_COMMAND, PIT_PERIODIC);
    out8(PIT_CHANNEL0, (u8)(PIT_HZ / TICK_HZ));
    out8(PIT_CHANNEL0, (u8)(PIT_HZ / TICK_HZ >> 8));
    if (irq_attach(0, pit_tick, NULL))
        upcall_panic("no interrupt line for the tick");
}

void tick_start(void)
{
    if (lapic_present())
        lapic_timer_start(timer_period);
    else
        pit_tick_start();
}

void clock_init(void)
{
    while (!measure())
        ;
    tick_start();
}
