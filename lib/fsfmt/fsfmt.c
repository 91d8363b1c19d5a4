// The file system's layout: numbers to bytes and back. The offsets are those of docs/formats/filesystem.md.
//
// A decode function fills its result only after every check has passed; no number in the result leads outside the disk.
#include <base/byteorder.h>
#include <base/crc32c.h>
#include <base/string.h>
#include <fsfmt/fsfmt.h>

#define MAGIC_JOURNAL_HEAD 0x31484a5245424d41ull  // "AMBERJH1"
#define MAGIC_DESCRIPTOR   0x31444a5245424d41ull  // "AMBERJD1"
#define MAGIC_COMMIT       0x31434a5245424d41ull  // "AMBERJC1"

#define BLOCK_CRC_AT       4092
#define HEAD_CRC_AT        508  // of the journal's head, which must be whole or old when its write is torn
#define INODE_CRC_AT       252

#define BYTES_PER_INODE    16384  // of disk, by rule
#define INODES_MIN         64
#define JOURNAL_FRACTION   32
#define JOURNAL_MAX        8192

const char *fs_error_text(enum fs_error e)
{
    static const char *const text[] = {
        [FS_OK] = "no error",
        [FS_BAD_MAGIC] = "the magic number is missing",
        [FS_BAD_VERSION] = "the version is not one that is known",
        [FS_BAD_CHECKSUM] = "the checksum does not match",
        [FS_BAD_BLOCK_SIZE] = "the block size is not 4096",
        [FS_BAD_GEOMETRY] = "the areas do not fit the disk",
        [FS_BAD_TYPE] = "the type does not exist",
        [FS_BAD_SIZE] = "the size or height is out of range",
        [FS_BAD_POINTER] = "a block number is outside the data area",
        [FS_BAD_NAME] = "the name is not a valid one",
        [FS_BAD_INO] = "an inode number is out of range",
        [FS_BAD_COUNT] = "the number of blocks is out of range",
    };
    return (size_t)e < ARRAY_SIZE(text) && text[e] ? text[e] : "unknown error";
}

// What the superblock and the journal's blocks have in common: magic at 0, and a checksum of all that is before it.

static void block_seal(u8 block[FS_BLOCK_SIZE], u64 magic, u32 crc_at)
{
    put_le64(block, magic);
    put_le32(block + crc_at, crc32c(0, block, crc_at));
}

static enum fs_error block_sealed(const u8 block[FS_BLOCK_SIZE], u64 magic, u32 crc_at)
{
    if (le64(block) != magic)
        return FS_BAD_MAGIC;
    return le32(block + crc_at) == crc32c(0, block, crc_at) ? FS_OK : FS_BAD_CHECKSUM;
}

// Superblock.

// Is [start, start + blocks) at or behind *at, inside `limit`, and `needed` blocks large? Moves *at behind it.
static bool area_fits(u64 start, u64 blocks, u64 needed, u64 limit, u64 *at)
{
    if (start < *at || start > limit || blocks > limit - start || blocks < needed)
        return false;
    *at = start + blocks;
    return true;
}

static bool geometry_fits(const struct fs_super *s, u64 disk_blocks)
{
    u64 at = 1;

    if (s->blocks < 2 || s->blocks > disk_blocks || s->blocks >= FS_MAX_BLOCKS)
        return false;
    if (s->inodes <= FS_ROOT_INO || s->inodes > FS_MAX_INODES)
        return false;

    u64 end = s->blocks - 1;
    u64 block_map = DIV_ROUND_UP(s->blocks, FS_BITS_PER_BLOCK);
    u64 inode_map = DIV_ROUND_UP(s->inodes, FS_BITS_PER_BLOCK);
    u64 table = DIV_ROUND_UP(s->inodes, FS_INODES_PER_BLOCK);
    return area_fits(s->journal_start, s->journal_blocks, FS_JOURNAL_MIN, end, &at) &&
           area_fits(s->block_bitmap_start, s->block_bitmap_blocks, block_map, end, &at) &&
           area_fits(s->inode_bitmap_start, s->inode_bitmap_blocks, inode_map, end, &at) &&
           area_fits(s->inode_table_start, s->inode_table_blocks, table, end, &at) && s->data_start >= at &&
           s->data_start < end;
}

enum fs_error fs_super_decode(const u8 block[FS_BLOCK_SIZE], u64 disk_blocks, struct fs_super *out)
{
    enum fs_error e = block_sealed(block, FS_MAGIC, BLOCK_CRC_AT);
    if (e)
        return e;
    if (le32(block + 8) != FS_VERSION)
        return FS_BAD_VERSION;
    if (le32(block + 12) != FS_BLOCK_SIZE)
        return FS_BAD_BLOCK_SIZE;

