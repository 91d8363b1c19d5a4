// The whole check: superblock, journal, then each part in its order, and the bitmaps at the end.
#include "fsck.h"

#include <base/string.h>
#include <inttypes.h>
#include <lib/tool.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>

#define RANGES_SHOWN 16  // of differences in a bitmap

// Paths. They are looked for only when there is something to tell.

void pending_push(struct fsck *f, u64 ino)
{
    tool_grow((void **)&f->pending, &f->pending_room, f->pending_count + 1, sizeof *f->pending);
    f->pending[f->pending_count++] = ino;
}

u64 pending_pop(struct fsck *f)
{
    return f->pending_count ? f->pending[--f->pending_count] : 0;
}

struct learn {
    struct fsck *f;
    u64 dir;
    u8 *seen;  // bit for each inode
    u64 *stack;
    size_t count, room;
};

static bool entry_learn(void *arg, u64 slot, enum fs_error error, const struct fs_dirent *entry)
{
    struct learn *l = arg;

    if (slot < 2 || error || !entry->ino || entry->ino == FS_ROOT_INO || l->seen[entry->ino / 8] >> entry->ino % 8 & 1)
        return true;
    l->seen[entry->ino / 8] |= (u8)(1 << entry->ino % 8);
    if (!l->f->inodes[entry->ino].parent)
        l->f->inodes[entry->ino].parent = (u32)l->dir;
    if (entry->type == FS_DIR) {
        tool_grow((void **)&l->stack, &l->room, l->count + 1, sizeof *l->stack);
        l->stack[l->count++] = entry->ino;
    }
    return true;
}

// Note who names whom, as far as names lead from the root on a disk that may be damaged.
static void paths_learn(struct fsck *f)
{
    struct learn l = { .f = f, .dir = FS_ROOT_INO, .seen = tool_alloc((size_t)f->img->super.inodes / 8 + 1, 1) };

    f->paths_known = true;
    for (;;) {
        struct fs_inode i;
        if (image_inode_load(f->img, l.dir, &i) == FS_OK && i.type == FS_DIR)
            dir_slots(f->img, &i, entry_learn, &l);
        if (!l.count)
            break;
        l.dir = l.stack[--l.count];
    }
    free(l.stack);
    free(l.seen);
}

struct name_of {
    u64 ino;
    char name[FS_NAME_LEN + 1];
};

static bool name_found(void *arg, u64 slot, enum fs_error error, const struct fs_dirent *entry)
{
    struct name_of *n = arg;

    if (slot < 2 || error || entry->ino != n->ino)
        return true;
    text_copy(n->name, entry->name, sizeof n->name);
    return false;
}

void path_of(struct fsck *f, u64 ino, char *out, size_t size)
{
    char path[PATH_MAX] = "", longer[PATH_MAX];

    if (!f->paths_known)
        paths_learn(f);
    if (ino == FS_ROOT_INO)
        text_copy(path, "/", sizeof path);
    for (u32 depth = 0; ino != FS_ROOT_INO && depth < PATH_MAX / 2; depth++) {
        struct name_of n = { .ino = ino };
        struct fs_inode dir;
        u64 parent = f->inodes[ino].parent;
        if (parent && image_inode_load(f->img, parent, &dir) == FS_OK && dir.type == FS_DIR)
            dir_slots(f->img, &dir, name_found, &n);
        if (!n.name[0]) {
            path[0] = 0;
            break;
        }
        if ((size_t)snprintf(longer, sizeof longer, "/%s%s", n.name, path) >= sizeof longer)
            break;
        text_copy(path, longer, sizeof path);
        ino = parent;
    }
    text_copy(out, path, size);
}

void finding(struct fsck *f, u64 ino, const char *remedy, const char *format, ...)
{
    char path[PATH_MAX];
    va_list ap;

    f->found++;
    if (ino) {
        path_of(f, ino, path, sizeof path);
        fprintf(f->out, path[0] ? "inode %" PRIu64 " (%s): " : "inode %" PRIu64 ": ", ino, path);
    }
    va_start(ap, format);
    vfprintf(f->out, format, ap);
    va_end(ap);
    fprintf(f->out, "; %s\n", remedy);
}

// Superblock and journal.

static bool super_check(struct fsck *f)
{
    struct super_findings found;
    u8 block[FS_BLOCK_SIZE];

    bool usable = image_super_read(f->img, &found);
    if (found.first == FS_BAD_VERSION) {
        tool_error("%s: %s; a later fsck may know it", f->img->path, fs_error_text(found.first));
        return false;
    }
    if (!usable) {
        tool_error("%s: no Amber file system: superblock: %s; its copy in the last block: %s", f->img->path,
                   fs_error_text(found.first), fs_error_text(found.copy));
        return false;
    }
    if (found.first)
        finding(f, 0, "the copy in the last block is good and takes its place", "superblock: %s",
                fs_error_text(found.first));
    else if (found.copy)
        finding(f, 0, "written anew from block 0", "copy of the superblock: %s", fs_error_text(found.copy));
    else if (found.differ)
        finding(f, 0, "written anew from block 0", "copy of the superblock: it differs from block 0");
    if (found.first || found.copy || found.differ) {
        fs_super_encode(&f->img->super, block);
        image_write(f->img, 0, block);
        image_write(f->img, f->img->super.blocks - 1, block);
    }
    return true;
}

