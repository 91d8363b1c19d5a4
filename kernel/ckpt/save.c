// Save: from a snapshot to an image that is durable under its name.
//
// The process has long been running again. First come its pages, in ascending order, with the nodes of their tree among
// them; then the records, which say where the tree is; then the header, which says where the records are. The file has
// no name before all of that is there.
#include "collect.h"
#include "machine.h"
#include "output.h"
#include <base/byteorder.h>
#include <base/crc32c.h>
#include <base/string.h>
#include <ckpt/ckpt.h>
#include <kern/time.h>
#include <mm/kmalloc.h>
#include <uapi/errno.h>

#define TREE_HEIGHT  3   // pages below 2^27: more than any 32-bit machine has
#define RECORD_SLACK 32  // blocks, enough for most record areas

_Static_assert((u64)USER_END / PAGE_SIZE <= 1ull << (TREE_HEIGHT * CKPT_FANOUT_BITS), "the tree reaches all pages");

struct save {
    struct snapshot *snap;
    struct output *out;
    struct ckpt_builder builder;
    struct ckpt_region regions[REGIONS_MAX];
    struct x_region exported[REGIONS_MAX];
    u64 pipes[OPEN_MAX];  // pipe i + 1 of the image is the kernel's pipes[i]
    u32 pipe_count;
    u8 record[CKPT_RECORD_MAX];
};

static int emit_node(void *ctx, const u8 *node, u32 *block)
{
    struct save *s = ctx;

    return output_block(s->out, node, block);
}

// The frame of a page that a backing would supply only now; the clone keeps it. NULL: the process has no right to see
// it, ever.
static int fetch(struct vmspace *space, uaddr_t va, struct frame **out)
{
    int err = vmspace_pin(space, va, FAULT_READS, out);

    if (err)
        return err == -EFAULT ? 0 : err;
    frame_put(*out);
    return 0;
}

static int save_page(struct save *s, uaddr_t va, struct frame *frame)
{
    u32 crc, block;
    int err;

    if (memory_is_zero(frame_data(frame), PAGE_SIZE))
        return 0;
    crc = crc32c(0, frame_data(frame), PAGE_SIZE);
    err = output_frame(s->out, frame_get(frame), &block);
    return err ? err : ckpt_builder_add(&s->builder, va / PAGE_SIZE, block, crc);
}

static int save_pages(struct save *s)
{
    struct vmspace *space = s->snap->space;
    struct frame *frame;
    int err = 0;

    ckpt_builder_init(&s->builder, TREE_HEIGHT, emit_node, s);
    for (uaddr_t va = 0; !err && vmspace_next_page(space, &va, &frame); va += PAGE_SIZE) {
        if (!frame)
            err = fetch(space, va, &frame);
        if (!err && frame)
            err = save_page(s, va, frame);
    }
    return err ? err : ckpt_builder_finish(&s->builder);
}

static int put(struct save *s, size_t size)
{
    return output_record(s->out, s->record, size);
}

static int put_epoch(struct save *s, const struct ckpt_header *h)
{
    struct ckpt_epoch e = {
        .epoch = h->epoch,
        .parent = h->parent,
        .wall_ns = h->wall_ns,
        .uptime_ns = s->snap->taken_ns,
        .pause_ns = s->snap->pause_ns,
        .pages_written = s->builder.tree.pages,
        .blocks_written = s->builder.tree.pages + s->builder.tree.nodes,
        .files = s->snap->file_count,
        .spaces = 1,
        .processes = 1,
    };

    return put(s, ckpt_put_epoch(s->record, &e));
}

