// lib/fsfmt: what is encoded is decoded again, and each field that is out of range is refused for the right reason.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/byteorder.h>
#include <base/crc32c.h>
#include <base/string.h>
#include <fsfmt/fsfmt.h>

#define MIB_BLOCKS   256ull                                                // blocks of a MiB
#define DIRENT_BYTES (offsetof(struct fs_dirent, name) + FS_NAME_LEN + 1)  // without what the compiler adds

static struct fs_super plan(u64 blocks)
{
    struct fs_super s;

    assert_int_equal(fs_super_plan(blocks, 0, 0, &s), FS_OK);
    return s;
}

// The checksum of a block that was changed on purpose.
static void block_seal(u8 *block)
{
    put_le32(block + 4092, crc32c(0, block, 4092));
}

static void inode_seal(u8 *bytes, u64 ino)
{
    u8 number[8];

    put_le64(number, ino);
    put_le32(bytes + 252, crc32c(crc32c(0, number, 8), bytes, 252));
}

// Superblock.

static void a_disk_of_one_mib_can_be_laid_out(void **state)
{
    struct fs_super s = plan(MIB_BLOCKS);

    assert_int_equal(s.journal_start, 1);
    assert_int_equal(s.journal_blocks, 64);
    assert_int_equal(s.inodes, 64);
    assert_int_equal(s.inode_table_blocks, 4);
    assert_int_equal(s.data_start, 1 + 64 + 1 + 1 + 4);
}

static void plans_follow_the_documented_rules(void **state)
{
    struct fs_super s = plan(1024 * MIB_BLOCKS);

    assert_int_equal(s.inodes, 1024 * MIB_BLOCKS / 4);
    assert_int_equal(s.journal_blocks, 8192);
    assert_int_equal(s.block_bitmap_blocks, 8);
    assert_int_equal(s.inode_bitmap_blocks, 2);
    assert_int_equal(s.inode_table_blocks, s.inodes / 16);
    s = plan(64 * MIB_BLOCKS);
    assert_int_equal(s.journal_blocks, 512);
}

static void plans_without_room_are_refused(void **state)
{
    struct fs_super s;

    assert_int_equal(fs_super_plan(0, 0, 0, &s), FS_BAD_GEOMETRY);
    assert_int_equal(fs_super_plan(71, 0, 0, &s), FS_BAD_GEOMETRY);
    assert_int_equal(fs_super_plan(72, 0, 0, &s), FS_BAD_GEOMETRY);
    assert_int_equal(fs_super_plan(73, 0, 0, &s), FS_OK);
    assert_int_equal(fs_super_plan(MIB_BLOCKS, 0, 63, &s), FS_BAD_GEOMETRY);
    assert_int_equal(fs_super_plan(MIB_BLOCKS, 0, 250, &s), FS_BAD_GEOMETRY);
    assert_int_equal(fs_super_plan(MIB_BLOCKS, 0, UINT64_MAX, &s), FS_BAD_GEOMETRY);
    assert_int_equal(fs_super_plan(MIB_BLOCKS, 16 * 200, 0, &s), FS_BAD_GEOMETRY);
    assert_int_equal(fs_super_plan(MIB_BLOCKS, UINT64_MAX, 0, &s), FS_BAD_GEOMETRY);
    assert_int_equal(fs_super_plan(UINT64_MAX, 0, 0, &s), FS_BAD_GEOMETRY);
    assert_int_equal(fs_super_plan(FS_MAX_BLOCKS, 0, 0, &s), FS_BAD_GEOMETRY);
    assert_int_equal(fs_super_plan(FS_MAX_BLOCKS - 1, 0, 0, &s), FS_OK);
}

static void superblock_round_trips(void **state)
{
    struct fs_super s = plan(1000 * MIB_BLOCKS), back;
    u8 block[FS_BLOCK_SIZE];

    for (u32 k = 0; k < 16; k++)
        s.uuid[k] = (u8)(k + 1);
    s.created_ns = 0x1122334455667788;
    fs_super_encode(&s, block);
    assert_memory_equal(block, "AMBERFS1", 8);
    assert_int_equal(fs_super_decode(block, s.blocks, &back), FS_OK);
    assert_memory_equal(&s, &back, sizeof s);
    assert_int_equal(fs_super_decode(block, s.blocks + 7, &back), FS_OK);
}

