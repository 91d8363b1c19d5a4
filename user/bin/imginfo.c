// imginfo: is a file a checkpoint image, and of what?
#include "image_source.h"
#include <err.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    static struct ckpt_verifier v;
    struct ckpt_source source;
    int fd;

    if (argc != 2)
        usage("imginfo FILE");
    if (image_open(argv[1], &fd, &source))
        err(1, "%s", argv[1]);

    enum ckpt_error error = ckpt_verify(&v, &source, 0);
    printf("Image:   %s\n", argv[1]);
    if (error) {
        printf("Status:  INVALID: %s\n", error == CKPT_READ_FAILED ? strerror(errno) : ckpt_error_text(error));
        return 1;
    }

    const struct ckpt_header *h = &v.reader.header;
    char name[CKPT_NAME_SIZE];
    printf("Status:  VALID checkpoint image\n");
    printf("Name:    %s\n", ckpt_text(name, sizeof(name), h->name, strlen(h->name)));
    printf("PID:     %d\n", h->pid);
    printf("Size:    %u bytes (%u KiB)\n", h->memory, h->memory / 1024);
    return 0;
}
