#include "volume.h"

#include "disk.h"
#include "inodes.h"
#include <fs/file.h>
#include <fs/inode.h>
#include <fs/path.h>
#include <hosted/hosted.h>
#include <lib/tool.h>
#include <stdio.h>
#include <string.h>
#include <uapi/errno.h>
#include <uapi/fcntl.h>

#define CACHE_FRAMES 16384  // 64 MiB

static struct inode *root;  // while it is open; where a path without a leading / begins

// A call into the file system: it runs as a thread of the kernel's, see fs_host.h.
struct op {
    int (*run)(struct op *op);
    int result;
    const char *path, *to;
    void *bytes;
    u32 n, flags, major, minor;
    u64 offset;
    size_t done;
    struct file *file;
    struct disk *disk;
    struct volume_stat *stat;
    volume_name_fn *fn;
    void *arg;
};

static void op_body(void *arg)
{
    struct op *op = arg;

    op->result = op->run(op);
}

static int op_run(struct op *op, int (*run)(struct op *))
{
    op->run = run;
    host_run(op_body, op);
    return op->result;
}

// The whole.

static int do_mount(struct op *op)
{
    int err = fs_mount(op->disk);

    if (!err)
        root = fs_root();
    return err;
}

static int do_unmount(struct op *op)
{
    (void)op;
    inode_put(root);
    return fs_unmount();
}

static int do_sync(struct op *op)
{
    (void)op;
    return fs_sync();
}

static const char *refusal_text(int err)
{
    if (err == -EAGAIN)
        return "somebody else uses it";
    return err == -EBUSY ? MACHINE_HAS_IT : strerror(-err);
}

int volume_open(const char *path)
{
    struct op op = {};
    int err = host_disk_open(path, &op.disk);

    if (err) {
        fprintf(stderr, "amberfs: %s: %s\n", path, refusal_text(err));
        return err;
    }
    host_set_memory(CACHE_FRAMES);
    host_set_loud(true);  // it says itself why not
    err = op_run(&op, do_mount);
    if (err) {
        fprintf(stderr, "amberfs: %s: can't be mounted: %s\n", path, strerror(-err));
        host_disk_close();
    }
    return err;
}

int volume_close(void)
{
    struct op op = {};
    int err = op_run(&op, do_unmount);

    host_disk_close();
    return err;
}

int volume_sync(void)
{
    struct op op = {};

    return op_run(&op, do_sync);
}

static int do_figures(struct op *op)
{
    fs_figures(op->arg);
    return 0;
}

void volume_figures(struct volume_figures *out)
{
    struct fs_figures figures;
    struct op op = { .arg = &figures };

    (void)!op_run(&op, do_figures);
    *out = (struct volume_figures){ figures.blocks, figures.blocks_free, figures.inodes, figures.inodes_free };
}

// Names.

static int do_stat(struct op *op)
{
    struct inode_identity id;
    struct inode *i;
    int err = path_lookup(root, op->path, &i);

    if (err)
        return err;
    inode_identify(i, &id);
    mutex_lock(&i->lock);
    *op->stat = (struct volume_stat){ .type = id.type,
                                      .links = id.nlink,
                                      .major = id.major,
                                      .minor = id.minor,
                                      .ino = id.ino,
                                      .size = id.size,
                                      .blocks = i->d.blocks,
                                      .mtime_ns = i->d.mtime_ns,
                                      .ctime_ns = i->d.ctime_ns };
    mutex_unlock(&i->lock);
    inode_put(i);
    return 0;
}

int volume_stat(const char *path, struct volume_stat *out)
{
    struct op op = { .path = path, .stat = out };

    return op_run(&op, do_stat);
}

