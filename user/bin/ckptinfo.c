// ckptinfo: what is in a checkpoint image. -l: its epochs, newest first; -m: its memory; -v: check everything in all
// its epochs, pages too. -e: of that epoch instead of the newest (with -v: only that one).
#include "image_source.h"
#include <err.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static struct ckpt_verifier verifier;
static struct ckpt_reader reader;

static void print(void *arg, const char *bytes, size_t n)
{
    fwrite(bytes, 1, n, arg);
}

static enum ckpt_error show(const struct ckpt_source *source, u64 epoch, u64 *failed_at)
{
    enum ckpt_error error = ckpt_open(&reader, source, epoch);

    if (!error)
        error = ckpt_describe(&reader, print, stdout);
    *failed_at = reader.failed_at;
    return error;
}

static enum ckpt_error show_log(const struct ckpt_source *source, u64 epoch, u64 *failed_at)
{
    enum ckpt_error error = ckpt_open(&reader, source, epoch);

    if (!error)
        error = ckpt_describe_log(&reader, print, stdout);
    *failed_at = reader.failed_at;
    return error;
}

static enum ckpt_error show_memory(const struct ckpt_source *source, u64 epoch, u64 *failed_at)
{
    enum ckpt_error error = ckpt_describe_memory(&verifier, source, epoch, print, stdout);

    *failed_at = verifier.failed_at;
    return error;
}

static enum ckpt_error verify(const struct ckpt_source *source, u64 epoch, u64 *failed_at)
{
    enum ckpt_error error = ckpt_verify(&verifier, source, epoch);

    while (!error) {
        printf("epoch %llu: sound: %llu pages, %llu nodes\n", verifier.reader.header.epoch, verifier.pages,
               verifier.nodes);
        error = epoch ? CKPT_NO_EPOCH : ckpt_verify_previous(&verifier);
        if (error == CKPT_NO_EPOCH)
            return CKPT_OK;
    }
    *failed_at = verifier.failed_at;
    return error;
}

int main(int argc, char **argv)
{
    enum ckpt_error (*act)(const struct ckpt_source *, u64, u64 *) = show;
    struct ckpt_source source;
    u64 epoch = 0, failed_at = 0;
    int fd, letter;

    while ((letter = getopt(argc, argv, "lmve:")) != -1) {
        char *end = NULL;

        if (letter == 'l')
            act = show_log;
        else if (letter == 'm')
            act = show_memory;
        else if (letter == 'v')
            act = verify;
        else if (letter == 'e')
            epoch = strtoull(optarg, &end, 10);
        if (letter == '?' || (letter == 'e' && (*end || epoch == 0)))
            usage("ckptinfo [-l|-m|-v] [-e EPOCH] FILE");
    }
    if (argc - optind != 1)
        usage("ckptinfo [-l|-m|-v] [-e EPOCH] FILE");
    const char *path = argv[optind];
    if (image_open(path, &fd, &source))
        err(1, "%s", path);
    enum ckpt_error error = act(&source, epoch, &failed_at);
    if (error == CKPT_READ_FAILED)
        err(1, "%s", path);
    if (error == CKPT_NO_EPOCH)
        errx(1, "%s: %s", path, ckpt_error_text(error));
    if (error)
        errx(1, "%s: %s (at byte %llu)", path, ckpt_error_text(error), failed_at);
    return 0;
}
