// Page frames. What is free is poisoned. Any allocation can be made to fail.
#include "hosted.h"
#include "objects.h"
#include "sanitize.h"
#include <base/string.h>
#include <mm/frame.h>
#include <sched/thread.h>
#include <stdlib.h>
#include <uapi/errno.h>

struct frame *frame_table;
u8 *frame_table_data;
static u32 frame_count, frames_used, next_free;
static u32 fail_in;
static bool fail_on, failed;
static struct shrinker *shrinkers;

void host_set_memory(u32 count)
{
    CHECK(frames_used == 0);
    if (frame_table_data)
        memory_allow(frame_table_data, (size_t)frame_count * PAGE_SIZE);
    free(frame_table);
    free(frame_table_data);
    frame_count = count;
    next_free = 0;
    frame_table = calloc(count, sizeof(*frame_table));
    frame_table_data = aligned_alloc(PAGE_SIZE, (size_t)count * PAGE_SIZE);
    memory_forbid(frame_table_data, (size_t)count * PAGE_SIZE);
}

void host_fail_memory(u32 n, bool from_then_on)
{
    fail_in = n;
    fail_on = from_then_on;
    failed &= n == 0;
}

bool host_memory_failed(void)
{
    return failed;
}

bool host_alloc_fails(void)
{
    if (!fail_in || --fail_in)
        return false;
    failed = true;
    fail_in = fail_on;
    return true;
}

static bool run_is_free(u32 at, u32 count)
{
    for (u32 k = 0; k < count; k++)
        if (frame_table[at + k].refs)
            return false;
    return true;
}

static struct frame *find_run(unsigned order)
{
    u32 count = 1u << order;

    for (u32 k = 0; k < frame_count; k += count) {
        u32 at = (next_free + k) % frame_count & ~(count - 1);
        if (at + count > frame_count || !run_is_free(at, count))
            continue;
        for (u32 n = 0; n < count; n++)
            frame_table[at + n].refs = 1;
        frame_table[at].order = order & 15;
        next_free = at + count;
        frames_used += count;
        memory_allow(frame_table_data + (size_t)at * PAGE_SIZE, (size_t)count * PAGE_SIZE);
        memset(frame_table_data + (size_t)at * PAGE_SIZE, 0xa5, (size_t)count * PAGE_SIZE);
        return &frame_table[at];
    }
    return NULL;
}

struct frame *frames_alloc(unsigned order)
{
    if (host_alloc_fails())
        return NULL;
    struct frame *f = find_run(order);
    for (struct shrinker *s = shrinkers; s && !f && !host_spins(); s = s->next)
        if (s->shrink(8u << order))
            f = find_run(order);
    return f;
}

struct frame *frame_alloc(void)
{
    return frames_alloc(0);
}

int frames_alloc_each(struct frame **out, u32 count)
{
    for (u32 i = 0; i < count; i++) {
        out[i] = frame_alloc();
        if (out[i])
            continue;
        while (i-- > 0)
            frame_put(out[i]);
        return -ENOMEM;
    }
    return 0;
}

struct frame *frame_alloc_zeroed(void)
{
    struct frame *f = frames_alloc(0);

    if (f)
        memset(frame_data(f), 0, PAGE_SIZE);
    return f;
}

struct frame *frame_get(struct frame *f)
{
    CHECK(f->refs > 0);
    f->refs++;
    return f;
}

void frame_put(struct frame *f)
{
    u32 count = 1u << f->order;

    CHECK(f->refs > 0);
    if (--f->refs > 0)
        return;
    for (u32 n = 1; n < count; n++)
        f[n].refs = 0;
    f->order = 0;
    frames_used -= count;
    memory_forbid(frame_data(f), (size_t)count * PAGE_SIZE);
}

struct frame *frame_of(void *data)
{
    u8 *at = data;

    return at >= frame_table_data && at < frame_table_data + (size_t)frame_count * PAGE_SIZE
               ? &frame_table[(at - frame_table_data) / PAGE_SIZE]
               : NULL;
}

void frame_copy(struct frame *to, struct frame *from)
{
    memcpy(frame_data(to), frame_data(from), PAGE_SIZE);
}

u32 frames_total(void)
{
    return frame_count;
}

u32 host_frames_used(void)
{
    return frames_used;
}

void shrinker_register(struct shrinker *s)
{
    s->next = shrinkers;
    shrinkers = s;
}
