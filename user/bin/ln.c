// ln: give a file another name.
#include <err.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc != 3)
        usage("ln FILE NEWNAME");
    if (link(argv[1], argv[2]))
        err(1, "%s -> %s", argv[2], argv[1]);
    return 0;
}