static void journal_check(struct fsck *f)
{
    struct replay replay;

    image_replay(f->img, &replay);
    if (replay.head) {
        finding(f, 0, "emptied, and what it held is lost", "journal: the head: %s", fs_error_text(replay.head));
        image_journal_reset(f->img);
    } else if (replay.transactions) {
        fprintf(f->out, "journal: replayed %" PRIu64 " transactions of %" PRIu64 " blocks\n", replay.transactions,
                replay.blocks);
    }
}

// Bitmaps.

// A run of bits that are wrong in the same way.
struct range {
    struct fsck *f;
    const char *what;  // "block", "inode"
    u64 first, count;
    bool used;  // what they should say
    u32 shown;
};

static void range_end(struct range *r)
{
    const char *remedy = r->used ? "marked used" : "marked free";
    const char *wrong = r->used ? "in use, but marked free" : "free, but marked used";

    if (r->count && r->shown++ == RANGES_SHOWN)
        fprintf(r->f->out, "%s bitmap: and so on\n", r->what);
    if (r->count && r->shown <= RANGES_SHOWN) {
        if (r->count == 1)
            fprintf(r->f->out, "%s %" PRIu64 ": %s; %s\n", r->what, r->first, wrong, remedy);
        else
            fprintf(r->f->out, "%ss %" PRIu64 " to %" PRIu64 ": %s; %s\n", r->what, r->first, r->first + r->count - 1,
                    wrong, remedy);
    }
    r->f->found += r->count != 0;
    r->count = 0;
}

static void range_extend(struct range *r, u64 n, bool used)
{
    if (r->count && (r->first + r->count != n || r->used != used))
        range_end(r);
    if (!r->count) {
        r->first = n;
        r->used = used;
    }
    r->count++;
}

typedef void bitmap_block_fn(struct fsck *f, u64 base, u8 map[FS_BLOCK_SIZE]);

static void bitmap_check(struct fsck *f, const char *what, u64 start, u64 blocks, bitmap_block_fn *expect)
{
    struct range r = { .f = f, .what = what };
    u8 is[FS_BLOCK_SIZE], should[FS_BLOCK_SIZE];

    for (u64 b = 0; b < blocks; b++) {
        u64 base = b * FS_BITS_PER_BLOCK;
        memset(should, 0, sizeof should);
        expect(f, base, should);
        image_read(f->img, start + b, is);
        if (memcmp(is, should, sizeof is) == 0)
            continue;
        for (u32 k = 0; k < FS_BITS_PER_BLOCK; k++)
            if (fs_bit(is, k) != fs_bit(should, k))
                range_extend(&r, base + k, fs_bit(should, k));
        image_write(f->img, start + b, should);
    }
    range_end(&r);
}

static void blocks_expect(struct fsck *f, u64 base, u8 map[FS_BLOCK_SIZE])
{
    u64 blocks = f->img->super.blocks;

    if (base < blocks)
        memcpy(map, f->owned + base / 8, MIN(DIV_ROUND_UP(blocks - base, 8), FS_BLOCK_SIZE));
    for (u64 n = MAX(base, blocks); n < base + FS_BITS_PER_BLOCK; n++)
        fs_bit_set(map, (u32)(n - base));
}

static void inodes_expect(struct fsck *f, u64 base, u8 map[FS_BLOCK_SIZE])
{
    for (u32 k = 0; k < FS_BITS_PER_BLOCK; k++)
        if (base + k == 0 || base + k >= f->img->super.inodes || f->inodes[base + k].type != FS_FREE)
            fs_bit_set(map, k);
}

void bitmaps_check(struct fsck *f)
{
    const struct fs_super *s = &f->img->super;

    bitmap_check(f, "block", s->block_bitmap_start, s->block_bitmap_blocks, blocks_expect);
    bitmap_check(f, "inode", s->inode_bitmap_start, s->inode_bitmap_blocks, inodes_expect);
}

static void owned_prepare(struct fsck *f)
{
    const struct fs_super *s = &f->img->super;

    for (u64 b = 0; b < s->data_start; b++)
        f->owned[b / 8] |= (u8)(1 << (b % 8));
    f->owned[(s->blocks - 1) / 8] |= (u8)(1 << ((s->blocks - 1) % 8));
}

static void result_count(const struct fsck *f, struct fsck_result *r)
{
    const struct fs_super *s = &f->img->super;

    r->found = f->found;
    r->left = f->left;
    for (u64 ino = FS_ROOT_INO; ino < s->inodes; ino++)
        r->inodes_used += f->inodes[ino].type != FS_FREE;
    for (u64 b = s->data_start; b < s->blocks - 1; b++)
        r->blocks_used += f->owned[b / 8] >> (b % 8) & 1;
}

bool fsck_run(struct image *img, bool reclaim, FILE *out, struct fsck_result *result)
{
    struct fsck f = { .img = img, .out = out };

    *result = (struct fsck_result){};
    if (!super_check(&f))
        return false;
    f.inodes = tool_alloc((size_t)img->super.inodes, sizeof *f.inodes);
    f.owned = tool_alloc((size_t)DIV_ROUND_UP(img->super.blocks, 8), 1);
    owned_prepare(&f);
    journal_check(&f);
    inodes_check(&f);
    orphans_check(&f);
    directories_check(&f);
    links_check(&f);
    bitmaps_check(&f);
    if (reclaim)
        result->orphans = orphans_reclaim(&f);
    result_count(&f, result);
    free(f.inodes);
    free(f.owned);
    free(f.pending);
    return true;
}
