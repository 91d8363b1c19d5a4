// ckptinfo: what is in a checkpoint image; -v: check everything in it, pages too.
#include "image_source.h"
#include <err.h>
#include <stdbool.h>
#include <stdio.h>

static void print(void *arg, const char *bytes, size_t n)
{
    fwrite(bytes, 1, n, arg);
}

static enum ckpt_error show(const struct ckpt_source *source, u64 *failed_at)
{
    static struct ckpt_reader reader;
    enum ckpt_error error = ckpt_open(&reader, source);

    if (!error)
        error = ckpt_describe(&reader, print, stdout);
    *failed_at = reader.failed_at;
    return error;
}

static enum ckpt_error verify(const struct ckpt_source *source, u64 *failed_at)
{
    static struct ckpt_verifier v;
    enum ckpt_error error = ckpt_verify(&v, source);

    if (!error)
        printf("sound: %llu pages, %llu nodes\n", v.pages, v.nodes);
    *failed_at = v.failed_at;
    return error;
}

int main(int argc, char **argv)
{
    struct ckpt_source source;
    bool verifies = false;
    int fd, letter;
    u64 failed_at;

    while ((letter = getopt(argc, argv, "v")) != -1) {
        if (letter == '?')
            usage("ckptinfo [-v] FILE");
        verifies = true;
    }
    if (argc - optind != 1)
        usage("ckptinfo [-v] FILE");
    const char *path = argv[optind];
    if (image_open(path, &fd, &source))
        err(1, "%s", path);
    enum ckpt_error error = verifies ? verify(&source, &failed_at) : show(&source, &failed_at);
    if (error == CKPT_READ_FAILED)
        err(1, "%s", path);
    if (error)
        errx(1, "%s: %s (at byte %llu)", path, ckpt_error_text(error), failed_at);
    return 0;
}
