// Records: all that an epoch holds besides pages, in the order of the format.
#include "epoch.h"
#include "machine.h"
#include <base/crc32c.h>
#include <base/string.h>
#include <mm/kmalloc.h>
#include <uapi/errno.h>

#define AREA_ROOM 8  // frames, at first

static int area_grow(struct area *a)
{
    if (a->count == a->room) {
        u32 room = a->room ? 2 * a->room : AREA_ROOM;
        struct frame **more = kmalloc(room * sizeof(*more));
        if (!more)
            return -ENOMEM;
        memcpy(more, a->frames, a->count * sizeof(*more));
        kfree(a->frames);
        a->frames = more;
        a->room = room;
    }
    a->frames[a->count] = frame_alloc_zeroed();
    if (!a->frames[a->count])
        return -ENOMEM;
    a->count++;
    return 0;
}

// The record that stands in x->record.
static int put(struct epoch *x, size_t n)
{
    struct area *a = &x->area;
    const u8 *bytes = x->record;

    a->digest = crc32c(a->digest, bytes, n);
    while (n > 0) {
        size_t into = (size_t)(a->size % PAGE_SIZE);
        int err = into ? 0 : area_grow(a);
        if (err)
            return err;
        size_t part = MIN(n, PAGE_SIZE - into);
        memcpy((u8 *)frame_data(a->frames[a->count - 1]) + into, bytes, part);
        a->size += part;
        bytes += part;
        n -= part;
    }
    return 0;
}

static int put_contents(struct epoch *x)
{
    int err = 0;

    for (u32 i = 0; !err && i < x->content_count; i++) {
        struct ckpt_content c = { .size = x->contents[i].size };
        err = put(x, ckpt_put_content(x->record, i + 1, &c));
        if (!err)
            err = put(x, ckpt_put_tree(x->record, i + 1, &x->contents[i].tree));
    }
    return err;
}

static int put_pipes(struct epoch *x)
{
    int err = 0;

    for (u32 i = 0; !err && i < x->snap->pipes_carried; i++) {
        const struct x_pipe *state = x->snap->pipes[i]->state;
        struct ckpt_pipe p = { .size = state->size, .bytes = state->bytes };
        err = put(x, ckpt_put_pipe(x->record, i + 1, &p));
    }
    return err;
}

static u32 file_kind_encode(u32 kind)
{
    static const u32 kinds[] = {
        [FILE_INODE] = CKPT_FILE_INODE,
        [FILE_DEVICE] = CKPT_FILE_DEVICE,
        [FILE_PIPE_READ] = CKPT_FILE_PIPE_READ,
        [FILE_PIPE_WRITE] = CKPT_FILE_PIPE_WRITE,
    };

    return kinds[kind];
}

static int put_file(struct epoch *x, u32 i)
{
    const struct open_file *o = x->snap->files[i];
    const struct inode_identity *id = &o->state.inode;
    const char *path = o->file ? file_name(o->file) : "pipe";
    struct ckpt_file f = {
        .kind = file_kind_encode(o->state.kind),
        .flags = o->state.flags & CKPT_FILE_FLAGS,
        .offset = o->state.offset,
        .ino = id->ino,
        .generation = id->generation,
        .size = id->size,
        .changes = id->changes,
        .type = id->type,
        .nlink = id->nlink,
        .major = id->major,
        .minor = id->minor,
        .pipe = o->pipe,
        .content = o->content,
        .path = path,
        .path_length = (u32)strnlen(path, CKPT_PATH_MAX),
    };

    return put(x, ckpt_put_file(x->record, i + 1, &f));
}

static int put_files(struct epoch *x)
{
    int err = 0;

    for (u32 i = 0; !err && i < x->snap->file_count; i++)
        err = put_file(x, i);
    return err;
}

static void region_encode(const struct x_region *x, struct ckpt_region *out)
{
    static const u32 kinds[] = {
        [REGION_DATA] = CKPT_REGION_DATA,
        [REGION_HEAP] = CKPT_REGION_HEAP,
        [REGION_STACK] = CKPT_REGION_STACK,
    };
    bool promised = (x->prot & PROT_WRITE) && x->kind != REGION_STACK;

    *out = (struct ckpt_region){
        .start = x->start,
        .end = x->end,
        .prot = x->prot,
        .kind = kinds[x->kind],
        .flags = promised ? CKPT_REGION_PROMISED : 0,
    };
}

struct regions {
    struct x_region exported[REGIONS_MAX];
    struct ckpt_region encoded[REGIONS_MAX];
};

