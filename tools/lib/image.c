// A disk image: the file, and over it the blocks that were written or replayed.
#include "image.h"

#include <base/crc32c.h>
#include <base/string.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <lib/tool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct overlay_block {
    u64 block;
    u8 *bytes;  // NULL: a free place in the table
};

#define OVERLAY_FIRST_ROOM 64  // a power of two, as all later ones

bool image_open(struct image *img, const char *path, bool writable)
{
    struct stat st;

    *img = (struct image){ .path = path };
    img->fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    if (img->fd < 0 || fstat(img->fd, &st) != 0) {
        tool_error("%s: %s", path, strerror(errno));
        image_close(img);
        return false;
    }
    off_t size = S_ISBLK(st.st_mode) ? lseek(img->fd, 0, SEEK_END) : st.st_size;
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
        tool_error("%s: is neither a file nor a disk", path);
        image_close(img);
        return false;
    }
    if (writable && tool_machine_has(img->fd)) {
        tool_error("%s: %s", path, MACHINE_HAS_IT);
        image_close(img);
        return false;
    }
    img->disk_blocks = (u64)MAX(size, 0) / FS_BLOCK_SIZE;
    return true;
}

void image_close(struct image *img)
{
    for (size_t k = 0; k < img->overlay_room; k++)
        free(img->overlay[k].bytes);
    free(img->overlay);
    img->overlay = NULL;
    img->overlay_room = img->overlay_count = 0;
    if (img->fd >= 0)
        close(img->fd);
    img->fd = -1;
}

// The overlay: open addressing, at most half full.

static struct overlay_block *overlay_place(const struct image *img, u64 block)
{
    size_t mask = img->overlay_room - 1;
    size_t at = (size_t)(block * 0x9e3779b97f4a7c15ull >> 32) & mask;

    while (img->overlay[at].bytes && img->overlay[at].block != block)
        at = (at + 1) & mask;
    return &img->overlay[at];
}

static const u8 *overlay_find(const struct image *img, u64 block)
{
    return img->overlay_count ? overlay_place(img, block)->bytes : NULL;
}

static void overlay_widen(struct image *img)
{
    struct overlay_block *old = img->overlay;
    size_t old_room = img->overlay_room;

    img->overlay_room = old_room ? 2 * old_room : OVERLAY_FIRST_ROOM;
    img->overlay = tool_alloc(img->overlay_room, sizeof *img->overlay);
    for (size_t k = 0; k < old_room; k++)
        if (old[k].bytes)
            *overlay_place(img, old[k].block) = old[k];
    free(old);
}

void image_write(struct image *img, u64 block, const u8 bytes[FS_BLOCK_SIZE])
{
    if (2 * (img->overlay_count + 1) > img->overlay_room)
        overlay_widen(img);
    struct overlay_block *place = overlay_place(img, block);
    if (!place->bytes) {
        *place = (struct overlay_block){ block, tool_alloc(1, FS_BLOCK_SIZE) };
        img->overlay_count++;
    }
    memcpy(place->bytes, bytes, FS_BLOCK_SIZE);
}

void image_read(struct image *img, u64 block, u8 out[FS_BLOCK_SIZE])
{
    const u8 *bytes = overlay_find(img, block);
    size_t have = 0;

    if (bytes) {
        memcpy(out, bytes, FS_BLOCK_SIZE);
        return;
    }
    while (have < FS_BLOCK_SIZE) {
        ssize_t got = pread(img->fd, out + have, FS_BLOCK_SIZE - have, (off_t)(block * FS_BLOCK_SIZE + have));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            tool_error("%s: reading block %" PRIu64 ": %s", img->path, block, got ? strerror(errno) : "past the end");
            img->failed = true;
            memset(out, 0, FS_BLOCK_SIZE);
            return;
        }
        have += (size_t)got;
    }
}

u64 image_next_used(struct image *img, u64 block, u64 end)
{
    off_t at = lseek(img->fd, (off_t)(block * FS_BLOCK_SIZE), SEEK_DATA);
    u64 in_file = end;

    if (at >= 0)
        in_file = MIN((u64)at / FS_BLOCK_SIZE, end);
    else if (errno != ENXIO)  // ENXIO: holes up to the end. Else: it can't tell, so every block may be used.
        in_file = block;
    while (block < in_file && !overlay_find(img, block))
        block++;
    return block;
}

bool image_super_read(struct image *img, struct super_findings *out)
{
    u8 first[FS_BLOCK_SIZE], copy[FS_BLOCK_SIZE];
    struct fs_super from_copy;

    *out = (struct super_findings){ .first = FS_BAD_MAGIC, .copy = FS_BAD_MAGIC };
    if (img->disk_blocks < 2)
        return false;
    image_read(img, 0, first);
    out->first = fs_super_decode(first, img->disk_blocks, &img->super);

    u64 last = out->first ? img->disk_blocks - 1 : img->super.blocks - 1;
    image_read(img, last, copy);
    out->copy = fs_super_decode(copy, img->disk_blocks, &from_copy);
    if (!out->copy && from_copy.blocks - 1 != last)
        out->copy = FS_BAD_GEOMETRY;
    out->differ = !out->first && !out->copy && memcmp(first, copy, FS_BLOCK_SIZE) != 0;
    if (out->first && !out->copy)
        img->super = from_copy;
    return !img->failed && (!out->first || !out->copy);
}

// The journal. Positions count from 0 in the ring, which begins behind the head.

