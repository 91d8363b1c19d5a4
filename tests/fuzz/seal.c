#include "seal.h"
#include <base/byteorder.h>
#include <base/crc32c.h>
#include <ckptfmt/ckptfmt.h>

#define BLOCK      4096u
#define EPOCHS_MAX 8
#define VISITS_MAX 256  // nodes and pages

struct seal {
    u8 *bytes;
    size_t size;
    u32 except, visits;
    u32 features;  // of the header whose epochs are being sealed
};

struct area {
    u64 block, size;
};

static bool is_inside(const struct seal *s, u64 block)
{
    return block && block < s->size / BLOCK;
}

// Below an entry of 8 bytes: children first, then the entry's checksum.
static void seal_entry(struct seal *s, u8 *entry, u32 level, bool is_node)
{
    u32 block = le32(entry);

    if (!is_inside(s, block) || s->visits++ >= VISITS_MAX)
        return;
    u8 *at = s->bytes + (size_t)block * BLOCK;
    for (u32 i = 0; is_node && i < BLOCK; i += 8)
        if (le32(at + i))
            seal_entry(s, at + i, level - 1, level > 0);
    put_le32(entry + 4, is_node ? crc32c(0, at, BLOCK) : ckpt_page_checksum(s->features, at));
}

static void seal_tree(struct seal *s, u8 *payload)
{
    u32 height = le32(payload + 24);

    if (height >= 1 && height <= 5 && le32(payload + 16))
        seal_entry(s, payload + 16, height - 1, true);
}

// All records of an area; returns where EPOCH's payload is, or NULL.
static u8 *seal_records(struct seal *s, const struct area *a)
{
    u64 at = a->block * BLOCK, end = at + a->size;
    u8 *epoch = NULL;

    if (a->block >= s->size / BLOCK || a->size > s->size - at)
        return NULL;
    while (end - at >= 24) {
        u8 *r = s->bytes + at;
        u64 length = le32(r + 8);

        if (length > end - at - 24)
            break;
        if (le32(r) == 6 && length >= 32 && !(s->except & SEAL_NO_NODES))
            seal_tree(s, r + 24);
        if (le32(r) == 1 && length >= 112 && !epoch)
            epoch = r + 24;
        if (!(s->except & SEAL_NO_RECORDS))
            put_le32(r + 12, crc32c(crc32c(0, r, 12), r + 16, 8 + length));
        at += 24 + ((length + 7) & ~7ull);
        if (at > end)
            break;
    }
    return epoch;
}

static u32 digest(const struct seal *s, const struct area *a)
{
    u64 at = a->block * BLOCK;

    if (a->block >= s->size / BLOCK || a->size > s->size - at)
        return 0;
    return crc32c(0, s->bytes + at, a->size);
}

// The epochs that a header leads to, the oldest first, for each newer one holds the digest of the one before.
static void seal_epochs(struct seal *s, u8 *header)
{
    struct area areas[EPOCHS_MAX] = { { le64(header + 200), le64(header + 208) } };
    u8 *epochs[EPOCHS_MAX];
    u32 n = 0;

    while (n < EPOCHS_MAX) {
        epochs[n] = seal_records(s, &areas[n]);
        n++;
        if (!epochs[n - 1] || !le64(epochs[n - 1] + 56) || n == EPOCHS_MAX)
            break;
        areas[n] = (struct area){ le64(epochs[n - 1] + 64), le64(epochs[n - 1] + 72) };
    }
    while (n-- > 0) {
        (void)seal_records(s, &areas[n]);
        u32 sum = digest(s, &areas[n]);
        if (!(s->except & SEAL_NO_DIGEST))
            put_le32(n ? epochs[n - 1] + 80 : header + 216, sum);
    }
}

void image_seal(u8 *bytes, size_t size, u32 except)
{
    struct seal s = { .bytes = bytes, .size = size, .except = except };

    for (u32 slot = 0; slot < 2 && (slot + 1) * BLOCK <= size; slot++) {
        u8 *header = bytes + slot * BLOCK;
        if (le64(header + 128) != 0x54504b4352424d41ull)
            continue;
        s.visits = 0;
        s.features = le32(header + 140);
        seal_epochs(&s, header);
        if (!(except & SEAL_NO_HEADER))
            put_le32(header + 4092, crc32c(0, header, 4092));
    }
}
