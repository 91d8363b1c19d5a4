// Restore: the calling process becomes the one in an image.
//
// All is built beside the calling process: an address space with every page read and checked, open files, a working
// directory. Then it becomes that in one step that can't fail. Until then nothing has happened to it.
#include "plan.h"
#include <base/crc32c.h>
#include <base/string.h>
#include <ckpt/ckpt.h>
#include <fs/path.h>
#include <kern/printk.h>
#include <mm/kmalloc.h>
#include <proc/exec.h>
#include <uapi/errno.h>

#define RUN_MAX 254  // one of the disk's requests

_Static_assert(PAGE_SIZE == CKPT_BLOCK_SIZE, "a page is a block");

// Pages that lie one after the other in the image.
struct run {
    u32 first, count;
    struct frame *frames[RUN_MAX];
    u32 crc[RUN_MAX];
    uaddr_t address[RUN_MAX];
};

struct restore {
    struct image image;
    struct plan *plan;
    struct vmspace *space;
    struct file *files[OPEN_MAX];  // by their place in the plan
    struct file *fds[OPEN_MAX];
    struct inode *cwd;
    struct ckpt_walk walk;
    struct run run;
};

static int add_regions(struct restore *r)
{
    static const u8 kinds[] = {
        [CKPT_REGION_DATA] = REGION_DATA,
        [CKPT_REGION_HEAP] = REGION_HEAP,
        [CKPT_REGION_STACK] = REGION_STACK,
    };
    const struct plan *plan = r->plan;

    for (u32 i = 0; i < plan->region_count; i++) {
        const struct ckpt_region *x = &plan->regions[i];
        struct region region = {
            .start = (uaddr_t)x->start,
            .end = (uaddr_t)x->end,
            .prot = (u8)x->prot,
            .kind = kinds[x->kind],
            .reserved = x->flags & CKPT_REGION_PROMISED,
        };
        int err = vmspace_add(r->space, &region);

        if (err)
            return err;
    }
    return vmspace_heap_import(r->space, plan->heap_start, plan->heap_end, plan->heap_limit);
}

static int run_allocate(struct run *run)
{
    for (u32 i = 0; i < run->count; i++) {
        run->frames[i] = frame_alloc();
        if (!run->frames[i])
            return -ENOMEM;
    }
    return 0;
}

static void run_release(struct run *run)
{
    for (u32 i = 0; i < run->count; i++) {
        if (run->frames[i])
            frame_put(run->frames[i]);
        run->frames[i] = NULL;
    }
    run->count = 0;
}

// Check the frames and make them the space's.
static int run_install(struct restore *r)
{
    struct run *run = &r->run;

    for (u32 i = 0; i < run->count; i++) {
        struct frame *frame = run->frames[i];
        int err;

        if (crc32c(0, frame_data(frame), PAGE_SIZE) != run->crc[i])
            return image_refuse(&r->image, CKPT_BAD_CHECKSUM, (u64)(run->first + i) * CKPT_BLOCK_SIZE);
        run->frames[i] = NULL;
        err = vmspace_install(r->space, run->address[i], frame);
        if (err == -EFAULT)
            return image_refuse(&r->image, CKPT_BAD_TREE, (u64)(run->first + i) * CKPT_BLOCK_SIZE);
        if (err)
            return err;
    }
    return 0;
}

static int run_read(struct restore *r)
{
    struct run *run = &r->run;
    int err = 0;

    if (run->count) {
        err = run_allocate(run);
        if (!err)
            err = inode_read_frames(r->image.inode, (u64)run->first * CKPT_BLOCK_SIZE, run->frames, run->count);
        if (!err)
            err = run_install(r);
        run_release(run);
        thread_breathe();
    }
    return err || !proc_killed(proc_self()) ? err : -EINTR;
}

static void run_append(struct run *run, const struct ckpt_page *page)
{
    if (run->count == 0)
        run->first = page->block;
    run->crc[run->count] = page->crc;
    run->address[run->count++] = (uaddr_t)(page->index * PAGE_SIZE);
}

static bool run_continues(const struct run *run, const struct ckpt_page *page)
{
    return run->count < RUN_MAX && page->block == run->first + run->count;
}

// Page numbers beyond user space must not wrap into it.
static enum ckpt_error next_page(struct restore *r, struct ckpt_page *page)
{
    enum ckpt_error error = ckpt_walk_next(&r->walk, page);

    if (!error && page->block && page->index >= USER_END / PAGE_SIZE)
        error = CKPT_BAD_TREE;
    return error;
}

static int read_pages(struct restore *r)
{
    enum ckpt_error error = ckpt_walk_begin(&r->walk, &r->image.reader, &r->plan->tree);
    struct ckpt_page page;

    while (!error) {
        error = next_page(r, &page);
        if (error)
            break;
        if (page.block == 0)
            return run_read(r);
        if (!run_continues(&r->run, &page)) {
            int err = run_read(r);
            if (err)
                return err;
        }
        run_append(&r->run, &page);
    }
    return image_refuse(&r->image, error, r->walk.failed_at);
}

static int build_space(struct restore *r)
{
    int err = vmspace_create(&r->space);

    if (!err)
        err = add_regions(r);
    return err ? err : read_pages(r);
}

