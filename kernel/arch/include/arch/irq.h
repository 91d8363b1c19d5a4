// Interrupts of devices.
#pragma once

#include <base/types.h>

/* handler(arg) is called with interrupts off whenever `line` fires. Lines may be shared. Errors: -EINVAL, -ENOMEM
 * (table full). */
MUST_CHECK int irq_attach(unsigned line, void (*handler)(void *), void *arg);

/* A message-signalled interrupt (PCI MSI-X): gives what the device must write where. Errors: -ENODEV where there are
 * none. */
MUST_CHECK int msi_attach(void (*handler)(void *), void *arg, u64 *address, u32 *data);
