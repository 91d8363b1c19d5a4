// An image's records in words: what the guest's ckptinfo and the host's ckpt show.

#include "say.h"
#include <base/byteorder.h>
#include <base/string.h>

#define NS_PER_US 1000u

static void say_epoch(const struct listing *l, const struct ckpt_reader *r, const struct ckpt_epoch *e)
{
    ckpt_say(l, "epoch %llu", (unsigned long long)e->epoch);
    if (e->parent)
        ckpt_say(l, " from %llu", (unsigned long long)e->parent);
    ckpt_say(l, ": %s, saved ", r->machine->name);
    ckpt_say_date(l, e->wall_ns);
    ckpt_say_seconds(l, ", uptime ", e->uptime_ns);
    ckpt_say(l, ", pause %llu us\n", (unsigned long long)(e->pause_ns / NS_PER_US));
    ckpt_say(l, "    %llu pages written, %llu blocks with their nodes\n", (unsigned long long)e->pages_written,
             (unsigned long long)e->blocks_written);
    if (r->steps_left)
        ckpt_say(l, "    %u older %s kept; the next is %llu\n", r->steps_left, r->steps_left == 1 ? "epoch" : "epochs",
                 (unsigned long long)e->previous);
}

static void say_content(const struct listing *l, u64 ordinal, const struct ckpt_content *c)
{
    ckpt_say(l, "content %llu: %llu bytes\n", (unsigned long long)ordinal, (unsigned long long)c->size);
}

static void say_pipe(const struct listing *l, u64 ordinal, const struct ckpt_pipe *p)
{
    ckpt_say(l, "pipe %llu: %u bytes in it\n", (unsigned long long)ordinal, p->size);
}

static const char *access_text(u32 flags)
{
    static const char *const texts[] = { "read", "write", "read-write" };

    return texts[flags & 3];
}

static void say_file(const struct listing *l, u64 ordinal, const struct ckpt_file *f)
{
    static const char *const kinds[] = {
        [CKPT_FILE_INODE] = "file",
        [CKPT_FILE_DEVICE] = "device",
        [CKPT_FILE_PIPE_READ] = "reading end of pipe",
        [CKPT_FILE_PIPE_WRITE] = "writing end of pipe",
    };
    char path[CKPT_PATH_MAX + 1];

    ckpt_say(l, "file %llu: %s: %s", (unsigned long long)ordinal, ckpt_text(path, sizeof path, f->path, f->path_length),
             f->type == CKPT_INODE_DIR ? "directory" : kinds[f->kind]);
    if (f->pipe)
        ckpt_say(l, " %llu", (unsigned long long)f->pipe);
    if (f->kind == CKPT_FILE_DEVICE)
        ckpt_say(l, " %u,%u", f->major, f->minor);
    ckpt_say(l, ", %s%s", access_text(f->flags), f->flags & 0x800 ? ", append" : "");
    if (f->kind == CKPT_FILE_INODE)
        ckpt_say(l, ", at %llu of %llu, inode %llu.%llu, %llu changes", (unsigned long long)f->offset,
                 (unsigned long long)f->size, (unsigned long long)f->ino, (unsigned long long)f->generation,
                 (unsigned long long)f->changes);
    if (f->content)
        ckpt_say(l, ", content %llu", (unsigned long long)f->content);
    ckpt_say(l, "\n");
}

static void say_region(const struct listing *l, const struct ckpt_region *g)
{
    static const char *const kinds[] = {
        [CKPT_REGION_DATA] = "data",
        [CKPT_REGION_HEAP] = "heap",
        [CKPT_REGION_STACK] = "stack",
    };

    ckpt_say(l, "    %08llx-%08llx %c%c%c %s, %llu KiB\n", (unsigned long long)g->start, (unsigned long long)g->end,
             g->prot & 1 ? 'r' : '-', g->prot & 2 ? 'w' : '-', g->prot & 4 ? 'x' : '-', kinds[g->kind],
             (unsigned long long)((g->end - g->start) / 1024));
}

static void say_space(const struct listing *l, u64 ordinal, const struct ckpt_space *s)
{
    struct ckpt_region g;

    ckpt_say(l, "space %llu: heap %08llx-%08llx, at most to %08llx\n", (unsigned long long)ordinal,
             (unsigned long long)s->heap_start, (unsigned long long)s->heap_end, (unsigned long long)s->heap_limit);
    for (u32 i = 0; i < s->regions; i++) {
        ckpt_space_region(s, i, &g);
        say_region(l, &g);
    }
}

