// The kernel's part of all address spaces, and the machine's page-table registers.
#include "machine.h"
#include <base/string.h>

#define DEVICE_TABLES 8  // 32 MiB of device registers
#define LARGE_PAGE    PT_SPAN(1)

_Alignas(PAGE_SIZE) static pte_t kernel_root[PT_ENTRIES];
_Alignas(PAGE_SIZE) static pte_t low_table[PT_ENTRIES];  // the first 4 MiB, where the kernel is
_Alignas(PAGE_SIZE) static pte_t device_tables[DEVICE_TABLES][PT_ENTRIES];
static _Atomic u32 device_pages;  // used so far

static pte_t low_page(paddr_t pa)
{
    u8 *va = phys_to_virt(pa);

    if (va == kernel_guard)
        return 0;
    if (va >= kernel_start && va < kernel_writable)
        return pa | PTE_GLOBAL | PTE_PRESENT;
    return pa | PTE_GLOBAL | PTE_WRITE | PTE_PRESENT;
}

void mmu_init(void)
{
    pte_t *direct = &kernel_root[pt_index(KERNEL_BASE, 1)];
    pte_t *device = &kernel_root[pt_index(DEVICE_BASE, 1)];

    for (u32 i = 0; i < PT_ENTRIES; i++)
        low_table[i] = low_page(i * PAGE_SIZE);
    direct[0] = virt_to_phys(low_table) | PTE_WRITE | PTE_PRESENT;
    for (u32 i = 1; i < DIRECT_MAP_SIZE / LARGE_PAGE; i++)
        direct[i] = i * LARGE_PAGE | PTE_GLOBAL | PTE_LARGE | PTE_WRITE | PTE_PRESENT;
    for (u32 i = 0; i < DEVICE_TABLES; i++)
        device[i] = virt_to_phys(device_tables[i]) | PTE_WRITE | PTE_PRESENT;
    mmu_switch(mmu_kernel_root());
}

void mmu_root_init(pte_t *root)
{
    memset(root, 0, PT_USER_ENTRIES * sizeof(pte_t));
    memcpy(root + PT_USER_ENTRIES, kernel_root + PT_USER_ENTRIES, (PT_ENTRIES - PT_USER_ENTRIES) * sizeof(pte_t));
}

paddr_t mmu_kernel_root(void)
{
    return virt_to_phys(kernel_root);
}

void mmu_switch(paddr_t root)
{
    __asm__ volatile("movl %0, %%cr3" : : "r"(root) : "memory");
}

paddr_t mmu_current_root(void)
{
    paddr_t root;
    __asm__ volatile("movl %%cr3, %0" : "=r"(root));
    return root;
}

void tlb_flush_page(uaddr_t va)
{
    __asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
}

// The kernel's translations are global and stay.
void tlb_flush_all(void)
{
    mmu_switch(mmu_current_root());
}

// Entries go from absent to present only, so no CPU has to be told.
void *mmu_map_device(paddr_t pa, size_t size)
{
    u32 offset = pa & (PAGE_SIZE - 1);
    u32 count = (offset + size + PAGE_SIZE - 1) / PAGE_SIZE;
    u32 first = device_pages;
    pte_t *entries = device_tables[0];

    if (size == 0 || size > DEVICE_TABLES * LARGE_PAGE || pa + (size - 1) < pa)
        return NULL;
    do {
        if (count > DEVICE_TABLES * PT_ENTRIES - first)
            return NULL;
    } while (!atomic_compare_exchange_weak(&device_pages, &first, first + count));
    for (u32 i = 0; i < count; i++)
        entries[first + i] = (pa - offset + i * PAGE_SIZE) | PTE_GLOBAL | PTE_UNCACHED | PTE_WRITE | PTE_PRESENT;
    return (void *)(DEVICE_BASE + first * PAGE_SIZE + offset);
}
