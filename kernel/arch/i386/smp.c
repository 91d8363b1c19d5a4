// The other CPUs: their start, kicks, and their end in a panic.
#include "machine.h"
#include <arch/upcall.h>
#include <base/format.h>
#include <base/string.h>

#define NS_PER_MS 1000000ull

static unsigned running = 1;
static bool started;
static _Atomic bool arrived;       // the CPU being started is in C code
static _Atomic u32 stopper;        // index + 1 of the CPU that stops all others

// Comparing time-stamp counters: the new CPU asks, the first one answers.
#define SYNC_ROUNDS 4
static _Atomic bool sync_asked;
static u64 sync_answer;

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

static void sync_answer_if_asked(void)
{
    if (!sync_asked)
        return;
    sync_answer = read_tsc();
    sync_asked = false;
}

// The first CPU's counter is right. An answer that lies between the question and its arrival shows no difference.
static void sync_clock(void)
{
    u64 best = UINT64_MAX;

    for (int i = 0; i < SYNC_ROUNDS; i++) {
        u64 before = read_tsc();
        sync_asked = true;
        while (sync_asked)
            cpu_relax();
        u64 took = read_tsc() - before;
        if (took >= best)
            continue;
        best = took;
        this_cpu()->tsc_offset = sync_answer - before <= took ? 0 : sync_answer - (before + took / 2);
    }
}

void ap_start(void)
{
    cpu_setup(running);
    mmu_switch(mmu_kernel_root());
    lapic_init();
    sync_clock();
    tick_start();
    arrived = true;
    upcall_cpu_start();
}

static bool wait_for_arrival(u64 ns)
{
    u64 start = clock_ns();

    while (!arrived && clock_ns() - start < ns) {
        sync_answer_if_asked();
        cpu_relax();
    }
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

static void say_missing(u8 apic_id)
{
    char text[64];

    format_text(text, sizeof text, "CPU with APIC id %u does not start and is not used", apic_id);
    upcall_message(text);
}

static void start_or_drop(u8 apic_id)
{
    if (start_cpu(apic_id)) {
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
