// pwd: the path of the working directory.
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    char path[PATH_LEN];

    if (!getcwd(path, sizeof(path)))
        err(1, "working directory");
    puts(path);
    return 0;
}