    struct fs_super s = {
        .blocks = le64(block + 16),
        .inodes = le64(block + 24),
        .journal_start = le64(block + 32),
        .journal_blocks = le64(block + 40),
        .block_bitmap_start = le64(block + 48),
        .block_bitmap_blocks = le64(block + 56),
        .inode_bitmap_start = le64(block + 64),
        .inode_bitmap_blocks = le64(block + 72),
        .inode_table_start = le64(block + 80),
        .inode_table_blocks = le64(block + 88),
        .data_start = le64(block + 96),
        .created_ns = le64(block + 120),
    };
    memcpy(s.uuid, block + 104, sizeof s.uuid);
    if (!geometry_fits(&s, disk_blocks))
        return FS_BAD_GEOMETRY;
    *out = s;
    return FS_OK;
}

void fs_super_encode(const struct fs_super *s, u8 block[FS_BLOCK_SIZE])
{
    memset(block, 0, FS_BLOCK_SIZE);
    put_le32(block + 8, FS_VERSION);
    put_le32(block + 12, FS_BLOCK_SIZE);
    put_le64(block + 16, s->blocks);
    put_le64(block + 24, s->inodes);
    put_le64(block + 32, s->journal_start);
    put_le64(block + 40, s->journal_blocks);
    put_le64(block + 48, s->block_bitmap_start);
    put_le64(block + 56, s->block_bitmap_blocks);
    put_le64(block + 64, s->inode_bitmap_start);
    put_le64(block + 72, s->inode_bitmap_blocks);
    put_le64(block + 80, s->inode_table_start);
    put_le64(block + 88, s->inode_table_blocks);
    put_le64(block + 96, s->data_start);
    memcpy(block + 104, s->uuid, sizeof s->uuid);
    put_le64(block + 120, s->created_ns);
    block_seal(block, FS_MAGIC, BLOCK_CRC_AT);
}

enum fs_error fs_super_plan(u64 blocks, u64 inodes, u64 journal_blocks, struct fs_super *out)
{
    struct fs_super s = { .blocks = blocks };

    if (blocks >= FS_MAX_BLOCKS || inodes > FS_MAX_INODES || journal_blocks > blocks)
        return FS_BAD_GEOMETRY;
    if (!inodes)
        inodes = MIN(MAX(blocks / (BYTES_PER_INODE / FS_BLOCK_SIZE), INODES_MIN), FS_MAX_INODES - FS_INODES_PER_BLOCK);
    s.inodes = MIN(ROUND_UP(inodes, FS_INODES_PER_BLOCK), FS_MAX_INODES);
    if (!journal_blocks)
        journal_blocks = MIN(MAX(blocks / JOURNAL_FRACTION, FS_JOURNAL_MIN), JOURNAL_MAX);

    s.journal_start = 1;
    s.journal_blocks = journal_blocks;
    s.block_bitmap_start = s.journal_start + s.journal_blocks;
    s.block_bitmap_blocks = DIV_ROUND_UP(s.blocks, FS_BITS_PER_BLOCK);
    s.inode_bitmap_start = s.block_bitmap_start + s.block_bitmap_blocks;
    s.inode_bitmap_blocks = DIV_ROUND_UP(s.inodes, FS_BITS_PER_BLOCK);
    s.inode_table_start = s.inode_bitmap_start + s.inode_bitmap_blocks;
    s.inode_table_blocks = DIV_ROUND_UP(s.inodes, FS_INODES_PER_BLOCK);
    s.data_start = s.inode_table_start + s.inode_table_blocks;
    if (!geometry_fits(&s, blocks))
        return FS_BAD_GEOMETRY;
    *out = s;
    return FS_OK;
}

// Inodes.

u64 fs_height_blocks(u32 height)
{
    return (u64)FS_ROOT_SLOTS << (9 * height);
}

enum fs_error fs_slot_check(u64 slot, bool leaf, const struct fs_super *s)
{
    u64 block = FS_SLOT_BLOCK(slot);

    if (!slot)
        return FS_OK;
    if (fs_slot_unwritten(slot) && !leaf)
        return FS_BAD_POINTER;
    return block >= s->data_start && block < s->blocks - 1 ? FS_OK : FS_BAD_POINTER;
}

static u32 inode_checksum(const u8 bytes[FS_INODE_SIZE], u64 ino)
{
    u8 seed[8];

    put_le64(seed, ino);
    return crc32c(crc32c(0, seed, sizeof seed), bytes, INODE_CRC_AT);
}

static enum fs_error inode_size_check(const struct fs_inode *i, const struct fs_super *s)
{
    if (i->height > FS_MAX_HEIGHT || i->blocks > s->blocks - 1 - s->data_start ||
        i->size > fs_height_blocks(FS_MAX_HEIGHT) * FS_BLOCK_SIZE)
        return FS_BAD_SIZE;
    if (i->type == FS_DIR && (i->size < 2 * FS_DIRENT_SIZE || i->size % FS_DIRENT_SIZE))
        return FS_BAD_SIZE;
    if (i->type == FS_DEV && (i->size || i->height || i->blocks))
        return FS_BAD_SIZE;
    return FS_OK;
}

