// Nodes of page trees and their entries (docs/formats/checkpoint.md, section 4).
#pragma once

#include <base/byteorder.h>
#include <ckptfmt/ckptfmt.h>

enum { ENTRY_BLOCK = 0, ENTRY_CRC = 4, ENTRY_SIZE = 8 };

struct entry {
    u32 block, crc;  // both 0: nothing is there
};

static inline u32 entry_slot(u64 index, u32 level)
{
    return (u32)(index >> (level * CKPT_FANOUT_BITS)) % CKPT_FANOUT;
}

static inline struct entry entry_get(const u8 *node, u32 slot)
{
    const u8 *at = node + slot * ENTRY_SIZE;

    return (struct entry){ le32(at + ENTRY_BLOCK), le32(at + ENTRY_CRC) };
}

static inline void entry_put(u8 *node, u32 slot, struct entry e)
{
    put_le32(node + slot * ENTRY_SIZE + ENTRY_BLOCK, e.block);
    put_le32(node + slot * ENTRY_SIZE + ENTRY_CRC, e.crc);
}

/* May an entry name this block? */
bool ckpt_block_is_usable(const struct ckpt_bounds *bounds, u32 block);

/*
 * Read the node that `e` names and check it: its place, its checksum, that it has entries and that none of them is a
 * checksum without a block. *failed_at: where in the file, also if all is well.
 */
MUST_CHECK enum ckpt_error ckpt_node_read(const struct ckpt_bounds *bounds, struct entry e, u8 node[CKPT_BLOCK_SIZE],
                                          u64 *failed_at);
