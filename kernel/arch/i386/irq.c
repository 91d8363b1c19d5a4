// Interrupts of devices: lines through an I/O APIC or the two 8259s, and messages straight to the local APIC.
//
// All of them go to the first CPU. Handlers are added and never removed, so their chains are walked without a lock.
#include "machine.h"
#include <arch/irq.h>
#include <arch/port.h>
#include <arch/upcall.h>
#include <uapi/errno.h>

// 8259
#define PIC1_COMMAND 0x20
#define PIC1_DATA    0x21
#define PIC2_COMMAND 0xa0
#define PIC2_DATA    0xa1
#define PIC_INIT     0x11
#define PIC_EOI      0x20
#define PIC_READ_ISR 0x0b
#define PIC_READ_IRR 0x0a
#define PIC_LINES    16
#define PIC_CASCADE  2      // the line by which the second hangs on the first
#define PIC_SPURIOUS 7      // the last line of each: fires without cause when a request goes away
#define ELCR         0x4d0  // two ports, a bit for each line: level-triggered

// I/O APIC
#define IOAPIC_SELECT      0x00
#define IOAPIC_WINDOW      0x10
#define IOAPIC_VERSION     0x01
#define IOAPIC_PIN(n)      (0x10 + 2 * (n))  // two registers each
#define PIN_LOW_ACTIVE     0x02000
#define PIN_LEVEL          0x08000
#define PIN_MASKED         0x10000

#define MSI_ADDRESS        0xfee00000

#define VECTOR_DEVICES_END (VECTOR_MSI + MSI_MAX)

struct handler {
    void (*call)(void *);
    void *arg;
    struct handler *next;
};

static struct port_lock lock = { ATOMIC_FLAG_INIT };  // the controllers' registers, and all of:
static struct handler handlers[48];
static unsigned handler_count, msi_count;
static struct handler *_Atomic chains[VECTOR_DEVICES_END - VECTOR_LINES];

static volatile u32 *ioapic;
static unsigned pin_count;
static u16 pic_masked = 0xffff & ~(1 << PIC_CASCADE);
static _Atomic u32 unexpected;  // interrupts that nobody claims

static u32 ioapic_get(unsigned reg)
{
    ioapic[IOAPIC_SELECT / 4] = reg;
    return ioapic[IOAPIC_WINDOW / 4];
}

static void ioapic_put(unsigned reg, u32 value)
{
    ioapic[IOAPIC_SELECT / 4] = reg;
    ioapic[IOAPIC_WINDOW / 4] = value;
}

static void pic_mask(u16 lines)
{
    out8(PIC1_DATA, (u8)lines);
    out8(PIC2_DATA, (u8)(lines >> 8));
}

static void pic_init(void)
{
    out8(PIC1_COMMAND, PIC_INIT);
    out8(PIC2_COMMAND, PIC_INIT);
    out8(PIC1_DATA, VECTOR_LINES);
    out8(PIC2_DATA, VECTOR_LINES + 8);
    out8(PIC1_DATA, 1 << PIC_CASCADE);
    out8(PIC2_DATA, PIC_CASCADE);
    out8(PIC1_DATA, 1);  // 8086 mode
    out8(PIC2_DATA, 1);
    pic_mask(0xffff);
}

void irq_init(void)
{
    pic_init();
    if (!lapic_present() || !tables.ioapic)
        return;
    ioapic = mmu_map_device(tables.ioapic, PAGE_SIZE);
    pin_count = (ioapic_get(IOAPIC_VERSION) >> 16 & 0xff) + 1;
    for (unsigned pin = 0; pin < pin_count; pin++)
        ioapic_put(IOAPIC_PIN(pin), PIN_MASKED);
}

static bool line_is_level_by_elcr(unsigned line)
{
    u16 levels = (u16)(in8(ELCR) | in8(ELCR + 1) << 8);
    return line < ISA_LINES && levels != 0xffff && (levels & 1u << line);
}