struct field_fault {
    u32 at, size;  // bytes
    u64 value;
    enum fs_error error;
};

static void field_put(u8 *bytes, const struct field_fault *f)
{
    for (u32 k = 0; k < f->size; k++)
        bytes[f->at + k] = (u8)(f->value >> 8 * k);
}

static void superblocks_with_a_bad_field_are_refused(void **state)
{
    const struct field_fault faults[] = {
        { 8, 4, 0, FS_BAD_VERSION },
        { 8, 4, 2, FS_BAD_VERSION },
        { 12, 4, 512, FS_BAD_BLOCK_SIZE },
        { 16, 8, 0, FS_BAD_GEOMETRY },
        { 16, 8, 1, FS_BAD_GEOMETRY },
        { 16, 8, 71, FS_BAD_GEOMETRY },              // the copy would lie in the table
        { 16, 8, MIB_BLOCKS + 1, FS_BAD_GEOMETRY },  // more than the disk
        { 16, 8, UINT64_MAX, FS_BAD_GEOMETRY },
        { 24, 8, 0, FS_BAD_GEOMETRY },
        { 24, 8, 1, FS_BAD_GEOMETRY },
        { 24, 8, 65, FS_BAD_GEOMETRY },  // more than the table holds
        { 24, 8, 1ull << 32, FS_BAD_GEOMETRY },
        { 24, 8, UINT64_MAX, FS_BAD_GEOMETRY },
        { 32, 8, 0, FS_BAD_GEOMETRY },  // journal over the superblock
        { 32, 8, 2, FS_BAD_GEOMETRY },  // journal into the bitmap
        { 32, 8, UINT64_MAX, FS_BAD_GEOMETRY },
        { 40, 8, 63, FS_BAD_GEOMETRY },
        { 40, 8, 65, FS_BAD_GEOMETRY },
        { 40, 8, UINT64_MAX, FS_BAD_GEOMETRY },
        { 48, 8, 64, FS_BAD_GEOMETRY },
        { 56, 8, 0, FS_BAD_GEOMETRY },
        { 56, 8, UINT64_MAX - 60, FS_BAD_GEOMETRY },
        { 64, 8, 0, FS_BAD_GEOMETRY },
        { 72, 8, 0, FS_BAD_GEOMETRY },
        { 80, 8, 255, FS_BAD_GEOMETRY },
        { 88, 8, 3, FS_BAD_GEOMETRY },
        { 88, 8, 5, FS_BAD_GEOMETRY },
        { 96, 8, 70, FS_BAD_GEOMETRY },
        { 96, 8, 255, FS_BAD_GEOMETRY },
        { 96, 8, UINT64_MAX, FS_BAD_GEOMETRY },
    };
    struct fs_super s = plan(MIB_BLOCKS), back;
    u8 block[FS_BLOCK_SIZE];

    for (size_t k = 0; k < ARRAY_SIZE(faults); k++) {
        fs_super_encode(&s, block);
        field_put(block, &faults[k]);
        assert_int_equal(fs_super_decode(block, MIB_BLOCKS, &back), FS_BAD_CHECKSUM);
        block_seal(block);
        if (fs_super_decode(block, MIB_BLOCKS, &back) != faults[k].error)
            fail_msg("offset %u, value %#jx: not refused as it should be", faults[k].at, (uintmax_t)faults[k].value);
    }
    fs_super_encode(&s, block);
    block[0]++;
    assert_int_equal(fs_super_decode(block, MIB_BLOCKS, &back), FS_BAD_MAGIC);
}

static void every_flipped_bit_of_a_superblock_is_noticed(void **state)
{
    struct fs_super s = plan(MIB_BLOCKS), back;
    u8 block[FS_BLOCK_SIZE];

    fs_super_encode(&s, block);
    for (u32 bit = 0; bit < 8 * FS_BLOCK_SIZE; bit += bit < 8 * 200 ? 1 : 61) {
        block[bit / 8] ^= (u8)(1 << (bit % 8));
        assert_int_not_equal(fs_super_decode(block, MIB_BLOCKS, &back), FS_OK);
        block[bit / 8] ^= (u8)(1 << (bit % 8));
    }
}

// Inodes.

