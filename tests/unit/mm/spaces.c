// Spaces and what backs them, for the unit tests of mm.
#include "spaces.h"
#include <base/string.h>
#include <kern/fault.h>
#include <mm/kmalloc.h>
#include <stdlib.h>
#include <uapi/errno.h>

struct figures figures_now(void)
{
    return (struct figures){ frames_free(), kmem_live(), commit_used(), vmspaces_live() };
}

void assert_nothing_leaked(struct figures before)
{
    assert_int_equal(frames_free(), before.frames);
    assert_int_equal(kmem_live(), before.objects);
    assert_int_equal(commit_used(), before.promised);
    assert_int_equal(vmspaces_live(), before.spaces);
}

int setup(void **state)
{
    static struct figures at_start;

    at_start = figures_now();
    *state = &at_start;
    return 0;
}

int teardown(void **state)
{
    fault_arm(FAULT_FRAME, 0, false);
    fault_arm(FAULT_KMALLOC, 0, false);
    vmspace_use(NULL);
    assert_nothing_leaked(*(struct figures *)*state);
    return 0;
}

u8 pattern_byte(u64 offset)
{
    return (u8)(offset * 7 + offset / PAGE_SIZE + 1);
}

static struct frame *pattern_frame(u64 offset, size_t limit)
{
    struct frame *f = frame_alloc_zeroed();
    u8 *data = f ? frame_data(f) : NULL;

    for (size_t i = 0; f && i < limit; i++)
        data[i] = pattern_byte(offset + i);
    return f;
}

static int pattern_page(struct pattern *p, u64 offset, u64 limit, struct frame **out)
{
    struct frame **kept = &p->kept[offset / PAGE_SIZE];

    *out = NULL;
    if (p->zeros[offset / PAGE_SIZE])
        return 0;
    struct frame *f = *kept ? frame_get(*kept) : pattern_frame(offset, MIN(limit, (u64)PAGE_SIZE));
    if (!f)
        return -ENOMEM;
    if (p->keeps && !*kept)
        *kept = frame_get(f);
    *out = f;
    return 0;
}

// Errors come back if there's not even one page.
static int pattern_pages(struct backing *b, u64 offset, u64 limit, struct frame **out, u32 want, u32 *given)
{
    struct pattern *p = (struct pattern *)b;
    u32 most = MIN(want, p->at_once);

    assert_in_range(want, 1, SUPPLY_MAX);
    assert_in_range(limit, (want - 1) * (u64)PAGE_SIZE + 1, BACKED_PAGES * PAGE_SIZE - offset);
    p->asked++;
    p->wanted += want;
    *given = 12345;  // says nothing if it fails
    if (p->fails)
        return -EIO;
    if (p->moody)
        most = 1 + (u32)rand() % most;
    for (u32 i = 0; i < most; i++) {
        u64 into = i * (u64)PAGE_SIZE;
        int err = pattern_page(p, offset + into, limit - into, &out[i]);
        if (err && i == 0)
            return err;
        if (err)
            break;
        *given = i + 1;
    }
    return 0;
}

static int pattern_next(struct backing *b, u64 *offset)
{
    struct pattern *p = (struct pattern *)b;

    assert_int_equal(*offset % PAGE_SIZE, 0);
    if (p->fails)
        return -EIO;
    while (*offset < BACKED_PAGES * PAGE_SIZE && p->zeros[*offset / PAGE_SIZE])
        *offset += PAGE_SIZE;
    return *offset < BACKED_PAGES * PAGE_SIZE ? 0 : -ENOENT;
}

static void pattern_destroy(struct backing *b)
{
    struct pattern *p = (struct pattern *)b;

    for (u32 i = 0; i < BACKED_PAGES; i++)
        if (p->kept[i])
            frame_put(p->kept[i]);
    p->destroyed = true;
}

static const struct backing_ops pattern_ops = { pattern_pages, NULL, pattern_destroy };
static const struct backing_ops sparse_ops = { pattern_pages, pattern_next, pattern_destroy };

struct backing *pattern_start(struct pattern *p, bool keeps)
{
    *p = (struct pattern){ .backing = { .ops = &pattern_ops, .refs = 1 }, .keeps = keeps, .at_once = 1 };
    return &p->backing;
}

struct backing *generous_start(struct pattern *p, bool keeps)
{
    pattern_start(p, keeps);
    p->backing.ops = &sparse_ops;
    p->at_once = SUPPLY_MAX;
    return &p->backing;
}

int add_region(struct vmspace *space, uaddr_t start, uaddr_t end, u8 prot, u8 kind, bool reserved)
{
    struct region r = { .start = start, .end = end, .prot = prot, .kind = kind, .reserved = reserved };

    return vmspace_add(space, &r);
}

int add_backed(struct vmspace *space, struct backing *b, uaddr_t start, uaddr_t end, u8 prot, u64 offset, u64 filled)
{
    struct region r = {
        .start = start,
        .end = end,
        .prot = prot,
        .kind = REGION_DATA,
        .reserved = true,
        .backing = backing_get(b),
        .offset = offset,
        .filled = filled,
    };

    return vmspace_add(space, &r);
}

void end_current(struct vmspace *space)
{
    vmspace_use(NULL);
    vmspace_destroy(space);
}

u8 byte_at(uaddr_t va)
{
    u8 byte = 0;

    assert_int_equal(user_read(va, &byte, 1), 0);
    return byte;
}

void set_byte(uaddr_t va, u8 byte)
{
    assert_int_equal(user_write(va, &byte, 1), 0);
}

struct frame *frame_behind(struct vmspace *space, uaddr_t va)
{
    struct frame *f = NULL;

    assert_int_equal(vmspace_pin(space, va, FAULT_READS, &f), 0);
    frame_put(f);
    return f;
}

uaddr_t grow(struct vmspace *space, intptr_t delta)
{
    uaddr_t old = 0;

    assert_int_equal(vmspace_brk(space, delta, &old), 0);
    return old;
}

int start(void **state)
{
    machine_start("root=vda");
    frames_init();
    kmem_init();
    return 0;
}
