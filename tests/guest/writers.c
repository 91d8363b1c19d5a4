// Two programs write to the console at the same time, a page at a time: writers COUNT. Each page is one line of a
// letter.
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char page[4096];

static void write_pages(char letter, int count)
{
    memset(page, letter, sizeof(page));
    page[sizeof(page) - 1] = '\n';
    while (count-- > 0)
        if (write(STDOUT_FILENO, page, sizeof(page)) != sizeof(page))
            err(1, "write");
    _exit(0);
}

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 10;

    for (char letter = 'a'; letter <= 'b'; letter++)
        if (fork() == 0)
            write_pages(letter, count);
    while (wait(NULL) >= 0)
        ;
    return 0;
}
