// Recent blocks, in a table in which each has one place.
#include "recent.h"
#include <base/string.h>
#include <mm/kmalloc.h>

#define PLACES 256u  // 1 MiB

struct place {
    u32 block;
    struct frame *frame;  // a reference; NULL: nothing is here
};

struct recent {
    struct place places[PLACES];
};

struct recent *recent_create(void)
{
    return kzalloc(sizeof(struct recent));
}

static void clear(struct place *p)
{
    if (p->frame)
        frame_put(p->frame);
    p->frame = NULL;
}

void recent_destroy(struct recent *r)
{
    for (u32 i = 0; r && i < PLACES; i++)
        clear(&r->places[i]);
    kfree(r);
}

void recent_put(struct recent *r, u32 block, struct frame *frame)
{
    struct place *p = &r->places[block % PLACES];

    clear(p);
    *p = (struct place){ block, frame_get(frame) };
}

void recent_forget(struct recent *r, u32 first, u32 count)
{
    for (u32 i = 0; i < MIN(count, PLACES); i++) {
        struct place *p = &r->places[(first + i) % PLACES];
        if (p->block >= first && p->block - first < count)
            clear(p);
    }
}

static struct frame *find(const struct recent *r, u32 block)
{
    const struct place *p = &r->places[block % PLACES];

    return p->block == block ? p->frame : NULL;
}

bool recent_read(const struct recent *r, u64 offset, void *buf, size_t n)
{
    while (r && n > 0) {
        struct frame *frame = find(r, (u32)(offset / PAGE_SIZE));
        u32 in = (u32)(offset % PAGE_SIZE);
        size_t part = MIN(n, PAGE_SIZE - in);

        if (!frame)
            return false;
        memcpy(buf, (u8 *)frame_data(frame) + in, part);
        buf = (u8 *)buf + part;
        offset += part;
        n -= part;
    }
    return r != NULL;
}

u32 recent_count(const struct recent *r)
{
    u32 n = 0;

    for (u32 i = 0; r && i < PLACES; i++)
        n += r->places[i].frame != NULL;
    return n;
}