static struct fs_inode file_inode(const struct fs_super *s)
{
    struct fs_inode i = {
        .type = FS_FILE,
        .nlink = 3,
        .size = 123456789,
        .generation = 7,
        .changes = 99,
        .mtime_ns = 0x1111111122222222,
        .ctime_ns = 0x3333333344444444,
        .blocks = 21,
        .next_orphan = 5,
        .height = 2,
    };

    for (u32 k = 0; k < FS_ROOT_SLOTS; k++)
        i.slots[k] = k == 3 ? 0 : s->data_start + k;
    return i;
}

static void inodes_round_trip(void **state)
{
    struct fs_super s = plan(MIB_BLOCKS);
    struct fs_inode file = file_inode(&s), back;
    struct fs_inode dir = { .type = FS_DIR, .nlink = 2, .size = 96, .generation = 1, .blocks = 1, .parent = 63 };
    struct fs_inode dev = { .type = FS_DEV, .nlink = 1, .generation = 2, .major = 0x80000001, .minor = 7 };
    u8 bytes[FS_INODE_SIZE];

    dir.slots[0] = s.blocks - 2;
    fs_inode_encode(&file, 12, bytes);
    assert_int_equal(fs_inode_decode(bytes, 12, &s, &back), FS_OK);
    assert_memory_equal(&file, &back, sizeof file);
    fs_inode_encode(&dir, FS_ROOT_INO, bytes);
    assert_int_equal(fs_inode_decode(bytes, FS_ROOT_INO, &s, &back), FS_OK);
    assert_memory_equal(&dir, &back, sizeof dir);
    fs_inode_encode(&dev, 63, bytes);
    assert_int_equal(fs_inode_decode(bytes, 63, &s, &back), FS_OK);
    assert_memory_equal(&dev, &back, sizeof dev);
}

static void an_inode_is_only_valid_in_its_own_place(void **state)
{
    struct fs_super s = plan(MIB_BLOCKS);
    struct fs_inode file = file_inode(&s), back;
    u8 bytes[FS_INODE_SIZE];

    fs_inode_encode(&file, 12, bytes);
    assert_int_equal(fs_inode_decode(bytes, 13, &s, &back), FS_BAD_CHECKSUM);
    assert_int_equal(fs_inode_decode(bytes, s.inodes, &s, &back), FS_BAD_INO);
}

static void a_free_inode_keeps_its_generation_and_nothing_else(void **state)
{
    struct fs_super s = plan(MIB_BLOCKS);
    struct fs_inode gone = file_inode(&s), back, expected = { .generation = 7 };
    u8 bytes[FS_INODE_SIZE];

    gone.type = FS_FREE;
    fs_inode_encode(&gone, 12, bytes);
    assert_int_equal(fs_inode_decode(bytes, 12, &s, &back), FS_OK);
    assert_memory_equal(&back, &expected, sizeof back);
}

static void zeros_are_a_free_inode(void **state)
{
    struct fs_super s = plan(MIB_BLOCKS);
    struct fs_inode back, expected = {};
    u8 bytes[FS_INODE_SIZE] = {};

    assert_int_equal(fs_inode_decode(bytes, 12, &s, &back), FS_OK);
    assert_memory_equal(&back, &expected, sizeof back);
    bytes[251] = 1;
    assert_int_equal(fs_inode_decode(bytes, 12, &s, &back), FS_BAD_CHECKSUM);
}

static void inode_0_holds_the_head_of_the_orphan_list(void **state)
{
    struct fs_super s = plan(MIB_BLOCKS);
    struct fs_inode head = { .next_orphan = 63 }, file = file_inode(&s), back;
    u8 bytes[FS_INODE_SIZE];

    fs_inode_encode(&head, 0, bytes);
    assert_int_equal(fs_inode_decode(bytes, 0, &s, &back), FS_OK);
    assert_int_equal(back.next_orphan, 63);
    head.next_orphan = 64;
    fs_inode_encode(&head, 0, bytes);
    assert_int_equal(fs_inode_decode(bytes, 0, &s, &back), FS_BAD_INO);
    fs_inode_encode(&file, 0, bytes);
    assert_int_equal(fs_inode_decode(bytes, 0, &s, &back), FS_BAD_TYPE);
}