static enum fs_error inode_slots_check(const struct fs_inode *i, const struct fs_super *s)
{
    for (u32 k = 0; k < FS_ROOT_SLOTS; k++) {
        if (i->type == FS_DEV && i->slots[k])
            return FS_BAD_POINTER;
        enum fs_error e = fs_slot_check(i->slots[k], i->height == 0, s);
        if (e)
            return e;
    }
    return FS_OK;
}

static enum fs_error inode_links_check(const struct fs_inode *i, const struct fs_super *s)
{
    if (i->next_orphan >= s->inodes)
        return FS_BAD_INO;
    if (i->type == FS_DIR ? !i->parent || i->parent >= s->inodes : i->parent != 0)
        return FS_BAD_INO;
    return FS_OK;
}

static enum fs_error inode_check(const struct fs_inode *i, u64 ino, const struct fs_super *s)
{
    if (i->type > FS_DEV || (ino == 0 && i->type != FS_FREE))
        return FS_BAD_TYPE;
    if (i->type == FS_FREE)
        return i->next_orphan < s->inodes ? FS_OK : FS_BAD_INO;
    enum fs_error e = inode_size_check(i, s);
    if (!e)
        e = inode_slots_check(i, s);
    if (!e)
        e = inode_links_check(i, s);
    return e;
}

static bool inode_is_zero(const u8 bytes[FS_INODE_SIZE])
{
    u64 any = 0;

    for (u32 at = 0; at < FS_INODE_SIZE && !any; at += 8)
        any = le64(bytes + at);
    return !any;
}

void fs_inode_decode_unchecked(const u8 bytes[FS_INODE_SIZE], u64 ino, struct fs_inode *out)
{
    struct fs_inode i = {};

    i.type = le16(bytes);
    i.generation = le64(bytes + 16);
    if (i.type != FS_FREE) {
        i.nlink = le32(bytes + 4);
        i.size = le64(bytes + 8);
        i.changes = le64(bytes + 24);
        i.mtime_ns = le64(bytes + 32);
        i.ctime_ns = le64(bytes + 40);
        i.blocks = le64(bytes + 48);
        i.major = le32(bytes + 64);
        i.minor = le32(bytes + 68);
        i.height = le32(bytes + 72);
        for (u32 k = 0; k < FS_ROOT_SLOTS; k++)
            i.slots[k] = le64(bytes + 80 + 8 * k);
        i.parent = le64(bytes + 240);
    }
    if (i.type != FS_FREE || ino == 0)
        i.next_orphan = le64(bytes + 56);
    *out = i;
}

enum fs_error fs_inode_decode(const u8 bytes[FS_INODE_SIZE], u64 ino, const struct fs_super *s, struct fs_inode *out)
{
    struct fs_inode i;

    if (ino >= s->inodes)
        return FS_BAD_INO;
    // mkfs leaves the table unwritten where it's empty: zeros are free inodes, without a checksum.
    if (!inode_is_zero(bytes) && le32(bytes + INODE_CRC_AT) != inode_checksum(bytes, ino))
        return FS_BAD_CHECKSUM;
    fs_inode_decode_unchecked(bytes, ino, &i);
    enum fs_error e = inode_check(&i, ino, s);
    if (!e)
        *out = i;
    return e;
}

void fs_inode_encode(const struct fs_inode *i, u64 ino, u8 bytes[FS_INODE_SIZE])
{
    memset(bytes, 0, FS_INODE_SIZE);
    put_le16(bytes, i->type);
    put_le64(bytes + 16, i->generation);
    if (i->type != FS_FREE || ino == 0)
        put_le64(bytes + 56, i->next_orphan);
    if (i->type != FS_FREE) {
        put_le32(bytes + 4, i->nlink);
        put_le64(bytes + 8, i->size);
        put_le64(bytes + 24, i->changes);
        put_le64(bytes + 32, i->mtime_ns);
        put_le64(bytes + 40, i->ctime_ns);
        put_le64(bytes + 48, i->blocks);
        put_le32(bytes + 64, i->major);
        put_le32(bytes + 68, i->minor);
        put_le32(bytes + 72, i->height);
        for (u32 k = 0; k < FS_ROOT_SLOTS; k++)
            put_le64(bytes + 80 + 8 * k, i->slots[k]);
        put_le64(bytes + 240, i->parent);
    }
    put_le32(bytes + INODE_CRC_AT, inode_checksum(bytes, ino));
}

// Directory entries.

#define DIRENT_NAME_AT 10
#define DIRENT_ZERO_AT 24

