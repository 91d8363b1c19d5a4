// Disks of virtio: VIRTIO 1.1, section 5.2.
//
// A request takes one slot: a place for its header and status, and a table of descriptors for its data. With indirect
// descriptors (2.6.5.3) a slot costs one entry of the ring, and each has a table of its own; without, the ring's own
// descriptors are dealt out to a few slots. What a device can't take in one piece (SEG_MAX, SIZE_MAX) runs in parts,
// one after another in the same slot. Requests that find no free slot are held in a list.
//
// A device that says it needs a reset, or answers what was not asked, is reset for good: all its requests, then and
// later, end in -EIO.
#include "driver.h"
#include "virtio.h"
#include <base/format.h>
#include <base/string.h>
#include <kern/printk.h>
#include <kern/spinlock.h>
#include <mm/kmalloc.h>
#include <uapi/errno.h>

// 5.2.3, features
#define BLK_F_SIZE_MAX (1ull << 1)
#define BLK_F_SEG_MAX  (1ull << 2)
#define BLK_F_RO       (1ull << 5)
#define BLK_F_FLUSH    (1ull << 9)

// 5.2.4, configuration
#define CONFIG_CAPACITY 0  // 64 bits, in sectors of 512 bytes
#define CONFIG_SIZE_MAX 8
#define CONFIG_SEG_MAX  12

// 5.2.6, requests
#define BLK_IN            0
#define BLK_OUT           1
#define BLK_FLUSH         4
#define BLK_OK            0

#define SECTORS_PER_BLOCK (DISK_BLOCK_SIZE / 512)

#define TABLE_MAX         (PAGE_SIZE / sizeof(struct virtio_descriptor))
#define DIRECT_TABLE      64u   // descriptors of a slot when there are no indirect tables
#define NOT_DATA          2u    // of a table: the header and the status
#define FRAMES_PER_TABLE  512u  // memory the machine must have for each slot

// What the device reads and writes besides the data.
struct envelope {
    u32 type, reserved;
    u64 sector;
    u8 status;
    u8 unused[15];
};

struct slot {
    struct disk_request *request;  // NULL: free
    u32 done;                      // blocks done by parts that ended
    u32 part;                      // blocks in the part that runs
    struct virtio_descriptor *table;
    u16 head;   // the ring's descriptor that the device gets to know
    u16 first;  // the table's first descriptor, as `next` counts
    struct envelope *envelope;
};

struct virtio_blk {
    struct disk disk;
    char name[8];
    struct virtio_device *device;
    bool can_flush;  // else every write is durable at once
    bool indirect;
    u32 max_segments;  // data descriptors of a part
    u32 max_segment_size;
    u32 slot_count;
    struct spinlock lock;
    struct virtio_ring ring FIELD_GUARDED_BY(lock);
    struct slot slots[VIRTIO_RING_MAX] FIELD_GUARDED_BY(lock);
    u16 free[VIRTIO_RING_MAX] FIELD_GUARDED_BY(lock);  // a stack of free slots
    u32 free_count FIELD_GUARDED_BY(lock);
    struct list held FIELD_GUARDED_BY(lock);  // requests that wait for a slot
    bool broken FIELD_GUARDED_BY(lock);
};

// Running requests

static struct virtio_descriptor *descriptor_set(struct slot *s, unsigned i, paddr_t address, u32 length, u16 flags)
{
    struct virtio_descriptor *d = &s->table[i];

    *d = (struct virtio_descriptor){ address, length, (u16)(flags | DESCRIPTOR_NEXT), (u16)(s->first + i + 1) };
    return d;
}

// Describe the request's frames from s->done on, as many as the device takes at once; adjacent ones as one. Returns the
// descriptors in use.
static unsigned describe_data(const struct virtio_blk *b, struct slot *s, unsigned used)
{
    const struct disk_request *r = s->request;
    u16 flags = r->op == DISK_READ ? DESCRIPTOR_WRITE : 0;
    struct virtio_descriptor *last = NULL;
    unsigned end = used + b->max_segments;

    for (s->part = 0; s->done + s->part < r->count; s->part++) {
        paddr_t at = frame_addr(r->frames[s->done + s->part]);
        if (last && last->address + last->length == at && last->length + DISK_BLOCK_SIZE <= b->max_segment_size) {
            last->length += DISK_BLOCK_SIZE;
            continue;
        }
        if (used == end)
            break;
        last = descriptor_set(s, used++, at, DISK_BLOCK_SIZE, flags);
    }
    return used;
}