static void inode_faults_check(const struct fs_super *s, const struct fs_inode *inode, const struct field_fault *faults,
                               size_t count)
{
    struct fs_inode back;
    u8 bytes[FS_INODE_SIZE];

    for (size_t k = 0; k < count; k++) {
        fs_inode_encode(inode, 12, bytes);
        assert_int_equal(fs_inode_decode(bytes, 12, s, &back), FS_OK);
        field_put(bytes, &faults[k]);
        assert_int_equal(fs_inode_decode(bytes, 12, s, &back), FS_BAD_CHECKSUM);
        inode_seal(bytes, 12);
        if (fs_inode_decode(bytes, 12, s, &back) != faults[k].error)
            fail_msg("offset %u, value %#jx: not refused as it should be", faults[k].at, (uintmax_t)faults[k].value);
    }
}

static void files_with_a_bad_field_are_refused(void **state)
{
    struct fs_super s = plan(MIB_BLOCKS);
    struct fs_inode file = file_inode(&s);
    const u64 largest = fs_height_blocks(FS_MAX_HEIGHT) * FS_BLOCK_SIZE;
    const struct field_fault faults[] = {
        { 0, 2, 4, FS_BAD_TYPE },
        { 0, 2, 0xffff, FS_BAD_TYPE },
        { 8, 8, largest + 1, FS_BAD_SIZE },
        { 8, 8, UINT64_MAX, FS_BAD_SIZE },
        { 48, 8, s.blocks, FS_BAD_SIZE },
        { 48, 8, UINT64_MAX, FS_BAD_SIZE },
        { 72, 4, FS_MAX_HEIGHT + 1, FS_BAD_SIZE },
        { 72, 4, UINT32_MAX, FS_BAD_SIZE },
        { 56, 8, s.inodes, FS_BAD_INO },
        { 240, 8, 1, FS_BAD_INO },
        { 80, 8, s.data_start - 1, FS_BAD_POINTER },
        { 80, 8, s.blocks - 1, FS_BAD_POINTER },
        { 80, 8, UINT64_MAX, FS_BAD_POINTER },
        { 80, 8, FS_SLOT_UNWRITTEN | (s.data_start + 1), FS_BAD_POINTER },  // an index block
        { 232, 8, 1, FS_BAD_POINTER },
    };

    inode_faults_check(&s, &file, faults, ARRAY_SIZE(faults));
}

static void directories_with_a_bad_field_are_refused(void **state)
{
    struct fs_super s = plan(MIB_BLOCKS);
    struct fs_inode dir = { .type = FS_DIR, .nlink = 1, .size = 64, .parent = 1 };
    const struct field_fault faults[] = {
        { 8, 8, 0, FS_BAD_SIZE },  { 8, 8, 32, FS_BAD_SIZE },        { 8, 8, 65, FS_BAD_SIZE },
        { 240, 8, 0, FS_BAD_INO }, { 240, 8, s.inodes, FS_BAD_INO },
    };

    inode_faults_check(&s, &dir, faults, ARRAY_SIZE(faults));
}

static void devices_with_contents_are_refused(void **state)
{
    struct fs_super s = plan(MIB_BLOCKS);
    struct fs_inode dev = { .type = FS_DEV, .nlink = 1, .major = 1, .minor = 1 };
    const struct field_fault faults[] = {
        { 8, 8, 1, FS_BAD_SIZE },
        { 48, 8, 1, FS_BAD_SIZE },
        { 72, 4, 1, FS_BAD_SIZE },
        { 80, 8, s.data_start, FS_BAD_POINTER },
    };

    inode_faults_check(&s, &dev, faults, ARRAY_SIZE(faults));
}

static void the_largest_file_is_accepted(void **state)
{
    struct fs_super s = plan(MIB_BLOCKS);
    struct fs_inode file = { .type = FS_FILE, .nlink = 1, .size = fs_height_blocks(FS_MAX_HEIGHT) * FS_BLOCK_SIZE },
                    back;
    u8 bytes[FS_INODE_SIZE];

    fs_inode_encode(&file, 12, bytes);
    assert_int_equal(fs_inode_decode(bytes, 12, &s, &back), FS_OK);
    assert_true(back.size == 20ull * 512 * 512 * 512 * 512 * 4096);
}

static void unchecked_decoding_gives_the_fields_as_they_stand(void **state)
{
    struct fs_super s = plan(MIB_BLOCKS);
    struct fs_inode file = file_inode(&s), back;
    u8 bytes[FS_INODE_SIZE];

    file.slots[7] = 3;
    file.height = 77;
    fs_inode_encode(&file, 12, bytes);
    bytes[252]++;
    fs_inode_decode_unchecked(bytes, 12, &back);
    assert_memory_equal(&file, &back, sizeof file);
}