static const char *file_problem(int err)
{
    switch (err) {
    case -ENOTSUP:
        return "is a pipe, whose other end is not in the image";
    case -ESTALE:
        return "is not the file that it was";
    case -ETXTBSY:
        return "is being executed";
    case -ENODEV:
        return "is a device that isn't here";
    case -EISDIR:
        return "is a directory open for writing";
    case -EIO:
        return "can't be read";
    default:
        return "can't be opened";
    }
}

static void report_closed(const struct restore *r, u32 fd, const struct plan_file *file, int err)
{
    printk("restore: %s: fd %u (%s) %s: closed\n", r->image.name, fd, file->path, file_problem(err));
}

static void report_change(const struct restore *r, u32 fd, const struct plan_file *file,
                          const struct inode_identity *now)
{
    printk("restore: %s: fd %u (%s) changed since the checkpoint (size %llu, was %llu): reopened as it is now\n",
           r->image.name, fd, file->path, (unsigned long long)now->size, (unsigned long long)file->state.inode.size);
}

static int open_file(const struct plan_file *file, struct file **out)
{
    const struct x_file *x = &file->state;

    if (x->kind == FILE_PIPE_READ || x->kind == FILE_PIPE_WRITE)
        return -ENOTSUP;
    if (x->inode.type == T_DIR && (x->flags & (O_WRONLY | O_RDWR)))
        return -EISDIR;
    return file_import(x, file->path, out);
}

static void compare(const struct restore *r, u32 fd, const struct plan_file *file, struct file *f)
{
    const struct inode_identity *was = &file->state.inode;
    struct inode_identity now;

    if (was->type != T_FILE)
        return;
    inode_identify(file_inode(f), &now);
    if (now.size != was->size || now.changes != was->changes)
        report_change(r, fd, file, &now);
}

// What can't be opened again stays closed, and the person at the console is told.
static int open_fd(struct restore *r, u32 fd)
{
    u32 place = r->plan->fd_file[fd] - 1;
    const struct plan_file *file = &r->plan->files[place];

    if (!r->files[place]) {
        int err = open_file(file, &r->files[place]);

        if (err == -ENOMEM)
            return err;
        if (err) {
            report_closed(r, fd, file, err);
            return 0;
        }
        compare(r, fd, file, r->files[place]);
    }
    r->fds[fd] = file_get(r->files[place]);
    return 0;
}

static int open_files(struct restore *r)
{
    int err = 0;

    for (u32 fd = 0; !err && fd < OPEN_MAX; fd++)
        if (r->plan->fd_file[fd])
            err = open_fd(r, fd);
    return err;
}

static int find_directory(u64 ino, u64 generation, struct inode **out)
{
    int err = inode_find(ino, generation, out);

    if (!err && inode_type(*out) != T_DIR) {
        inode_put(*out);
        err = -ESTALE;
    }
    return err;
}

static int open_cwd(struct restore *r)
{
    struct plan *plan = r->plan;
    int err = find_directory(plan->cwd_ino, plan->cwd_generation, &r->cwd);

    if (err != -ESTALE)
        return err;
    printk("restore: %s: the working directory (%s) is gone: it is / now\n", r->image.name, plan->cwd_text);
    text_copy(plan->cwd_text, "/", sizeof(plan->cwd_text));
    r->cwd = fs_root();
    return 0;
}

// From here on nothing can fail.
static void commit(struct restore *r)
{
    proc_import(&r->plan->proc, r->space, r->fds, r->cwd, r->plan->cwd_text);
    r->space = NULL;
    r->cwd = NULL;
    memset(r->fds, 0, sizeof(r->fds));
}

static void restore_release(struct restore *r)
{
    for (u32 i = 0; i < OPEN_MAX; i++) {
        if (r->fds[i])
            file_put(r->fds[i]);
        if (r->files[i])
            file_put(r->files[i]);
    }
    if (r->cwd)
        inode_put(r->cwd);
    vmspace_destroy(r->space);
    if (r->plan)
        plan_destroy(r->plan);
    kfree(r);
}

static int image_is_file(struct image *image)
{
    return inode_type(image->inode) == T_FILE ? 0 : image_refuse(image, CKPT_NOT_IMAGE, 0);
}

static int restore_inode(struct inode *inode, const char *path)
{
    struct restore *r = kzalloc(sizeof(*r));
    int err;

    if (!r)
        return -ENOMEM;
    image_init(&r->image, inode, path);
    err = image_is_file(&r->image);
    if (!err)
        err = plan_read(&r->image, &r->plan);
    if (!err)
        err = build_space(r);
    if (!err)
        err = open_files(r);
    if (!err)
        err = open_cwd(r);
    if (!err)
        commit(r);
    restore_release(r);
    return err;
}

int ckpt_restore(const char *path)
{
    struct inode *inode;
    int err = path_lookup(proc_cwd(proc_self()), path, &inode);

    if (err)
        return err;
    err = restore_inode(inode, path);
    inode_put(inode);
    return err;
}

// exec of an image: its arguments have no meaning, as the program in it has had its own.
static int load_image(struct inode *program, const char *path, const struct exec_args *args)
{
    u8 beginning[CKPT_PROBE_SIZE];
    struct piece piece = { .data = beginning, .size = sizeof(beginning) };
    size_t done = 0;
    int err = inode_read(program, 0, &piece, 1, &done);

    if (err)
        return err;
    return ckpt_probe(beginning, done) ? restore_inode(program, path) : -ENOEXEC;
}

void ckpt_init(void)
{
    static struct exec_format format = { .name = "checkpoint", .load = load_image };

    exec_register(&format);
}
