// The life that a file tells: all kept epochs, a line each.

#include "say.h"

#define NS_PER_US    1000u
#define KIB_PER_PAGE (CKPT_BLOCK_SIZE / 1024)

// What is said before any process: who it was and when, what it cost.
static void say_begin(const struct listing *l, const struct ckpt_epoch *e)
{
    ckpt_say(l, "epoch %llu", (unsigned long long)e->epoch);
    if (e->parent != e->previous && e->parent)
        ckpt_say(l, " from %llu", (unsigned long long)e->parent);
    if (e->parent != e->previous && !e->parent)
        ckpt_say(l, " anew");
    ckpt_say(l, ": ");
    ckpt_say_date(l, e->wall_ns);
    ckpt_say_seconds(l, ", uptime ", e->uptime_ns);
}

static void say_figures(const struct listing *l, const struct ckpt_reader *r, u64 pages)
{
    const struct ckpt_epoch *e = &r->epoch;
    u64 blocks = e->blocks_written + DIV_ROUND_UP(r->header.records_size, CKPT_BLOCK_SIZE);

    ckpt_say(l, ", %llu pages, %llu written (%llu KiB), pause %llu us, %s", (unsigned long long)pages,
             (unsigned long long)e->pages_written, (unsigned long long)(blocks * KIB_PER_PAGE),
             (unsigned long long)(e->pause_ns / NS_PER_US), e->processes == 1 ? "pid" : "pids");
}

static enum ckpt_error say_one(const struct listing *l, struct ckpt_reader *r)
{
    struct ckpt_item item = { .type = CKPT_EPOCH };
    enum ckpt_error err = CKPT_OK;
    u64 pages = 0;

    while (!err && item.type != CKPT_END) {
        err = ckpt_next(r, &item);
        if (err)
            break;
        if (item.type == CKPT_EPOCH)
            say_begin(l, &item.epoch);
        if (item.type == CKPT_TREE)
            pages += item.tree.pages;
        if (item.type == CKPT_PROCESS && item.object == 1)
            say_figures(l, r, pages);
        if (item.type == CKPT_PROCESS)
            ckpt_say(l, " %d", item.process.pid);
    }
    if (r->last)
        ckpt_say(l, "\n");
    return err;
}

enum ckpt_error ckpt_describe_log(struct ckpt_reader *r, ckpt_put_text *put, void *arg)
{
    struct listing l = { put, arg };
    enum ckpt_error err;

    do {
        err = say_one(&l, r);
        if (!err)
            err = ckpt_open_previous(r);
    } while (!err);
    return err == CKPT_NO_EPOCH ? CKPT_OK : err;
}
