// Virtio devices on PCI: VIRTIO 1.1, section 4.1.
#pragma once

#include "pci.h"

/* If the function is a virtio disk, drive it. */
void virtio_pci_probe(const struct pci_function *f);
