// amberfs mkdir: make directories.
#include "amberfs.h"
#include "volume.h"

int amberfs_mkdir(int argc, char **argv)
{
    bool ok = true;

    if (volume_open(argv[1]))
        return EXIT_FAILED;
    for (int i = 2; i < argc && ok; i++) {
        ok = amberfs_name_fits(argv[1], argv[i]);
        int err = ok ? volume_mkdir(argv[i]) : 0;
        if (err)
            ok = amberfs_fail(argv[1], argv[i], err);
    }
    return amberfs_end(argv[1], ok);
}
