// Descriptors. A file is closed outside the table's lock, since that may sleep.
#include "process.h"
#include <fs/file.h>
#include <proc/fd.h>
#include <uapi/errno.h>

void fds_init(struct proc *p)
{
    spin_init(&p->fds.lock, "fd table", RANK_FDTABLE);
}

static bool in_range(int fd)
{
    return fd >= 0 && fd < OPEN_MAX;
}

// Put f (or NULL) at fd; what was there goes to the caller.
static struct file *exchange(struct fd_table *t, int fd, struct file *f)
{
    spin_lock(&t->lock);
    struct file *before = t->files[fd];
    t->files[fd] = f;
    spin_unlock(&t->lock);
    return before;
}

static int take_lowest(struct fd_table *t, struct file *f, int lowest, int *fd)
{
    int err = -EMFILE;

    spin_lock(&t->lock);
    for (int i = MAX(lowest, 0); i < OPEN_MAX; i++) {
        if (t->files[i])
            continue;
        t->files[i] = f;
        *fd = i;
        err = 0;
        break;
    }
    spin_unlock(&t->lock);
    return err;
}

int fd_install(struct proc *p, struct file *f, int lowest, int *fd)
{
    int err = take_lowest(&p->fds, f, lowest, fd);

    if (err)
        file_put(f);
    return err;
}

int fd_lookup(struct proc *p, int fd, struct file **out)
{
    int err = -EBADF;

    if (!in_range(fd))
        return -EBADF;
    spin_lock(&p->fds.lock);
    if (p->fds.files[fd]) {
        *out = file_get(p->fds.files[fd]);
        err = 0;
    }
    spin_unlock(&p->fds.lock);
    return err;
}

int fd_close(struct proc *p, int fd)
{
    struct file *f = in_range(fd) ? exchange(&p->fds, fd, NULL) : NULL;

    if (!f)
        return -EBADF;
    file_put(f);
    return 0;
}

int fd_replace(struct proc *p, int fd, struct file *f)
{
    if (!in_range(fd)) {
        file_put(f);
        return -EBADF;
    }
    struct file *before = exchange(&p->fds, fd, f);
    if (before)
        file_put(before);
    return 0;
}

void fds_get(struct proc *p, struct file **files)
{
    spin_lock(&p->fds.lock);
    for (int fd = 0; fd < OPEN_MAX; fd++)
        files[fd] = p->fds.files[fd] ? file_get(p->fds.files[fd]) : NULL;
    spin_unlock(&p->fds.lock);
}

void fds_copy(struct proc *from, struct proc *to)
{
    struct file *files[OPEN_MAX];

    fds_get(from, files);
    fds_replace_all(to, files);
}

void fds_replace_all(struct proc *p, struct file **files)
{
    struct file *before[OPEN_MAX];

    spin_lock(&p->fds.lock);
    for (int fd = 0; fd < OPEN_MAX; fd++) {
        before[fd] = p->fds.files[fd];
        p->fds.files[fd] = files ? files[fd] : NULL;
    }
    spin_unlock(&p->fds.lock);
    for (int fd = 0; fd < OPEN_MAX; fd++)
        if (before[fd])
            file_put(before[fd]);
}

void fds_exchange(struct proc *p, struct proc *draft)
{
    for (int fd = 0; fd < OPEN_MAX; fd++)
        (void)exchange(&draft->fds, fd, exchange(&p->fds, fd, draft->fds.files[fd]));
}
