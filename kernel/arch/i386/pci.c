// PCI configuration space through the address and data ports (PCI 3.0, section 3.2.2.3.2).
#include "machine.h"
#include <arch/pci_config.h>
#include <arch/port.h>

#define PCI_ADDRESS 0xcf8
#define PCI_DATA    0xcfc
#define PCI_ENABLE  0x80000000

static struct port_lock lock = { ATOMIC_FLAG_INIT };

static void point_at(unsigned bus, unsigned dev, unsigned fn, unsigned off)
{
    out32(PCI_ADDRESS, PCI_ENABLE | bus << 16 | dev << 11 | fn << 8 | (off & 0xfc));
}

u32 pci_config_read32(unsigned bus, unsigned dev, unsigned fn, unsigned off)
{
    u32 flags = port_lock(&lock);
    point_at(bus, dev, fn, off);
    u32 value = in32(PCI_DATA);
    port_unlock(&lock, flags);
    return value;
}

void pci_config_write32(unsigned bus, unsigned dev, unsigned fn, unsigned off, u32 value)
{
    u32 flags = port_lock(&lock);
    point_at(bus, dev, fn, off);
    out32(PCI_DATA, value);
    port_unlock(&lock, flags);
}

void pci_config_write16(unsigned bus, unsigned dev, unsigned fn, unsigned off, u16 value)
{
    u32 flags = port_lock(&lock);
    point_at(bus, dev, fn, off);
    out16(PCI_DATA + (off & 2), value);
    port_unlock(&lock, flags);
}
