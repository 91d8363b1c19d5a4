// The header slots.

#include "layout.h"

// Byte offsets in a slot.
enum {
    XV6_ID = 0,
    XV6_PID = 4,
    XV6_SIZE = 8,
    XV6_NAME = 12,
    MAGIC = 128,
    VERSION = 136,
    FEATURES = 140,
    MACHINE = 144,
    PAGE_SIZE_ = 148,
    IDENTITY = 152,
    EPOCH = 168,
    PARENT = 176,
    WALL = 184,
    BLOCKS = 192,
    RECORDS_BLOCK = 200,
    RECORDS_SIZE = 208,
    DIGEST = 216,
    CHECKSUM = CKPT_BLOCK_SIZE - 4,
};

_Static_assert(CKPT_PROBE_SIZE == MAGIC + 8, "a probe sees the magic");

bool ckpt_probe(const u8 *bytes, size_t n)
{
    return n >= CKPT_PROBE_SIZE && le64(bytes + MAGIC) == CKPT_MAGIC;
}

void ckpt_header_encode(const struct ckpt_header *h, u8 block[CKPT_BLOCK_SIZE])
{
    memset(block, 0, CKPT_BLOCK_SIZE);
    put_le32(block + XV6_ID, CKPT_XV6_ID);
    put_le32(block + XV6_PID, (u32)h->pid);
    put_le32(block + XV6_SIZE, h->memory);
    memcpy(block + XV6_NAME, h->name, CKPT_NAME_SIZE - 1);
    put_le64(block + MAGIC, CKPT_MAGIC);
    put_le32(block + VERSION, CKPT_VERSION);
    put_le32(block + FEATURES, h->features);
    put_le32(block + MACHINE, h->machine);
    put_le32(block + PAGE_SIZE_, CKPT_BLOCK_SIZE);
    memcpy(block + IDENTITY, h->identity, CKPT_IDENTITY_SIZE);
    put_le64(block + EPOCH, h->epoch);
    put_le64(block + PARENT, h->parent);
    put_le64(block + WALL, h->wall_ns);
    put_le64(block + BLOCKS, h->blocks);
    put_le64(block + RECORDS_BLOCK, h->records_block);
    put_le64(block + RECORDS_SIZE, h->records_size);
    put_le32(block + DIGEST, h->digest);
    put_le32(block + CHECKSUM, crc32c(0, block, CHECKSUM));
}

enum ckpt_error ckpt_check_area(const struct ckpt_header *h)
{
    if (h->records_block < CKPT_SLOTS || h->records_block >= h->blocks)
        return CKPT_BAD_HEADER;
    if (h->records_size == 0 || h->records_size % 8 ||
        h->records_size > (h->blocks - h->records_block) * CKPT_BLOCK_SIZE)
        return CKPT_BAD_HEADER;
    return CKPT_OK;
}

// Does the record area lie among the blocks, and these in the file?
static enum ckpt_error check_extents(const struct ckpt_header *h, u64 file_size)
{
    if (h->blocks > UINT32_MAX)
        return CKPT_BAD_HEADER;
    if (h->blocks > file_size / CKPT_BLOCK_SIZE)
        return CKPT_TRUNCATED;
    return ckpt_check_area(h);
}

enum ckpt_error ckpt_header_decode(const u8 block[CKPT_BLOCK_SIZE], u64 file_size, struct ckpt_header *out)
{
    if (!ckpt_probe(block, CKPT_BLOCK_SIZE))
        return CKPT_NOT_IMAGE;
    if (le32(block + CHECKSUM) != crc32c(0, block, CHECKSUM))
        return CKPT_BAD_CHECKSUM;
    return ckpt_header_fields(block, file_size, out);
}

enum ckpt_error ckpt_header_fields(const u8 block[CKPT_BLOCK_SIZE], u64 file_size, struct ckpt_header *out)
{
    if (le32(block + VERSION) != CKPT_VERSION)
        return CKPT_BAD_VERSION;
    if (le32(block + FEATURES) & ~CKPT_FEATURES)
        return CKPT_BAD_FEATURE;
    if (!ckpt_machine(le32(block + MACHINE)))
        return CKPT_BAD_MACHINE;
    if (le32(block + PAGE_SIZE_) != CKPT_BLOCK_SIZE)
        return CKPT_BAD_PAGE_SIZE;

    out->machine = le32(block + MACHINE);
    out->features = le32(block + FEATURES);
    memcpy(out->identity, block + IDENTITY, CKPT_IDENTITY_SIZE);
    out->epoch = le64(block + EPOCH);
    out->parent = le64(block + PARENT);
    out->wall_ns = le64(block + WALL);
    out->blocks = le64(block + BLOCKS);
    out->records_block = le64(block + RECORDS_BLOCK);
    out->records_size = le64(block + RECORDS_SIZE);
    out->digest = le32(block + DIGEST);
    out->pid = (s32)le32(block + XV6_PID);
    out->memory = le32(block + XV6_SIZE);
    memcpy(out->name, block + XV6_NAME, CKPT_NAME_SIZE);
    out->name[CKPT_NAME_SIZE - 1] = 0;
    if (out->epoch == 0 || out->parent >= out->epoch)
        return CKPT_BAD_HEADER;
    return check_extents(out, file_size);
}
