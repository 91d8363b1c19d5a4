// The file system's layout on disk: the one description that the kernel, mkfs, fsck and the tests share.
//
// docs/formats/filesystem.md tells it in words. All numbers are little-endian. Decoding checks: what a decode function
// accepts is in range for the given disk, whatever the bytes were. Nothing here allocates, waits or touches a disk.
#pragma once

#include <base/types.h>

#define FS_MAGIC             0x3153465245424d41ull  // "AMBERFS1"
#define FS_VERSION           1
#define FS_BLOCK_SIZE        4096
#define FS_INODE_SIZE        256
#define FS_DIRENT_SIZE       32
#define FS_NAME_LEN          14
#define FS_ROOT_INO          1  // inode 0 is never a file; its next_orphan begins the orphan list
#define FS_INODES_PER_BLOCK  (FS_BLOCK_SIZE / FS_INODE_SIZE)
#define FS_DIRENTS_PER_BLOCK (FS_BLOCK_SIZE / FS_DIRENT_SIZE)
#define FS_SLOTS_PER_BLOCK   512  // of an index block: u64 each
#define FS_ROOT_SLOTS        20   // in an inode
#define FS_MAX_HEIGHT        4
#define FS_BITS_PER_BLOCK    (FS_BLOCK_SIZE * 8)
#define FS_JOURNAL_MIN       64             // blocks, the head included
#define FS_MAX_BLOCKS        (1ull << 51)   // of a disk: byte offsets fit in 63 bits
#define FS_MAX_INODES        0xffffffffull  // an inode number fits in xv6's struct stat

enum fs_type { FS_FREE = 0, FS_DIR = 1, FS_FILE = 2, FS_DEV = 3 };

// Why bytes were refused; fs_error_text() says it in words.
enum fs_error {
    FS_OK = 0,
    FS_BAD_MAGIC,
    FS_BAD_VERSION,
    FS_BAD_CHECKSUM,
    FS_BAD_BLOCK_SIZE,
    FS_BAD_GEOMETRY,  // areas overlap, leave the disk, or are too small for what they describe
    FS_BAD_TYPE,
    FS_BAD_SIZE,     // a file's size or height out of range
    FS_BAD_POINTER,  // a block number outside the data area
    FS_BAD_NAME,     // a directory entry's name: empty, a slash, or text after its end
    FS_BAD_INO,
    FS_BAD_COUNT,  // a journal block describes no blocks, or more than fit
};
const char *fs_error_text(enum fs_error e);

// The superblock: block 0, and a copy in the last block of the disk. It never changes after mkfs.
struct fs_super {
    u64 blocks;  // of the whole disk, the copy included
    u64 inodes;  // in the table, inode 0 included
    u64 journal_start, journal_blocks;
    u64 block_bitmap_start, block_bitmap_blocks;
    u64 inode_bitmap_start, inode_bitmap_blocks;
    u64 inode_table_start, inode_table_blocks;
    u64 data_start;  // data area: [data_start, blocks - 1)
    u8 uuid[16];
    u64 created_ns;  // since 1970
};

/* disk_blocks: the size of the disk that holds it. */
MUST_CHECK enum fs_error fs_super_decode(const u8 block[FS_BLOCK_SIZE], u64 disk_blocks, struct fs_super *out);
void fs_super_encode(const struct fs_super *s, u8 block[FS_BLOCK_SIZE]);

/* Lay out a disk of `blocks` blocks; inodes and journal_blocks 0: by rule. FS_BAD_GEOMETRY when it's too small. */
MUST_CHECK enum fs_error fs_super_plan(u64 blocks, u64 inodes, u64 journal_blocks, struct fs_super *out);

// An inode. A file is a tree of `height` levels of index blocks under the root slots; height 0: these are data blocks.
struct fs_inode {
    u16 type;        // enum fs_type
    u32 nlink;       // of directories: 1, and 1 for each directory in it
    u64 size;        // bytes
    u64 generation;  // one more at each new use of this inode number
    u64 changes;     // one more at each change of contents or size
    u64 mtime_ns, ctime_ns;
    u64 blocks;        // data and index blocks that it owns
    u64 next_orphan;   // 0: end of the list, or not in it
    u32 major, minor;  // of FS_DEV
    u32 height;
    u64 parent;  // of FS_DIR: the inode of ".."; else 0
    u64 slots[FS_ROOT_SLOTS];
};