static void say_tree(const struct listing *l, const struct ckpt_tree *t)
{
    ckpt_say(l, "    %llu pages (%llu KiB) in %llu nodes\n", (unsigned long long)t->pages,
             (unsigned long long)(t->pages * (CKPT_BLOCK_SIZE / 1024)), (unsigned long long)t->nodes);
}

static void say_process(const struct listing *l, const struct ckpt_process *p)
{
    char name[CKPT_NAME_SIZE];

    ckpt_say(l, "process %d \"%s\": parent %d, group %d", p->pid,
             ckpt_text(name, sizeof name, p->name, strlen(p->name)), p->ppid, p->pgid);
    if (p->state == CKPT_ENDED) {
        ckpt_say(l, ", ended with status 0x%x\n", (unsigned)p->status);
        return;
    }
    ckpt_say_seconds(l, ", uptime ", p->uptime_ns);
    ckpt_say(l, ", space %llu\n", (unsigned long long)p->space);
}

static void say_registers(const struct listing *l, const struct ckpt_machine *m, const struct ckpt_state *s)
{
    u32 count = s->size / m->register_width;

    for (u32 i = 0; i < count; i++) {
        const u8 *at = s->bytes + i * m->register_width;
        u64 value = m->register_width == 8 ? le64(at) : le32(at);

        ckpt_say(l, "%s%s %0*llx",
                 i % 5 ? "  "
                 : i   ? "\n    "
                       : "    ",
                 m->register_names[i], (int)m->register_width * 2, (unsigned long long)value);
    }
    ckpt_say(l, "\n");
}

static void say_restart(const struct listing *l, const struct ckpt_restart *r)
{
    if (!r->call)
        return;
    ckpt_say(l, "    call %u goes on: %llu bytes done", r->call, (unsigned long long)r->done);
    if (r->left_ns)
        ckpt_say_seconds(l, ", ", r->left_ns);
    ckpt_say(l, "%s\n", r->left_ns ? " left" : "");
}

static void say_cwd(const struct listing *l, const struct ckpt_cwd *c)
{
    char path[CKPT_PATH_MAX + 1];

    ckpt_say(l, "    working directory %s, inode %llu.%llu\n", ckpt_text(path, sizeof path, c->path, c->path_length),
             (unsigned long long)c->ino, (unsigned long long)c->generation);
}

static void say_descriptors(const struct listing *l, const struct ckpt_descriptors *d)
{
    struct ckpt_descriptor one;

    for (u32 i = 0; i < d->count; i++) {
        ckpt_descriptor(d, i, &one);
        ckpt_say(l, "    fd %u: file %llu\n", one.fd, (unsigned long long)one.file);
    }
}

static void say_item(const struct listing *l, const struct ckpt_reader *r, const struct ckpt_item *item)
{
    switch (item->type) {
    case CKPT_EPOCH:
        say_epoch(l, r, &item->epoch);
        break;
    case CKPT_CONTENT:
        say_content(l, item->object, &item->content);
        break;
    case CKPT_PIPE:
        say_pipe(l, item->object, &item->pipe);
        break;
    case CKPT_FILE:
        say_file(l, item->object, &item->file);
        break;
    case CKPT_SPACE:
        say_space(l, item->object, &item->space);
        break;
    case CKPT_TREE:
        say_tree(l, &item->tree);
        break;
    case CKPT_PROCESS:
        say_process(l, &item->process);
        break;
    case CKPT_REGISTERS:
        say_registers(l, r->machine, &item->state);
        break;
    case CKPT_RESTART:
        say_restart(l, &item->restart);
        break;
    case CKPT_CWD:
        say_cwd(l, &item->cwd);
        break;
    case CKPT_DESCRIPTORS:
        say_descriptors(l, &item->descriptors);
        break;
    default:
        break;
    }
}

enum ckpt_error ckpt_describe(struct ckpt_reader *r, ckpt_put_text *put, void *arg)
{
    struct listing l = { put, arg };
    struct ckpt_item item = { .type = CKPT_EPOCH };
    enum ckpt_error err = CKPT_OK;

    while (!err && item.type != CKPT_END) {
        err = ckpt_next(r, &item);
        if (!err)
            say_item(&l, r, &item);
    }
    return err;
}
