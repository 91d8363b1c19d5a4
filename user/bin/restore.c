// restore: become the process in a checkpoint image, and go on where it was.
#include <amber.h>
#include <err.h>

int main(int argc, char **argv)
{
    if (argc != 2)
        usage("restore FILE");
    restart(argv[1]);
    err(1, "%s", argv[1]);
}
