// ckpt: look into a checkpoint image, or verify it.
#include <base/string.h>
#include <ckptfmt/ckptfmt.h>
#include <errno.h>
#include <fcntl.h>
#include <lib/tool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EXIT_GOOD = 0, EXIT_BAD = 1, EXIT_TROUBLE = 2 };

static const char usage_text[] = "usage: ckpt show IMAGE...     what is in an image\n"
                                 "       ckpt verify IMAGE...   check everything in it, with all its pages\n"
                                 "Exit status: 0 sound, 1 not an image or damaged, 2 can't be read or wrong usage.\n";

struct image {
    const char *path;
    int fd;
    int error;  // errno of the last failed read
    struct ckpt_source source;
};

static int image_read(void *ctx, u64 offset, void *buf, size_t n)
{
    struct image *image = ctx;

    while (n > 0) {
        ssize_t done = pread(image->fd, buf, n, (off_t)offset);
        if (done <= 0) {
            image->error = done ? errno : EIO;
            return -1;
        }
        buf = (u8 *)buf + done;
        offset += (u64)done;
        n -= (size_t)done;
    }
    return 0;
}

static bool image_open(struct image *image, const char *path)
{
    struct stat st;

    image->path = path;
    image->fd = open(path, O_RDONLY);
    if (image->fd < 0 || fstat(image->fd, &st) != 0) {
        tool_error("%s: %s", path, strerror(errno));
        if (image->fd >= 0)
            close(image->fd);
        return false;
    }
    image->source = (struct ckpt_source){ .read = image_read, .ctx = image, .size = (u64)st.st_size };
    return true;
}

static int complain(const struct image *image, enum ckpt_error error, u64 at)
{
    if (error == CKPT_READ_FAILED) {
        tool_error("%s: %s", image->path, strerror(image->error));
        return EXIT_TROUBLE;
    }
    tool_error("%s: %s (at byte %ju)", image->path, ckpt_error_text(error), (uintmax_t)at);
    return EXIT_BAD;
}

static void print(void *arg, const char *bytes, size_t n)
{
    fwrite(bytes, 1, n, arg);
}

static int show(struct image *image)
{
    static struct ckpt_reader reader;
    enum ckpt_error error = ckpt_open(&reader, &image->source);

    printf("%s:\n", image->path);
    if (!error)
        error = ckpt_describe(&reader, print, stdout);
    return error ? complain(image, error, reader.failed_at) : EXIT_GOOD;
}

static int verify(struct image *image)
{
    static struct ckpt_verifier v;
    enum ckpt_error error = ckpt_verify(&v, &image->source);

    if (error)
        return complain(image, error, v.failed_at);
    printf("%s: sound: %ju pages, %ju nodes\n", image->path, (uintmax_t)v.pages, (uintmax_t)v.nodes);
    return EXIT_GOOD;
}

static int usage(void)
{
    fputs(usage_text, stderr);
    return EXIT_TROUBLE;
}

int main(int argc, char **argv)
{
    int (*act)(struct image *) = NULL;
    int status = EXIT_GOOD;

    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        fputs(usage_text, stdout);
        return EXIT_GOOD;
    }
    if (argc >= 3 && strcmp(argv[1], "show") == 0)
        act = show;
    if (argc >= 3 && strcmp(argv[1], "verify") == 0)
        act = verify;
    if (!act)
        return usage();
    for (int i = 2; i < argc; i++) {
        struct image image;
        int one = EXIT_TROUBLE;

        if (image_open(&image, argv[i])) {
            one = act(&image);
            close(image.fd);
        }
        status = MAX(status, one);
    }
    return status;
}
