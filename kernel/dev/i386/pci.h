// PCI: finding devices, their registers and capabilities. "PCI Local Bus Specification 3.0", chapter 6; sections below
// are its.
#pragma once

#include <arch/mmu.h>
#include <base/types.h>

struct pci_function {
    u8 bus, slot, function;
    u16 vendor, device;
};

#define PCI_CAPABILITY_VENDOR 0x09
#define PCI_CAPABILITY_MSIX   0x11

/* Call found() for each function behind the host bridge, in order of bus, slot and function. */
void pci_scan(void (*found)(const struct pci_function *));

/* Configuration space (6.1); offset a multiple of the size. */
u8 pci_read8(const struct pci_function *f, u8 offset);
u16 pci_read16(const struct pci_function *f, u8 offset);
u32 pci_read32(const struct pci_function *f, u8 offset);
void pci_write16(const struct pci_function *f, u8 offset, u16 v);

/* The next capability with this id after the one at `after` (0: from the start), or 0 (6.7). */
u8 pci_capability(const struct pci_function *f, u8 id, u8 after);

/*
 * A part of the memory that base address register `bar` maps, as a kernel pointer; NULL if it is no memory or out of
 * reach (6.2.5).
 */
volatile void *pci_map(const struct pci_function *f, unsigned bar, u32 offset, u32 size);

/* Let the function answer to memory accesses, and access memory itself. */
void pci_enable(const struct pci_function *f);

/* The interrupt line that the firmware wired the function to, or -ENODEV (6.2.4). */
MUST_CHECK int pci_interrupt_line(const struct pci_function *f, unsigned *line);

/*
 * MSI-X (6.8.2). The table is mapped and MSI-X turned on with all vectors masked; each is unmasked when it is given its
 * message. -ENODEV if the function has none. After pci_msix_stop() the function uses its interrupt line again.
 */
struct pci_msix {
    volatile u32 *table;
    unsigned vectors;
};
MUST_CHECK int pci_msix_start(const struct pci_function *f, struct pci_msix *msix);
void pci_msix_set(const struct pci_msix *msix, unsigned vector, u64 address, u32 data);
void pci_msix_stop(const struct pci_function *f);
