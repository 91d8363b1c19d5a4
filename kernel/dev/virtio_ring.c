// The split virtqueue: virtio 1.1, section 2.6.
//
// The device runs at the same time as we do, so every step that tells it something comes after what it tells about
// (release), and what the device has told is read before what it tells about (acquire).
#include "virtio.h"
#include <base/string.h>
#include <mm/frame.h>
#include <stdatomic.h>
#include <uapi/errno.h>

// 2.6.6
struct virtio_available {
    u16 flags;
    _Atomic u16 index;
    u16 heads[];
};

// 2.6.8
struct virtio_used {
    _Atomic u16 flags;
    _Atomic u16 index;
    struct {
        u32 head, length;
    } ended[];
};

#define USED_NO_NOTIFY 1

// One frame each, more than what 256 descriptors need and aligned better than what 2.6 asks for.
#define RING_ORDER 2

int virtio_ring_create(struct virtio_ring *ring, u16 size)
{
    struct frame *frames = frames_alloc(RING_ORDER);

    if (!frames)
        return -ENOMEM;
    char *memory = frame_data(frames);
    memset(memory, 0, PAGE_SIZE << RING_ORDER);
    *ring = (struct virtio_ring){
        .size = size,
        .descriptors = (void *)memory,
        .available = (void *)(memory + PAGE_SIZE),
        .used = (void *)(memory + 2 * PAGE_SIZE),
    };
    return 0;
}

void virtio_ring_destroy(struct virtio_ring *ring)
{
    frame_put(frame_of(ring->descriptors));
}

void virtio_ring_offer(struct virtio_ring *ring, u16 head)
{
    ring->available->heads[ring->offered % ring->size] = head;
    ring->offered++;
    atomic_store_explicit(&ring->available->index, ring->offered, memory_order_release);
}

bool virtio_ring_wants_notice(const struct virtio_ring *ring)
{
    // The device reads our index after it sets its flag; we read its flag after setting our index: one of us sees the
    // other.
    atomic_thread_fence(memory_order_seq_cst);
    return !(atomic_load_explicit(&ring->used->flags, memory_order_relaxed) & USED_NO_NOTIFY);
}

bool virtio_ring_take(struct virtio_ring *ring, u32 *head)
{
    if (atomic_load_explicit(&ring->used->index, memory_order_acquire) == ring->taken)
        return false;
    *head = ring->used->ended[ring->taken % ring->size].head;
    ring->taken++;
    return true;
}