static void slots_are_checked_for_their_level(void **state)
{
    struct fs_super s = plan(MIB_BLOCKS);

    for (int leaf = 0; leaf < 2; leaf++) {
        assert_int_equal(fs_slot_check(0, leaf, &s), FS_OK);
        assert_int_equal(fs_slot_check(s.data_start, leaf, &s), FS_OK);
        assert_int_equal(fs_slot_check(s.blocks - 2, leaf, &s), FS_OK);
        assert_int_equal(fs_slot_check(s.data_start - 1, leaf, &s), FS_BAD_POINTER);
        assert_int_equal(fs_slot_check(s.blocks - 1, leaf, &s), FS_BAD_POINTER);
        assert_int_equal(fs_slot_check(FS_SLOT_UNWRITTEN, leaf, &s), FS_BAD_POINTER);
    }
    assert_int_equal(fs_slot_check(FS_SLOT_UNWRITTEN | s.data_start, true, &s), FS_OK);
    assert_int_equal(fs_slot_check(FS_SLOT_UNWRITTEN | s.data_start, false, &s), FS_BAD_POINTER);
}

// Directory entries.

static void dirents_round_trip(void **state)
{
    static const char *const names[] = { "a", ".", "..", "fourteen_chars", "\xff\x01 x" };
    struct fs_super s = plan(MIB_BLOCKS);
    u8 bytes[FS_DIRENT_SIZE];

    for (size_t k = 0; k < ARRAY_SIZE(names); k++) {
        struct fs_dirent d = { .ino = 63, .type = FS_DEV, .len = (u8)strlen(names[k]) }, back;
        memcpy(d.name, names[k], d.len);
        fs_dirent_encode(&d, bytes);
        assert_int_equal(fs_dirent_decode(bytes, &s, &back), FS_OK);
        assert_memory_equal(&d, &back, DIRENT_BYTES);
    }
}

static void a_dirent_of_inode_0_is_free_whatever_else_it_holds(void **state)
{
    struct fs_super s = plan(MIB_BLOCKS);
    struct fs_dirent back, expected = {};
    u8 bytes[FS_DIRENT_SIZE];

    memset(bytes, 0xff, sizeof bytes);
    put_le64(bytes, 0);
    assert_int_equal(fs_dirent_decode(bytes, &s, &back), FS_OK);
    assert_memory_equal(&back, &expected, DIRENT_BYTES);
    fs_dirent_encode(&(struct fs_dirent){ .len = 3, .name = "abc" }, bytes);
    assert_true(memory_is_zero(bytes, sizeof bytes));
}

static void dirents_with_a_bad_field_are_refused(void **state)
{
    const struct field_fault faults[] = {
        { 0, 8, 64, FS_BAD_INO },   { 0, 8, UINT64_MAX, FS_BAD_INO }, { 8, 1, 0, FS_BAD_NAME },
        { 8, 1, 2, FS_BAD_NAME },   { 8, 1, 4, FS_BAD_NAME },         { 8, 1, 15, FS_BAD_NAME },
        { 8, 1, 255, FS_BAD_NAME }, { 9, 1, 0, FS_BAD_TYPE },         { 9, 1, 4, FS_BAD_TYPE },
        { 10, 1, 0, FS_BAD_NAME },  { 11, 1, '/', FS_BAD_NAME },      { 23, 1, 'x', FS_BAD_NAME },
        { 24, 1, 1, FS_BAD_NAME },  { 31, 1, 1, FS_BAD_NAME },
    };
    struct fs_super s = plan(MIB_BLOCKS);
    struct fs_dirent d = { .ino = 2, .type = FS_FILE, .len = 3, .name = "abc" }, back;
    u8 bytes[FS_DIRENT_SIZE];

    for (size_t k = 0; k < ARRAY_SIZE(faults); k++) {
        fs_dirent_encode(&d, bytes);
        field_put(bytes, &faults[k]);
        if (fs_dirent_decode(bytes, &s, &back) != faults[k].error)
            fail_msg("offset %u, value %#jx: not refused as it should be", faults[k].at, (uintmax_t)faults[k].value);
    }
}

// Journal.