static int put_space(struct epoch *x, struct vmspace *space, u32 ordinal, struct regions *r)
{
    struct ckpt_space s = { .regions = vmspace_export(space, r->exported, REGIONS_MAX) };

    vmspace_heap_export(space, &s.heap_start, &s.heap_end, &s.heap_limit);
    for (u32 i = 0; i < s.regions; i++)
        region_encode(&r->exported[i], &r->encoded[i]);
    return put(x, ckpt_put_space(x->record, ordinal, &s, r->encoded));
}

static int put_spaces(struct epoch *x)
{
    struct regions *r = kmalloc(sizeof(*r));
    u32 ordinal = 0;
    int err = r ? 0 : -ENOMEM;

    for (u32 i = 0; !err && i < x->snap->member_count; i++) {
        struct vmspace *space = x->snap->members[i]->space;
        if (!space)
            continue;
        err = put_space(x, space, ++ordinal, r);
        if (!err)
            err = put(x, ckpt_put_tree(x->record, ordinal, &x->trees[i]));
    }
    kfree(r);
    return err;
}

static int put_registers(struct epoch *x, u32 ordinal, const struct x_proc *p)
{
    u8 bytes[REGISTERS_MAX];
    struct ckpt_state regs = { machine_id, ckpt_machine(machine_id)->registers_size, bytes };
    struct ckpt_state fpu = { machine_id, UREGS_FPU_SIZE, p->fpu };

    machine_encode(&p->regs, bytes);
    int err = put(x, ckpt_put_state(x->record, CKPT_REGISTERS, ordinal, &regs));
    return err ? err : put(x, ckpt_put_state(x->record, CKPT_FPU, ordinal, &fpu));
}

static int put_restart(struct epoch *x, u32 ordinal, const struct restart *from)
{
    struct ckpt_restart r = { .call = from->call, .done = from->done, .left_ns = from->deadline };

    return put(x, ckpt_put_restart(x->record, ordinal, &r));
}

static int put_cwd(struct epoch *x, u32 ordinal, const struct member *m)
{
    struct inode_identity id;
    struct ckpt_cwd c = { .path = m->cwd_text, .path_length = (u32)strnlen(m->cwd_text, CKPT_PATH_MAX) };

    inode_identify(m->cwd, &id);
    c.ino = id.nlink ? id.ino : CKPT_CWD_REMOVED;
    c.generation = id.nlink ? id.generation : 0;
    return put(x, ckpt_put_cwd(x->record, ordinal, &c));
}

static int put_descriptors(struct epoch *x, u32 ordinal, const struct member *m)
{
    struct ckpt_descriptor list[OPEN_MAX];
    u32 count = 0;

    for (u32 fd = 0; fd < OPEN_MAX; fd++)
        if (m->fd_file[fd])
            list[count++] = (struct ckpt_descriptor){ .fd = fd, .file = m->fd_file[fd] };
    return put(x, ckpt_put_descriptors(x->record, ordinal, count, list));
}

static int put_process(struct epoch *x, u32 ordinal, const struct member *m, u32 space)
{
    struct ckpt_process p = {
        .pid = m->state.pid,
        .ppid = m->state.ppid,
        .pgid = m->state.pgid,
        .state = m->state.ended ? CKPT_ENDED : CKPT_ALIVE,
        .status = m->state.ended ? m->state.status : 0,
        .space = space,
        .parent = (u64)(m->parent + 1),
        .uptime_ns = m->state.uptime,
    };

    text_copy(p.name, m->state.name, sizeof(p.name));
    return put(x, ckpt_put_process(x->record, ordinal, &p));
}

static int put_alive(struct epoch *x, u32 ordinal, const struct member *m)
{
    int err = put_registers(x, ordinal, &m->state);

    if (!err)
        err = put_restart(x, ordinal, &m->state.restart);
    if (!err)
        err = put_cwd(x, ordinal, m);
    return err ? err : put_descriptors(x, ordinal, m);
}

static int put_processes(struct epoch *x)
{
    u32 space = 0;
    int err = 0;

    for (u32 i = 0; !err && i < x->snap->member_count; i++) {
        const struct member *m = x->snap->members[i];
        space += m->space != NULL;
        err = put_process(x, i + 1, m, m->space ? space : 0);
        if (!err && m->space)
            err = put_alive(x, i + 1, m);
    }
    return err;
}

int epoch_records(struct epoch *x)
{
    int err = put(x, ckpt_put_epoch(x->record, &x->e));

    if (!err)
        err = put_contents(x);
    if (!err)
        err = put_pipes(x);
    if (!err)
        err = put_files(x);
    if (!err)
        err = put_spaces(x);
    return err ? err : put_processes(x);
}
