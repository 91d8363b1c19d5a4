// check_fd: write to a file before and after saving itself: does an awakened process still have its file?
#include <amber.h>
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void write_line(int fd, const char *path, const char *line)
{
    size_t length = strlen(line);

    if (write(fd, line, length) != (ssize_t)length)
        err(1, "%s", path);
}

int main(int argc, char **argv)
{
    const char *image = argc > 1 ? argv[1] : "check_fd.img";
    const char *log = argc > 2 ? argv[2] : "check_fd.txt";
    int awake, fd;

    if (argc > 3)
        usage("check_fd [IMAGE [FILE]]");
    fd = open(log, O_RDWR | O_CREATE | O_TRUNC);
    if (fd < 0)
        err(1, "%s", log);
    write_line(fd, log, "before the checkpoint\n");
    awake = checkpoint(getpid(), image);
    if (awake < 0)
        err(1, "%s", image);
    write_line(fd, log, awake ? "after the restore\n" : "after the checkpoint\n");
    printf("check_fd: %s: wrote to %s through descriptor %d\n", awake ? "restored" : "saved", log, fd);
    return 0;
}
