#include "disk_input.h"
#include <base/byteorder.h>
#include <base/crc32c.h>
#include <base/string.h>

#define INODES_SEEN     8
#define DIRECTORIES_MAX 24

static const struct sample sample = { .blocks = DISK_BLOCKS, .b_size = 90000, .c_size = 9000, .links = 90 };

static enum disk_view view;
static struct disk *disk;
static struct fs_super super;
static u64 directory_blocks[DIRECTORIES_MAX];
static u32 directory_count;
static u8 crashed[DISK_BLOCKS * FS_BLOCK_SIZE];
static u8 first[FS_BLOCK_SIZE], last[FS_BLOCK_SIZE];

static u8 *block_at(u64 block)
{
    return host_disk_bytes() + block * FS_BLOCK_SIZE;
}

// ---- a good disk: the sample

static void note_directory(u64 ino)
{
    struct fs_inode inode;
    const u8 *record = block_at(super.inode_table_start + ino / 16) + ino % 16 * FS_INODE_SIZE;

    if (fs_inode_decode(record, ino, &super, &inode) != FS_OK || inode.type != FS_DIR || inode.height)
        return;
    for (u32 k = 0; k < FS_ROOT_SLOTS && directory_count < DIRECTORIES_MAX; k++)
        if (inode.slots[k])
            directory_blocks[directory_count++] = FS_SLOT_BLOCK(inode.slots[k]);
}

struct disk *disk_input_create(enum disk_view v)
{
    if (disk)
        return disk;
    view = v;
    host_seed(1);
    host_set_memory(400);
    disk = sample_create(&sample, &super, crashed);
    for (u64 ino = 1; ino < INODES_SEEN; ino++)
        note_directory(ino);
    if (view == DISK_CRASHED)
        host_disk_set(crashed);
    host_disk_keep();
    return disk;
}

// ---- checksums

static bool is_zero(const u8 *at, size_t n)
{
    return n == 0 || (at[0] == 0 && memcmp(at, at + 1, n - 1) == 0);
}

// The inodes of a block of the table, which may lie in the log.
static void seal_inodes(u64 home, u8 *block)
{
    if (home < super.inode_table_start || home >= super.inode_table_start + super.inode_table_blocks)
        return;
    for (u32 k = 0; k < FS_INODES_PER_BLOCK; k++)
        if (!is_zero(block + k * FS_INODE_SIZE, FS_INODE_SIZE))
            sample_seal_inode(block + k * FS_INODE_SIZE, (home - super.inode_table_start) * FS_INODES_PER_BLOCK + k);
}

static u8 *ring_at(u64 position)
{
    return block_at(super.journal_start + 1 + position % (super.journal_blocks - 1));
}

static bool has_magic(const u8 *block, const char *magic)
{
    return memcmp(block, magic, 8) == 0;
}

// From the head on, as far as there are descriptors and commits.
static void seal_journal(u32 except)
{
    u8 *head = block_at(super.journal_start);
    u64 at = le64(head + 16), ring = super.journal_blocks - 1;
    u32 crc = 0;

    put_le32(head + 508, crc32c(0, head, 508));
    for (u64 n = 0; n < ring && at < ring * 2; n++) {
        u8 *block = ring_at(at++);
        if (has_magic(block, "AMBERJD1")) {
            put_le32(block + 4092, crc32c(0, block, 4092));
            for (u32 k = 0; k < MIN(le32(block + 16), 480u) && n < ring; k++, n++) {
                u8 *logged = ring_at(at++);
                if (!(except & DISK_NO_INODES))
                    seal_inodes(le64(block + 24 + 8 * k), logged);
                crc = crc32c(crc, logged, FS_BLOCK_SIZE);
            }
        } else if (has_magic(block, "AMBERJC1")) {
            put_le32(block + 24, crc);
            put_le32(block + 4092, crc32c(0, block, 4092));
            crc = 0;
        } else {
            break;
        }
    }
}

static void seal(u32 except)
{
    u64 ends[] = { 0, DISK_BLOCKS - 1 };

    for (u32 k = 0; k < 2 && !(except & DISK_NO_SUPER); k++)
        put_le32(block_at(ends[k]) + 4092, crc32c(0, block_at(ends[k]), 4092));
    for (u64 b = 0; b < super.inode_table_blocks && !(except & DISK_NO_INODES); b++)
        seal_inodes(super.inode_table_start + b, block_at(super.inode_table_start + b));
    if (!(except & DISK_NO_JOURNAL))
        seal_journal(except);
}

// Mark a block as changed, so that it is put back.
static void touch(u64 block)
{
    u8 byte = block_at(block)[0];

    host_disk_write(block, 0, &byte, 1);
}

