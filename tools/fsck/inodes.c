// The inode table: each inode's fields, its tree of blocks, and the list of orphans.
#include "fsck.h"

#include <base/byteorder.h>
#include <base/string.h>
#include <inttypes.h>

static void index_read(struct fsck *f, u64 block, u64 slots[FS_SLOTS_PER_BLOCK])
{
    u8 bytes[FS_BLOCK_SIZE];

    image_read(f->img, block, bytes);
    for (u32 k = 0; k < FS_SLOTS_PER_BLOCK; k++)
        slots[k] = le64(bytes + 8 * k);
}

static void index_write(struct fsck *f, u64 block, const u64 slots[FS_SLOTS_PER_BLOCK])
{
    u8 bytes[FS_BLOCK_SIZE];

    for (u32 k = 0; k < FS_SLOTS_PER_BLOCK; k++)
        put_le64(bytes + 8 * k, slots[k]);
    image_write(f->img, block, bytes);
}

struct tree_check {
    struct fsck *f;
    u64 ino;
    u64 blocks;  // that turned out to be the inode's
};

static bool block_claim(struct fsck *f, u64 block)
{
    u8 bit = (u8)(1 << (block % 8));

    if (f->owned[block / 8] & bit)
        return false;
    f->owned[block / 8] |= bit;
    return true;
}

// Check the slots of one level, and what is below them. Returns true if a slot was changed.
static bool slots_check(struct tree_check *t, u64 *slots, u32 count, u32 level)
{
    bool changed = false;

    for (u32 k = 0; k < count; k++) {
        u64 slot = slots[k], block = FS_SLOT_BLOCK(slot);
        if (!slot)
            continue;
        if (fs_slot_check(slot, level == 0, &t->f->img->super) != FS_OK) {
            finding(t->f, t->ino, "becomes a hole", "slot %u of level %u is %#" PRIx64 ", which is no block for it", k,
                    level, slot);
            slots[k] = 0;
        } else if (!block_claim(t->f, block)) {
            finding(t->f, t->ino, "becomes a hole", "block %" PRIu64 " belongs to something else already", block);
            slots[k] = 0;
        }
        changed |= slots[k] != slot;
        t->blocks += slots[k] != 0;
        if (!slots[k] || level == 0)
            continue;

        u64 below[FS_SLOTS_PER_BLOCK];
        index_read(t->f, slot, below);
        if (slots_check(t, below, FS_SLOTS_PER_BLOCK, level - 1))
            index_write(t->f, slot, below);
    }
    return changed;
}

// `known`: it was told already that the inode is damaged, so a wrong count of blocks is no news.
static void tree_check(struct fsck *f, u64 ino, struct fs_inode *i, bool known)
{
    struct tree_check t = { f, ino, 0 };
    bool changed = slots_check(&t, i->slots, FS_ROOT_SLOTS, i->height);

    if (t.blocks != i->blocks) {
        // After a tree was cut, its count is off as a matter of course.
        if (!changed && !known)
            finding(f, ino, "counted anew", "owns %" PRIu64 " blocks, but says %" PRIu64, t.blocks, i->blocks);
        i->blocks = t.blocks;
        changed = true;
    }
    if (changed)
        image_inode_store(f->img, ino, i);
}

// Make each field of a refused inode a valid one, losing as little as possible.
static void fields_mend(const struct fs_super *s, struct fs_inode *i)
{
    i->height = MIN(i->height, FS_MAX_HEIGHT);
    for (u32 k = 0; k < FS_ROOT_SLOTS; k++)
        if (i->type == FS_DEV || fs_slot_check(i->slots[k], i->height == 0, s) != FS_OK)
            i->slots[k] = 0;
    i->size = MIN(i->size, fs_height_blocks(FS_MAX_HEIGHT) * FS_BLOCK_SIZE);
    if (i->type == FS_DIR)
        i->size = MAX(ROUND_DOWN(i->size, FS_DIRENT_SIZE), 2 * FS_DIRENT_SIZE);
    if (i->type == FS_DEV)
        i->size = i->height = 0;
    i->blocks = 0;
    if (i->next_orphan >= s->inodes)
        i->next_orphan = 0;
    if (i->type != FS_DIR)
        i->parent = 0;
    else if (!i->parent || i->parent >= s->inodes)
        i->parent = FS_ROOT_INO;
}

// A refused inode: what can be made of it is stored; *i is what it is now.
static void inode_mend(struct fsck *f, u64 ino, const u8 *bytes, enum fs_error error, struct fs_inode *i)
{
    const struct fs_super *s = &f->img->super;
    struct fs_inode raw;
    u8 again[FS_INODE_SIZE];

    fs_inode_decode_unchecked(bytes, ino, &raw);
    fs_inode_encode(&raw, ino, again);
    if (error == FS_BAD_CHECKSUM && fs_inode_decode(again, ino, s, i) == FS_OK) {
        finding(f, ino, "kept, for all else makes sense", "%s", fs_error_text(error));
    } else if (error == FS_BAD_CHECKSUM || raw.type > FS_DEV || ino == 0) {
        finding(f, ino, "becomes a free inode", "%s", fs_error_text(error));
        *i = (struct fs_inode){ .generation = raw.generation };
    } else {
        finding(f, ino, "that field is set right", "%s", fs_error_text(error));
        fields_mend(s, &raw);
        *i = raw;
    }
    image_inode_store(f->img, ino, i);
}

