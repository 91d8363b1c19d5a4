// Plan: the records of an image become what restore needs to know. lib/ckptfmt has checked each by itself and against
// the others; here it is checked against what this kernel can do.
#include "plan.h"
#include "machine.h"
#include <base/string.h>
#include <kern/printk.h>
#include <mm/kmalloc.h>
#include <uapi/errno.h>

static int source_read(void *ctx, u64 offset, void *buf, size_t n)
{
    struct image *image = ctx;
    struct piece piece = { .data = buf, .size = (u32)n };
    size_t done = 0;

    image->read_error = inode_read(image->inode, offset, &piece, 1, &done);
    if (!image->read_error && done < n)
        image->read_error = -EBADMSG;
    return image->read_error;
}

void image_init(struct image *image, struct inode *inode, const char *path)
{
    struct inode_identity id;

    inode_identify(inode, &id);
    image->inode = inode;
    image->source = (struct ckpt_source){ .read = source_read, .ctx = image, .size = id.size };
    image->read_error = 0;
    ckpt_text(image->name, sizeof(image->name), path, strlen(path));
}

static int error_number(const struct image *image, enum ckpt_error error)
{
    switch (error) {
    case CKPT_READ_FAILED:
        return image->read_error;
    case CKPT_NOT_IMAGE:
    case CKPT_BAD_VERSION:
    case CKPT_BAD_FEATURE:
    case CKPT_BAD_MACHINE:
    case CKPT_BAD_PAGE_SIZE:
    case CKPT_UNKNOWN_RECORD:
        return -ENOEXEC;
    default:
        return -EBADMSG;
    }
}

int image_refuse(struct image *image, enum ckpt_error error, u64 at)
{
    int err = error_number(image, error);
    const char *way_out = err == -EBADMSG ? "; use another copy" : "";

    printk("restore: %s: %s (at byte %llu)%s\n", image->name, ckpt_error_text(error), (unsigned long long)at, way_out);
    return err;
}

static int refuse_kind(struct image *image, const char *what)
{
    printk("restore: %s: %s, which this kernel can't restore\n", image->name, what);
    return -ENOEXEC;
}

static int note_epoch(struct image *image, const struct ckpt_epoch *e)
{
    if (e->processes != 1 || e->spaces != 1)
        return refuse_kind(image, "holds more than one process");
    if (e->files > OPEN_MAX)
        return refuse_kind(image, "holds more open files than a process may have");
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
    struct plan_file *file = &plan->files[plan->file_count];

    file->path = kmalloc(f->path_length + 1);
    if (!file->path)
        return -ENOMEM;
    plan->file_count++;
    ckpt_text(file->path, f->path_length + 1, f->path, f->path_length);
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
        .pipe_id = f->pipe,
    };
    return 0;
}

static void note_space(struct plan *plan, const struct ckpt_space *s)
{
    plan->heap_start = s->heap_start;
    plan->heap_end = s->heap_end;
    plan->heap_limit = s->heap_limit;
    plan->region_count = s->regions;
    for (u32 i = 0; i < s->regions; i++)
        ckpt_space_region(s, i, &plan->regions[i]);
}

static int note_process(struct image *image, struct plan *plan, const struct ckpt_process *p)
{
    if (p->state != CKPT_ALIVE)
        return refuse_kind(image, "holds a process that has ended");
    plan->proc.pid = p->pid;
    plan->proc.ppid = p->ppid;
    plan->proc.pgid = p->pgid;
    plan->proc.uptime = p->uptime_ns;
    ckpt_text(plan->proc.name, sizeof(plan->proc.name), p->name, strlen(p->name));
    return 0;
}

static int note_descriptors(struct image *image, struct plan *plan, const struct ckpt_descriptors *d)
{
    struct ckpt_descriptor one;

    for (u32 i = 0; i < d->count; i++) {
        ckpt_descriptor(d, i, &one);
        if (one.fd >= OPEN_MAX)
            return refuse_kind(image, "uses a descriptor beyond the last one");
        plan->fd_file[one.fd] = (u32)one.file;
    }
    return 0;
}

static int note(struct image *image, struct plan *plan, const struct ckpt_item *item)
{
    switch (item->type) {
    case CKPT_EPOCH:
        return note_epoch(image, &item->epoch);
    case CKPT_FILE:
        return note_file(plan, &item->file);
    case CKPT_SPACE:
        note_space(plan, &item->space);
        return 0;
    case CKPT_TREE:
        plan->tree = item->tree;
        return 0;
    case CKPT_PROCESS:
        return note_process(image, plan, &item->process);
    case CKPT_REGISTERS:
        machine_decode(item->state.bytes, &plan->proc.regs);
        return 0;
    case CKPT_FPU:
        memcpy(plan->proc.fpu, item->state.bytes, sizeof(plan->proc.fpu));
        return 0;
    case CKPT_RESTART:
        plan->proc.restart.call = item->restart.call;
        plan->proc.restart.done = item->restart.done;
        plan->proc.restart.deadline = item->restart.left_ns;
        return 0;
    case CKPT_CWD:
        plan->cwd_ino = item->cwd.ino;
        plan->cwd_generation = item->cwd.generation;
        ckpt_text(plan->cwd_text, sizeof(plan->cwd_text), item->cwd.path, item->cwd.path_length);
        return 0;
    case CKPT_DESCRIPTORS:
        return note_descriptors(image, plan, &item->descriptors);
    default:
        return 0;
    }
}

static int read_records(struct image *image, struct plan *plan)
{
    struct ckpt_item item = { .type = CKPT_EPOCH };

    while (item.type != CKPT_END) {
        enum ckpt_error error = ckpt_next(&image->reader, &item);
        int err = error ? image_refuse(image, error, image->reader.failed_at) : note(image, plan, &item);

        if (err)
            return err;
    }
    return 0;
}

static int open_newest(struct image *image)
{
    enum ckpt_error error = ckpt_open(&image->reader, &image->source);

    if (!error && image->reader.header.machine != machine_id)
        error = CKPT_BAD_MACHINE;
    return error ? image_refuse(image, error, image->reader.failed_at) : 0;
}

int plan_read(struct image *image, struct plan **out)
{
    struct plan *plan;
    int err = open_newest(image);

    if (err)
        return err;
    plan = kzalloc(sizeof(*plan));
    if (!plan)
        return -ENOMEM;
    err = read_records(image, plan);
    if (err) {
        plan_destroy(plan);
        return err;
    }
    *out = plan;
    return 0;
}

void plan_destroy(struct plan *plan)
{
    for (u32 i = 0; i < plan->file_count; i++)
        kfree(plan->files[i].path);
    kfree(plan);
}
