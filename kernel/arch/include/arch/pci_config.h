// The configuration space of PCI devices: 256 bytes a function.
#pragma once

#include <base/types.h>

/* off: a multiple of the width. A function that does not exist reads as all ones. Any lock may be held. */
u32 pci_config_read32(unsigned bus, unsigned dev, unsigned fn, unsigned off);
void pci_config_write32(unsigned bus, unsigned dev, unsigned fn, unsigned off, u32 value);
void pci_config_write16(unsigned bus, unsigned dev, unsigned fn, unsigned off, u16 value);
