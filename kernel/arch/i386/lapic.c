// The local interrupt controller of each CPU (Intel SDM volume 3, chapter 10).
#include "machine.h"

#define LAPIC_DEFAULT   0xfee00000

#define REG_ID          0x020
#define REG_PRIORITY    0x080
#define REG_EOI         0x0b0
#define REG_SPURIOUS    0x0f0
#define REG_IN_SERVICE  0x100  // 8 registers, 16 bytes apart
#define REG_ERROR       0x280
#define REG_COMMAND     0x300
#define REG_COMMAND_TO  0x310
#define REG_LVT_TIMER   0x320
#define REG_LVT_COUNTER 0x340
#define REG_LVT_LINT0   0x350
#define REG_LVT_LINT1   0x360
#define REG_LVT_ERROR   0x370
#define REG_TIMER_START 0x380
#define REG_TIMER_LEFT  0x390
#define REG_TIMER_DIV   0x3e0

#define SPURIOUS_ENABLE 0x100
#define LVT_MASKED      0x10000
#define LVT_PERIODIC    0x20000
#define LVT_NMI         0x400
#define LVT_EXTERNAL    0x700  // the vector comes from the 8259
#define TIMER_DIVIDE_16 0x3
#define COMMAND_PENDING 0x1000
#define PATIENCE        1000000

static volatile u8 *lapic;

static u32 get(unsigned reg)
{
    return *(volatile u32 *)(lapic + reg);
}

static void put(unsigned reg, u32 value)
{
    *(volatile u32 *)(lapic + reg) = value;
}

bool lapic_present(void)
{
    return lapic;
}

void lapic_find(void)
{
    if (!(cpu_features() & CPUID_APIC))
        return;
    lapic = mmu_map_device(tables.lapic ? tables.lapic : LAPIC_DEFAULT, PAGE_SIZE);
    lapic_init();
}

// Without an I/O APIC the first CPU takes the 8259's interrupts through its LINT0.
void lapic_init(void)
{
    bool from_8259 = !tables.ioapic && this_cpu()->index == 0;

    put(REG_PRIORITY, 0);
    put(REG_LVT_TIMER, LVT_MASKED);
    put(REG_LVT_COUNTER, LVT_MASKED);
    put(REG_LVT_LINT0, from_8259 ? LVT_EXTERNAL : LVT_MASKED);
    put(REG_LVT_LINT1, this_cpu()->index == 0 ? LVT_NMI : LVT_MASKED);
    put(REG_LVT_ERROR, LVT_MASKED);
    put(REG_ERROR, 0);
    put(REG_SPURIOUS, SPURIOUS_ENABLE | VECTOR_SPURIOUS);
    this_cpu()->apic_id = lapic_id();
}

u32 lapic_id(void)
{
    return get(REG_ID) >> 24;
}

void lapic_eoi(void)
{
    put(REG_EOI, 0);
}

bool lapic_in_service(unsigned vector)
{
    return get(REG_IN_SERVICE + vector / 32 * 16) & 1u << vector % 32;
}

// An interrupt handler may send too, so none may come between the two halves.
void lapic_send(u32 apic_id, u32 command)
{
    u32 flags = irq_save();

    for (int patience = PATIENCE; (get(REG_COMMAND) & COMMAND_PENDING) && patience; patience--)
        cpu_relax();
    put(REG_COMMAND_TO, apic_id << 24);
    put(REG_COMMAND, command);
    irq_restore(flags);
}

void lapic_timer_measure(void)
{
    put(REG_TIMER_DIV, TIMER_DIVIDE_16);
    put(REG_LVT_TIMER, LVT_MASKED);
    put(REG_TIMER_START, UINT32_MAX);
}

u32 lapic_timer_left(void)
{
    return get(REG_TIMER_LEFT);
}

void lapic_timer_start(u32 period)
{
    put(REG_TIMER_DIV, TIMER_DIVIDE_16);
    put(REG_LVT_TIMER, LVT_PERIODIC | VECTOR_TICK);
    put(REG_TIMER_START, period);
}
