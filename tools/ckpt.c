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

static const char usage_text[] =
    "usage: ckpt show [-e EPOCH] IMAGE...     what is in an image: its newest epoch, or that one\n"
    "       ckpt log IMAGE...                 all its epochs, newest first, a line each\n"
    "       ckpt mem [-e EPOCH] IMAGE...      its memory: regions, pages in the image, pages of zeros\n"
    "       ckpt verify [-e EPOCH] IMAGE...   check everything in all its epochs, or that one, with all pages\n"
    "Exit status: 0 sound, 1 not an image or damaged, 2 can't be read or wrong usage.\n";

struct image {
    const char *path;
    u64 epoch;  // that was asked for; 0: none
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
    if (error == CKPT_NO_EPOCH)
        tool_error("%s: %s (ckpt log tells which are)", image->path, ckpt_error_text(error));
    else
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
    enum ckpt_error error = ckpt_open(&reader, &image->source, image->epoch);

    printf("%s:\n", image->path);
    if (!error)
        error = ckpt_describe(&reader, print, stdout);
    return error ? complain(image, error, reader.failed_at) : EXIT_GOOD;
}

static int show_log(struct image *image)
{
    static struct ckpt_reader reader;
    enum ckpt_error error = ckpt_open(&reader, &image->source, 0);

    printf("%s:\n", image->path);
    if (!error)
        error = ckpt_describe_log(&reader, print, stdout);
    return error ? complain(image, error, reader.failed_at) : EXIT_GOOD;
}

static struct ckpt_verifier verifier;

static int show_memory(struct image *image)
{
    printf("%s:\n", image->path);
    enum ckpt_error error = ckpt_describe_memory(&verifier, &image->source, image->epoch, print, stdout);

    return error ? complain(image, error, verifier.failed_at) : EXIT_GOOD;
}

static int verify(struct image *image)
{
    enum ckpt_error error = ckpt_verify(&verifier, &image->source, image->epoch);

    while (!error) {
        printf("%s: epoch %ju: sound: %ju pages, %ju nodes\n", image->path, (uintmax_t)verifier.reader.header.epoch,
               (uintmax_t)verifier.pages, (uintmax_t)verifier.nodes);
        if (image->epoch)
            return EXIT_GOOD;
        error = ckpt_verify_previous(&verifier);
        if (error == CKPT_NO_EPOCH)
            return EXIT_GOOD;
    }
    return complain(image, error, verifier.failed_at);
}

static const struct command {
    const char *name;
    int (*act)(struct image *);
    bool takes_epoch;
} commands[] = {
    { "show", show, true },
    { "log", show_log, false },
    { "mem", show_memory, true },
    { "verify", verify, true },
};

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static int usage(void)
{
    fputs(usage_text, stderr);
    return EXIT_TROUBLE;
}

int main(int argc, char **argv)
{
    const struct command *command = argc > 1 ? find_command(argv[1]) : NULL;
    struct image image = { 0 };
    int status = EXIT_GOOD;

    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        fputs(usage_text, stdout);
        return EXIT_GOOD;
    }
    if (!command)
        return usage();
    optind = 2;
    for (int letter; (letter = getopt(argc, argv, command->takes_epoch ? "e:" : "")) != -1;)
        if (letter == '?' || !parse_number(optarg, &image.epoch) || image.epoch == 0)
            return usage();
    if (optind == argc)
        return usage();
    for (int i = optind; i < argc; i++) {
        int one = EXIT_TROUBLE;

        if (image_open(&image, argv[i])) {
            one = command->act(&image);
            close(image.fd);
        }
        status = MAX(status, one);
    }
    return status;
}
