// Open files: counted, with an offset of their own, over an inode, a device or a pipe.
//
// The offset of a regular file, a directory or a device that stores is locked while it's read or written, so that two
// processes that share the file share its offset properly; a pipe or a device that is a stream has none, and reading
// one may take for ever.
//
// Locks: file->lock (RANK_FILE) before any inode's.
#include "files.h"
#include "inodes.h"
#include "pieces.h"
#include "pipes.h"
#include <base/string.h>
#include <dev/chardev.h>
#include <kern/printk.h>
#include <mm/kmalloc.h>
#include <uapi/errno.h>

#define FILES_MAX 16384

// Watchers are counted in the same word as owners, so that both are known at one instant.
#define WATCHER (1u << 24)

struct file {
    _Atomic u32 refs;     // owners, and WATCHER for each watcher
    enum file_kind kind;  // constant once it has a meaning; 0 before
    u32 flags;            // access and O_APPEND; constant
    struct inode *inode;  // its reference; NULL for pipes
    const struct chardev *device;
    u32 minor;  // of the device
    struct pipe *pipe;
    char *name;
    bool counted_writer;  // of the inode
    struct mutex lock;
    u64 offset FIELD_GUARDED_BY(lock);
};

static _Atomic u32 live;

static bool may_read(const struct file *f)
{
    return (f->flags & FILE_ACCESS) != O_WRONLY;
}

static bool may_write(const struct file *f)
{
    return f->flags & FILE_ACCESS;
}

int file_create(u32 flags, const char *name, struct file **out)
{
    if (live++ >= FILES_MAX) {
        live--;
        return -ENFILE;
    }
    struct file *f = kzalloc(sizeof(*f));
    char *text = kstrdup(name);
    if (!f || !text) {
        kfree(f);
        kfree(text);
        live--;
        return -ENOMEM;
    }
    f->refs = 1;
    f->flags = flags & (FILE_ACCESS | O_APPEND);
    f->name = text;
    mutex_init(&f->lock, "file", RANK_FILE);
    *out = f;
    return 0;
}

int file_attach(struct file *f, struct inode *i)
{
    bool device = i->type == FS_DEV;
    const struct chardev *d = device ? chardev_find(i->d.major) : NULL;

    if (device && !d)
        return -ENODEV;
    if (may_write(f) && !device) {
        int err = inode_writer_begin(i);
        if (err)
            return err;
        f->counted_writer = true;
    }
    f->kind = device ? FILE_DEVICE : FILE_INODE;
    f->device = d;
    f->minor = device ? i->d.minor : 0;
    f->inode = i;
    return 0;
}

struct file *file_get(struct file *f)
{
    f->refs++;
    return f;
}

struct file *file_watch(struct file *f)
{
    f->refs += WATCHER;
    return f;
}

void file_unwatch(struct file *f)
{
    if (atomic_fetch_sub(&f->refs, WATCHER) > WATCHER)
        return;
    if (f->inode)
        inode_put(f->inode);
    kfree(f->name);
    kfree(f);
    live--;
}

// The last owner is gone: whoever is at the other end of a pipe has to know, whether it's watched or not.
static void close_file(struct file *f)
{
    if (f->pipe)
        pipe_close(f->pipe, f->kind == FILE_PIPE_WRITE);
    if (f->counted_writer)
        inode_writer_end(f->inode);
}

void file_put(struct file *f)
{
    file_watch(f);
    if (atomic_fetch_sub(&f->refs, 1) % WATCHER == 1)
        close_file(f);
    file_unwatch(f);
}

enum file_kind file_kind(const struct file *f)
{
    return f->kind;
}

const char *file_name(const struct file *f)
{
    return f->name;
}

int file_set_name(struct file *f, const char *name)
{
    char *text = kstrdup(name);

    if (!text)
        return -ENOMEM;
    kfree(f->name);
    f->name = text;
    return 0;
}

struct inode *file_inode(struct file *f)
{
    return f->inode;
}

u32 files_live(void)
{
    return live;
}

// Pipes.

static int create_end(struct pipe *p, enum file_kind kind, u32 flags, struct file **out)
{
    int err = file_create(flags, "pipe", out);

    if (err)
        return err;
    (*out)->kind = kind;
    (*out)->pipe = p;
    return 0;
}

