// What fsck changes: blocks and inodes taken and freed, directory slots written.
#include "fsck.h"

#include <base/byteorder.h>
#include <base/string.h>

static bool owned(const struct fsck *f, u64 block)
{
    return f->owned[block / 8] >> (block % 8) & 1;
}

static void owned_set(struct fsck *f, u64 block, bool value)
{
    u8 bit = (u8)(1 << (block % 8));

    f->owned[block / 8] = value ? f->owned[block / 8] | bit : f->owned[block / 8] & (u8)~bit;
}

// One bit of a bitmap on the disk.
static void disk_bit_set(struct fsck *f, u64 start, u64 n, bool value)
{
    u64 block = start + n / FS_BITS_PER_BLOCK;
    u8 map[FS_BLOCK_SIZE];

    image_read(f->img, block, map);
    if (value)
        fs_bit_set(map, (u32)(n % FS_BITS_PER_BLOCK));
    else
        fs_bit_clear(map, (u32)(n % FS_BITS_PER_BLOCK));
    image_write(f->img, block, map);
}

u64 block_take(struct fsck *f)
{
    static const u8 zeros[FS_BLOCK_SIZE];
    const struct fs_super *s = &f->img->super;

    for (u64 b = MAX(f->next_block, s->data_start); b < s->blocks - 1; b++) {
        if (owned(f, b))
            continue;
        owned_set(f, b, true);
        disk_bit_set(f, s->block_bitmap_start, b, true);
        image_write(f->img, b, zeros);
        f->next_block = b + 1;
        return b;
    }
    return 0;
}

void block_release(struct fsck *f, u64 block)
{
    owned_set(f, block, false);
    disk_bit_set(f, f->img->super.block_bitmap_start, block, false);
    f->next_block = MIN(f->next_block, block);
}

u64 inode_take(struct fsck *f)
{
    for (u64 ino = FS_ROOT_INO + 1; ino < f->img->super.inodes; ino++) {
        if (f->inodes[ino].type == FS_FREE) {
            disk_bit_set(f, f->img->super.inode_bitmap_start, ino, true);
            return ino;
        }
    }
    return 0;
}

static bool release_one(void *arg, u64 index, u64 slot, u32 level)
{
    // The walk has not read an index block yet when it's told of it; freeing does not change its contents.
    block_release(arg, FS_SLOT_BLOCK(slot));
    return true;
}

void inode_clear(struct fsck *f, u64 ino)
{
    struct fs_inode i;

    if (image_inode_load(f->img, ino, &i) != FS_OK)
        i = (struct fs_inode){};
    file_blocks(f->img, &i, release_one, f);
    image_inode_store(f->img, ino, &(struct fs_inode){ .generation = i.generation });
    disk_bit_set(f, f->img->super.inode_bitmap_start, ino, false);
    f->inodes[ino] = (struct inode_info){};
}

// Put one more level of index blocks under the root slots.
static bool tree_raise(struct fsck *f, struct fs_inode *i)
{
    u8 block[FS_BLOCK_SIZE] = {};
    u64 top = block_take(f);

    if (!top)
        return false;
    for (u32 k = 0; k < FS_ROOT_SLOTS; k++) {
        put_le64(block + 8 * k, i->slots[k]);
        i->slots[k] = 0;
    }
    image_write(f->img, top, block);
    i->slots[0] = top;
    i->height++;
    i->blocks++;
    return true;
}

// The block at `index` of a file, made if it's a hole; an unwritten one becomes zeros. 0: no block left.
static u64 file_block_ensure(struct fsck *f, struct fs_inode *i, u64 index)
{
    static const u8 zeros[FS_BLOCK_SIZE];
    u8 block[FS_BLOCK_SIZE];
    u64 above = 0;

    while (index >= fs_height_blocks(i->height))
        if (!tree_raise(f, i))
            return 0;
    for (u32 level = i->height;; level--) {
        u64 k = index >> 9 * level & (FS_SLOTS_PER_BLOCK - 1);
        u64 was = above ? le64(block + 8 * k) : i->slots[k];
        u64 slot = was ? FS_SLOT_BLOCK(was) : block_take(f);
        if (!slot)
            return 0;
        if (fs_slot_unwritten(was))
            image_write(f->img, slot, zeros);
        if (slot != was && above) {
            put_le64(block + 8 * k, slot);
            image_write(f->img, above, block);
        } else if (slot != was) {
            i->slots[k] = slot;
        }
        i->blocks += !was;
        if (level == 0)
            return slot;
        above = slot;
        image_read(f->img, above, block);
    }
}

bool directory_put(struct fsck *f, u64 dir, u64 slot, const struct fs_dirent *entry)
{
    u8 block[FS_BLOCK_SIZE];
    struct fs_inode i;

    if (image_inode_load(f->img, dir, &i) != FS_OK)
        return false;
    u64 where = file_block_ensure(f, &i, slot / FS_DIRENTS_PER_BLOCK);
    if (where) {
        image_read(f->img, where, block);
        fs_dirent_encode(entry, block + slot % FS_DIRENTS_PER_BLOCK * FS_DIRENT_SIZE);
        image_write(f->img, where, block);
        i.size = MAX(i.size, (slot + 1) * FS_DIRENT_SIZE);
    }
    image_inode_store(f->img, dir, &i);
    return where != 0;
}

static struct fs_dirent entry_of(const char *name, u64 ino, u8 type)
{
    struct fs_dirent d = { .ino = ino, .type = type, .len = (u8)strlen(name) };

    text_copy(d.name, name, sizeof d.name);
    return d;
}

bool directory_make(struct fsck *f, u64 ino, u64 parent)
{
    struct fs_inode old, i = { .type = FS_DIR, .nlink = 1, .size = 2 * FS_DIRENT_SIZE, .parent = parent };
    struct fs_dirent dot = entry_of(".", ino, FS_DIR), dotdot = entry_of("..", parent, FS_DIR);

    i.generation = image_inode_load(f->img, ino, &old) == FS_OK ? old.generation + 1 : 1;
    image_inode_store(f->img, ino, &i);
    f->inodes[ino] = (struct inode_info){ .type = FS_DIR };
    if (directory_put(f, ino, 0, &dot) && directory_put(f, ino, 1, &dotdot))
        return true;
    inode_clear(f, ino);
    return false;
}

struct slot_search {
    u64 free;  // the first free slot; 0: none seen
};

static bool slot_is_free(void *arg, u64 slot, enum fs_error error, const struct fs_dirent *entry)
{
    struct slot_search *s = arg;

    if (!error && !entry->ino && slot > 1)
        s->free = slot;
    return !s->free;
}

bool directory_add(struct fsck *f, u64 dir, const char *name, u64 ino, u8 type)
{
    struct fs_dirent entry = entry_of(name, ino, type);
    struct slot_search s = {};
    struct fs_inode i;

    if (image_inode_load(f->img, dir, &i) != FS_OK)
        return false;
    dir_slots(f->img, &i, slot_is_free, &s);
    return directory_put(f, dir, s.free ? s.free : i.size / FS_DIRENT_SIZE, &entry);
}
