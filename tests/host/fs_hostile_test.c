// kernel/fs on disks that lie: a good file system, with some of its metadata changed at random (checksums made right
// again, so that the lie is believed), is mounted and used in every way. Errors and wrong data are fine; a crash, a
// hang, a leak, or a write outside of the data area and the metadata's own places is not.
//
// usage: fs_hostile_test [SEED [DISKS]]
#include "fs_sample.h"
#include <base/byteorder.h>
#include <base/crc32c.h>
#include <base/string.h>
#include <fsfmt/fsfmt.h>
#include <stdlib.h>
#include <uapi/errno.h>
#include <uapi/fcntl.h>

#define DISK_BLOCKS 400

static const struct sample sample = { .blocks = DISK_BLOCKS, .b_size = 200000, .c_size = 100000, .links = 300 };

static struct disk *disk;
static struct fs_super super;
static u64 mounts;

static u8 *block_at(u64 block)
{
    return host_disk_bytes() + block * FS_BLOCK_SIZE;
}

// Damage.

static void damage_inode(void)
{
    u64 ino = host_random(12);
    u8 *record = block_at(super.inode_table_start + ino / 16) + ino % 16 * FS_INODE_SIZE;
    static const u8 fields[] = { 0, 4, 8, 16, 24, 48, 56, 72, 240 };
    u32 at = host_random(2) ? fields[host_random(sizeof(fields))] : 80 + 8 * host_random(20);
    u64 value = host_random(4) ? host_random(DISK_BLOCKS + 4) : (u64)host_random(UINT32_MAX) << host_random(33);

    if (at == 0 || at == 72)
        record[at] = (u8)host_random(5);
    else
        put_le64(record + at, value);
    sample_seal_inode(record, ino);
}

// A place in the data area: index blocks and directories among them.
static void damage_data(void)
{
    u64 block = super.data_start + host_random(120);
    u64 value = host_random(3) ? host_random(DISK_BLOCKS + 4) : (u64)host_random(UINT32_MAX) << host_random(33);

    if (host_random(8) == 0)
        value |= FS_SLOT_UNWRITTEN;
    for (u32 n = host_random(4); n < 4; n++)
        put_le64(block_at(block) + 8 * host_random(host_random(2) ? 8 : 512), value);
}

static void damage_bitmap(void)
{
    u64 start = host_random(2) ? super.block_bitmap_start : super.inode_bitmap_start;

    for (u32 n = 0; n < 6; n++)
        block_at(start)[host_random(DISK_BLOCKS / 8)] ^= (u8)(1 << host_random(8));
}

static void damage_anything(void)
{
    u64 first = super.journal_start + (host_random(2) ? 0 : host_random((u32)super.journal_blocks));

    block_at(first)[host_random(FS_BLOCK_SIZE)] ^= (u8)(1 << host_random(8));
}

static void mount_and_use(void *arg)
{
    if (fs_mount(disk) == 0) {
        mounts++;
        sample_walk();
        sample_change();
        CHECK_OK(fs_unmount());
    }
    host_check_nothing_left();
}

int main(int argc, char **argv)
{
    static u8 image[DISK_BLOCKS * FS_BLOCK_SIZE], first[FS_BLOCK_SIZE];
    void (*const damages[])(void) = { damage_inode, damage_data, damage_bitmap, damage_anything };
    u64 seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    u32 disks = argc > 2 ? (u32)strtoul(argv[2], NULL, 0) : 3000;

    host_seed(seed);
    host_set_memory(500);
    disk = sample_create(&sample, &super, NULL);
    memcpy(image, host_disk_bytes(), sizeof(image));
    memcpy(first, image, sizeof(first));
    for (u32 n = 0; n < disks; n++) {
        memcpy(host_disk_bytes(), image, sizeof(image));
        for (u32 k = host_random(6); k < 6; k++)
            damages[host_random(ARRAY_SIZE(damages))]();
        host_run(mount_and_use, NULL);
        CHECK(memcmp(block_at(0), first, FS_BLOCK_SIZE) == 0);
        CHECK(memcmp(block_at(DISK_BLOCKS - 1), image + (DISK_BLOCKS - 1) * FS_BLOCK_SIZE, FS_BLOCK_SIZE) == 0);
    }
    host_disk_destroy();
    printf("fs_hostile_test: seed %llu, %u damaged disks, %llu of them mounted: nothing but errors\n",
           (unsigned long long)seed, disks, (unsigned long long)mounts);
    return 0;
}
