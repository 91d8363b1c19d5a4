// The first serial line, by polling: for messages before and after there are drivers.
#include "machine.h"
#include <arch/port.h>

#define COM1          0x3f8
#define DATA          (COM1 + 0)
#define DIVISOR_LOW   (COM1 + 0)
#define DIVISOR_HIGH  (COM1 + 1)
#define INTERRUPTS    (COM1 + 1)
#define FIFO          (COM1 + 2)
#define LINE_CONTROL  (COM1 + 3)
#define MODEM_CONTROL (COM1 + 4)
#define LINE_STATUS   (COM1 + 5)
#define SCRATCH       (COM1 + 7)

#define LINE_8N1      0x03
#define LINE_DIVISOR  0x80  // the first two registers are the divisor
#define FIFO_ON       0x01
#define MODEM_ON      0x03
#define STATUS_EMPTY  0x20  // the transmitter's register
#define PATIENCE      100000

static bool present;

void serial_init(void)
{
    out8(SCRATCH, 0x5a);
    present = in8(SCRATCH) == 0x5a;
    if (!present)
        return;
    out8(INTERRUPTS, 0);
    out8(LINE_CONTROL, LINE_DIVISOR | LINE_8N1);
    out8(DIVISOR_LOW, 1);  // 115200
    out8(DIVISOR_HIGH, 0);
    out8(LINE_CONTROL, LINE_8N1);
    out8(FIFO, FIFO_ON);
    out8(MODEM_CONTROL, MODEM_ON);
}

void early_write(const char *bytes, size_t n)
{
    for (size_t i = 0; present && i < n; i++) {
        for (int patience = PATIENCE; !(in8(LINE_STATUS) & STATUS_EMPTY) && patience; patience--)
            cpu_relax();
        out8(DATA, (u8)bytes[i]);
    }
}
