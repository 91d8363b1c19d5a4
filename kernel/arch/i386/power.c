// Off and restart.
#include "machine.h"
#include <arch/port.h>
#include <base/string.h>
#include <uapi/sys.h>

#define QEMU_EXIT        0xf4
#define ACPI_CONTROL     0x604  // of QEMU's machines; older ones have it at 0xb004
#define ACPI_CONTROL_OLD 0xb004
#define ACPI_SLEEP       0x2000
#define RESET_CONTROL    0xcf9
#define RESET_NOW        0x06
#define KEYBOARD_COMMAND 0x64
#define KEYBOARD_RESET   0xfe

static void say(const char *text)
{
    early_write(text, strlen(text));
}

void machine_off(int status)
{
    cpu_irq_off();
    cpu_stop_others();
    if (status == POWEROFF_RESTART) {
        out8(RESET_CONTROL, RESET_NOW);
        out8(KEYBOARD_COMMAND, KEYBOARD_RESET);
        say("The machine does not restart by itself.\n");
    } else {
        if (status != 0)
            out32(QEMU_EXIT, (u32)status);
        out16(ACPI_CONTROL, ACPI_SLEEP);
        out16(ACPI_CONTROL_OLD, ACPI_SLEEP);
        say("The machine can be switched off now.\n");
    }
    for (;;)
        __asm__ volatile("hlt");
}
