// Virtio over PCI: VIRTIO 1.1, section 4.1. Only the interface of version 1 ("modern"): registers in memory, found by
// capabilities. Interrupts are MSI-X, one message for the queue and one for changes of configuration; where there are
// none, or too few, the interrupt line.
#include "virtio_pci.h"
#include "../virtio.h"
#include <arch/cpu.h>
#include <arch/irq.h>
#include <base/format.h>
#include <kern/printk.h>
#include <mm/kmalloc.h>
#include <uapi/errno.h>

// 4.1.2, identity: a transitional device has the old number, and both interfaces.
#define VENDOR             0x1af4
#define BLOCK              0x1042
#define BLOCK_TRANSITIONAL 0x1001

// 4.1.4, the capability; offsets from its start
#define CAP_KIND       3
#define CAP_BAR        4
#define CAP_OFFSET     8
#define CAP_LENGTH     12
#define CAP_MULTIPLIER 16  // of the notify capability

enum cap_kind { CAP_COMMON = 1, CAP_NOTIFY = 2, CAP_ISR = 3, CAP_DEVICE = 4 };

// 4.1.4.5, the interrupt status, which reading clears
#define ISR_QUEUE         1
#define ISR_CONFIG        2

#define VECTOR_QUEUE      0
#define VECTOR_CONFIG     1
#define VECTORS           2

#define RESET_PATIENCE_NS 1000000000ull

// 4.1.4.3. Fields of 64 bits are written as two halves.
struct common {
    u32 device_feature_select, device_feature;
    u32 driver_feature_select, driver_feature;
    u16 config_vector, queues;
    u8 status, generation;
    u16 queue_select, queue_size, queue_vector, queue_enable, queue_notify_offset;
    u32 queue_descriptors[2], queue_available[2], queue_used[2];
};
_Static_assert(sizeof(struct common) == 56, "the layout of 4.1.4.3");

struct virtio_pci {
    struct virtio_device device;
    struct pci_function function;
    volatile struct common *common;
    volatile u8 *isr;
    volatile u32 *config;
    volatile u8 *notify;
    u32 notify_length, notify_multiplier;
    volatile u16 *notify_queue;
    struct virtio_owner owner;  // set before interrupts can come
};

static struct virtio_pci *of(struct virtio_device *device)
{
    return container_of(device, struct virtio_pci, device);
}

static u8 get_status(struct virtio_device *device)
{
    return of(device)->common->status;
}

static void set_status(struct virtio_device *device, u8 status)
{
    of(device)->common->status = status;
}

// 4.1.4.3.2: the device has stopped when the status reads 0. One that never does is not waited for.
static void reset(struct virtio_device *device)
{
    set_status(device, 0);
    u64 give_up = clock_ns() + RESET_PATIENCE_NS;
    while (get_status(device) != 0 && clock_ns() < give_up)
        cpu_relax();
}

static u64 offered_features(struct virtio_device *device)
{
    volatile struct common *c = of(device)->common;

    c->device_feature_select = 0;
    u32 low = c->device_feature;
    c->device_feature_select = 1;
    return (u64)c->device_feature << 32 | low;
}

static void accept_features(struct virtio_device *device, u64 features)
{
    volatile struct common *c = of(device)->common;

    c->driver_feature_select = 0;
    c->driver_feature = (u32)features;
    c->driver_feature_select = 1;
    c->driver_feature = (u32)(features >> 32);
}

static u32 config(struct virtio_device *device, unsigned offset)
{
    return of(device)->config[offset / 4];
}

static u16 queue_size(struct virtio_device *device)
{
    volatile struct common *c = of(device)->common;

    c->queue_select = 0;
    return c->queue_size;
}

static void write64(volatile u32 field[2], u64 v)
{
    field[0] = (u32)v;
    field[1] = (u32)(v >> 32);
}

// Interrupts

static void queue_interrupt(void *arg)
{
    struct virtio_pci *p = arg;
    p->owner.on_queue(p->owner.arg);
}

static void config_interrupt(void *arg)
{
    struct virtio_pci *p = arg;
    p->owner.on_config(p->owner.arg);
}

static void line_interrupt(void *arg)
{
    struct virtio_pci *p = arg;
    u8 why = *p->isr;

    if (why & ISR_QUEUE)
        queue_interrupt(p);
    if (why & ISR_CONFIG)
        config_interrupt(p);
}

static int vector_attach(struct virtio_pci *p, const struct pci_msix *msix, unsigned vector, void (*handler)(void *))
{
    u64 address;
    u32 data;

    int err = msi_attach(handler, p, &address, &data);
    if (!err)
        pci_msix_set(msix, vector, address, data);
    return err;
}

