#include "amberfs.h"
#include "volume.h"

#include <lib/tool.h>
#include <string.h>

bool amberfs_fail(const char *image, const char *path, int err)
{
    tool_error("%s: %s: %s", image, path, strerror(-err));
    return false;
}

int amberfs_end(const char *image, bool ok)
{
    int err = volume_close();

    if (err)
        tool_error("%s: %s", image, strerror(-err));
    return ok && !err ? EXIT_OK : EXIT_FAILED;
}

bool amberfs_name_fits(const char *image, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

    if (strlen(name) <= VOLUME_NAME_MAX)
        return true;
    tool_error("%s: %s: names in the image have at most %d characters", image, path, VOLUME_NAME_MAX);
    return false;
}
