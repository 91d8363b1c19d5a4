// touch: make files that are not there yet.
#include <err.h>
#include <fcntl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int status = 0;

    if (argc < 2)
        usage("touch FILE...");
    for (int i = 1; i < argc; i++) {
        int fd = open(argv[i], O_RDONLY | O_CREATE);
        if (fd < 0) {
            warn("%s", argv[i]);
            status = 1;
            continue;
        }
        close(fd);
    }
    return status;
}
