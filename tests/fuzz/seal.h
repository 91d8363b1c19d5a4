// Makes the checksums of an image right, from the pages up, whatever else it says. Written from
// docs/formats/checkpoint.md, not from lib/ckptfmt: what it can't follow it leaves as it is.
#pragma once

#include <base/types.h>

enum { SEAL_NO_NODES = 1, SEAL_NO_RECORDS = 2, SEAL_NO_DIGEST = 4, SEAL_NO_HEADER = 8 };
void image_seal(u8 *bytes, size_t size, u32 except);
