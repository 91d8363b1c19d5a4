// CRC-32C for the host's tools, by the library isa-l, which uses what the processor has for it: in place of
// lib/base/crc32c.c, which is made for kernels.
#include <base/crc32c.h>
#include <isa-l/crc.h>

#define PIECE (1u << 30)  // isa-l counts in int

u32 crc32c(u32 crc, const void *bytes, size_t n)
{
    unsigned char *p = (unsigned char *)bytes;  // only read

    crc = ~crc;
    for (; n > PIECE; n -= PIECE, p += PIECE)
        crc = crc32_iscsi(p, PIECE, crc);
    return ~crc32_iscsi(p, (int)n, crc);
}