static bool name_valid(const u8 *name, u32 len)
{
    if (len < 1 || len > FS_NAME_LEN)
        return false;
    for (u32 k = 0; k < FS_NAME_LEN; k++) {
        bool inside = k < len;
        if (inside ? name[k] == '/' || name[k] == 0 : name[k] != 0)
            return false;
    }
    return true;
}

enum fs_error fs_dirent_decode(const u8 bytes[FS_DIRENT_SIZE], const struct fs_super *s, struct fs_dirent *out)
{
    struct fs_dirent d = { .ino = le64(bytes), .len = bytes[8], .type = bytes[9] };

    if (d.ino == 0) {
        *out = (struct fs_dirent){};
        return FS_OK;
    }
    if (d.ino >= s->inodes)
        return FS_BAD_INO;
    if (d.type == FS_FREE || d.type > FS_DEV)
        return FS_BAD_TYPE;
    if (!name_valid(bytes + DIRENT_NAME_AT, d.len) || le64(bytes + DIRENT_ZERO_AT) != 0)
        return FS_BAD_NAME;
    memcpy(d.name, bytes + DIRENT_NAME_AT, d.len);
    *out = d;
    return FS_OK;
}

void fs_dirent_encode(const struct fs_dirent *d, u8 bytes[FS_DIRENT_SIZE])
{
    memset(bytes, 0, FS_DIRENT_SIZE);
    if (d->ino == 0)
        return;
    put_le64(bytes, d->ino);
    bytes[8] = d->len;
    bytes[9] = d->type;
    memcpy(bytes + DIRENT_NAME_AT, d->name, d->len);
}

// The journal.

enum fs_error fs_journal_head_decode(const u8 block[FS_BLOCK_SIZE], const struct fs_super *s,
                                     struct fs_journal_head *out)
{
    struct fs_journal_head h = { .sequence = le64(block + 8), .start = le64(block + 16) };
    enum fs_error e = block_sealed(block, MAGIC_JOURNAL_HEAD, HEAD_CRC_AT);

    if (e)
        return e;
    if (h.start >= s->journal_blocks - 1)
        return FS_BAD_GEOMETRY;
    *out = h;
    return FS_OK;
}

void fs_journal_head_encode(const struct fs_journal_head *h, u8 block[FS_BLOCK_SIZE])
{
    memset(block, 0, FS_BLOCK_SIZE);
    put_le64(block + 8, h->sequence);
    put_le64(block + 16, h->start);
    block_seal(block, MAGIC_JOURNAL_HEAD, HEAD_CRC_AT);
}

static bool home_valid(u64 home, const struct fs_super *s)
{
    bool in_journal = home >= s->journal_start && home - s->journal_start < s->journal_blocks;
    return home > 0 && home < s->blocks - 1 && !in_journal;
}

enum fs_error fs_descriptor_decode(const u8 block[FS_BLOCK_SIZE], const struct fs_super *s, struct fs_descriptor *out)
{
    u32 count = le32(block + 16);
    enum fs_error e = block_sealed(block, MAGIC_DESCRIPTOR, BLOCK_CRC_AT);

    if (e)
        return e;
    if (count < 1 || count > FS_DESCRIPTOR_MAX)
        return FS_BAD_COUNT;
    for (u32 k = 0; k < count; k++)
        if (!home_valid(le64(block + 24 + 8 * k), s))
            return FS_BAD_POINTER;

    out->sequence = le64(block + 8);
    out->count = count;
    for (u32 k = 0; k < count; k++)
        out->home[k] = le64(block + 24 + 8 * k);
    return FS_OK;
}

void fs_descriptor_encode(const struct fs_descriptor *d, u8 block[FS_BLOCK_SIZE])
{
    memset(block, 0, FS_BLOCK_SIZE);
    put_le64(block + 8, d->sequence);
    put_le32(block + 16, d->count);
    for (u32 k = 0; k < d->count; k++)
        put_le64(block + 24 + 8 * k, d->home[k]);
    block_seal(block, MAGIC_DESCRIPTOR, BLOCK_CRC_AT);
}

enum fs_error fs_commit_decode(const u8 block[FS_BLOCK_SIZE], struct fs_commit *out)
{
    enum fs_error e = block_sealed(block, MAGIC_COMMIT, BLOCK_CRC_AT);

    if (e)
        return e;
    out->sequence = le64(block + 8);
    out->blocks = le64(block + 16);
    out->data_crc = le32(block + 24);
    return FS_OK;
}

void fs_commit_encode(const struct fs_commit *c, u8 block[FS_BLOCK_SIZE])
{
    memset(block, 0, FS_BLOCK_SIZE);
    put_le64(block + 8, c->sequence);
    put_le64(block + 16, c->blocks);
    put_le32(block + 24, c->data_crc);
    block_seal(block, MAGIC_COMMIT, BLOCK_CRC_AT);
}