struct log {
    struct image *img;
    u64 ring;      // its size
    u64 position;  // of the next block to read
    u64 left;      // how many blocks may still be read
};

static bool log_read(struct log *l, u8 block[FS_BLOCK_SIZE], u64 *where)
{
    if (!l->left)
        return false;
    *where = l->img->super.journal_start + 1 + l->position;
    image_read(l->img, *where, block);
    l->position = (l->position + 1) % l->ring;
    l->left--;
    return true;
}

// One logged block: where its contents are, and where they belong.
struct logged {
    u64 from, home;
};

struct transaction {
    struct logged *blocks;
    size_t count, room;
    u32 crc;
};

// Read what a descriptor describes.
static bool transaction_extend(struct transaction *t, struct log *l, const struct fs_descriptor *d)
{
    u8 block[FS_BLOCK_SIZE];

    tool_grow((void **)&t->blocks, &t->room, t->count + d->count, sizeof *t->blocks);
    for (u32 k = 0; k < d->count; k++) {
        struct logged *b = &t->blocks[t->count];
        if (!log_read(l, block, &b->from))
            return false;
        b->home = d->home[k];
        t->count++;
        t->crc = crc32c(t->crc, block, FS_BLOCK_SIZE);
    }
    return true;
}

// Read the transaction at the log's position. False if it's not valid.
static bool transaction_read(struct transaction *t, struct log *l, u64 sequence)
{
    u8 block[FS_BLOCK_SIZE];
    struct fs_descriptor d;
    struct fs_commit c;
    u64 where;

    t->count = 0;
    t->crc = 0;
    while (log_read(l, block, &where)) {
        if (fs_descriptor_decode(block, &l->img->super, &d) == FS_OK) {
            if (d.sequence != sequence || !transaction_extend(t, l, &d))
                return false;
            continue;
        }
        return t->count && fs_commit_decode(block, &c) == FS_OK && c.sequence == sequence && c.blocks == t->count &&
               c.data_crc == t->crc;
    }
    return false;
}

void image_replay(struct image *img, struct replay *out)
{
    struct fs_journal_head head;
    struct transaction t = {};
    u8 block[FS_BLOCK_SIZE];

    *out = (struct replay){};
    image_read(img, img->super.journal_start, block);
    out->head = fs_journal_head_decode(block, &img->super, &head);
    if (out->head)
        return;

    u64 ring = img->super.journal_blocks - 1;
    struct log l = { img, ring, head.start, ring };
    u64 end = l.position;
    while (transaction_read(&t, &l, head.sequence + out->transactions)) {
        for (size_t k = 0; k < t.count; k++) {
            image_read(img, t.blocks[k].from, block);
            image_write(img, t.blocks[k].home, block);
        }
        out->transactions++;
        out->blocks += t.count;
        end = l.position;
    }
    free(t.blocks);
    // One number is left out: what an unfinished transaction left in the ring can never become part of another one.
    img->new_head = (struct fs_journal_head){ head.sequence + out->transactions + 1, end };
    img->head_changed = out->transactions > 0;
}

void image_journal_reset(struct image *img)
{
    const struct fs_super *s = &img->super;
    u64 highest = 0;
    u8 block[FS_BLOCK_SIZE];
    struct fs_descriptor d;
    struct fs_commit c;

    for (u64 b = s->journal_start + 1; b < s->journal_start + s->journal_blocks; b++) {
        image_read(img, b, block);
        if (fs_descriptor_decode(block, s, &d) == FS_OK)
            highest = MAX(highest, d.sequence);
        if (fs_commit_decode(block, &c) == FS_OK)
            highest = MAX(highest, c.sequence);
    }
    img->new_head = (struct fs_journal_head){ highest + 1, 0 };
    img->head_changed = true;
}

static bool file_write(struct image *img, u64 block, const u8 bytes[FS_BLOCK_SIZE])
{
    size_t done = 0;

    while (done < FS_BLOCK_SIZE) {
        ssize_t n = pwrite(img->fd, bytes + done, FS_BLOCK_SIZE - done, (off_t)(block * FS_BLOCK_SIZE + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            tool_error("%s: writing block %" PRIu64 ": %s", img->path, block, strerror(errno));
            img->failed = true;
            return false;
        }
        done += (size_t)n;
    }
    return true;
}

static bool file_sync(struct image *img)
{
    if (fsync(img->fd) == 0)
        return true;
    tool_error("%s: %s", img->path, strerror(errno));
    img->failed = true;
    return false;
}

bool image_flush(struct image *img)
{
    u8 block[FS_BLOCK_SIZE];

    for (size_t k = 0; k < img->overlay_room; k++)
        if (img->overlay[k].bytes && !file_write(img, img->overlay[k].block, img->overlay[k].bytes))
            return false;
    if (img->overlay_count && !file_sync(img))
        return false;
    if (!img->head_changed)
        return true;
    fs_journal_head_encode(&img->new_head, block);
    img->head_changed = false;
    return file_write(img, img->super.journal_start, block) && file_sync(img);
}

bool image_open_to_read(struct image *img, const char *path)
{
    struct super_findings super;
    struct replay replay;

    if (!image_open(img, path, false))
        return false;
    if (!image_super_read(img, &super)) {
        tool_error("%s: no Amber file system here: %s", path, fs_error_text(super.first));
        image_close(img);
        return false;
    }
    image_replay(img, &replay);
    if (replay.head)
        tool_error("%s: the journal is left aside: %s; fsck -y repairs it", path, fs_error_text(replay.head));
    return true;
}
