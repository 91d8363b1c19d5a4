// Recovery: a disk whose journal has transactions to replay, and lies. What was replayed must be replayed no second
// time: mounting once more finds the same disk.
#include "disk_input.h"
#include <base/string.h>

static struct disk *disk;

static void recover(void *arg)
{
    bool *mounted = arg;

    *mounted = fs_mount(disk) == 0;
    if (!*mounted)
        return;
    sample_walk();
    CHECK_OK(fs_unmount());
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    bool mounted;

    disk = disk_input_create(DISK_CRASHED);
    disk_input_lay(data, size);
    host_run(recover, &mounted);
    disk_input_check();
    if (mounted)
        host_run(recover, &mounted);
    disk_input_check();
    return 0;
}
