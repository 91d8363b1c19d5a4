// Plan: the records of an image become what restore needs to know. lib/ckptfmt has checked each by itself and against
// the others; here it is checked against what this kernel can do.
#include "plan.h"
#include "machine.h"
#include <base/string.h>
#include <kern/printk.h>
#include <mm/kmalloc.h>
#include <uapi/errno.h>

static int refuse(struct image *image, const char *what)
{
    printk("%s: %s, which this kernel can't restore\n", image->name, what);
    return -ENOEXEC;
}

// ---- arrays, whose length the EPOCH record tells

static int begin(struct image *image, struct plan *plan, const struct ckpt_epoch *e)
{
    if (e->processes > PROC_MAX)
        return refuse(image, "holds more processes than can be");
    if (e->spaces > e->processes || e->pipes > e->files || e->contents > e->files)
        return refuse(image, "holds things that belong to nobody");
    if (e->files > e->processes * OPEN_MAX)
        return refuse(image, "holds more open files than can be");
    plan->epoch = *e;
    plan->contents = kzalloc(e->contents * sizeof(*plan->contents));
    plan->pipes = kzalloc(e->pipes * sizeof(*plan->pipes));
    plan->files = kzalloc(e->files * sizeof(*plan->files));
    plan->spaces = kzalloc(e->spaces * sizeof(*plan->spaces));
    plan->processes = kzalloc(e->processes * sizeof(*plan->processes));
    return plan->contents && plan->pipes && plan->files && plan->spaces && plan->processes ? 0 : -ENOMEM;
}

// Text of an image, printable.
static char *text_of(const char *text, u32 length)
{
    char *copy = kmalloc(length + 1);

    return copy ? ckpt_text(copy, length + 1, text, length) : NULL;
}

static int note_pipe(struct plan *plan, const struct ckpt_pipe *p)
{
    struct x_pipe *pipe = kzalloc(offsetof(struct x_pipe, bytes) + p->size);  // no more than the image itself bears out

    if (!pipe)
        return -ENOMEM;
    pipe->size = p->size;
    memcpy(pipe->bytes, p->bytes, p->size);
    plan->pipes[plan->pipe_count++] = pipe;
    return 0;
}

static u32 file_kind_decode(u32 kind)
{
    static const u32 kinds[] = {
        [CKPT_FILE_INODE] = FILE_INODE,
        [CKPT_FILE_DEVICE] = FILE_DEVICE,
        [CKPT_FILE_PIPE_READ] = FILE_PIPE_READ,
        [CKPT_FILE_PIPE_WRITE] = FILE_PIPE_WRITE,
    };

    return kinds[kind];
}

static int note_file(struct plan *plan, const struct ckpt_file *f)
{
    struct plan_file *file = kzalloc(sizeof(*file));

    if (!file)
        return -ENOMEM;
    plan->files[plan->file_count++] = file;
    file->path = text_of(f->path, f->path_length);
    file->pipe = f->pipe;
    file->content = (u32)f->content;
    file->state = (struct x_file){
        .kind = file_kind_decode(f->kind),
        .flags = f->flags,
        .offset = f->offset,
        .inode = {
            .ino = f->ino,
            .generation = f->generation,
            .size = f->size,
            .changes = f->changes,
            .type = f->type,
            .nlink = f->nlink,
            .major = f->major,
            .minor = f->minor,
        },
    };
    return file->path ? 0 : -ENOMEM;
}

static int note_space(struct image *image, struct plan *plan, const struct ckpt_space *s)
{
    struct plan_space *space = &plan->spaces[plan->space_count++];

    if (s->regions > REGIONS_MAX)
        return refuse(image, "holds more regions of memory than a process can have");
    space->heap_start = s->heap_start;
    space->heap_end = s->heap_end;
    space->heap_limit = s->heap_limit;
    space->regions = kzalloc(s->regions * sizeof(*space->regions));
    if (!space->regions)
        return -ENOMEM;
    space->region_count = s->regions;
    for (u32 i = 0; i < s->regions; i++)
        ckpt_space_region(s, i, &space->regions[i]);
    return 0;
}

static int note_process(struct plan *plan, const struct ckpt_process *p)
{
    struct plan_process *proc = kzalloc(sizeof(*proc));

    if (!proc)
        return -ENOMEM;
    plan->processes[plan->process_count++] = proc;
    proc->parent = (int)p->parent - 1;
    proc->space = (u32)p->space;
    proc->state.pid = p->pid;
    proc->state.ppid = p->ppid;
    proc->state.pgid = p->pgid;
    proc->state.ended = p->state == CKPT_ENDED;
    proc->state.status = p->status;
    proc->state.uptime = p->uptime_ns;
    ckpt_text(proc->state.name, sizeof(proc->state.name), p->name, strlen(p->name));
    return 0;
}

static struct plan_process *last_process(struct plan *plan)
{
    return plan->processes[plan->process_count - 1];
}

static void note_restart(struct plan *plan, const struct ckpt_restart *r)
{
    last_process(plan)->state.restart = (struct restart){ .call = r->call, .done = r->done, .deadline = r->left_ns };
}

static int note_cwd(struct plan *plan, const struct ckpt_cwd *c)
{
    struct plan_process *proc = last_process(plan);

    proc->cwd_ino = c->ino;
    proc->cwd_generation = c->generation;
    proc->cwd_text = text_of(c->path, c->path_length);
    return proc->cwd_text ? 0 : -ENOMEM;
}