// Lines from 16 on are PCI's. Of the others, the tables' word counts, then the BIOS's; a line is edge-triggered and
// high by default.
static u32 line_flags(unsigned line)
{
    u16 flags = line < ISA_LINES ? tables.isa[line].flags : INTI_LEVEL_LOW;

    if (flags == 0 && line_is_level_by_elcr(line))
        flags = INTI_LEVEL_LOW;
    return ((flags & INTI_POLARITY) == 3 ? PIN_LOW_ACTIVE : 0) | ((flags & INTI_TRIGGER) == 12 ? PIN_LEVEL : 0);
}

static int ioapic_enable(unsigned line)
{
    u32 pin = (line < ISA_LINES ? tables.isa[line].gsi : line) - tables.gsi_base;

    if (pin >= pin_count)
        return -EINVAL;
    ioapic_put(IOAPIC_PIN(pin) + 1, cpus[0].apic_id << 24);
    ioapic_put(IOAPIC_PIN(pin), (VECTOR_LINES + line) | line_flags(line));
    return 0;
}

static int pic_enable(unsigned line)
{
    if (line >= PIC_LINES || line == PIC_CASCADE)
        return -EINVAL;
    pic_masked &= (u16) ~(1u << line);
    pic_mask(pic_masked);
    return 0;
}

static int chain_add(unsigned vector, void (*call)(void *), void *arg)
{
    struct handler *h = &handlers[handler_count];
    struct handler *_Atomic *head = &chains[vector - VECTOR_LINES];

    if (handler_count == ARRAY_SIZE(handlers))
        return -ENOMEM;
    handler_count++;
    *h = (struct handler){ call, arg, *head };
    *head = h;
    return 0;
}

int irq_attach(unsigned line, void (*handler)(void *), void *arg)
{
    u32 flags = port_lock(&lock);
    int err = -EINVAL;

    if (line < LINES_MAX)
        err = chain_add(VECTOR_LINES + line, handler, arg);
    if (!err)
        err = ioapic ? ioapic_enable(line) : pic_enable(line);
    port_unlock(&lock, flags);
    return err;
}

int msi_attach(void (*handler)(void *), void *arg, u64 *address, u32 *data)
{
    u32 flags = port_lock(&lock);
    int err = -ENODEV;

    if (lapic_present())
        err = msi_count < MSI_MAX ? chain_add(VECTOR_MSI + msi_count, handler, arg) : -ENOMEM;
    if (!err) {
        *address = MSI_ADDRESS | cpus[0].apic_id << 12;
        *data = VECTOR_MSI + msi_count++;
    }
    port_unlock(&lock, flags);
    return err;
}

static bool pic_in_service(unsigned line)
{
    u16 port = line < 8 ? PIC1_COMMAND : PIC2_COMMAND;

    out8(port, PIC_READ_ISR);
    u8 serving = in8(port);
    out8(port, PIC_READ_IRR);
    return serving & 1u << line % 8;
}

static void call_chain(unsigned vector)
{
    struct handler *h = vector < VECTOR_DEVICES_END ? chains[vector - VECTOR_LINES] : NULL;

    if (!h)
        unexpected++;
    for (; h; h = h->next)
        h->call(h->arg);
}

static void pic_interrupt(unsigned line)
{
    bool real = line % 8 != PIC_SPURIOUS || pic_in_service(line);

    if (real)
        call_chain(VECTOR_LINES + line);
    else
        unexpected++;
    if (real && line >= 8)
        out8(PIC2_COMMAND, PIC_EOI);
    if (real || line >= 8)  // the first one does not know that the second had no cause
        out8(PIC1_COMMAND, PIC_EOI);
}

static void apic_interrupt(unsigned vector)
{
    call_chain(vector);
    if (lapic_present() && lapic_in_service(vector))
        lapic_eoi();
}

void interrupt(unsigned vector)
{
    this_cpu()->interrupted = true;
    if (vector == VECTOR_TICK) {
        lapic_eoi();
        upcall_tick();
    } else if (vector == VECTOR_KICK) {
        lapic_eoi();
        upcall_reschedule();
    } else if (vector < VECTOR_LINES + PIC_LINES && !ioapic) {
        pic_interrupt(vector - VECTOR_LINES);
    } else {
        apic_interrupt(vector);
    }
}