static u32 wire_type(enum disk_op op)
{
    return op == DISK_READ ? BLK_IN : op == DISK_WRITE ? BLK_OUT : BLK_FLUSH;
}

// Hand the next part of the slot's request to the device.
static void slot_run(struct virtio_blk *b, struct slot *s) REQUIRES(b->lock)
{
    const struct disk_request *r = s->request;
    paddr_t envelope = virt_to_phys(s->envelope);
    unsigned used = 0;

    s->part = 0;
    s->envelope->type = wire_type(r->op);
    s->envelope->sector = r->op == DISK_FLUSH ? 0 : (r->block + s->done) * SECTORS_PER_BLOCK;
    s->envelope->status = 0xff;
    descriptor_set(s, used++, envelope, offsetof(struct envelope, status), 0);
    if (r->op != DISK_FLUSH)
        used = describe_data(b, s, used);
    struct virtio_descriptor *last =
        descriptor_set(s, used++, envelope + offsetof(struct envelope, status), 1, DESCRIPTOR_WRITE);
    last->flags &= (u16)~DESCRIPTOR_NEXT;
    if (b->indirect)
        b->ring.descriptors[s->head].length = used * sizeof(struct virtio_descriptor);
    virtio_ring_offer(&b->ring, s->head);
}

// Give free slots to the requests that are held, and tell the device.
static void start_held(struct virtio_blk *b) REQUIRES(b->lock)
{
    while (b->free_count && !list_empty(&b->held)) {
        struct disk_request *r = list_first(&b->held, struct disk_request, link);
        struct slot *s = &b->slots[b->free[--b->free_count]];
        list_remove(&r->link);
        s->request = r;
        s->done = 0;
        slot_run(b, s);
    }
}

static void notify(struct virtio_blk *b) REQUIRES(b->lock)
{
    if (virtio_ring_wants_notice(&b->ring))
        b->device->transport->notify(b->device);
}

static void submit(struct disk *disk, struct disk_request *r)
{
    struct virtio_blk *b = container_of(disk, struct virtio_blk, disk);

    if (r->op == DISK_FLUSH && !b->can_flush) {
        disk_complete_later(r, 0);
        return;
    }
    spin_lock(&b->lock);
    bool broken = b->broken;
    if (!broken) {
        u16 offered = b->ring.offered;
        list_append(&b->held, &r->link);
        start_held(b);
        if (b->ring.offered != offered)
            notify(b);
    }
    spin_unlock(&b->lock);
    if (broken)
        disk_complete_later(r, -EIO);
}

// Ending requests

// Requests whose end is decided, status inside; their submitters are told when the lock is free.
static void end_all(struct list *ended)
{
    while (!list_empty(ended)) {
        struct disk_request *r = list_first(ended, struct disk_request, link);
        list_remove(&r->link);
        disk_complete(r, r->status);
    }
}

static void slot_end(struct virtio_blk *b, struct slot *s, int status, struct list *ended) REQUIRES(b->lock)
{
    s->request->status = status;
    list_append(ended, &s->request->link);
    s->request = NULL;
    b->free[b->free_count++] = (u16)(s - b->slots);
}

static void give_up(struct virtio_blk *b, const char *why, struct list *ended) REQUIRES(b->lock)
{
    printk("%s: the device %s: it is given up, all requests fail\n", b->name, why);
    b->broken = true;
    b->device->transport->reset(b->device);
    for (u32 i = 0; i < b->slot_count; i++)
        if (b->slots[i].request)
            slot_end(b, &b->slots[i], -EIO, ended);
    while (!list_empty(&b->held)) {
        struct disk_request *r = list_first(&b->held, struct disk_request, link);
        list_remove(&r->link);
        r->status = -EIO;
        list_append(ended, &r->link);
    }
}

