// Page tables of i386 without PAE: two levels of 1024 32-bit entries (Intel SDM volume 3, section 4.3).
//
// User space is the lower half. Physical memory [0, DIRECT_MAP_SIZE) appears at KERNEL_BASE; what lies above is not
// used. From DEVICE_BASE on device registers are mapped as drivers ask for them.
#pragma once

#include <base/types.h>

#define PAGE_SHIFT      12
#define PAGE_SIZE       4096u
#define PT_LEVELS       2
#define PT_ENTRIES      1024u
#define PT_USER_ENTRIES 512u
#define PT_SPAN(level)  ((uaddr_t)1 << (PAGE_SHIFT + 10 * (level)))

#define USER_END        0x80000000u
#define KERNEL_BASE     0x80000000u
#define DIRECT_MAP_SIZE 0x60000000u
#define DEVICE_BASE     (KERNEL_BASE + DIRECT_MAP_SIZE)

typedef u32 pte_t;

// The hardware can neither forbid reading nor executing: both bits are the one that says "present".
#define PTE_READ  0x001u
#define PTE_EXEC  0x001u
#define PTE_WRITE 0x002u
#define PTE_DIRTY 0x040u
#define PTE_SOFT  0x200u

// Bits that are arch's own matter.
#define PTE_PRESENT  0x001u
#define PTE_USER     0x004u
#define PTE_UNCACHED 0x018u  // write-through and cache-disable
#define PTE_LARGE    0x080u  // in a root: maps 4 MiB itself
#define PTE_GLOBAL   0x100u

static inline unsigned pt_index(uaddr_t va, unsigned level)
{
    return (unsigned)(va >> (PAGE_SHIFT + 10 * level)) & (PT_ENTRIES - 1);
}

static inline void *phys_to_virt(paddr_t pa)
{
    return (void *)(pa + KERNEL_BASE);
}

static inline paddr_t virt_to_phys(const void *p)
{
    return (paddr_t)p - KERNEL_BASE;
}

/* A page of a process; flags: PTE_WRITE, PTE_DIRTY, PTE_SOFT and the implied ones. */
static inline pte_t pte_page(paddr_t pa, u32 flags)
{
    return pa | (flags & (PTE_WRITE | PTE_DIRTY | PTE_SOFT)) | PTE_USER | PTE_PRESENT;
}

static inline pte_t pte_table(paddr_t pa)
{
    return pa | PTE_WRITE | PTE_USER | PTE_PRESENT;
}

/* The entry of a table that programs can read through, but not write. */
static inline pte_t pte_table_closed(pte_t e)
{
    return e & ~PTE_WRITE;
}

static inline bool pte_table_is_open(pte_t e)
{
    return e & PTE_WRITE;
}

static inline bool pte_present(pte_t e)
{
    return e & PTE_PRESENT;
}

static inline paddr_t pte_addr(pte_t e)
{
    return e & ~(pte_t)(PAGE_SIZE - 1);
}

static inline u32 pte_flags(pte_t e)
{
    return e & (PTE_READ | PTE_WRITE | PTE_DIRTY | PTE_SOFT);
}
