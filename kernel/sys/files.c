// Calls on open files.
#include "call.h"
#include <base/string.h>
#include <dev/chardev.h>
#include <dev/console.h>
#include <fs/file.h>
#include <fs/path.h>
#include <mm/kmalloc.h>
#include <mm/usercopy.h>
#include <proc/fd.h>
#include <uapi/errno.h>

#define OPEN_FLAGS (O_WRONLY | O_RDWR | O_CREATE | O_TRUNC | O_APPEND)

static int install(struct call *c, struct file *f)
{
    int fd;

    int err = fd_install(c->self, f, 0, &fd);
    if (!err)
        c->result = fd;
    return err;
}

int sys_open(struct call *c)
{
    u32 flags = (u32)c->arguments[1];
    struct file *f;
    char *path;

    if (flags & ~OPEN_FLAGS || (flags & (O_WRONLY | O_RDWR)) == (O_WRONLY | O_RDWR))
        return -EINVAL;
    int err = call_path(c, 0, &path);
    if (err)
        return err;
    err = path_open(proc_cwd(c->self), path, flags, &f);
    kfree(path);
    return err ? err : install(c, f);
}

int sys_close(struct call *c)
{
    return fd_close(c->self, call_int(c, 0));
}

int sys_fstat(struct call *c)
{
    struct file *f;
    struct stat st;

    int err = fd_lookup(c->self, call_int(c, 0), &f);
    if (err)
        return err;
    memset(&st, 0, sizeof(st));  // the holes between its fields go to the program, too
    err = file_stat(f, &st);
    file_put(f);
    return err ? err : copy_to_user(call_pointer(c, 1), &st, sizeof(st));
}

int sys_dup(struct call *c)
{
    struct file *f;

    int err = fd_lookup(c->self, call_int(c, 0), &f);
    return err ? err : install(c, f);
}

int sys_dup2(struct call *c)
{
    int from = call_int(c, 0), to = call_int(c, 1);
    struct file *f;

    int err = fd_lookup(c->self, from, &f);
    if (err)
        return err;
    c->result = to;
    if (from != to)
        return fd_replace(c->self, to, f);
    file_put(f);
    return 0;
}

// Both ends, or none.
static int install_pair(struct proc *self, struct file *read_end, struct file *write_end, int fds[2])
{
    int err = fd_install(self, read_end, 0, &fds[0]);

    if (err) {
        file_put(write_end);
        return err;
    }
    err = fd_install(self, write_end, 0, &fds[1]);
    if (err)
        (void)fd_close(self, fds[0]);
    return err;
}

int sys_pipe(struct call *c)
{
    struct file *read_end, *write_end;
    int fds[2];

    int err = pipe_create(&read_end, &write_end);
    if (!err)
        err = install_pair(c->self, read_end, write_end, fds);
    if (err)
        return err;
    err = copy_to_user(call_pointer(c, 0), fds, sizeof(fds));
    if (err) {
        (void)fd_close(c->self, fds[0]);
        (void)fd_close(c->self, fds[1]);
    }
    return err;
}

int sys_lseek(struct call *c)
{
    void __user *where = call_pointer(c, 1);
    struct file *f;
    s64 offset;
    u64 now;

    int err = copy_from_user(&offset, where, sizeof(offset));
    if (!err)
        err = fd_lookup(c->self, call_int(c, 0), &f);
    if (err)
        return err;
    err = file_seek(f, offset, call_int(c, 2), &now);
    file_put(f);
    return err ? err : copy_to_user(where, &now, sizeof(now));
}

int sys_fsync(struct call *c)
{
    struct file *f;

    int err = fd_lookup(c->self, call_int(c, 0), &f);
    if (err)
        return err;
    err = file_sync(f);
    file_put(f);
    return err;
}

int sys_ftruncate(struct call *c)
{
    struct file *f;

    int err = fd_lookup(c->self, call_int(c, 0), &f);
    if (err)
        return err;
    err = file_truncate(f, call_wide_argument(c, 1));
    file_put(f);
    return err;
}

static int check_console(struct proc *self, int fd)
{
    struct inode_identity id;
    struct file *f;

    int err = fd_lookup(self, fd, &f);
    if (err)
        return err;
    if (file_kind(f) == FILE_DEVICE)
        inode_identify(file_inode(f), &id);
    else
        id.major = 0;
    file_put(f);
    return id.major == MAJOR_CONSOLE ? 0 : -ENOTTY;
}

int sys_tcsetpgrp(struct call *c)
{
    int err = check_console(c->self, call_int(c, 0));
    int group;

    if (err)
        return err;
    if (call_int(c, 1) < 0)
        return -EINVAL;
    err = proc_find_group(call_int(c, 1), &group);
    if (!err)
        console_set_foreground(group);
    return err;
}

int sys_tcsetmode(struct call *c)
{
    int err = check_console(c->self, call_int(c, 0));

    if (err)
        return err;
    int before = console_set_mode(call_int(c, 1));
    if (before < 0)
        return before;
    c->result = before;
    return 0;
}
