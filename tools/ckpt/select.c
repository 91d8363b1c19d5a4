#include "select.h"

#include <lib/tool.h>
#include <stdlib.h>

#define NO_PAGE UINT32_MAX

static void collect(struct selection *s, const struct pages *p)
{
    for (size_t i = 0; i < p->count; i++) {
        u32 block = p->list[i].block;
        if (s->place[block] != NO_PAGE)
            continue;
        tool_grow((void **)&s->blocks, &s->room, s->pages + 1, sizeof *s->blocks);
        tool_grow((void **)&s->crc, &s->crc_room, s->pages + 1, sizeof *s->crc);
        s->place[block] = (u32)s->pages;
        s->crc[s->pages] = p->list[i].crc;
        s->blocks[s->pages++] = block;
    }
}

static void collect_epoch(struct selection *s, const struct epoch *e)
{
    for (size_t i = 0; i < e->contents; i++)
        collect(s, &e->content[i].pages);
    for (size_t i = 0; i < e->spaces; i++)
        collect(s, &e->space[i].pages);
}

static bool choose(struct selection *s, const struct options *o, size_t all)
{
    u64 wanted = o->epoch ? o->epoch : s->in.epoch;

    s->count = all;
    if (o->keep && o->keep < all) {
        s->first = all - (size_t)o->keep;
        s->count = (size_t)o->keep;
    }
    if (!wanted)
        return true;
    for (size_t i = 0; i < all; i++)
        if (s->epochs[i].info.epoch == wanted) {
            s->first = i;
            s->count = 1;
            return true;
        }
    return false;
}

bool selection_open(struct selection *s, const struct options *o, const char *image, int *status)
{
    u64 failed_at = 0;
    size_t all = 0;

    *s = (struct selection){};
    *status = EXIT_TROUBLE;
    if (!input_open(&s->in, image, o->rescue))
        return false;
    enum ckpt_error err = epochs_load(&s->in, true, &s->epochs, &all, &failed_at);
    if (!err && !choose(s, o, all))
        err = CKPT_NO_EPOCH;
    if (err) {
        *status = input_complain(&s->in, err, failed_at);
        if (all && err == CKPT_NO_EPOCH)
            epochs_release(s->epochs, all);
        input_close(&s->in);
        return false;
    }
    s->newest = s->first + s->count == all;
    // The others aren't needed.
    for (size_t i = 0; i < all; i++)
        if (i < s->first || i >= s->first + s->count)
            epoch_release(&s->epochs[i]);
    u64 blocks = s->epochs[s->first].header.blocks;
    for (size_t i = 0; i < s->count; i++)
        blocks = MAX(blocks, s->epochs[s->first + i].header.blocks);
    s->place = tool_alloc(blocks, sizeof *s->place);
    for (u64 b = 0; b < blocks; b++)
        s->place[b] = NO_PAGE;
    for (size_t i = 0; i < s->count; i++)
        collect_epoch(s, &s->epochs[s->first + i]);
    *status = EXIT_GOOD;
    return true;
}

void selection_close(struct selection *s)
{
    epochs_release(s->epochs, s->first + s->count);
    free(s->blocks);
    free(s->place);
    free(s->crc);
    input_close(&s->in);
}

bool selection_page(struct selection *s, size_t n, u8 out[CKPT_BLOCK_SIZE], int *status)
{
    struct epoch *e = &s->epochs[s->first];
    struct ckpt_page page = { .block = s->blocks[n], .crc = s->crc[n] };
    enum ckpt_error err = epoch_page(e, &page, out);

    if (err)
        *status = input_complain(&s->in, err, e->failed_at);
    return !err;
}