// The kernel's ids of pipes are its own matter: the image numbers them as they come.
static u64 pipe_ordinal(struct save *s, u64 id)
{
    u32 i = 0;

    if (!id)
        return 0;
    while (i < s->pipe_count && s->pipes[i] != id)
        i++;
    if (i == s->pipe_count)
        s->pipes[s->pipe_count++] = id;
    return i + 1;
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

static int put_file(struct save *s, u32 i)
{
    const struct x_file *x = &s->snap->states[i];
    const char *path = file_name(s->snap->files[i]);
    struct ckpt_file f = {
        .kind = file_kind_encode(x->kind),
        .flags = x->flags & CKPT_FILE_FLAGS,
        .offset = x->offset,
        .ino = x->inode.ino,
        .generation = x->inode.generation,
        .size = x->inode.size,
        .changes = x->inode.changes,
        .type = x->inode.type,
        .nlink = x->inode.nlink,
        .major = x->inode.major,
        .minor = x->inode.minor,
        .pipe = pipe_ordinal(s, x->pipe_id),
        .path = path,
        .path_length = (u32)strnlen(path, CKPT_PATH_MAX),
    };

    return put(s, ckpt_put_file(s->record, i + 1, &f));
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

static int put_space(struct save *s)
{
    struct ckpt_space space = { .regions = vmspace_export(s->snap->space, s->exported, REGIONS_MAX) };
    int err;

    vmspace_heap_export(s->snap->space, &space.heap_start, &space.heap_end, &space.heap_limit);
    for (u32 i = 0; i < space.regions; i++)
        region_encode(&s->exported[i], &s->regions[i]);
    err = put(s, ckpt_put_space(s->record, 1, &space, s->regions));
    return err ? err : put(s, ckpt_put_tree(s->record, 1, &s->builder.tree));
}

static int put_registers(struct save *s)
{
    u8 bytes[REGISTERS_MAX];
    struct ckpt_state regs = { machine_id, ckpt_machine(machine_id)->registers_size, bytes };
    struct ckpt_state fpu = { machine_id, UREGS_FPU_SIZE, s->snap->proc.fpu };
    int err;

    machine_encode(&s->snap->proc.regs, bytes);
    err = put(s, ckpt_put_state(s->record, CKPT_REGISTERS, 1, &regs));
    return err ? err : put(s, ckpt_put_state(s->record, CKPT_FPU, 1, &fpu));
}

static int put_restart(struct save *s)
{
    const struct restart *x = &s->snap->proc.restart;
    struct ckpt_restart r = { .call = x->call, .done = x->done, .left_ns = x->deadline };

    return put(s, ckpt_put_restart(s->record, 1, &r));
}

static int put_cwd(struct save *s)
{
    struct inode_identity id;
    struct ckpt_cwd c = { .path = s->snap->cwd_text, .path_length = (u32)strnlen(s->snap->cwd_text, CKPT_PATH_MAX) };

    inode_identify(s->snap->cwd, &id);
    c.ino = id.ino;
    c.generation = id.generation;
    return put(s, ckpt_put_cwd(s->record, 1, &c));
}

static int put_descriptors(struct save *s)
{
    struct ckpt_descriptor list[OPEN_MAX];
    u32 count = 0;

    for (u32 fd = 0; fd < OPEN_MAX; fd++)
        if (s->snap->fd_file[fd])
            list[count++] = (struct ckpt_descriptor){ .fd = fd, .file = s->snap->fd_file[fd] };
    return put(s, ckpt_put_descriptors(s->record, 1, count, list));
}

static int put_process(struct save *s)
{
    const struct x_proc *x = &s->snap->proc;
    struct ckpt_process p = {
        .pid = x->pid,
        .ppid = x->ppid,
        .pgid = x->pgid,
        .state = CKPT_ALIVE,
        .space = 1,
        .uptime_ns = x->uptime,
    };
    int err;

    text_copy(p.name, x->name, sizeof(p.name));
    err = put(s, ckpt_put_process(s->record, 1, &p));
    if (!err)
        err = put_registers(s);
    if (!err)
        err = put_restart(s);
    if (!err)
        err = put_cwd(s);
    return err ? err : put_descriptors(s);
}

static int save_records(struct save *s, struct ckpt_header *h)
{
    int err = put_epoch(s, h);

    for (u32 i = 0; !err && i < s->snap->file_count; i++)
        err = put_file(s, i);
    if (!err)
        err = put_space(s);
    return err ? err : put_process(s);
}

// A name for a new history: no two are alike on one machine, and hardly on several.
static void identity_make(struct ckpt_header *h)
{
    static _Atomic u32 count;

    put_le64(h->identity, h->wall_ns);
    put_le32(h->identity + 8, ++count);
    put_le32(h->identity + 12, (u32)time_ns());
}

// What xv6's imginfo shows of the process.
static void header_introduce(struct ckpt_header *h, struct snapshot *snap)
{
    u64 size, resident;
    u32 regions;

    vmspace_figures(snap->space, &regions, &size, &resident);
    h->pid = snap->proc.pid;
    h->memory = (u32)MIN(resident, UINT32_MAX);
    text_copy(h->name, snap->proc.name, sizeof(h->name));
}

static int save_image(struct save *s)
{
    struct ckpt_header h = { .machine = machine_id, .epoch = 1, .wall_ns = s->snap->wall_ns };
    int err;

    identity_make(&h);
    err = save_pages(s);
    if (err)
        return err;
    header_introduce(&h, s->snap);
    err = save_records(s, &h);
    return err ? err : output_finish(s->out, &h);
}

// How many blocks the image will have, roughly and rather more.
static u64 estimate(struct vmspace *space)
{
    u64 size, resident, pages;
    u32 regions;

    vmspace_figures(space, &regions, &size, &resident);
    pages = resident / PAGE_SIZE;
    return pages + pages / CKPT_FANOUT + 2 * regions + TREE_HEIGHT + RECORD_SLACK;
}

static int save_snapshot(struct snapshot *snap, const char *path)
{
    struct save *s = kzalloc(sizeof(*s));
    int err;

    if (!s)
        return -ENOMEM;
    s->snap = snap;
    err = output_create(&s->out, estimate(snap->space));
    if (!err) {
        err = save_image(s);
        if (!err)
            err = output_publish(s->out, path);
        output_destroy(s->out);
    }
    kfree(s);
    return err;
}

int ckpt_save(int pid, const char *path)
{
    struct snapshot *snap;
    int err = collect(pid, &snap);

    if (err)
        return err;
    err = save_snapshot(snap, path);
    collect_release(snap);
    return err;
}
