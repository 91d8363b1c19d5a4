// amberfs mv: rename a file or directory inside the image.
#include "amberfs.h"
#include "volume.h"

int amberfs_mv(int argc, char **argv)
{
    (void)argc;
    if (volume_open(argv[1]))
        return EXIT_FAILED;
    bool ok = amberfs_name_fits(argv[1], argv[3]);
    int err = ok ? volume_rename(argv[2], argv[3]) : 0;
    if (err)
        ok = amberfs_fail(argv[1], argv[2], err);
    return amberfs_end(argv[1], ok);
}
