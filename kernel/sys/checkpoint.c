// Calls that save and restore processes: the two of the xv6 checkpointing project, and those with all options.
#include "call.h"
#include <ckpt/ckpt.h>
#include <kern/time.h>
#include <mm/kmalloc.h>
#include <mm/usercopy.h>
#include <uapi/errno.h>

static int path_at(u64 pointer, char **out)
{
    struct call c = { .arguments = { (uintptr_t)pointer } };

    return pointer == (uintptr_t)pointer ? call_path(&c, 0, out) : -EFAULT;
}

int sys_checkpoint(struct call *c)
{
    struct ckpt_save_args args = { .pid = call_int(c, 0), .history = CKPT_HISTORY_DEFAULT };
    struct ckpt_figures figures;
    char *path;

    int err = call_path(c, 1, &path);
    if (err)
        return err;
    err = ckpt_save(&args, path, &call_restart(c)->done, &figures);
    kfree(path);
    return err;
}

int sys_restart(struct call *c)
{
    static const struct ckpt_restore_args args = { .flags = CKPT_RESTORE_ACCEPT };
    char *path;

    int err = call_path(c, 0, &path);
    if (err)
        return err;
    err = ckpt_restore(&args, path);
    kfree(path);
    c->replaced = !err;
    return err;
}

int sys_ckpt_save(struct call *c)
{
    struct ckpt_save_args args;
    struct ckpt_figures figures = { 0 };
    char *path;

    int err = copy_from_user(&args, call_pointer(c, 0), sizeof(args));
    if (!err)
        err = path_at(args.path, &path);
    if (err)
        return err;
    err = ckpt_save(&args, path, &call_restart(c)->done, &figures);
    kfree(path);
    if (err || !c->arguments[1])
        return err;
    return copy_to_user(call_pointer(c, 1), &figures, sizeof(figures));
}

// The deadline is kept, so a wait that a freeze interrupts isn't longer for it.
int sys_ckpt_wait(struct call *c)
{
    struct restart *restart = call_restart(c);
    struct ckpt_figures figures;
    u64 id;

    int err = copy_from_user(&id, call_pointer(c, 0), sizeof(id));
    if (err)
        return err;
    if (!restart->deadline)
        restart->deadline = time_ns() + (u64)(u32)call_int(c, 1) * NS_PER_TICK;
    err = ckpt_wait(id, restart->deadline, &figures);
    if (err && err != -ETIMEDOUT)
        return err;
    int copied = copy_to_user(call_pointer(c, 2), &figures, sizeof(figures));
    return copied ? copied : err;
}

int sys_ckpt_restore(struct call *c)
{
    struct ckpt_restore_args args;
    char *path;

    int err = copy_from_user(&args, call_pointer(c, 0), sizeof(args));
    if (!err)
        err = path_at(args.path, &path);
    if (err)
        return err;
    err = ckpt_restore(&args, path);
    kfree(path);
    c->replaced = !err;
    return err;
}
