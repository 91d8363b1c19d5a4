// The checksum of a page.

#include <base/byteorder.h>
#include <base/crc32c.h>
#include <ckptfmt/ckptfmt.h>

// A processor adds much faster than it divides polynomials, an emulated one above all: the CRC is left for the sums
// alone.
static u32 sums_crc(const u8 *page)
{
    u64 sum, weighted;
    u8 sums[16];

    ckpt_page_sums(page, &sum, &weighted);
    put_le64(sums, sum);
    put_le64(sums + 8, weighted);
    return crc32c(0, sums, sizeof sums);
}

u32 ckpt_page_checksum(u32 features, const u8 page[CKPT_BLOCK_SIZE])
{
    return features & CKPT_FEATURE_SUMS ? sums_crc(page) : crc32c(0, page, CKPT_BLOCK_SIZE);
}
