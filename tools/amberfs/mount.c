// amberfs mount: the image as a directory of the host, through FUSE, until it is unmounted (fusermount3 -u).
//
// It runs in one thread, as the kernel's file system does here, and commits what has changed every few seconds.
#include "amberfs.h"
#include "operations.h"
#include "volume.h"

#include <errno.h>
#include <fuse_lowlevel.h>
#include <lib/tool.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define COMMIT_MS 5000

// One request, or a while without any.
static int serve_one(struct fuse_session *session, struct fuse_buf *buf)
{
    struct pollfd p = { .fd = fuse_session_fd(session), .events = POLLIN };
    int ready = poll(&p, 1, COMMIT_MS);

    if (ready < 0)
        return errno == EINTR ? 0 : -errno;
    if (ready == 0)
        return volume_sync();
    int n = fuse_session_receive_buf(session, buf);
    if (n == -EINTR || n == -EAGAIN)
        return 0;
    if (n <= 0)
        return n ? n : -ENODEV;
    fuse_session_process_buf(session, buf);
    return 0;
}

static int serve(struct fuse *fuse)
{
    struct fuse_session *session = fuse_get_session(fuse);
    struct fuse_buf buf = {};
    int err = 0;

    while (!fuse_session_exited(session) && !err)
        err = serve_one(session, &buf);
    free(buf.mem);
    return fuse_session_exited(session) || err == -ENODEV ? 0 : err;
}

static bool serve_at(struct fuse *fuse, const char *image, const char *where, bool foreground)
{
    if (fuse_mount(fuse, where) != 0) {
        tool_error("%s: can't be mounted; FUSE needs /dev/fuse, and a directory of your own", where);
        return false;
    }
    int err = fuse_daemonize(foreground) != 0 ? -errno : 0;
    if (!err && fuse_set_signal_handlers(fuse_get_session(fuse)) == 0) {
        err = serve(fuse);
        fuse_remove_signal_handlers(fuse_get_session(fuse));
    }
    fuse_unmount(fuse);
    return err ? amberfs_fail(image, where, err) : true;
}

// FUSE would mount over a file as well.
static bool is_folder(const char *path)
{
    struct stat st;
    int err = stat(path, &st) != 0 ? errno : S_ISDIR(st.st_mode) ? 0 : ENOTDIR;

    if (err)
        tool_error("%s: %s", path, strerror(err));
    return !err;
}

int amberfs_mount(int argc, char **argv)
{
    bool foreground = argc > 1 && strcmp(argv[1], "-f") == 0;
    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);

    argc -= foreground;
    argv += foreground;
    if (argc != 3)
        return EXIT_USAGE;
    if (!is_folder(argv[2]))
        return EXIT_FAILED;
    char *image = realpath(argv[1], NULL);
    if (!image) {
        tool_error("%s: %s", argv[1], strerror(errno));
        return EXIT_FAILED;
    }
    if (volume_open(image)) {
        free(image);
        return EXIT_FAILED;
    }
    fuse_opt_add_arg(&args, "amberfs");
    fuse_opt_add_arg(&args, "-ofsname=amberfs,subtype=amberfs,default_permissions");
    struct fuse *fuse = fuse_new(&args, &volume_operations, sizeof volume_operations, NULL);
    bool ok = fuse && serve_at(fuse, image, argv[2], foreground);
    if (fuse)
        fuse_destroy(fuse);
    fuse_opt_free_args(&args);
    int status = amberfs_end(image, ok);
    free(image);
    return status;
}
