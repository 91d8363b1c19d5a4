// CRC-32C (Castagnoli, RFC 3720 appendix B.4): the checksum of all of Amber's formats.
#pragma once

#include <base/types.h>

/* Continue `crc` over n more bytes; start with 0. crc32c(crc32c(0, a), b) is the checksum of a followed by b. */
u32 crc32c(u32 crc, const void *bytes, size_t n);