static void journal_heads_round_trip_and_stay_in_the_ring(void **state)
{
    struct fs_super s = plan(MIB_BLOCKS);
    struct fs_journal_head h = { .sequence = UINT64_MAX - 1, .start = s.journal_blocks - 2 }, back;
    u8 block[FS_BLOCK_SIZE];

    fs_journal_head_encode(&h, block);
    assert_int_equal(fs_journal_head_decode(block, &s, &back), FS_OK);
    assert_true(back.sequence == h.sequence && back.start == h.start);
    h.start++;
    fs_journal_head_encode(&h, block);
    assert_int_equal(fs_journal_head_decode(block, &s, &back), FS_BAD_GEOMETRY);
    block[9] ^= 1;
    assert_int_equal(fs_journal_head_decode(block, &s, &back), FS_BAD_CHECKSUM);
    block[0] ^= 1;
    assert_int_equal(fs_journal_head_decode(block, &s, &back), FS_BAD_MAGIC);
}

// A power failure leaves each sector of a block that is being written old or new.
static void a_torn_journal_head_is_the_old_or_the_new_one(void **state)
{
    struct fs_super s = plan(MIB_BLOCKS);
    struct fs_journal_head heads[2] = { { .sequence = 7, .start = 3 }, { .sequence = 260, .start = 50 } }, back;
    u8 blocks[2][FS_BLOCK_SIZE], torn[FS_BLOCK_SIZE];
    u32 sector = 512, sectors = FS_BLOCK_SIZE / sector;

    for (u32 k = 0; k < 2; k++)
        fs_journal_head_encode(&heads[k], blocks[k]);
    for (u32 mix = 0; mix < 1u << sectors; mix++) {
        for (u32 k = 0; k < sectors; k++)
            memcpy(torn + k * sector, blocks[mix >> k & 1] + k * sector, sector);
        assert_int_equal(fs_journal_head_decode(torn, &s, &back), FS_OK);
        assert_true(back.sequence == heads[mix & 1].sequence && back.start == heads[mix & 1].start);
    }
}

static void descriptors_round_trip(void **state)
{
    struct fs_super s = plan(64 * MIB_BLOCKS);
    struct fs_descriptor d = { .sequence = 77 }, back;
    u8 block[FS_BLOCK_SIZE];

    for (d.count = 1; d.count <= FS_DESCRIPTOR_MAX; d.count += 479) {
        for (u32 k = 0; k < d.count; k++)
            d.home[k] = s.block_bitmap_start + k;
        fs_descriptor_encode(&d, block);
        assert_int_equal(fs_descriptor_decode(block, &s, &back), FS_OK);
        assert_int_equal(back.count, d.count);
        assert_true(back.sequence == 77);
        assert_memory_equal(back.home, d.home, d.count * sizeof d.home[0]);
    }
}

static void descriptors_that_lead_astray_are_refused(void **state)
{
    struct fs_super s = plan(MIB_BLOCKS);
    const struct field_fault faults[] = {
        { 16, 4, 0, FS_BAD_COUNT },
        { 16, 4, FS_DESCRIPTOR_MAX + 1, FS_BAD_COUNT },
        { 16, 4, UINT32_MAX, FS_BAD_COUNT },
        { 32, 8, 0, FS_BAD_POINTER },  // superblock
        { 32, 8, s.journal_start, FS_BAD_POINTER },
        { 32, 8, s.journal_start + s.journal_blocks - 1, FS_BAD_POINTER },
        { 32, 8, s.blocks - 1, FS_BAD_POINTER },  // its copy
        { 32, 8, s.blocks, FS_BAD_POINTER },
        { 32, 8, UINT64_MAX, FS_BAD_POINTER },
    };
    struct fs_descriptor d = { .sequence = 1, .count = 2, .home = { s.blocks - 2, s.block_bitmap_start } }, back;
    u8 block[FS_BLOCK_SIZE];

    for (size_t k = 0; k < ARRAY_SIZE(faults); k++) {
        fs_descriptor_encode(&d, block);
        assert_int_equal(fs_descriptor_decode(block, &s, &back), FS_OK);
        field_put(block, &faults[k]);
        assert_int_equal(fs_descriptor_decode(block, &s, &back), FS_BAD_CHECKSUM);
        block_seal(block);
        assert_int_equal(fs_descriptor_decode(block, &s, &back), faults[k].error);
    }
}

