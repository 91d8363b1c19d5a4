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

static enum ckpt_error load_one(struct selection *s, u64 epoch, u64 *failed_at)
{
    s->epochs = tool_alloc(1, sizeof *s->epochs);
    enum ckpt_error err = epoch_load(s->epochs, &s->in, epoch, true);

    *failed_at = s->epochs->failed_at;
    s->count = !err;
    if (err)
        free(s->epochs);
    return err;
}

static enum ckpt_error load(struct selection *s, const struct options *o, u64 *failed_at)
{
    u64 wanted = o->epoch ? o->epoch : s->in.epoch;

    return wanted ? load_one(s, wanted, failed_at)
                  : epochs_load(&s->in, o->keep, true, &s->epochs, &s->count, failed_at);
}

static void number_pages(struct selection *s)
{
    u64 blocks = 0;

    for (size_t i = 0; i < s->count; i++)
        blocks = MAX(blocks, s->epochs[i].header.blocks);
    s->place = tool_alloc(blocks, sizeof *s->place);
    for (u64 b = 0; b < blocks; b++)
        s->place[b] = NO_PAGE;
    for (size_t i = 0; i < s->count; i++)
        collect_epoch(s, &s->epochs[i]);
}

bool selection_open(struct selection *s, const struct options *o, const char *image, int *status)
{
    u64 failed_at = 0;

    *s = (struct selection){};
    *status = EXIT_TROUBLE;
    if (!input_open(&s->in, image, o->rescue))
        return false;
    enum ckpt_error err = load(s, o, &failed_at);
    if (err) {
        *status = input_complain(&s->in, err, failed_at);
        input_close(&s->in);
        return false;
    }
    s->newest = s->epochs[s->count - 1].newest;
    number_pages(s);
    *status = EXIT_GOOD;
    return true;
}

void selection_close(struct selection *s)
{
    epochs_release(s->epochs, s->count);
    free(s->blocks);
    free(s->place);
    free(s->crc);
    input_close(&s->in);
}

bool selection_page(struct selection *s, size_t n, u8 out[CKPT_BLOCK_SIZE], int *status)
{
    struct epoch *e = &s->epochs[0];
    struct ckpt_page page = { .block = s->blocks[n], .crc = s->crc[n] };
    enum ckpt_error err = epoch_page(e, &page, out);

    if (err)
        *status = input_complain(&s->in, err, e->failed_at);
    return !err;
}
