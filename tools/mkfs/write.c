// Writing an image. Blocks and inodes are handed out in ascending order, each file's data in one piece followed by its
// index blocks.
#include "write.h"

#include <base/byteorder.h>
#include <base/crc32c.h>
#include <base/string.h>
#include <errno.h>
#include <fcntl.h>
#include <lib/tool.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#define CHUNK_BLOCKS 256  // read at a time

struct writer {
    int fd;
    const char *path;  // for messages
    struct fs_super super;
    u64 next_block;  // all data blocks below are used
    u64 next_ino;
    u64 now;
};

// The contents of one file on its way: where its blocks are.
struct contents {
    u64 *slots;
    size_t count, room;
    u64 blocks;  // used
};

static bool write_at(struct writer *w, u64 offset, const void *bytes, size_t n)
{
    const u8 *from = bytes;

    while (n) {
        ssize_t done = pwrite(w->fd, from, n, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            tool_error("%s: writing: %s", w->path, done < 0 ? strerror(errno) : "no space");
            return false;
        }
        from += done;
        offset += (u64)done;
        n -= (size_t)done;
    }
    return true;
}

static bool block_write(struct writer *w, u64 block, const u8 *bytes, size_t count)
{
    return write_at(w, block * FS_BLOCK_SIZE, bytes, count * FS_BLOCK_SIZE);
}

static bool blocks_take(struct writer *w, u64 count, const struct node *n, u64 *first)
{
    char path[PATH_MAX];

    if (count > w->super.blocks - 1 - w->next_block) {
        node_path(n, path, sizeof path);
        tool_error("%s: the disk of %ju blocks is full at %s%s%s; give it a larger size with -s", w->path,
                   (uintmax_t)w->super.blocks, path, n->source ? ", from " : "", n->source ? n->source : "");
        return false;
    }
    *first = w->next_block;
    w->next_block += count;
    return true;
}

// Append blocks to the contents: runs of non-zero ones are written, the others become holes.
static bool contents_append(struct writer *w, struct contents *c, const struct node *n, const u8 *bytes, size_t count)
{
    tool_grow((void **)&c->slots, &c->room, c->count + count, sizeof *c->slots);
    for (size_t k = 0; k < count;) {
        size_t run = 0;
        u64 first;
        while (k + run < count && !memory_is_zero(bytes + (k + run) * FS_BLOCK_SIZE, FS_BLOCK_SIZE))
            run++;
        if (run == 0) {
            c->slots[c->count++] = 0;
            k++;
            continue;
        }
        if (!blocks_take(w, run, n, &first) || !block_write(w, first, bytes + k * FS_BLOCK_SIZE, run))
            return false;
        for (size_t j = 0; j < run; j++)
            c->slots[c->count++] = first + j;
        c->blocks += run;
        k += run;
    }
    return true;
}

// Replace the slots by those of one level of index blocks above them.
static bool contents_raise(struct writer *w, struct contents *c, const struct node *n)
{
    u8 block[FS_BLOCK_SIZE];
    size_t above = DIV_ROUND_UP(c->count, FS_SLOTS_PER_BLOCK);

    for (size_t k = 0; k < above; k++) {
        u64 any = 0, where = 0;
        memset(block, 0, sizeof block);
        for (size_t j = 0; j < FS_SLOTS_PER_BLOCK && k * FS_SLOTS_PER_BLOCK + j < c->count; j++) {
            u64 slot = c->slots[k * FS_SLOTS_PER_BLOCK + j];
            put_le64(block + 8 * j, slot);
            any |= slot;
        }
        if (any) {
            if (!blocks_take(w, 1, n, &where) || !block_write(w, where, block, 1))
                return false;
            c->blocks++;
        }
        c->slots[k] = where;
    }
    c->count = above;
    return true;
}

static bool contents_finish(struct writer *w, struct contents *c, const struct node *n, struct fs_inode *inode)
{
    while (fs_height_blocks(inode->height) < c->count && inode->height < FS_MAX_HEIGHT)
        inode->height++;
    for (u32 level = 0; level < inode->height; level++)
        if (!contents_raise(w, c, n))
            return false;
    for (size_t k = 0; k < c->count; k++)
        inode->slots[k] = c->slots[k];
    inode->blocks = c->blocks;
    return true;
}

static bool inode_write(struct writer *w, const struct fs_inode *inode, u64 ino)
{
    u8 bytes[FS_INODE_SIZE];

    fs_inode_encode(inode, ino, bytes);
    return write_at(w, w->super.inode_table_start * FS_BLOCK_SIZE + ino * FS_INODE_SIZE, bytes, sizeof bytes);
}

