// tee: copy the standard input to the standard output and to files. -a: at their ends.
#include <err.h>
#include <fcntl.h>
#include <unistd.h>

static int put(int fd, const char *bytes, ssize_t n)
{
    for (ssize_t done = 0, some; done < n; done += some)
        if ((some = write(fd, bytes + done, (size_t)(n - done))) <= 0)
            return -1;
    return 0;
}

int main(int argc, char **argv)
{
    static char buf[32768];
    int fds[OPEN_MAX] = { STDOUT_FILENO }, count = 1;
    int letter, status = 0, how = O_TRUNC;
    ssize_t n;

    while ((letter = getopt(argc, argv, "a")) != -1) {
        if (letter == '?')
            usage("tee [-a] [FILE...]");
        how = O_APPEND;
    }
    for (int i = optind; i < argc && count < OPEN_MAX; i++) {
        fds[count] = open(argv[i], O_WRONLY | O_CREATE | how);
        if (fds[count] >= 0) {
            count++;
        } else {
            warn("%s", argv[i]);
            status = 1;
        }
    }
    while ((n = read(STDIN_FILENO, buf, sizeof(buf))) > 0)
        for (int i = 0; i < count; i++)
            if (put(fds[i], buf, n))
                err(1, "write");
    if (n < 0)
        err(1, "standard input");
    return status;
}
