// Reopen: files by inode, pipes by their contents, removed files out of the image, and what the caller hands over.
#include "reopen.h"
#include "contents.h"
#include <fs/path.h>
#include <kern/printk.h>
#include <mm/kmalloc.h>
#include <proc/fd.h>
#include <uapi/errno.h>

struct reopening {
    struct image *image;
    const struct plan *plan;
    const struct ckpt_restore_args *args;
    struct reopened *out;
};

static const char *problem(int err)
{
    switch (err) {
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

static void report(const struct reopening *r, const struct plan_file *f, const char *what, const char *then)
{
    printk("%s: fd %d of process %d (%s) %s%s\n", r->image->name, f->fd, f->pid, f->path, what, then);
}

// ---- contents out of the image

// The unnamed file that has them; made when it is first asked for.
static int content_file(struct reopening *r, u32 ordinal, struct file **out)
{
    const struct plan_content *c = &r->plan->contents[ordinal - 1];
    struct file **made = &r->out->contents[ordinal - 1];

    if (!*made) {
        int err = path_create_unnamed(made);
        if (!err)
            err = contents_restore(r->image, &r->plan->bounds, &c->tree, c->size, file_inode(*made));
        if (err)
            return err;
    }
    *out = *made;
    return 0;
}

static int open_carried(struct reopening *r, const struct plan_file *f, struct file **out)
{
    struct file *content;
    int err = content_file(r, f->content, &content);

    return err ? err : file_import_at(&f->state, f->path, file_inode(content), out);
}

// ---- files with a name

static bool is_writable_directory(const struct x_file *x)
{
    return x->inode.type == T_DIR && (x->flags & (O_WRONLY | O_RDWR));
}

// A directory that had been removed: it has nothing in it, and never will.
static int open_removed(const struct plan_file *f, struct file **out)
{
    struct inode *dir;
    int err = path_create_removed(&dir);

    if (err)
        return err;
    err = file_import_at(&f->state, f->path, dir, out);
    inode_put(dir);
    return err;
}

static int open_as_was(const struct plan_file *f, struct file **out)
{
    if (f->state.inode.type == T_DIR && f->state.inode.nlink == 0 && !is_writable_directory(&f->state))
        return open_removed(f, out);
    return is_writable_directory(&f->state) ? -EISDIR : file_import(&f->state, f->path, out);
}

static bool has_changed(const struct plan_file *f, struct file *file)
{
    const struct inode_identity *was = &f->state.inode;
    struct inode_identity now;

    if (was->type != T_FILE)
        return false;
    inode_identify(file_inode(file), &now);
    return now.size != was->size || now.changes != was->changes;
}

static int plan_roll_back(struct reopening *r, const struct plan_file *f, struct file *file)
{
    struct reopened *o = r->out;
    struct file *content;
    int err = content_file(r, f->content, &content);

    if (err)
        return err;
    for (u32 i = 0; i < o->rollback_count; i++)
        if (o->rollbacks[i].to == file_inode(file))
            return 0;
    o->rollbacks[o->rollback_count++] =
        (struct rollback){ inode_get(file_inode(file)), inode_get(file_inode(content)) };
    return 0;
}

// The file is there, but not as it was.
static int meet_change(struct reopening *r, const struct plan_file *f, struct file *file)
{
    if (r->args->flags & CKPT_RESTORE_ROLLBACK && f->content)
        return plan_roll_back(r, f, file);
    if (r->args->flags & CKPT_RESTORE_ACCEPT) {
        report(r, f, "changed since the checkpoint", ": reopened as it is now");
        return 0;
    }
    report(r, f, "changed since the checkpoint",
           f->content ? "; -f rollback gives it back its contents" : "; -f accept takes it as it is");
    return -ESTALE;
}

// The file is gone, or can't be opened.
static int meet_loss(struct reopening *r, const struct plan_file *f, int err, struct file **out)
{
    if (err == -ENOMEM || err == -ENFILE)
        return err;
    if (r->args->flags & CKPT_RESTORE_ROLLBACK && f->content) {
        report(r, f, problem(err), ": reopened as the image has it, without a name");
        return open_carried(r, f, out);
    }
    if (r->args->flags & CKPT_RESTORE_ACCEPT) {
        report(r, f, problem(err), ": closed");
        return 0;
    }
    report(r, f, problem(err),
           f->content ? "; -f rollback reopens it as the image has it, without a name" : "; -f accept closes it");
    return err;
}

static int open_named(struct reopening *r, const struct plan_file *f, struct file **out)
{
    int err = open_as_was(f, out);

    if (err)
        return meet_loss(r, f, err, out);
    return has_changed(f, *out) ? meet_change(r, f, *out) : 0;
}

// ---- pipes

static struct file **end_of(struct reopening *r, u32 pipe, u32 kind)
{
    for (u32 i = 0; i < r->plan->file_count; i++)
        if (r->plan->files[i]->pipe == pipe && r->plan->files[i]->state.kind == kind && r->plan->files[i]->refs)
            return &r->out->files[i];
    return NULL;
}

// An end that nobody in the image has was closed.
static void give_end(struct file **to, struct file *end)
{
    if (to && !*to)
        *to = end;
    else
        file_put(end);
}

static int open_pipes(struct reopening *r)
{
    for (u32 i = 0; i < r->plan->pipe_count; i++) {
        struct file **reader = end_of(r, i + 1, FILE_PIPE_READ), **writer = end_of(r, i + 1, FILE_PIPE_WRITE);
        struct file *read_end, *write_end;

        if (!reader && !writer)
            continue;
        int err = pipe_import(r->plan->pipes[i], &read_end, &write_end);
        if (err)
            return err;
        give_end(reader, read_end);
        give_end(writer, write_end);
    }
    return 0;
}

// ---- what the caller hands over

static int hand_over(struct reopening *r, int saved, int theirs)
{
    u32 place = saved >= 0 && saved < OPEN_MAX ? r->plan->processes[0]->fd_file[saved] : 0;
    struct file *f;

    if (!place) {
        printk("%s: its first process has no fd %d\n", r->image->name, saved);
        return -EBADF;
    }
    int err = fd_lookup(proc_self(), theirs, &f);
    if (err)
        return err;
    struct file **to = &r->out->files[place - 1];
    if (*to)
        file_put(*to);
    *to = f;
    return 0;
}

static int open_inherited(struct reopening *r)
{
    int err = 0;

    for (u32 i = 0; !err && i < r->args->inherits; i++)
        err = hand_over(r, r->args->inherit[i].saved, r->args->inherit[i].theirs);
    return err;
}

// ---- all

static int open_one(struct reopening *r, u32 i)
{
    const struct plan_file *f = r->plan->files[i];
    struct file **out = &r->out->files[i];

    if (!f->refs || *out)
        return 0;
    if (f->pipe) {
        report(r, f, "is a pipe that leads outside", ": hand one over (-i FD=FD)");
        return -ENOTSUP;
    }
    if (f->content && f->state.inode.nlink == 0)
        return open_carried(r, f, out);
    return open_named(r, f, out);
}

int reopen(struct image *image, const struct plan *plan, const struct ckpt_restore_args *args, struct reopened *out)
{
    struct reopening r = { .image = image, .plan = plan, .args = args, .out = out };

    *out = (struct reopened){
        .files = kzalloc(plan->file_count * sizeof(struct file *)),
        .contents = kzalloc(plan->content_count * sizeof(struct file *)),
        .rollbacks = kzalloc(plan->file_count * sizeof(struct rollback)),
    };
    if (!out->files || !out->contents || !out->rollbacks)
        return -ENOMEM;
    int err = open_inherited(&r);
    if (!err)
        err = open_pipes(&r);
    for (u32 i = 0; !err && i < plan->file_count; i++)
        err = open_one(&r, i);
    return err;
}

int reopen_roll_back(const struct reopened *r)
{
    int err = 0;

    for (u32 i = 0; !err && i < r->rollback_count; i++)
        err = inode_exchange(r->rollbacks[i].to, r->rollbacks[i].from);
    return err;
}

void reopen_release(const struct plan *plan, struct reopened *r)
{
    for (u32 i = 0; r->rollbacks && i < r->rollback_count; i++) {
        inode_put(r->rollbacks[i].to);
        inode_put(r->rollbacks[i].from);
    }
    for (u32 i = 0; r->files && i < plan->file_count; i++)
        if (r->files[i])
            file_put(r->files[i]);
    for (u32 i = 0; r->contents && i < plan->content_count; i++)
        if (r->contents[i])
            file_put(r->contents[i]);
    kfree(r->files);
    kfree(r->contents);
    kfree(r->rollbacks);
}