int pipe_create(struct file **read_end, struct file **write_end)
{
    struct pipe *p;
    int err = pipe_new(&p);

    if (err)
        return err;
    err = create_end(p, FILE_PIPE_READ, O_RDONLY, read_end);
    if (err) {
        pipe_close(p, false);
        pipe_close(p, true);
        return err;
    }
    err = create_end(p, FILE_PIPE_WRITE, O_WRONLY, write_end);
    if (err) {
        pipe_close(p, true);
        file_put(*read_end);
    }
    return err;
}

// Reading and writing.

// A device that has offsets.
static bool is_store(const struct file *f)
{
    return f->kind == FILE_DEVICE && f->device->size;
}

static bool has_offset(const struct file *f)
{
    return f->kind == FILE_INODE || is_store(f);
}

static int read_inode(struct file *f, struct piece *pieces, u32 count, size_t *done)
{
    mutex_lock(&f->lock);
    int err = inode_read(f->inode, f->offset, pieces, count, done);
    f->offset += *done;
    mutex_unlock(&f->lock);
    return err;
}

static int read_device(struct file *f, struct piece *pieces, u32 count, size_t *done)
{
    if (!is_store(f))
        return f->device->read(pieces, count, done);
    mutex_lock(&f->lock);
    int err = f->device->read_at(f->minor, f->offset, pieces, count, done);
    f->offset += *done;
    mutex_unlock(&f->lock);
    return err;
}

int file_read(struct file *f, struct piece *pieces, u32 count, size_t *done)
{
    *done = 0;
    if (!may_read(f))
        return -EBADF;
    switch (f->kind) {
    case FILE_INODE:
        return read_inode(f, pieces, count, done);
    case FILE_DEVICE:
        return read_device(f, pieces, count, done);
    default:
        return pipe_read(f->pipe, pieces, count, done);
    }
}

static int write_inode(struct file *f, const struct piece *pieces, u32 count, size_t *done)
{
    mutex_lock(&f->lock);
    int err = f->flags & O_APPEND ? inode_append(f->inode, pieces, count, &f->offset, done)
                                  : inode_write(f->inode, f->offset, pieces, count, done);
    f->offset += *done;
    mutex_unlock(&f->lock);
    return err;
}

static int write_device(struct file *f, const struct piece *pieces, u32 count, size_t *done)
{
    if (!is_store(f))
        return f->device->write(pieces, count, done);
    mutex_lock(&f->lock);
    int err = f->device->write_at(f->minor, f->offset, pieces, count, done);
    f->offset += *done;
    mutex_unlock(&f->lock);
    return err;
}

int file_write(struct file *f, const struct piece *pieces, u32 count, size_t *done)
{
    *done = 0;
    if (!may_write(f))
        return -EBADF;
    switch (f->kind) {
    case FILE_INODE:
        return write_inode(f, pieces, count, done);
    case FILE_DEVICE:
        return write_device(f, pieces, count, done);
    default:
        return pipe_write(f->pipe, pieces, count, done);
    }
}

// Pages of a large portion are moved by the disk itself, many requests at once; of others a few at a time are copied.
#define PORTION       (64u << 10)
#define PORTION_LARGE (4u << 20)

// What a large read can still give: no more pages need be pinned. Only a hint, as the file may change.
static u64 rest_of(struct file *f)
{
    struct inode_identity id;

    inode_identify(f->inode, &id);
    mutex_lock(&f->lock);
    u64 rest = f->offset < id.size ? id.size - f->offset : 0;
    mutex_unlock(&f->lock);
    return rest;
}

size_t file_portion(struct file *f, size_t n, bool is_write)
{
    if (n <= PORTION || !has_offset(f))
        return MIN(n, PORTION);
    n = MIN(n, PORTION_LARGE);
    if (is_write || f->kind == FILE_DEVICE)
        return n;
    return (size_t)MIN(n, MAX(rest_of(f), PORTION));
}

int file_stat(struct file *f, struct stat *st)
{
    if (!f->inode)
        return -EBADF;
    inode_stat(f->inode, st);
    return 0;
}

