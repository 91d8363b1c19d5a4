// Little-endian fields at byte offsets: how all of Amber's formats are read and written. No alignment is needed.
#pragma once

#include <base/types.h>

static inline u16 le16(const void *at)
{
    const u8 *b = at;
    return (u16)(b[0] | b[1] << 8);
}

static inline u32 le32(const void *at)
{
    const u8 *b = at;
    return b[0] | (u32)b[1] << 8 | (u32)b[2] << 16 | (u32)b[3] << 24;
}

static inline u64 le64(const void *at)
{
    const u8 *b = at;
    return le32(b) | (u64)le32(b + 4) << 32;
}

static inline void put_le16(void *at, u16 v)
{
    u8 *b = at;
    b[0] = (u8)v;
    b[1] = (u8)(v >> 8);
}

static inline void put_le32(void *at, u32 v)
{
    put_le16(at, (u16)v);
    put_le16((u8 *)at + 2, (u16)(v >> 16));
}

static inline void put_le64(void *at, u64 v)
{
    put_le32(at, (u32)v);
    put_le32((u8 *)at + 4, (u32)(v >> 32));
}
