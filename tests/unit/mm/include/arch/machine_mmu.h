// For unit tests on the host: a machine with two levels of page tables, whose memory is an array and whose processor is
// tests/unit/mm/machine.c.
#pragma once

#include <base/types.h>

#define PAGE_SHIFT      12
#define PAGE_SIZE       4096u
#define PT_LEVELS       2
#define PT_ENTRIES      1024u
#define PT_USER_ENTRIES 512u
#define PT_SPAN(level)  ((uaddr_t)1 << (PAGE_SHIFT + 10 * (level)))
#define USER_END        0x80000000u

typedef u32 pte_t;

#define PTE_READ  0x001u
#define PTE_WRITE 0x002u
#define PTE_EXEC  0x004u
#define PTE_DIRTY 0x040u
#define PTE_SOFT  0x200u

extern u8 *machine_bytes;  // physical memory, from address 0 on

static inline unsigned pt_index(uaddr_t va, unsigned level)
{
    return (unsigned)(va >> (PAGE_SHIFT + 10 * level)) & (PT_ENTRIES - 1);
}

static inline void *phys_to_virt(paddr_t pa)
{
    return machine_bytes + pa;
}

static inline paddr_t virt_to_phys(const void *p)
{
    return (paddr_t)((const u8 *)p - machine_bytes);
}

static inline pte_t pte_page(paddr_t pa, u32 flags)
{
    return (pte_t)pa | flags | PTE_READ;
}

static inline pte_t pte_table(paddr_t pa)
{
    return (pte_t)pa | PTE_READ | PTE_WRITE;
}

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
    return e & PTE_READ;
}

static inline paddr_t pte_addr(pte_t e)
{
    return e & ~(pte_t)(PAGE_SIZE - 1);
}

static inline u32 pte_flags(pte_t e)
{
    return e & (PAGE_SIZE - 1);
}