static ssize_t read_full(int fd, u8 *bytes, size_t n)
{
    size_t have = 0;

    while (have < n) {
        ssize_t got = read(fd, bytes + have, n - have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        have += (size_t)got;
    }
    return (ssize_t)have;
}

static bool file_copy(struct writer *w, const struct node *n, int fd, u8 *chunk, struct contents *c, u64 *size)
{
    const size_t chunk_size = (size_t)CHUNK_BLOCKS * FS_BLOCK_SIZE;
    ssize_t got;

    do {
        got = read_full(fd, chunk, chunk_size);
        if (got < 0) {
            tool_error("%s: reading: %s", n->source, strerror(errno));
            return false;
        }
        size_t blocks = DIV_ROUND_UP((size_t)got, FS_BLOCK_SIZE);
        memset(chunk + got, 0, blocks * FS_BLOCK_SIZE - (size_t)got);
        *size += (u64)got;
        if (!contents_append(w, c, n, chunk, blocks))
            return false;
    } while ((size_t)got == chunk_size);
    return true;
}

static bool file_write(struct writer *w, const struct node *n, struct fs_inode *inode)
{
    struct contents c = {};
    int fd = open(n->source, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        tool_error("%s: %s", n->source, strerror(errno));
        return false;
    }
    u8 *chunk = tool_alloc(CHUNK_BLOCKS, FS_BLOCK_SIZE);
    bool ok = file_copy(w, n, fd, chunk, &c, &inode->size) && contents_finish(w, &c, n, inode);
    free(chunk);
    free(c.slots);
    close(fd);
    return ok;
}

static void entry_put(u8 *bytes, const char *name, u64 ino, u16 type)
{
    struct fs_dirent d = { .ino = ino, .type = (u8)type, .len = (u8)strlen(name) };

    memcpy(d.name, name, d.len);
    fs_dirent_encode(&d, bytes);
}

static bool dir_write(struct writer *w, const struct node *dir, struct fs_inode *inode)
{
    struct contents c = {};
    size_t slots = 2, at = 2;

    for (const struct node *n = dir->children; n; n = n->next)
        slots++;
    size_t blocks = DIV_ROUND_UP(slots, FS_DIRENTS_PER_BLOCK);
    u8 *bytes = tool_alloc(blocks, FS_BLOCK_SIZE);
    entry_put(bytes, ".", dir->ino, FS_DIR);
    entry_put(bytes + FS_DIRENT_SIZE, "..", dir->parent->ino, FS_DIR);
    for (const struct node *n = dir->children; n; n = n->next)
        entry_put(bytes + FS_DIRENT_SIZE * at++, n->name, n->ino, n->type);

    inode->size = slots * FS_DIRENT_SIZE;
    inode->parent = dir->parent->ino;
    for (const struct node *n = dir->children; n; n = n->next)
        inode->nlink += n->type == FS_DIR;
    bool ok = contents_append(w, &c, dir, bytes, blocks) && contents_finish(w, &c, dir, inode);
    free(c.slots);
    free(bytes);
    return ok;
}

static void inos_assign(struct writer *w, struct node *n)
{
    n->ino = w->next_ino++;
    for (struct node *child = n->children; child; child = child->next)
        inos_assign(w, child);
}

static bool nodes_write(struct writer *w, const struct node *n)
{
    struct fs_inode inode = {
        .type = n->type,
        .nlink = 1,
        .generation = 1,
        .mtime_ns = w->now,
        .ctime_ns = w->now,
    };

    bool ok = n->type == FS_DIR ? dir_write(w, n, &inode) : file_write(w, n, &inode);
    if (!ok || !inode_write(w, &inode, n->ino))
        return false;
    for (const struct node *child = n->children; child; child = child->next)
        if (!nodes_write(w, child))
            return false;
    return true;
}

// Write the bitmap of `total` bits whose bits below `used`, and from `total` on, are set, and one more if it's not 0.
// Zero blocks stay holes.
static bool bitmap_write(struct writer *w, u64 start, u64 blocks, u64 used, u64 total, u64 one_more)
{
    u8 map[FS_BLOCK_SIZE];

    for (u64 b = 0; b < blocks; b++) {
        u64 base = b * FS_BITS_PER_BLOCK;
        memset(map, 0, sizeof map);
        for (u32 k = 0; k < FS_BITS_PER_BLOCK; k++)
            if (base + k < used || base + k >= total || (one_more && base + k == one_more))
                fs_bit_set(map, k);
        if (!memory_is_zero(map, sizeof map) && !block_write(w, start + b, map, 1))
            return false;
    }
    return true;
}

static bool metadata_write(struct writer *w)
{
    const struct fs_super *s = &w->super;
    struct fs_journal_head head = { .sequence = 1, .start = 0 };
    struct fs_inode none = {};
    u8 block[FS_BLOCK_SIZE];

    if (!inode_write(w, &none, 0) ||
        !bitmap_write(w, s->block_bitmap_start, s->block_bitmap_blocks, w->next_block, s->blocks, s->blocks - 1) ||
        !bitmap_write(w, s->inode_bitmap_start, s->inode_bitmap_blocks, w->next_ino, s->inodes, 0))
        return false;
    fs_journal_head_encode(&head, block);
    if (!block_write(w, s->journal_start, block, 1))
        return false;
    fs_super_encode(s, block);
    return block_write(w, 0, block, 1) && block_write(w, s->blocks - 1, block, 1);
}

// A UUID of version 4 (random), or of version 8 (RFC 9562) out of the disk's own figures when the image is to be
// reproducible.
static bool uuid_make(struct fs_super *s, bool fixed)
{
    if (fixed) {
        u64 seed[] = { s->created_ns, s->blocks, s->inodes, s->journal_blocks };
        u32 crc = 0;
        for (u32 k = 0; k < 4; k++) {
            crc = crc32c(crc, seed, sizeof seed);
            put_le32(s->uuid + 4 * k, crc);
        }
    } else if (getrandom(s->uuid, sizeof s->uuid, 0) != sizeof s->uuid) {
        tool_error("no random numbers: %s", strerror(errno));
        return false;
    }
    s->uuid[6] = (u8)((s->uuid[6] & 0x0f) | (fixed ? 0x80 : 0x40));
    s->uuid[8] = (u8)((s->uuid[8] & 0x3f) | 0x80);
    return true;
}

static bool layout_plan(struct writer *w, const struct tree *t, u64 size, u64 inodes, u64 journal_blocks)
{
    bool fixed;

    if (journal_blocks && journal_blocks < FS_JOURNAL_MIN) {
        tool_error("%s: a journal of %ju blocks is too small; it needs %d", w->path, (uintmax_t)journal_blocks,
                   FS_JOURNAL_MIN);
        return false;
    }
    if (fs_super_plan(size / FS_BLOCK_SIZE, inodes, journal_blocks, &w->super)) {
        tool_error("%s: %ju bytes cannot hold the journal, the inodes and any data; give another size with -s", w->path,
                   (uintmax_t)size);
        return false;
    }
    if (t->count + 1 > w->super.inodes) {
        tool_error("%s: %ju files and directories need more than the %ju inodes; ask for more with -i %ju", w->path,
                   (uintmax_t)t->count, (uintmax_t)w->super.inodes, (uintmax_t)t->count + 1);
        return false;
    }
    w->now = w->super.created_ns = tool_now(&fixed);
    w->next_block = w->super.data_start;
    w->next_ino = FS_ROOT_INO;
    return uuid_make(&w->super, fixed);
}

static bool image_fill(struct writer *w, struct tree *t)
{
    if (ftruncate(w->fd, (off_t)(w->super.blocks * FS_BLOCK_SIZE)) != 0) {
        tool_error("%s: cannot make it %ju bytes long: %s", w->path, (uintmax_t)w->super.blocks * FS_BLOCK_SIZE,
                   strerror(errno));
        return false;
    }
    inos_assign(w, &t->root);
    return nodes_write(w, &t->root) && metadata_write(w);
}

// Where the image grows until it's whole.
static bool temporary_create(struct writer *w, char *temporary, size_t size)
{
    snprintf(temporary, size, "%s.%ld.tmp", w->path, (long)getpid());
    w->fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (w->fd < 0)
        tool_error("%s: %s", temporary, strerror(errno));
    return w->fd >= 0;
}

bool mkfs_write(struct tree *t, const char *path, u64 size, u64 inodes, u64 journal_blocks, struct mkfs_result *out)
{
    struct writer w = { .path = path, .fd = -1 };
    char temporary[PATH_MAX];

    if (!layout_plan(&w, t, size, inodes, journal_blocks) || !temporary_create(&w, temporary, sizeof temporary))
        return false;
    bool ok = image_fill(&w, t);
    if (close(w.fd) != 0 || (ok && rename(temporary, path) != 0)) {
        tool_error("%s: %s", path, strerror(errno));
        ok = false;
    }
    if (!ok) {
        unlink(temporary);
        return false;
    }
    *out = (struct mkfs_result){
        .super = w.super,
        .blocks_used = w.next_block - w.super.data_start,
        .inodes_used = t->count,
    };
    return true;
}