static void tell_names(const struct op *op, const struct dirent *entries, size_t count)
{
    char name[NAME_LEN + 1] = "";

    for (size_t k = 0; k < count; k++) {
        memcpy(name, entries[k].name, NAME_LEN);
        if (entries[k].inum && strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
            op->fn(op->arg, name);
    }
}

static int do_list(struct op *op)
{
    struct dirent entries[64];
    struct inode *i;
    u64 offset = 0;
    size_t done;
    int err = path_lookup(root, op->path, &i);

    if (err)
        return err;
    if (inode_type(i) != T_DIR)
        err = -ENOTDIR;
    while (!err) {
        struct piece piece = { entries, sizeof(entries) };
        err = inode_read(i, offset, &piece, 1, &done);
        if (err || done == 0)
            break;
        tell_names(op, entries, done / sizeof(entries[0]));
        offset += done;
    }
    inode_put(i);
    return err;
}

int volume_list(const char *path, volume_name_fn *fn, void *arg)
{
    struct op op = { .path = path, .fn = fn, .arg = arg };

    return op_run(&op, do_list);
}

static int do_mkdir(struct op *op)
{
    return path_mkdir(root, op->path);
}

static int do_mknod(struct op *op)
{
    return path_mknod(root, op->path, op->major, op->minor);
}

static int do_unlink(struct op *op)
{
    return path_unlink(root, op->path);
}

static int do_rename(struct op *op)
{
    return path_rename(root, op->path, op->to);
}

static int do_link(struct op *op)
{
    return path_link(root, op->path, op->to);
}

static int do_truncate(struct op *op)
{
    struct file *f;
    int err = path_open(root, op->path, O_WRONLY, &f);

    if (err)
        return err;
    err = file_truncate(f, op->offset);
    file_put(f);
    return err;
}

int volume_mkdir(const char *path)
{
    struct op op = { .path = path };

    return op_run(&op, do_mkdir);
}

int volume_mknod(const char *path, u32 major, u32 minor)
{
    struct op op = { .path = path, .major = major, .minor = minor };

    return op_run(&op, do_mknod);
}

int volume_unlink(const char *path)
{
    struct op op = { .path = path };

    return op_run(&op, do_unlink);
}

int volume_rename(const char *from, const char *to)
{
    struct op op = { .path = from, .to = to };

    return op_run(&op, do_rename);
}

int volume_link(const char *from, const char *to)
{
    struct op op = { .path = from, .to = to };

    return op_run(&op, do_link);
}

int volume_truncate(const char *path, u64 size)
{
    struct op op = { .path = path, .offset = size };

    return op_run(&op, do_truncate);
}

// Open files.

static int do_open(struct op *op)
{
    return path_open(root, op->path, op->flags, &op->file);
}

static int do_unnamed(struct op *op)
{
    return path_create_unnamed(&op->file);
}

static int do_publish(struct op *op)
{
    return path_publish(root, op->path, op->file);
}

static int do_read(struct op *op)
{
    struct piece piece = { op->bytes, op->n };

    return inode_read(file_inode(op->file), op->offset, &piece, 1, &op->done);
}

static int do_write(struct op *op)
{
    struct piece piece = { op->bytes, op->n };

    return inode_write(file_inode(op->file), op->offset, &piece, 1, &op->done);
}

static int do_file_truncate(struct op *op)
{
    return inode_truncate(file_inode(op->file), op->offset);
}

static int do_file_sync(struct op *op)
{
    return file_sync(op->file);
}

static int do_close(struct op *op)
{
    file_put(op->file);
    return 0;
}

int volume_file_open(const char *path, bool write, bool create, struct file **out)
{
    struct op op = { .path = path, .flags = (write ? O_RDWR : O_RDONLY) | (create ? O_CREATE : 0) };
    int err = op_run(&op, do_open);

    *out = op.file;
    return err;
}

int volume_file_unnamed(struct file **out)
{
    struct op op = {};
    int err = op_run(&op, do_unnamed);

    *out = op.file;
    return err;
}

int volume_file_publish(struct file *f, const char *path)
{
    struct op op = { .file = f, .path = path };

    return op_run(&op, do_publish);
}

int volume_file_read(struct file *f, u64 offset, void *bytes, u32 n, size_t *done)
{
    struct op op = { .file = f, .offset = offset, .bytes = bytes, .n = n };
    int err = op_run(&op, do_read);

    *done = op.done;
    return err;
}

int volume_file_write(struct file *f, u64 offset, const void *bytes, u32 n, size_t *done)
{
    struct op op = { .file = f, .offset = offset, .bytes = (void *)bytes, .n = n };
    int err = op_run(&op, do_write);

    *done = op.done;
    return err;
}

int volume_file_truncate(struct file *f, u64 size)
{
    struct op op = { .file = f, .offset = size };

    return op_run(&op, do_file_truncate);
}

int volume_file_sync(struct file *f)
{
    struct op op = { .file = f };

    return op_run(&op, do_file_sync);
}

void volume_file_close(struct file *f)
{
    struct op op = { .file = f };

    (void)!op_run(&op, do_close);
}
