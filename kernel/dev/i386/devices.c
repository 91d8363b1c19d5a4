// The devices of a PC.
#include "../terminal.h"
#include "ata.h"
#include "pci.h"
#include "ps2.h"
#include "uart.h"
#include "vga.h"
#include "virtio_pci.h"
#include <dev/disk.h>
#include <kern/options.h>

void terminal_init(void)
{
    uart_init();
    vga_init();
    ps2_init();
}

// ATA is slow, so it is looked for only where there is nothing else, or where root=hd... asks for it.
static bool ata_is_wanted(void)
{
    const char *root = option_text("root");
    return !disk_find(NULL) || (root && root[0] == 'h' && root[1] == 'd');
}

void dev_init(void)
{
    pci_scan(virtio_pci_probe);
    if (ata_is_wanted())
        ata_init();
}