// 4.1.5.1.2: a device that has no room for a vector reads back NO_VECTOR.
static int vectors_assign(struct virtio_pci *p, const struct pci_msix *msix)
{
    volatile struct common *c = p->common;

    if (msix->vectors < VECTORS)
        return -ENODEV;
    int err = vector_attach(p, msix, VECTOR_QUEUE, queue_interrupt);
    if (!err)
        err = vector_attach(p, msix, VECTOR_CONFIG, config_interrupt);
    if (err)
        return err;
    c->queue_vector = VECTOR_QUEUE;
    c->config_vector = VECTOR_CONFIG;
    return c->queue_vector == VECTOR_QUEUE && c->config_vector == VECTOR_CONFIG ? 0 : -ENODEV;
}

static int messages_start(struct virtio_pci *p)
{
    struct pci_msix msix;

    int err = pci_msix_start(&p->function, &msix);
    if (err)
        return err;
    err = vectors_assign(p, &msix);
    if (err)
        pci_msix_stop(&p->function);
    return err;
}

static int line_start(struct virtio_pci *p)
{
    unsigned line;
    int err = pci_interrupt_line(&p->function, &line);
    return err ? err : irq_attach(line, line_interrupt, p);
}

// 4.1.5.1.3
static int queue_start(struct virtio_device *device, const struct virtio_ring *ring, const struct virtio_owner *owner)
{
    struct virtio_pci *p = of(device);
    volatile struct common *c = p->common;

    c->queue_select = 0;
    u64 notify_at = (u64)c->queue_notify_offset * p->notify_multiplier;
    if (notify_at + sizeof(u16) > p->notify_length)
        return -ENODEV;
    p->notify_queue = (volatile u16 *)(p->notify + notify_at);
    c->queue_size = ring->size;
    write64(c->queue_descriptors, virt_to_phys(ring->descriptors));
    write64(c->queue_available, virt_to_phys(ring->available));
    write64(c->queue_used, virt_to_phys(ring->used));

    p->owner = *owner;
    int err = messages_start(p);
    if (err)
        err = line_start(p);
    if (!err)
        c->queue_enable = 1;
    return err;
}

static void notify(struct virtio_device *device)
{
    *of(device)->notify_queue = 0;
}

static const struct virtio_transport transport = {
    .get_status = get_status,
    .set_status = set_status,
    .reset = reset,
    .offered_features = offered_features,
    .accept_features = accept_features,
    .config = config,
    .queue_size = queue_size,
    .queue_start = queue_start,
    .notify = notify,
};

// Finding

// Map the registers of one kind, at least `least` bytes: of the first capability of that kind that can be used
// (4.1.4.1). Its length through *length.
static volatile void *map_kind(const struct pci_function *f, enum cap_kind kind, u32 least, u32 *length, u8 *cap)
{
    for (u8 at = pci_capability(f, PCI_CAPABILITY_VENDOR, 0); at; at = pci_capability(f, PCI_CAPABILITY_VENDOR, at)) {
        *length = pci_read32(f, at + CAP_LENGTH);
        if (pci_read8(f, at + CAP_KIND) != kind || *length < least)
            continue;
        volatile void *registers = pci_map(f, pci_read8(f, at + CAP_BAR), pci_read32(f, at + CAP_OFFSET), *length);
        *cap = at;
        if (registers)
            return registers;
    }
    return NULL;
}

static bool map_registers(struct virtio_pci *p)
{
    const struct pci_function *f = &p->function;
    u32 length;
    u8 cap;

    p->common = map_kind(f, CAP_COMMON, sizeof(struct common), &length, &cap);
    p->isr = map_kind(f, CAP_ISR, 1, &length, &cap);
    p->config = map_kind(f, CAP_DEVICE, 16, &length, &cap);
    p->notify = map_kind(f, CAP_NOTIFY, sizeof(u16), &p->notify_length, &cap);
    if (!p->common || !p->isr || !p->config || !p->notify)
        return false;
    p->notify_multiplier = pci_read32(f, cap + CAP_MULTIPLIER);
    return true;
}

void virtio_pci_probe(const struct pci_function *f)
{
    if (f->vendor != VENDOR || (f->device != BLOCK && f->device != BLOCK_TRANSITIONAL))
        return;
    struct virtio_pci *p = kzalloc(sizeof(*p));
    if (!p) {
        printk("pci %u:%u.%u: no memory for a virtio disk\n", f->bus, f->slot, f->function);
        return;
    }
    p->function = *f;
    p->device.transport = &transport;
    format_text(p->device.where, sizeof(p->device.where), "pci %u:%u.%u", f->bus, f->slot, f->function);
    pci_enable(f);
    if (!map_registers(p)) {
        printk("virtio disk on %s has no interface of version 1 within reach: not used\n", p->device.where);
        kfree(p);
        return;
    }
    virtio_blk_attach(&p->device);
}