// The slot whose part the device says it has done, or NULL.
static struct slot *slot_of(struct virtio_blk *b, u32 head) REQUIRES(b->lock)
{
    u32 per_slot = b->indirect ? 1 : DIRECT_TABLE;
    u32 i = head / per_slot;

    return head % per_slot == 0 && i < b->slot_count && b->slots[i].request ? &b->slots[i] : NULL;
}

static void part_ended(struct virtio_blk *b, struct slot *s, struct list *ended) REQUIRES(b->lock)
{
    s->done += s->part;
    if (*(volatile u8 *)&s->envelope->status != BLK_OK) {
        disk_report(&b->disk, s->request);
        slot_end(b, s, -EIO, ended);
    } else if (s->request->op != DISK_FLUSH && s->done < s->request->count) {
        slot_run(b, s);
    } else {
        slot_end(b, s, 0, ended);
    }
}

static void on_queue(void *arg)
{
    struct virtio_blk *b = arg;
    struct list ended;
    u32 head;

    list_init(&ended);
    spin_lock(&b->lock);
    u16 offered = b->ring.offered;
    while (!b->broken && virtio_ring_take(&b->ring, &head)) {
        struct slot *s = slot_of(b, head);
        if (s)
            part_ended(b, s, &ended);
        else
            give_up(b, "answers what was not asked", &ended);
    }
    if (!b->broken) {
        start_held(b);
        if (b->ring.offered != offered)
            notify(b);
    }
    spin_unlock(&b->lock);
    end_all(&ended);
}

static void on_config(void *arg)
{
    struct virtio_blk *b = arg;
    struct list ended;

    list_init(&ended);
    spin_lock(&b->lock);
    if (!b->broken && (b->device->transport->get_status(b->device) & VIRTIO_NEEDS_RESET))
        give_up(b, "needs a reset", &ended);
    spin_unlock(&b->lock);
    end_all(&ended);
}

// Setting up

static int negotiate(struct virtio_blk *b, u64 *features)
{
    const struct virtio_transport *t = b->device->transport;

    *features = t->offered_features(b->device) &
                (VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC | BLK_F_SIZE_MAX | BLK_F_SEG_MAX | BLK_F_RO | BLK_F_FLUSH);
    if (!(*features & VIRTIO_F_VERSION_1))
        return -ENOTSUP;
    t->accept_features(b->device, *features);
    t->set_status(b->device, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK);
    return t->get_status(b->device) & VIRTIO_FEATURES_OK ? 0 : -ENOTSUP;
}

static u64 read_capacity(struct virtio_device *device)
{
    const struct virtio_transport *t = device->transport;
    return t->config(device, CONFIG_CAPACITY) | (u64)t->config(device, CONFIG_CAPACITY + 4) << 32;
}

// How long a chain may be, and how large a piece of it. A device that doesn't say how many segments it takes is trusted
// with one.
static int read_limits(struct virtio_blk *b, u64 features)
{
    const struct virtio_transport *t = b->device->transport;
    u32 table = b->indirect ? MIN((u32)b->ring.size, TABLE_MAX) : MIN((u32)b->ring.size, DIRECT_TABLE);
    u32 segments = features & BLK_F_SEG_MAX ? t->config(b->device, CONFIG_SEG_MAX) : 1;

    b->max_segment_size = features & BLK_F_SIZE_MAX ? t->config(b->device, CONFIG_SIZE_MAX) : UINT32_MAX;
    if (table <= NOT_DATA || b->max_segment_size < DISK_BLOCK_SIZE)
        return -ENOTSUP;
    b->max_segments = MIN(MAX(segments, 1u), table - NOT_DATA);
    return 0;
}

