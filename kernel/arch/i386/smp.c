// The other CPUs: their start, kicks, and their end in a panic.
#include "machine.h"
#include <arch/upcall.h>
#include <base/format.h>
#include <base/string.h>

#define NS_PER_MS 1000000ull

static _Atomic unsigned running = 1;
static bool started;
static _Atomic bool arrived;  // the CPU being started is in C code; arrival_tsc was its time-stamp counter then
static u64 arrival_tsc;
static _Atomic u32 stopper;  // index + 1 of the CPU that stops all others

unsigned cpu_count(void)
{
    return started ? running : tables.cpu_limit;
}

void cpu_kick(unsigned cpu)
{
    if (lapic_present())
        lapic_send(cpus[cpu].apic_id, LAPIC_FIXED | VECTOR_KICK);
}

void cpu_stop_if_asked(void)
{
    if (stopper && stopper != cpu_index() + 1)
        for (;;)
            __asm__ volatile("cli; hlt");
}

void cpu_stop_others(void)
{
    u32 nobody = 0;

    if (!atomic_compare_exchange_strong(&stopper, &nobody, cpu_index() + 1))
        cpu_stop_if_asked();
    else if (running > 1)
        lapic_send(0, LAPIC_NMI_OTHERS);
}

void ap_start(void)
{
    cpu_setup(running);
    mmu_switch(mmu_kernel_root());
    lapic_init();
    arrival_tsc = read_tsc();
    arrived = true;
    while (running <= cpu_index())
        ;
    tick_start();
    upcall_cpu_start();
}

// Under emulation `pause` takes the lock that the other CPU needs for its devices, so this loop does without.
static bool wait_for_arrival(u64 ns)
{
    u64 start = clock_ns();

    while (!arrived && clock_ns() - start < ns)
        ;
    return arrived;
}

static bool start_cpu(u8 apic_id)
{
    arrived = false;
    ap_stack = boot_stacks[running] + KERNEL_STACK_SIZE;
    lapic_send(apic_id, LAPIC_STARTUP | AP_TRAMPOLINE >> PAGE_SHIFT);
    if (wait_for_arrival(20 * NS_PER_MS))
        return true;
    lapic_send(apic_id, LAPIC_STARTUP | AP_TRAMPOLINE >> PAGE_SHIFT);
    return wait_for_arrival(1000 * NS_PER_MS);
}

// A counter that shows a time between the start and the arrival is taken to be in step with ours, as it is on all
// machines with a constant one. Another is set right as well as we can tell.
static void compare_clocks(u64 started)
{
    u64 took = read_tsc() - started;

    cpus[running].tsc_offset = arrival_tsc - started <= took ? 0 : started + took / 2 - arrival_tsc;
}

static void say_missing(u8 apic_id)
{
    char text[64];

    format_text(text, sizeof text, "CPU with APIC id %u does not start and is not used", apic_id);
    upcall_message(text);
}

static void start_or_drop(u8 apic_id)
{
    u64 started = read_tsc();

    if (start_cpu(apic_id)) {
        compare_clocks(started);
        running++;
    } else {
        lapic_send(apic_id, LAPIC_INIT);
        say_missing(apic_id);
    }
}

void cpu_start_others(void)
{
    memcpy(phys_to_virt(AP_TRAMPOLINE), ap_trampoline, (size_t)(ap_trampoline_end - ap_trampoline));
    for (unsigned i = 0; i < tables.cpu_count; i++)
        if (tables.apic_ids[i] != cpus[0].apic_id)
            lapic_send(tables.apic_ids[i], LAPIC_INIT);
    for (unsigned i = 0; i < tables.cpu_count && running < tables.cpu_limit; i++)
        if (tables.apic_ids[i] != cpus[0].apic_id)
            start_or_drop(tables.apic_ids[i]);
    started = true;
}
