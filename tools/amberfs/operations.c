#include "operations.h"
#include "volume.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define BLOCK    4096
#define NS_PER_S 1000000000ull

static struct file *file_of(const struct fuse_file_info *fi)
{
    return (struct file *)(uintptr_t)fi->fh;
}

static struct timespec time_of(u64 ns)
{
    return (struct timespec){ .tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S) };
}

// A name that is too long would be cut by the file system.
static int check_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return strlen(slash ? slash + 1 : path) > VOLUME_NAME_MAX ? -ENAMETOOLONG : 0;
}

static int op_getattr(const char *path, struct stat *st, struct fuse_file_info *fi)
{
    static const mode_t modes[] = { 0, S_IFDIR | 0755, S_IFREG | 0755, S_IFCHR | 0666 };
    struct volume_stat v;
    int err = check_name(path);

    (void)fi;
    err = err ? -ENOENT : volume_stat(path, &v);
    if (err)
        return err;
    *st = (struct stat){ .st_mode = modes[v.type <= VOLUME_DEVICE ? v.type : 0],
                         .st_ino = v.ino,
                         .st_nlink = v.links,
                         .st_size = (off_t)v.size,
                         .st_blocks = (blkcnt_t)(v.blocks * (BLOCK / 512)),
                         .st_blksize = BLOCK,
                         .st_uid = getuid(),
                         .st_gid = getgid(),
                         .st_rdev = makedev(v.major, v.minor),
                         .st_mtim = time_of(v.mtime_ns),
                         .st_ctim = time_of(v.ctime_ns),
                         .st_atim = time_of(v.mtime_ns) };
    return 0;
}

struct listing {
    void *buf;
    fuse_fill_dir_t fill;
};

static void list_name(void *arg, const char *name)
{
    struct listing *l = arg;

    l->fill(l->buf, name, NULL, 0, 0);
}

static int op_readdir(const char *path, void *buf, fuse_fill_dir_t fill, off_t offset, struct fuse_file_info *fi,
                      enum fuse_readdir_flags flags)
{
    struct listing l = { buf, fill };

    (void)offset;
    (void)fi;
    (void)flags;
    fill(buf, ".", NULL, 0, 0);
    fill(buf, "..", NULL, 0, 0);
    return volume_list(path, list_name, &l);
}

static int op_mkdir(const char *path, mode_t mode)
{
    int err = check_name(path);

    (void)mode;
    return err ? err : volume_mkdir(path);
}

static int op_mknod(const char *path, mode_t mode, dev_t dev)
{
    int err = check_name(path);

    if (err || !S_ISCHR(mode))
        return err ? err : -EPERM;
    return volume_mknod(path, major(dev), minor(dev));
}

static int op_unlink(const char *path)
{
    return volume_unlink(path);
}

static int op_rename(const char *from, const char *to, unsigned flags)
{
    int err = check_name(to);

    if (flags)
        return -EINVAL;
    return err ? err : volume_rename(from, to);
}

static int op_link(const char *from, const char *to)
{
    int err = check_name(to);

    return err ? err : volume_link(from, to);
}

static int op_truncate(const char *path, off_t size, struct fuse_file_info *fi)
{
    return fi ? volume_file_truncate(file_of(fi), (u64)size) : volume_truncate(path, (u64)size);
}

static int open_any(const char *path, struct fuse_file_info *fi, bool create)
{
    struct file *f;
    int err = volume_file_open(path, create || (fi->flags & O_ACCMODE) != O_RDONLY, create, &f);

    if (!err)
        fi->fh = (uintptr_t)f;
    return err;
}

static int op_open(const char *path, struct fuse_file_info *fi)
{
    return open_any(path, fi, false);
}

static int op_create(const char *path, mode_t mode, struct fuse_file_info *fi)
{
    int err = check_name(path);

    (void)mode;
    return err ? err : open_any(path, fi, true);
}

static int op_read(const char *path, char *bytes, size_t n, off_t offset, struct fuse_file_info *fi)
{
    size_t done;
    int err = volume_file_read(file_of(fi), (u64)offset, bytes, (u32)n, &done);

    (void)path;
    return err ? err : (int)done;
}

static int op_write(const char *path, const char *bytes, size_t n, off_t offset, struct fuse_file_info *fi)
{
    size_t done;
    int err = volume_file_write(file_of(fi), (u64)offset, bytes, (u32)n, &done);

    (void)path;
    return err && !done ? err : (int)done;
}

static int op_fsync(const char *path, int data_only, struct fuse_file_info *fi)
{
    (void)path;
    (void)data_only;
    return fi && fi->fh ? volume_file_sync(file_of(fi)) : volume_sync();
}

static int op_fsyncdir(const char *path, int data_only, struct fuse_file_info *fi)
{
    (void)path;
    (void)data_only;
    (void)fi;
    return volume_sync();
}

static int op_release(const char *path, struct fuse_file_info *fi)
{
    (void)path;
    volume_file_close(file_of(fi));
    return 0;
}

static int op_statfs(const char *path, struct statvfs *st)
{
    struct volume_figures f;

    (void)path;
    volume_figures(&f);
    *st = (struct statvfs){ .f_bsize = BLOCK,
                            .f_frsize = BLOCK,
                            .f_blocks = f.blocks,
                            .f_bfree = f.blocks_free,
                            .f_bavail = f.blocks_free,
                            .f_files = f.inodes,
                            .f_ffree = f.inodes_free,
                            .f_favail = f.inodes_free,
                            .f_namemax = VOLUME_NAME_MAX };
    return 0;
}

// There are no owners and modes to keep, and the times are the file system's own: what programs set is passed over, so
// that cp -p and the like get on.
static int op_chmod(const char *path, mode_t mode, struct fuse_file_info *fi)
{
    (void)path;
    (void)mode;
    (void)fi;
    return 0;
}

static int op_chown(const char *path, uid_t uid, gid_t gid, struct fuse_file_info *fi)
{
    (void)path;
    (void)uid;
    (void)gid;
    (void)fi;
    return 0;
}

static int op_utimens(const char *path, const struct timespec times[2], struct fuse_file_info *fi)
{
    (void)path;
    (void)times;
    (void)fi;
    return 0;
}

const struct fuse_operations volume_operations = {
    .getattr = op_getattr,
    .readdir = op_readdir,
    .mkdir = op_mkdir,
    .mknod = op_mknod,
    .unlink = op_unlink,
    .rmdir = op_unlink,
    .rename = op_rename,
    .link = op_link,
    .truncate = op_truncate,
    .open = op_open,
    .create = op_create,
    .read = op_read,
    .write = op_write,
    .fsync = op_fsync,
    .fsyncdir = op_fsyncdir,
    .release = op_release,
    .statfs = op_statfs,
    .chmod = op_chmod,
    .chown = op_chown,
    .utimens = op_utimens,
};