// Give slot i its memory. With indirect tables the ring's i-th descriptor points to the table for ever.
static int slot_init(struct virtio_blk *b, u32 i)
{
    struct slot *s = &b->slots[i];

    s->envelope = kzalloc(sizeof(*s->envelope));
    if (!s->envelope)
        return -ENOMEM;
    if (!b->indirect) {
        s->head = s->first = (u16)(i * DIRECT_TABLE);
        s->table = &b->ring.descriptors[s->first];
        return 0;
    }
    struct frame *table = frame_alloc();
    if (!table) {
        kfree(s->envelope);
        return -ENOMEM;
    }
    s->head = (u16)i;
    s->table = frame_data(table);
    b->ring.descriptors[i] = (struct virtio_descriptor){ frame_addr(table), 0, DESCRIPTOR_INDIRECT, 0 };
    return 0;
}

static void slots_release(struct virtio_blk *b)
{
    for (u32 i = 0; i < b->slot_count; i++) {
        kfree(b->slots[i].envelope);
        if (b->indirect)
            frame_put(frame_of(b->slots[i].table));
    }
}

static int slots_init(struct virtio_blk *b)
{
    u32 wanted = b->indirect ? MIN((u32)b->ring.size, MAX(frames_total() / FRAMES_PER_TABLE, 8u))
                             : MAX(b->ring.size / DIRECT_TABLE, 1u);

    for (b->slot_count = 0; b->slot_count < wanted; b->slot_count++) {
        int err = slot_init(b, b->slot_count);
        if (err) {
            slots_release(b);
            return err;
        }
        b->free[b->slot_count] = (u16)b->slot_count;
    }
    b->free_count = b->slot_count;
    return 0;
}

static u16 usable_ring_size(u16 offered)
{
    u16 size = VIRTIO_RING_MAX;

    while (size > offered)
        size /= 2;
    return size;
}

static int queue_init(struct virtio_blk *b, u64 features)
{
    const struct virtio_transport *t = b->device->transport;
    u16 size = usable_ring_size(t->queue_size(b->device));

    if (!size)
        return -ENODEV;
    int err = virtio_ring_create(&b->ring, size);
    if (err)
        return err;
    err = read_limits(b, features);
    if (err)
        goto out_ring;
    err = slots_init(b);
    if (err)
        goto out_ring;
    err = t->queue_start(b->device, &b->ring, &(struct virtio_owner){ on_queue, on_config, b });
    if (!err)
        return 0;
    slots_release(b);
out_ring:
    virtio_ring_destroy(&b->ring);
    return err;
}

static int start(struct virtio_blk *b)
{
    const struct virtio_transport *t = b->device->transport;
    u64 features;

    t->reset(b->device);
    t->set_status(b->device, VIRTIO_ACKNOWLEDGE);
    t->set_status(b->device, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER);
    int err = negotiate(b, &features);
    if (err)
        return err;
    b->can_flush = features & BLK_F_FLUSH;
    b->indirect = features & VIRTIO_F_INDIRECT_DESC;
    b->disk.blocks = read_capacity(b->device) / SECTORS_PER_BLOCK;
    err = queue_init(b, features);
    if (err)
        return err;
    t->set_status(b->device, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK | VIRTIO_DRIVER_OK);
    printk("%s: %u MiB, virtio on %s%s%s\n", b->name, (u32)(b->disk.blocks >> 8), b->device->where,
           features & BLK_F_RO ? ", read-only" : "",
           b->can_flush ? "" : ", has no flush: takes every write as durable");
    return 0;
}

void virtio_blk_attach(struct virtio_device *device)
{
    static unsigned count;
    struct virtio_blk *b = kzalloc(sizeof(*b));

    if (!b) {
        printk("virtio disk on %s: no memory\n", device->where);
        return;
    }
    format_text(b->name, sizeof(b->name), "vd%c", 'a' + (int)(count % 26));
    b->disk.name = b->name;
    b->disk.submit = submit;
    b->device = device;
    spin_init(&b->lock, b->name, RANK_DISK);
    list_init(&b->held);
    int err = start(b);
    if (err) {
        device->transport->set_status(device, VIRTIO_FAILED);
        printk("virtio disk on %s can't be used (error %d)\n", device->where, -err);
        kfree(b);
        return;
    }
    count++;
    disk_register(&b->disk);
}
