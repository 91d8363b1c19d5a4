// From the first C instruction to upcall_boot().
#include "machine.h"
#include <arch/upcall.h>

#define MULTIBOOT_MAGIC   0x2badb002
#define CPU_NEEDED        (CPUID_TSC | CPUID_FXSR | CPUID_SSE)

#define STATUS_NO_MACHINE 3

_Noreturn static void refuse(const char *why)
{
    upcall_message(why);
    machine_off(STATUS_NO_MACHINE);
}

void machine_boot(u32 magic, u32 info)
{
    clock_start();
    cpu_setup(0);
    serial_init();
    if (magic != MULTIBOOT_MAGIC)
        refuse("amber: the boot loader is not a Multiboot loader");
    if ((cpu_features() & CPU_NEEDED) != CPU_NEEDED)
        refuse("amber: the CPU lacks a time-stamp counter, FXSAVE or SSE");
    memory_init(info);
    mmu_init();
    fpu_init();
    tables_init();
    lapic_find();
    irq_init();
    clock_init();
    upcall_boot();
}
