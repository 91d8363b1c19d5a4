// Calls on names.
#include "call.h"
#include <fs/path.h>
#include <mm/kmalloc.h>
#include <uapi/errno.h>

static int change_directory(struct proc *self, const char *path)
{
    struct inode *dir;
    char *text;

    int err = path_lookup(proc_cwd(self), path, &dir);
    if (err)
        return err;
    err = -ENOTDIR;
    if (inode_type(dir) != T_DIR)
        goto out_dir;
    err = -ENOMEM;
    text = kmalloc(PATH_LEN);
    if (!text)
        goto out_dir;
    path_text(proc_cwd_text(self), path, text, PATH_LEN);
    proc_set_cwd(self, dir, text);
    kfree(text);
    return 0;

out_dir:
    inode_put(dir);
    return err;
}

int sys_chdir(struct call *c)
{
    char *path;

    int err = call_path(c, 0, &path);
    if (err)
        return err;
    err = change_directory(c->self, path);
    kfree(path);
    return err;
}

int sys_mkdir(struct call *c)
{
    char *path;

    int err = call_path(c, 0, &path);
    if (err)
        return err;
    err = path_mkdir(proc_cwd(c->self), path);
    kfree(path);
    return err;
}

int sys_mknod(struct call *c)
{
    char *path;

    int err = call_path(c, 0, &path);
    if (err)
        return err;
    err = path_mknod(proc_cwd(c->self), path, (u32)c->arguments[1], (u32)c->arguments[2]);
    kfree(path);
    return err;
}

int sys_unlink(struct call *c)
{
    char *path;

    int err = call_path(c, 0, &path);
    if (err)
        return err;
    err = path_unlink(proc_cwd(c->self), path);
    kfree(path);
    return err;
}

// A call with two paths.
static int with_two_paths(struct call *c, int (*act)(struct inode *cwd, const char *from, const char *to))
{
    char *from, *to;

    int err = call_path(c, 0, &from);
    if (err)
        return err;
    err = call_path(c, 1, &to);
    if (!err) {
        err = act(proc_cwd(c->self), from, to);
        kfree(to);
    }
    kfree(from);
    return err;
}

int sys_link(struct call *c)
{
    return with_two_paths(c, path_link);
}

int sys_rename(struct call *c)
{
    return with_two_paths(c, path_rename);
}
