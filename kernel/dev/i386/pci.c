// PCI over arch's access to configuration space.
#include "pci.h"
#include <arch/pci_config.h>
#include <uapi/errno.h>

// 6.1, figure 6-1
#define VENDOR               0x00
#define COMMAND              0x04
#define STATUS               0x06
#define HEADER_TYPE          0x0e
#define BAR_0                0x10
#define SECONDARY_BUS        0x19  // of a bridge
#define CAPABILITIES         0x34
#define INTERRUPT_LINE       0x3c

#define NO_VENDOR            0xffff
#define COMMAND_MEMORY       0x0002
#define COMMAND_MASTER       0x0004
#define COMMAND_NO_INTX      0x0400
#define STATUS_CAPABILITIES  0x0010
#define HEADER_MULTIFUNCTION 0x80
#define HEADER_KIND          0x7f
#define HEADER_BRIDGE        1
#define BAR_IO               0x1
#define BAR_64               0x4
#define BARS                 6
#define LAST_LEGACY_LINE     15

#define MSIX_CONTROL         2  // from the capability's start
#define MSIX_TABLE           4
#define MSIX_ENABLE          0x8000
#define MSIX_SIZE            0x07ff
#define MSIX_TABLE_BAR       0x7
#define MSIX_ENTRY_WORDS     4
#define MSIX_ENTRY_MASKED    1

// A list of capabilities in 256 bytes can't be longer; one that is, is a loop.
#define CAPABILITIES_MAX 48

u32 pci_read32(const struct pci_function *f, u8 offset)
{
    return pci_config_read32(f->bus, f->slot, f->function, offset);
}

u16 pci_read16(const struct pci_function *f, u8 offset)
{
    return (u16)(pci_read32(f, offset & ~3) >> (offset & 2) * 8);
}

u8 pci_read8(const struct pci_function *f, u8 offset)
{
    return (u8)(pci_read32(f, offset & ~3) >> (offset & 3) * 8);
}

void pci_write16(const struct pci_function *f, u8 offset, u16 v)
{
    pci_config_write16(f->bus, f->slot, f->function, offset, v);
}

// Finding

static bool function_probe(struct pci_function *f)
{
    u32 id = pci_read32(f, VENDOR);

    f->vendor = (u16)id;
    f->device = (u16)(id >> 16);
    return f->vendor != NO_VENDOR;
}

static void bus_scan(u8 bus, void (*found)(const struct pci_function *));

static void function_found(const struct pci_function *f, void (*found)(const struct pci_function *))
{
    found(f);
    if ((pci_read8(f, HEADER_TYPE) & HEADER_KIND) != HEADER_BRIDGE)
        return;
    // Firmware numbers buses away from the root, so this ends.
    u8 secondary = pci_read8(f, SECONDARY_BUS);
    if (secondary > f->bus)
        bus_scan(secondary, found);
}

static void slot_scan(u8 bus, u8 slot, void (*found)(const struct pci_function *))
{
    struct pci_function f = { .bus = bus, .slot = slot };

    if (!function_probe(&f))
        return;
    function_found(&f, found);
    if (!(pci_read8(&f, HEADER_TYPE) & HEADER_MULTIFUNCTION))
        return;
    for (f.function = 1; f.function < 8; f.function++)
        if (function_probe(&f))
            function_found(&f, found);
}

static void bus_scan(u8 bus, void (*found)(const struct pci_function *))
{
    for (u8 slot = 0; slot < 32; slot++)
        slot_scan(bus, slot, found);
}

void pci_scan(void (*found)(const struct pci_function *))
{
    bus_scan(0, found);
}

// Using

u8 pci_capability(const struct pci_function *f, u8 id, u8 after)
{
    if (!(pci_read16(f, STATUS) & STATUS_CAPABILITIES))
        return 0;
    u8 at = pci_read8(f, after ? after + 1 : CAPABILITIES) & ~3;
    for (unsigned i = 0; at && i < CAPABILITIES_MAX; i++) {
        if (pci_read8(f, at) == id)
            return at;
        at = pci_read8(f, at + 1) & ~3;
    }
    return 0;
}

volatile void *pci_map(const struct pci_function *f, unsigned bar, u32 offset, u32 size)
{
    if (bar >= BARS)
        return NULL;
    u32 low = pci_read32(f, (u8)(BAR_0 + bar * 4));
    u32 base = low & ~0xfu;
    if ((low & BAR_IO) || !base)
        return NULL;
    if ((low & BAR_64) && (bar + 1 == BARS || pci_read32(f, (u8)(BAR_0 + (bar + 1) * 4))))
        return NULL;
    if (offset + base < base || offset + base + size < size)
        return NULL;
    return mmu_map_device(base + offset, size);
}

void pci_enable(const struct pci_function *f)
{
    u16 command = pci_read16(f, COMMAND);
    pci_write16(f, COMMAND, (command | COMMAND_MEMORY | COMMAND_MASTER) & ~COMMAND_NO_INTX);
}

int pci_interrupt_line(const struct pci_function *f, unsigned *line)
{
    *line = pci_read8(f, INTERRUPT_LINE);
    return *line == 0 || *line > LAST_LEGACY_LINE ? -ENODEV : 0;
}

int pci_msix_start(const struct pci_function *f, struct pci_msix *msix)
{
    u8 at = pci_capability(f, PCI_CAPABILITY_MSIX, 0);

    if (!at)
        return -ENODEV;
    u16 control = pci_read16(f, at + MSIX_CONTROL);
    u32 table = pci_read32(f, at + MSIX_TABLE);
    msix->vectors = (control & MSIX_SIZE) + 1u;
    msix->table =
        pci_map(f, table & MSIX_TABLE_BAR, table & ~(u32)MSIX_TABLE_BAR, msix->vectors * MSIX_ENTRY_WORDS * 4);
    if (!msix->table)
        return -ENODEV;
    for (unsigned i = 0; i < msix->vectors; i++)
        msix->table[i * MSIX_ENTRY_WORDS + 3] = MSIX_ENTRY_MASKED;
    pci_write16(f, at + MSIX_CONTROL, control | MSIX_ENABLE);
    return 0;
}

void pci_msix_set(const struct pci_msix *msix, unsigned vector, u64 address, u32 data)
{
    volatile u32 *entry = msix->table + vector * MSIX_ENTRY_WORDS;

    entry[0] = (u32)address;
    entry[1] = (u32)(address >> 32);
    entry[2] = data;
    entry[3] = 0;
}

void pci_msix_stop(const struct pci_function *f)
{
    u8 at = pci_capability(f, PCI_CAPABILITY_MSIX, 0);

    if (at)
        pci_write16(f, at + MSIX_CONTROL, pci_read16(f, at + MSIX_CONTROL) & ~MSIX_ENABLE);
}
