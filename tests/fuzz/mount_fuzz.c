// Mounting a disk that may say anything, walking it, reading and changing it: errors and wrong data are fine; a panic,
// a hang, a leak or a changed superblock is not.
#include "disk_input.h"

static struct disk *disk;

static void mount_and_use(void *arg)
{
    (void)arg;
    if (fs_mount(disk))
        return;
    sample_walk();
    sample_change();
    CHECK_OK(fs_unmount());
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    disk = disk_input_create(DISK_WHOLE);
    disk_input_lay(data, size);
    host_run(mount_and_use, NULL);
    disk_input_check();
    return 0;
}