static void commits_round_trip_and_are_not_taken_for_descriptors(void **state)
{
    struct fs_super s = plan(MIB_BLOCKS);
    struct fs_commit c = { .sequence = 5, .blocks = 17, .data_crc = 0xdeadbeef }, back;
    struct fs_descriptor d;
    u8 block[FS_BLOCK_SIZE];

    fs_commit_encode(&c, block);
    assert_int_equal(fs_commit_decode(block, &back), FS_OK);
    assert_true(back.sequence == 5 && back.blocks == 17 && back.data_crc == 0xdeadbeef);
    assert_int_equal(fs_descriptor_decode(block, &s, &d), FS_BAD_MAGIC);
    block[25] ^= 0x10;
    assert_int_equal(fs_commit_decode(block, &back), FS_BAD_CHECKSUM);
}

static void random_bytes_never_lead_out_of_range(void **state)
{
    struct fs_super s = plan(MIB_BLOCKS);
    u8 bytes[FS_INODE_SIZE];
    u64 seed = 1;

    for (u32 round = 0; round < 20000; round++) {
        struct fs_inode i;
        struct fs_dirent d;
        for (u32 k = 0; k < FS_INODE_SIZE; k += 8) {
            seed = seed * 6364136223846793005ull + 1442695040888963407ull;
            put_le64(bytes + k, round & 1 ? seed >> seed % 64 : seed);
        }
        bytes[0] = (u8)(round % 5);
        bytes[1] = 0;
        inode_seal(bytes, 12);
        if (fs_inode_decode(bytes, 12, &s, &i) == FS_OK && i.type != FS_FREE)
            for (u32 k = 0; k < FS_ROOT_SLOTS; k++)
                assert_true(!i.slots[k] ||
                            (FS_SLOT_BLOCK(i.slots[k]) >= s.data_start && FS_SLOT_BLOCK(i.slots[k]) < 255));
        if (fs_dirent_decode(bytes + 32, &s, &d) == FS_OK)
            assert_true(d.ino < s.inodes && d.len <= FS_NAME_LEN && d.name[d.len] == 0);
    }
}

static void every_error_has_its_own_words(void **state)
{
    for (int a = 0; a <= FS_BAD_COUNT; a++)
        for (int b = 0; b < a; b++)
            assert_string_not_equal(fs_error_text((enum fs_error)a), fs_error_text((enum fs_error)b));
    assert_string_equal(fs_error_text((enum fs_error)999), "unknown error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_disk_of_one_mib_can_be_laid_out),
        cmocka_unit_test(plans_follow_the_documented_rules),
        cmocka_unit_test(plans_without_room_are_refused),
        cmocka_unit_test(superblock_round_trips),
        cmocka_unit_test(superblocks_with_a_bad_field_are_refused),
        cmocka_unit_test(every_flipped_bit_of_a_superblock_is_noticed),
        cmocka_unit_test(inodes_round_trip),
        cmocka_unit_test(an_inode_is_only_valid_in_its_own_place),
        cmocka_unit_test(a_free_inode_keeps_its_generation_and_nothing_else),
        cmocka_unit_test(zeros_are_a_free_inode),
        cmocka_unit_test(inode_0_holds_the_head_of_the_orphan_list),
        cmocka_unit_test(files_with_a_bad_field_are_refused),
        cmocka_unit_test(directories_with_a_bad_field_are_refused),
        cmocka_unit_test(devices_with_contents_are_refused),
        cmocka_unit_test(the_largest_file_is_accepted),
        cmocka_unit_test(unchecked_decoding_gives_the_fields_as_they_stand),
        cmocka_unit_test(slots_are_checked_for_their_level),
        cmocka_unit_test(dirents_round_trip),
        cmocka_unit_test(a_dirent_of_inode_0_is_free_whatever_else_it_holds),
        cmocka_unit_test(dirents_with_a_bad_field_are_refused),
        cmocka_unit_test(journal_heads_round_trip_and_stay_in_the_ring),
        cmocka_unit_test(a_torn_journal_head_is_the_old_or_the_new_one),
        cmocka_unit_test(descriptors_round_trip),
        cmocka_unit_test(descriptors_that_lead_astray_are_refused),
        cmocka_unit_test(commits_round_trip_and_are_not_taken_for_descriptors),
        cmocka_unit_test(random_bytes_never_lead_out_of_range),
        cmocka_unit_test(every_error_has_its_own_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