static void inode_check(struct fsck *f, u64 ino, const u8 *bytes)
{
    struct fs_inode i;
    enum fs_error e = fs_inode_decode(bytes, ino, &f->img->super, &i);

    if (e)
        inode_mend(f, ino, bytes, e, &i);
    f->inodes[ino].type = (u8)i.type;
    f->inodes[ino].has_next = i.type != FS_FREE && i.next_orphan;
    if (i.type != FS_FREE)
        tree_check(f, ino, &i, e != FS_OK);
}

void inodes_check(struct fsck *f)
{
    const struct fs_super *s = &f->img->super;
    u64 end = s->inode_table_start + DIV_ROUND_UP(s->inodes, FS_INODES_PER_BLOCK);
    u8 block[FS_BLOCK_SIZE];

    for (u64 b = s->inode_table_start; (b = image_next_used(f->img, b, end)) < end; b++) {
        image_read(f->img, b, block);
        for (u64 k = 0; k < FS_INODES_PER_BLOCK; k++) {
            u64 ino = (b - s->inode_table_start) * FS_INODES_PER_BLOCK + k;
            if (ino < s->inodes)
                inode_check(f, ino, block + k * FS_INODE_SIZE);
        }
    }
}

// Orphans.

static u64 next_orphan(struct fsck *f, u64 ino)
{
    struct fs_inode i;

    return image_inode_load(f->img, ino, &i) == FS_OK ? i.next_orphan : 0;
}

static void next_orphan_set(struct fsck *f, u64 ino, u64 next)
{
    struct fs_inode i;

    if (image_inode_load(f->img, ino, &i) != FS_OK)
        return;
    i.next_orphan = next;
    image_inode_store(f->img, ino, &i);
}

void orphans_check(struct fsck *f)
{
    u64 before = 0, ino = next_orphan(f, 0);
    struct fs_inode i;

    for (; ino; before = ino, ino = i.next_orphan) {
        const char *wrong = NULL;
        if (f->inodes[ino].orphan)
            wrong = "is on the list of orphans twice";
        else if (f->inodes[ino].type == FS_FREE)
            wrong = "is on the list of orphans, but free";
        else if (ino == FS_ROOT_INO)
            wrong = "is on the list of orphans, but is the root";
        if (wrong || image_inode_load(f->img, ino, &i) != FS_OK) {
            finding(f, ino, "the list ends before it", "%s", wrong ? wrong : "can't be read");
            next_orphan_set(f, before, 0);
            break;
        }
        f->inodes[ino].orphan = true;
        f->inodes[ino].unnamed = i.nlink == 0;
    }
    for (ino = FS_ROOT_INO; ino < f->img->super.inodes; ino++) {
        if (!f->inodes[ino].has_next || f->inodes[ino].orphan)
            continue;
        finding(f, ino, "set to none", "names a next orphan, but is not on the list of orphans");
        next_orphan_set(f, ino, 0);
    }
}

// Cutting off what lies past a file's size: a truncation that was under way.

struct cut {
    struct fsck *f;
    u64 first;  // data block that goes
    u64 freed;
};

static bool slots_cut(struct cut *c, u64 *slots, u32 count, u32 level, u64 index)
{
    bool changed = false;

    for (u32 k = 0; k < count; k++, index += 1ull << 9 * level) {
        u64 below[FS_SLOTS_PER_BLOCK];
        if (!slots[k] || index + (1ull << 9 * level) <= c->first)
            continue;
        if (level > 0) {
            index_read(c->f, slots[k], below);
            bool cut = slots_cut(c, below, FS_SLOTS_PER_BLOCK, level - 1, index);
            if (index < c->first) {
                if (cut)
                    index_write(c->f, slots[k], below);
                continue;
            }
        }
        block_release(c->f, FS_SLOT_BLOCK(slots[k]));
        c->freed++;
        slots[k] = 0;
        changed = true;
    }
    return changed;
}

static void truncation_finish(struct fsck *f, u64 ino, struct fs_inode *i)
{
    struct cut c = { f, DIV_ROUND_UP(i->size, FS_BLOCK_SIZE), 0 };

    slots_cut(&c, i->slots, FS_ROOT_SLOTS, i->height, 0);
    i->blocks -= c.freed;
    i->next_orphan = 0;
    image_inode_store(f->img, ino, i);
    f->inodes[ino].orphan = false;
}

u64 orphans_reclaim(struct fsck *f)
{
    u64 count = 0, next;

    for (u64 ino = next_orphan(f, 0); ino; ino = next, count++) {
        struct fs_inode i;
        if (image_inode_load(f->img, ino, &i) != FS_OK)
            break;
        next = i.next_orphan;
        if (i.nlink)
            truncation_finish(f, ino, &i);
        else
            inode_clear(f, ino);
    }
    if (count)
        next_orphan_set(f, 0, 0);
    return count;
}