static int note_descriptors(struct image *image, struct plan *plan, const struct ckpt_descriptors *d)
{
    struct plan_process *proc = last_process(plan);
    struct ckpt_descriptor one;

    for (u32 i = 0; i < d->count; i++) {
        ckpt_descriptor(d, i, &one);
        if (one.fd >= OPEN_MAX)
            return refuse(image, "uses a descriptor beyond the last one");
        struct plan_file *file = plan->files[one.file - 1];
        proc->fd_file[one.fd] = (u32)one.file;
        if (file->refs++ == 0) {
            file->pid = proc->state.pid;
            file->fd = (int)one.fd;
        }
    }
    return 0;
}

static int note(struct image *image, struct plan *plan, const struct ckpt_item *item, u32 last)
{
    switch (item->type) {
    case CKPT_EPOCH:
        return begin(image, plan, &item->epoch);
    case CKPT_CONTENT:
        plan->contents[plan->content_count++].size = item->content.size;
        return 0;
    case CKPT_PIPE:
        return note_pipe(plan, &item->pipe);
    case CKPT_FILE:
        return note_file(plan, &item->file);
    case CKPT_SPACE:
        return note_space(image, plan, &item->space);
    case CKPT_TREE:
        if (last == CKPT_CONTENT)
            plan->contents[item->object - 1].tree = item->tree;
        else
            plan->spaces[item->object - 1].tree = item->tree;
        return 0;
    case CKPT_PROCESS:
        return note_process(plan, &item->process);
    case CKPT_REGISTERS:
        machine_decode(item->state.bytes, &last_process(plan)->state.regs);
        return 0;
    case CKPT_FPU:
        memcpy(last_process(plan)->state.fpu, item->state.bytes, UREGS_FPU_SIZE);
        return 0;
    case CKPT_RESTART:
        note_restart(plan, &item->restart);
        return 0;
    case CKPT_CWD:
        return note_cwd(plan, &item->cwd);
    case CKPT_DESCRIPTORS:
        return note_descriptors(image, plan, &item->descriptors);
    default:
        return 0;
    }
}

static int read_records(struct image *image, struct plan *plan)
{
    struct ckpt_item item = { .type = CKPT_END };
    u32 last;

    do {
        last = item.type;
        enum ckpt_error error = ckpt_next(&image->reader, &item);
        int err = error ? image_refuse(image, error, image->reader.failed_at) : note(image, plan, &item, last);
        if (err)
            return err;
    } while (item.type != CKPT_END);
    return 0;
}

// ---- what holds among the records

static bool pid_is_taken(const struct plan *plan, u32 i)
{
    for (u32 k = 0; k < i; k++)
        if (plan->processes[k]->state.pid == plan->processes[i]->state.pid)
            return true;
    return false;
}

// One tree whose root is the first process; who has ended has no children any more.
static int check_process(struct image *image, struct plan *plan, u32 i)
{
    struct plan_process *p = plan->processes[i];

    if (pid_is_taken(plan, i))
        return refuse(image, "holds two processes with one number");
    if ((i == 0) != (p->parent < 0))
        return refuse(image, "holds more than one family");
    if (i == 0)
        return p->state.ended ? refuse(image, "holds a process that has ended") : 0;
    struct plan_process *parent = plan->processes[p->parent];
    if (parent->state.ended)
        return refuse(image, "holds a child of a process that has ended");
    p->state.ppid = parent->state.pid;
    return 0;
}

// A space becomes one process's own.
static int check_spaces(struct image *image, const struct plan *plan)
{
    u32 next = 1;

    for (u32 i = 0; i < plan->process_count; i++)
        if (plan->processes[i]->space && plan->processes[i]->space != next++)
            return refuse(image, "holds memory that several processes have");
    return next == plan->space_count + 1 ? 0 : refuse(image, "holds memory that belongs to nobody");
}

static int check(struct image *image, struct plan *plan)
{
    int err = 0;

    for (u32 i = 0; !err && i < plan->process_count; i++)
        err = check_process(image, plan, i);
    return err ? err : check_spaces(image, plan);
}

static int open_epoch(struct image *image, u64 number, struct plan *plan)
{
    enum ckpt_error error = ckpt_open(&image->reader, &image->source, number);

    if (!error && image->reader.header.machine != machine_id)
        error = CKPT_BAD_MACHINE;
    if (error)
        return image_refuse(image, error, image->reader.failed_at);
    ckpt_bounds(&plan->bounds, &image->reader);
    plan->digest = image->reader.header.digest;
    return 0;
}

int plan_read(struct image *image, u64 epoch, struct plan **out)
{
    struct plan *plan = kzalloc(sizeof(*plan));

    if (!plan)
        return -ENOMEM;
    int err = open_epoch(image, epoch, plan);
    if (!err)
        err = read_records(image, plan);
    if (!err)
        err = check(image, plan);
    if (err) {
        plan_destroy(plan);
        return err;
    }
    *out = plan;
    return 0;
}

void plan_destroy(struct plan *plan)
{
    for (u32 i = 0; i < plan->pipe_count; i++)
        kfree(plan->pipes[i]);
    for (u32 i = 0; i < plan->file_count; i++) {
        kfree(plan->files[i]->path);
        kfree(plan->files[i]);
    }
    for (u32 i = 0; i < plan->space_count; i++)
        kfree(plan->spaces[i].regions);
    for (u32 i = 0; i < plan->process_count; i++) {
        kfree(plan->processes[i]->cwd_text);
        kfree(plan->processes[i]);
    }
    kfree(plan->contents);
    kfree(plan->pipes);
    kfree(plan->files);
    kfree(plan->spaces);
    kfree(plan->processes);
    kfree(plan);
}
