// The first serial line. Receiving is by interrupt; sending is polled, so that it works in every context, and by FIFO
// loads, because on an emulated machine each access to a port costs.
//
// Section numbers are those of the PC16550D data sheet.
#include "uart.h"
#include "../terminal.h"
#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/port.h>
#include <dev/console.h>
#include <kern/printk.h>

#define COM1_PORT       0x3f8
#define COM1_LINE       4

#define DATA            (COM1_PORT + 0)  // received; to send; divisor low (with LCR_DIVISOR)
#define IRQ_ENABLE      (COM1_PORT + 1)  // 8.7; divisor high (with LCR_DIVISOR)
#define IRQ_IDENTITY    (COM1_PORT + 2)  // 8.6, read
#define FIFO_CONTROL    (COM1_PORT + 2)  // 8.5, write
#define LINE_CONTROL    (COM1_PORT + 3)  // 8.1
#define MODEM           (COM1_PORT + 4)  // 8.8
#define LINE_STATUS     (COM1_PORT + 5)  // 8.4

#define IER_RECEIVED    0x01
#define IIR_NONE        0x01  // no interrupt is pending
#define IIR_FIFOS       0xc0  // the FIFOs are in use
#define FCR_ENABLE      0x01  // and an interrupt at the first byte received
#define LCR_8N1         0x03
#define LCR_DIVISOR     0x80
#define MCR_READY       0x0b  // DTR, RTS, and OUT2, which on PCs lets the interrupt through
#define LSR_RECEIVED    0x01
#define LSR_SEND_EMPTY  0x20  // all FIFO_SIZE places of the send FIFO are free
#define ABSENT          0xff  // what an empty bus reads as
#define DIVISOR_115200  1
#define FIFO_SIZE       16
#define RECEIVE_AT_ONCE 256  // bytes per interrupt, so that a flood doesn't hold the CPU
#define SEND_POLLS      32

static bool present;

static void receive(unsigned limit)
{
    while (limit-- && (in8(LINE_STATUS) & LSR_RECEIVED))
        console_input(in8(DATA));
}

static void uart_interrupt(void *arg)
{
    receive(RECEIVE_AT_ONCE);
    // The line is edge-triggered: if there is more, only a fresh edge brings us back.
    if (!(in8(IRQ_IDENTITY) & IIR_NONE)) {
        out8(IRQ_ENABLE, 0);
        out8(IRQ_ENABLE, IER_RECEIVED);
    }
}

// Bytes typed while the machine started are in the receive buffer, which turning the FIFOs on would clear.
static void fifos_enable(void)
{
    if ((in8(IRQ_IDENTITY) & IIR_FIFOS) == IIR_FIFOS)
        return;
    receive(FIFO_SIZE);
    out8(FIFO_CONTROL, FCR_ENABLE);
}

void uart_init(void)
{
    present = in8(LINE_STATUS) != ABSENT;
    if (!present)
        return;
    out8(LINE_CONTROL, LCR_DIVISOR);
    out8(DATA, DIVISOR_115200);
    out8(IRQ_ENABLE, 0);
    out8(LINE_CONTROL, LCR_8N1);
    out8(IRQ_ENABLE, 0);
    out8(MODEM, MCR_READY);
    fifos_enable();
    if (irq_attach(COM1_LINE, uart_interrupt, NULL)) {
        printk("com1: no interrupt: it can print, but not read\n");
        return;
    }
    out8(IRQ_ENABLE, IER_RECEIVED);
}

static bool send_fifo_is_empty(void)
{
    for (unsigned i = 0; i < SEND_POLLS; i++) {
        if (in8(LINE_STATUS) & LSR_SEND_EMPTY)
            return true;
        cpu_relax();
    }
    return false;
}

// Fill the FIFO, which is empty. Returns the bytes taken from the text.
static size_t fifo_fill(const char *bytes, size_t n)
{
    size_t taken = 0;

    for (unsigned places = FIFO_SIZE; taken < n; taken++) {
        bool newline = bytes[taken] == '\n';
        unsigned needed = newline ? 2 : 1;
        if (places < needed)
            break;
        places -= needed;
        if (newline)
            out8(DATA, '\r');
        out8(DATA, (u8)bytes[taken]);
    }
    return taken;
}

size_t serial_write(const char *bytes, size_t n)
{
    size_t taken = 0;

    if (!present)
        return n;
    while (taken < n && send_fifo_is_empty())
        taken += fifo_fill(bytes + taken, n - taken);
    return taken;
}
