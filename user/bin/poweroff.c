// poweroff: write everything to the disk and turn the machine off. -r: start again. STATUS goes to an emulator that
// asks for it.
#include <amber.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int status = 0;

    if (argc > 2)
        usage("poweroff [-r | STATUS]");
    if (argc == 2)
        status = strcmp(argv[1], "-r") == 0 ? POWEROFF_RESTART : atoi(argv[1]);
    sync();
    poweroff(status);
    err(1, "power");
}