static void touch_sealed(void)
{
    touch(0);
    touch(DISK_BLOCKS - 1);
    for (u64 b = 0; b < super.inode_table_blocks; b++)
        touch(super.inode_table_start + b);
    for (u64 b = 0; b < super.journal_blocks; b++)
        touch(super.journal_start + b);
}

// ---- pieces

#define INODES_SIZE (INODES_SEEN * FS_INODE_SIZE)

// Where on the disk; false: nowhere.
static bool place(u64 offset, u64 *at)
{
    *at = offset;
    if (view != DISK_DIRECTORIES)
        return true;
    if (offset < INODES_SIZE) {
        *at = super.inode_table_start * FS_BLOCK_SIZE + offset;
        return true;
    }
    u64 n = (offset - INODES_SIZE) / FS_BLOCK_SIZE;
    if (n >= directory_count)
        return false;
    *at = directory_blocks[n] * FS_BLOCK_SIZE + (offset - INODES_SIZE) % FS_BLOCK_SIZE;
    return true;
}

static void lay(const struct sparse_piece *p)
{
    u64 at;

    if (!place(p->offset, &at) || at >= DISK_BLOCKS * FS_BLOCK_SIZE)
        return;
    u64 within = at % FS_BLOCK_SIZE;
    host_disk_write(at / FS_BLOCK_SIZE, (u32)within, p->bytes, MIN((u64)p->size, FS_BLOCK_SIZE - within));
}

void disk_input_lay(const u8 *data, size_t size)
{
    struct sparse_piece p;
    struct sparse s;

    host_disk_revert();
    host_seed(size > 1 ? data[1] : 1);
    touch_sealed();
    sparse_begin(&s, data, size);
    while (sparse_next(&s, &p))
        lay(&p);
    seal(size ? data[0] : 0);
    memcpy(first, block_at(0), sizeof(first));
    memcpy(last, block_at(DISK_BLOCKS - 1), sizeof(last));
}

void disk_input_check(void)
{
    host_check_nothing_left();
    CHECK(memcmp(first, block_at(0), sizeof(first)) == 0 && memcmp(last, block_at(DISK_BLOCKS - 1), sizeof(last)) == 0);
}

// ---- seeds

bool disk_input_seed(u32 n, u64 *offset, const u8 **bytes, u32 *size)
{
    const struct {
        u64 offset;
        u32 size;
    } whole[] = {
        { 0, 128 },
        { (DISK_BLOCKS - 1) * FS_BLOCK_SIZE, 128 },
        { super.inode_table_start * FS_BLOCK_SIZE, 248 },
        { super.inode_table_start * FS_BLOCK_SIZE + 256, 248 },
        { super.inode_table_start * FS_BLOCK_SIZE + 512, 248 },
        { super.inode_table_start * FS_BLOCK_SIZE + 768, 248 },
        { super.inode_table_start * FS_BLOCK_SIZE + 1024, 248 },
        { super.inode_table_start * FS_BLOCK_SIZE + 1280, 248 },
        { super.inode_table_start * FS_BLOCK_SIZE + 1536, 248 },
        { super.block_bitmap_start * FS_BLOCK_SIZE, 24 },
        { super.inode_bitmap_start * FS_BLOCK_SIZE, 8 },
        { directory_blocks[0] * FS_BLOCK_SIZE, 240 },
        { directory_blocks[1] * FS_BLOCK_SIZE, 128 },
    };
    u64 log = super.journal_start * FS_BLOCK_SIZE;
    const struct {
        u64 offset;
        u32 size;
    } journal[] = { { log, 24 },
                    { log + 4096, 96 },
                    { log + 2 * 4096, 248 },
                    { log + 3 * 4096, 248 },
                    { log + 4 * 4096, 64 },
                    { log + 5 * 4096, 64 },
                    { log + 6 * 4096, 64 },
                    { log + 7 * 4096, 64 } };
    u64 at;

    if (view == DISK_DIRECTORIES) {
        *offset = n < 4 ? (n + 1) * 256ull : INODES_SIZE + (n - 4) / 2 * 4096ull + (n - 4) % 2 * 64;
        *size = n < 4 ? 248 : 96;
        if (n >= 4 + 2 * directory_count)
            return false;
    } else if (view == DISK_CRASHED) {
        if (n >= ARRAY_SIZE(journal))
            return false;
        *offset = journal[n].offset;
        *size = journal[n].size;
    } else {
        if (n >= ARRAY_SIZE(whole))
            return false;
        *offset = whole[n].offset;
        *size = whole[n].size;
    }
    CHECK(place(*offset, &at));
    *bytes = host_disk_bytes() + at;
    return true;
}
