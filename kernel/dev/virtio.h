// Virtio devices with one queue, whatever bus they are on. "Virtual I/O Device (VIRTIO) Version 1.1" (OASIS, 2019);
// section numbers are that document's, and hold for version 1.2 except where noted.
#pragma once

#include <arch/mmu.h>
#include <base/types.h>

// 2.1, device status
#define VIRTIO_ACKNOWLEDGE 1
#define VIRTIO_DRIVER      2
#define VIRTIO_DRIVER_OK   4
#define VIRTIO_FEATURES_OK 8
#define VIRTIO_NEEDS_RESET 64
#define VIRTIO_FAILED      128

// 6, features of every device
#define VIRTIO_F_INDIRECT_DESC (1ull << 28)
#define VIRTIO_F_VERSION_1     (1ull << 32)

// 2.6.5, the descriptor table
#define DESCRIPTOR_NEXT     1  // the chain goes on at `next`
#define DESCRIPTOR_WRITE    2  // the device writes it, else it reads it
#define DESCRIPTOR_INDIRECT 4  // it holds a table of descriptors

#define VIRTIO_RING_MAX     256

// The layout that the device sees; all of Amber's machines are little-endian, as virtio 1 is.
struct virtio_descriptor {
    u64 address;
    u32 length;
    u16 flags, next;
};

// A split virtqueue (2.6). Its owner guards it by a lock.
struct virtio_ring {
    u16 size;  // of descriptors, a power of two
    struct virtio_descriptor *descriptors;
    struct virtio_available *available;
    struct virtio_used *used;
    u16 offered;  // chains given to the device so far
    u16 taken;    // chains taken back so far
};

/* A ring of up to VIRTIO_RING_MAX descriptors, all zero. Errors: -ENOMEM. */
MUST_CHECK int virtio_ring_create(struct virtio_ring *ring, u16 size);
void virtio_ring_destroy(struct virtio_ring *ring);

/* Give the device the chain that starts at descriptor `head`. After one or several: notify it, if it wants that. */
void virtio_ring_offer(struct virtio_ring *ring, u16 head);
bool virtio_ring_wants_notice(const struct virtio_ring *ring);

/* The next chain that the device is done with; *head is whatever the device says. */
bool virtio_ring_take(struct virtio_ring *ring, u32 *head);

struct virtio_device;

// Who is told by interrupts. on_queue: chains are done; on_config: status or configuration changed.
struct virtio_owner {
    void (*on_queue)(void *arg);
    void (*on_config)(void *arg);
    void *arg;
};

// What a bus offers. Queue 0 is the only one used.
struct virtio_transport {
    u8 (*get_status)(struct virtio_device *);
    void (*set_status)(struct virtio_device *, u8 status);
    /* Afterwards the device touches no memory and interrupts no more. */
    void (*reset)(struct virtio_device *);
    u64 (*offered_features)(struct virtio_device *);
    void (*accept_features)(struct virtio_device *, u64 features);
    /* The 32-bit field at this offset of the device's own configuration. */
    u32 (*config)(struct virtio_device *, unsigned offset);
    u16 (*queue_size)(struct virtio_device *);
    /* Let the device use the ring, and call the owner's functions. On an error it doesn't, and never will. */
    MUST_CHECK int (*queue_start)(struct virtio_device *, const struct virtio_ring *, const struct virtio_owner *);
    void (*notify)(struct virtio_device *);
};

struct virtio_device {
    const struct virtio_transport *transport;
    char where[24];  // for messages: "pci 0:4.0"
};

/*
 * Drive it as a block device and register a disk: "vda", "vdb", ... A device that can't be used is left alone, with a
 * message.
 */
void virtio_blk_attach(struct virtio_device *device);