/*
 * A free inode (type FS_FREE) keeps its generation. Slots are checked with the file's size left aside: a preallocated
 * file owns more.
 */
MUST_CHECK enum fs_error fs_inode_decode(const u8 bytes[FS_INODE_SIZE], u64 ino, const struct fs_super *s,
                                         struct fs_inode *out);
void fs_inode_encode(const struct fs_inode *i, u64 ino, u8 bytes[FS_INODE_SIZE]);

/* The fields as they stand, with no check at all: only for fsck, which tries what can be saved of a refused inode. */
void fs_inode_decode_unchecked(const u8 bytes[FS_INODE_SIZE], u64 ino, struct fs_inode *out);

/* Blocks that a file of that height can have. */
u64 fs_height_blocks(u32 height);

// A slot: where a block is. 0 is a hole. An unwritten block is owned and reads as zeros.
#define FS_SLOT_UNWRITTEN   (1ull << 63)
#define FS_SLOT_BLOCK(slot) ((slot) & ~FS_SLOT_UNWRITTEN)

/* FS_BAD_POINTER unless it's a hole or a block of the data area; unwritten only if leaf. */
MUST_CHECK enum fs_error fs_slot_check(u64 slot, bool leaf, const struct fs_super *s);
static inline bool fs_slot_unwritten(u64 slot)
{
    return slot & FS_SLOT_UNWRITTEN;
}

struct fs_dirent {
    u64 ino;  // 0: free slot
    u8 type;  // enum fs_type, of what it names
    u8 len;
    char name[FS_NAME_LEN + 1];
};
MUST_CHECK enum fs_error fs_dirent_decode(const u8 bytes[FS_DIRENT_SIZE], const struct fs_super *s,
                                          struct fs_dirent *out);
void fs_dirent_encode(const struct fs_dirent *d, u8 bytes[FS_DIRENT_SIZE]);

// The journal: its first block says where the log begins; the others are a ring. A transaction is descriptor blocks,
// each followed by the blocks that it describes, and a commit block.
struct fs_journal_head {
    u64 sequence;  // of the first transaction that may have to be replayed
    u64 start;     // where in the ring it begins: 0 .. journal_blocks - 2
};
MUST_CHECK enum fs_error fs_journal_head_decode(const u8 block[FS_BLOCK_SIZE], const struct fs_super *s,
                                                struct fs_journal_head *out);
void fs_journal_head_encode(const struct fs_journal_head *h, u8 block[FS_BLOCK_SIZE]);

#define FS_DESCRIPTOR_MAX 480

struct fs_descriptor {
    u64 sequence;
    u32 count;                    // of blocks that follow
    u64 home[FS_DESCRIPTOR_MAX];  // where they belong
};
/* Refuses home blocks outside the disk, inside the journal, or a superblock. */
MUST_CHECK enum fs_error fs_descriptor_decode(const u8 block[FS_BLOCK_SIZE], const struct fs_super *s,
                                              struct fs_descriptor *out);
void fs_descriptor_encode(const struct fs_descriptor *d, u8 block[FS_BLOCK_SIZE]);

struct fs_commit {
    u64 sequence;
    u64 blocks;    // logged blocks of the transaction, all descriptors together
    u32 data_crc;  // CRC-32C of those blocks, in order
};
MUST_CHECK enum fs_error fs_commit_decode(const u8 block[FS_BLOCK_SIZE], struct fs_commit *out);
void fs_commit_encode(const struct fs_commit *c, u8 block[FS_BLOCK_SIZE]);

/* Bitmaps: bit n of a block is bit n % 8 of byte n / 8; 1 is used. Bits past the end are 1. */
static inline bool fs_bit(const u8 *map, u32 n)
{
    return map[n / 8] >> (n % 8) & 1;
}
static inline void fs_bit_set(u8 *map, u32 n)
{
    map[n / 8] |= (u8)(1 << (n % 8));
}
static inline void fs_bit_clear(u8 *map, u32 n)
{
    map[n / 8] &= (u8) ~(1 << (n % 8));
}