// Offsets count bytes as read() gives them: for a directory, of struct dirent.
static int end_of(struct file *f, u64 *end)
{
    struct inode_identity id;

    if (is_store(f))
        return f->device->size(f->minor, end);
    inode_identify(f->inode, &id);
    *end = f->inode->type == FS_DIR ? id.size / FS_DIRENT_SIZE * sizeof(struct dirent) : id.size;
    return 0;
}

int file_seek(struct file *f, s64 offset, int whence, u64 *now)
{
    u64 end = 0;

    if (!has_offset(f))
        return -ESPIPE;
    if (whence != SEEK_SET && whence != SEEK_CUR && whence != SEEK_END)
        return -EINVAL;
    mutex_lock(&f->lock);
    int err = whence == SEEK_END ? end_of(f, &end) : 0;
    u64 base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? f->offset : end;
    u64 target = base + (u64)offset;
    // Below zero, or past what a signed number holds.
    if (!err && (target > INT64_MAX || (offset > 0 && target < base)))
        err = -EINVAL;
    if (!err)
        *now = f->offset = target;
    mutex_unlock(&f->lock);
    return err;
}

int file_sync(struct file *f)
{
    if (is_store(f))
        return f->device->sync(f->minor);
    return f->kind == FILE_INODE ? inode_sync(f->inode) : -EINVAL;
}

int file_truncate(struct file *f, u64 size)
{
    if (!may_write(f))
        return -EBADF;
    if (f->kind != FILE_INODE)
        return -EINVAL;
    return inode_truncate(f->inode, size);
}

// For images.

void file_export(struct file *f, struct x_file *out)
{
    *out = (struct x_file){ .kind = f->kind, .flags = f->flags, .refs = f->refs % WATCHER };
    if (f->inode)
        inode_identify(f->inode, &out->inode);
    if (f->pipe)
        out->pipe_id = pipe_id(f->pipe);
    mutex_lock(&f->lock);
    out->offset = f->offset;
    mutex_unlock(&f->lock);
}

// A description with the flags and the offset of *x; it refers to nothing yet.
static int import_blank(const struct x_file *x, const char *name, struct file **out)
{
    if ((x->flags & ~FILE_FLAGS) || (x->flags & FILE_ACCESS) == FILE_ACCESS || x->offset > INT64_MAX)
        return -EINVAL;
    int err = file_create(x->flags, name, out);
    if (err)
        return err;
    mutex_lock(&(*out)->lock);
    (*out)->offset = x->offset;
    mutex_unlock(&(*out)->lock);
    return 0;
}

static int import_inode(struct file *f, const struct x_file *x)
{
    struct inode *i;
    int err = inode_find(x->inode.ino, x->inode.generation, &i);

    if (err)
        return err;
    bool device = i->type == FS_DEV;
    if (i->type != x->inode.type || device != (x->kind == FILE_DEVICE))
        err = -ESTALE;
    else if (i->type == FS_DIR && may_write(f))
        err = -EINVAL;
    if (!err)
        err = file_attach(f, i);
    if (err)
        inode_put(i);
    return err;
}

int file_import(const struct x_file *x, const char *name, struct file **out)
{
    struct file *f;

    if (x->kind == FILE_PIPE_READ || x->kind == FILE_PIPE_WRITE)
        return -ENOTSUP;
    if (x->kind != FILE_INODE && x->kind != FILE_DEVICE)
        return -EINVAL;
    int err = import_blank(x, name, &f);
    if (err)
        return err;
    err = import_inode(f, x);
    if (err)
        file_put(f);
    else
        *out = f;
    return err;
}

int file_import_at(const struct x_file *x, const char *name, struct inode *inode, struct file **out)
{
    struct file *f;

    if (x->kind != FILE_INODE || inode->type != x->inode.type)
        return -EINVAL;
    int err = import_blank(x, name, &f);
    if (err)
        return err;
    err = file_attach(f, inode);
    if (err) {
        file_put(f);
        return err;
    }
    inode_get(inode);
    *out = f;
    return 0;
}

void pipe_export(struct file *end, struct x_pipe *out)
{
    pipe_save(end->pipe, out);
}

int pipe_import(const struct x_pipe *x, struct file **read_end, struct file **write_end)
{
    if (x->size > PIPE_CONTENTS_MAX)
        return -EINVAL;
    int err = pipe_create(read_end, write_end);
    if (!err)
        pipe_fill((*read_end)->pipe, x->bytes, x->size);
    return err;
}
