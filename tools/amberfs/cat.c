// amberfs cat: write a file's contents to standard output.
#include "amberfs.h"
#include "out.h"

int amberfs_cat(int argc, char **argv)
{
    struct image img;
    bool ok = true;

    if (!image_open_to_read(&img, argv[1]))
        return EXIT_FAILED;
    for (int i = 2; i < argc && ok; i++)
        ok = file_out(&img, argv[i], NULL);
    ok = ok && !img.failed;
    image_close(&img);
    return ok ? EXIT_OK : EXIT_FAILED;
}
