// Page tables, as bits. What they mean and who owns them is mm's matter: arch never allocates.
//
// A machine's machine_mmu.h gives, as constants and inline functions:
//   PAGE_SHIFT PAGE_SIZE          4 KiB
//   PT_LEVELS                     2 on i386: level PT_LEVELS-1 is the root, level 0 holds pages
//   PT_ENTRIES                    entries of a table
//   PT_USER_ENTRIES               of the root: the first so many belong to the process, the rest to the kernel, alike
//   in all roots PT_SPAN(level)                bytes that one entry of that level covers pt_index(va, level) the entry
//   for va USER_END                      first address past user space phys_to_virt(pa) virt_to_phys(p)   the kernel's
//   direct map pte_t                         an entry: 0 is absent pte_page(pa, flags) pte_table(pa) pte_present(e)
//   pte_table_closed(e) pte_table_is_open(e)   through a closed table pages can be read, and writing faults
//   pte_addr(e) pte_flags(e) PTE_READ PTE_WRITE PTE_EXEC PTE_DIRTY PTE_SOFT   flags; READ is implied; EXEC may be
//   no-op; SOFT is free for mm
#pragma once

#include <arch/machine_mmu.h>
#include <base/types.h>

/* A fresh root: user part zero, kernel part as everywhere. root points to one page. */
void mmu_root_init(pte_t *root);

/* The root that has no user part. */
paddr_t mmu_kernel_root(void);

/* Use this root on this CPU; forgets all cached user translations even if it is the same. */
void mmu_switch(paddr_t root);
paddr_t mmu_current_root(void);

/* Forget cached translations on this CPU: of one page; of all user pages. */
void tlb_flush_page(uaddr_t va);
void tlb_flush_all(void);

/* Device memory: a kernel pointer to physical [pa, pa + size), uncached. Never unmapped. NULL if out of reach. */
void *mmu_map_device(paddr_t pa, size_t size);

/*
 * Copy between kernel memory and user space of the current root. A fault is given to upcall_fault(); if that can't mend
 * it, the copy ends. Returns the bytes NOT copied. The caller has checked that the user range lies below USER_END.
 */
size_t user_copy_in(void *to, const void __user *from, size_t n);
size_t user_copy_out(void __user *to, const void *from, size_t n);
