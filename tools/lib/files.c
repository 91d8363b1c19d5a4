// Reading files of an image. Nothing on the disk is believed: slots are checked, walks are bounded.
#include "files.h"

#include <base/byteorder.h>
#include <base/string.h>
#include <inttypes.h>
#include <lib/tool.h>

u64 inode_block(const struct fs_super *s, u64 ino)
{
    return s->inode_table_start + ino / FS_INODES_PER_BLOCK;
}

u32 inode_offset(u64 ino)
{
    return (u32)(ino % FS_INODES_PER_BLOCK) * FS_INODE_SIZE;
}

enum fs_error image_inode_load(struct image *img, u64 ino, struct fs_inode *out)
{
    u8 block[FS_BLOCK_SIZE];

    if (ino >= img->super.inodes)
        return FS_BAD_INO;
    image_read(img, inode_block(&img->super, ino), block);
    return fs_inode_decode(block + inode_offset(ino), ino, &img->super, out);
}

void image_inode_store(struct image *img, u64 ino, const struct fs_inode *inode)
{
    u8 block[FS_BLOCK_SIZE];

    image_read(img, inode_block(&img->super, ino), block);
    fs_inode_encode(inode, ino, block + inode_offset(ino));
    image_write(img, inode_block(&img->super, ino), block);
}

struct walk {
    struct image *img;
    file_block_fn *fn;
    void *arg;
    u64 left;  // blocks that may still be visited
};

static bool walk_slot(struct walk *w, u64 slot, u32 level, u64 index)
{
    u8 block[FS_BLOCK_SIZE];

    if (!slot || fs_slot_check(slot, level == 0, &w->img->super) != FS_OK)
        return true;
    if (!w->left--)
        return false;
    if (!w->fn(w->arg, index, slot, level))
        return false;
    if (level == 0)
        return true;
    image_read(w->img, FS_SLOT_BLOCK(slot), block);
    for (u64 k = 0; k < FS_SLOTS_PER_BLOCK; k++)
        if (!walk_slot(w, le64(block + 8 * k), level - 1, index + (k << 9 * (level - 1))))
            return false;
    return true;
}

void file_blocks(struct image *img, const struct fs_inode *inode, file_block_fn *fn, void *arg)
{
    struct walk w = { img, fn, arg, img->super.blocks };

    for (u64 k = 0; k < FS_ROOT_SLOTS; k++)
        if (!walk_slot(&w, inode->slots[k], inode->height, k << 9 * inode->height))
            return;
}

enum fs_error file_slot(struct image *img, const struct fs_inode *inode, u64 index, u64 *slot)
{
    u8 block[FS_BLOCK_SIZE];

    *slot = 0;
    if (index >= fs_height_blocks(inode->height))
        return FS_OK;
    u64 at = inode->slots[index >> 9 * inode->height];
    for (u32 level = inode->height; at && level > 0; level--) {
        enum fs_error e = fs_slot_check(at, false, &img->super);
        if (e)
            return e;
        image_read(img, at, block);
        at = le64(block + 8 * (index >> 9 * (level - 1) & (FS_SLOTS_PER_BLOCK - 1)));
    }
    enum fs_error e = fs_slot_check(at, true, &img->super);
    if (!e)
        *slot = at;
    return e;
}

enum fs_error file_block_read(struct image *img, const struct fs_inode *inode, u64 index, u8 out[FS_BLOCK_SIZE])
{
    u64 slot;
    enum fs_error e = file_slot(img, inode, index, &slot);

    if (e)
        return e;
    if (slot && !fs_slot_unwritten(slot))
        image_read(img, slot, out);
    else
        memset(out, 0, FS_BLOCK_SIZE);
    return FS_OK;
}

struct dir_walk {
    struct image *img;
    u64 slots;
    dir_slot_fn *fn;
    void *arg;
};

static bool dir_walk_block(void *arg, u64 index, u64 slot, u32 level)
{
    struct dir_walk *w = arg;
    u64 first = index * FS_DIRENTS_PER_BLOCK;
    u8 block[FS_BLOCK_SIZE];

    if (level > 0 || fs_slot_unwritten(slot))
        return true;
    if (first >= w->slots)
        return false;
    image_read(w->img, slot, block);
    for (u64 k = 0; k < FS_DIRENTS_PER_BLOCK && first + k < w->slots; k++) {
        struct fs_dirent d = {};
        enum fs_error e = fs_dirent_decode(block + k * FS_DIRENT_SIZE, &w->img->super, &d);
        if (!w->fn(w->arg, first + k, e, &d))
            return false;
    }
    return true;
}

void dir_slots(struct image *img, const struct fs_inode *dir, dir_slot_fn *fn, void *arg)
{
    struct dir_walk w = { img, dir->size / FS_DIRENT_SIZE, fn, arg };

    file_blocks(img, dir, dir_walk_block, &w);
}

struct name_search {
    const char *name;
    u64 ino;
};

static bool name_compare(void *arg, u64 slot, enum fs_error error, const struct fs_dirent *entry)
{
    struct name_search *s = arg;

    if (!error && entry->ino && strncmp(entry->name, s->name, FS_NAME_LEN) == 0)
        s->ino = entry->ino;
    return !s->ino;
}

u64 dir_find(struct image *img, const struct fs_inode *dir, const char *name)
{
    struct name_search s = { .name = name };

    dir_slots(img, dir, name_compare, &s);
    return s.ino;
}

bool path_find(struct image *img, const char *path, u64 *ino, struct fs_inode *out)
{
    const char *rest = path;
    enum fs_error e;

    *ino = FS_ROOT_INO;
    e = image_inode_load(img, *ino, out);
    while (!e) {
        char name[FS_NAME_LEN + 1];
        rest += strspn(rest, "/");
        if (!*rest)
            break;
        size_t n = strcspn(rest, "/");
        text_copy(name, rest, MIN(n, FS_NAME_LEN) + 1);
        rest += n;
        *ino = out->type == FS_DIR ? dir_find(img, out, name) : 0;
        if (!*ino) {
            tool_error("%s: there is no %s; `amberfs ls %s` shows what there is", img->path, path, img->path);
            return false;
        }
        e = image_inode_load(img, *ino, out);
    }
    if (!e && out->type == FS_FREE)
        e = FS_BAD_TYPE;
    if (e)
        tool_error("%s: %s: inode %" PRIu64 ": %s; fsck tells more", img->path, path, *ino, fs_error_text(e));
    return !e;
}
