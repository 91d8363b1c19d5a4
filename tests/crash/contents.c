// Rules for /w, by a name's first letter (storm.c writes them):
//
//     a, b, l, f   appended: every sector within the size is right
//     o            overwritten in place: every sector is right, of one round or another
//     r            replaced by rename: whole, all sectors of one round, as long as they say
//     z            truncated and with holes: every sector is right or zeros
//     n            one file that wanders from name to name: it is there once, when it was there before
//
// Sectors of one file carry one number, so one that is stale or another file's is seen. Elsewhere, *.img are
// checkpoints, whole at any moment; other files outside /w are as they were at the beginning.
#include "contents.h"
#include "saved.h"
#include "sector.h"
#include <base/crc32c.h>
#include <inttypes.h>
#include <lib/tool.h>
#include <stdlib.h>

#define PATH_SIZE 256

enum what { EXISTS, ABSENT, SIZE, ROUND, IMAGE };
static const char *const what_names[] = { "exists", "absent", "size", "round", "image" };

struct expectation {
    u64 from, until, value;
    enum what what;
    char path[PATH_SIZE];
};

// A file outside /w as it was.
struct old_file {
    char path[PATH_SIZE];
    u64 size;
    u32 crc;
};

struct contents {
    struct expectation *expectations;
    size_t expectation_count, expectation_room;
    struct old_file *old;
    size_t old_count, old_room;
    u64 wanderer_since;  // entries after which the file that wanders must be there
};

// One look at one disk.
struct look {
    struct contents *c;
    struct image *img;
    FILE *out;
    u64 wrong;
    u64 wanderers;
    bool learning;
    char path[PATH_SIZE];
};

static void PRINTF_LIKE(2, 3) complain(struct look *l, const char *format, ...)
{
    va_list ap;

    fprintf(l->out, "  %s: ", l->path);
    va_start(ap, format);
    vfprintf(l->out, format, ap);
    va_end(ap);
    fputc('\n', l->out);
    l->wrong++;
}

// Storms' files.

struct sectors {
    u64 count;
    u32 file, length, oldest, newest;
};

static bool is_zeros(const void *bytes, size_t n)
{
    static const u8 zeros[FS_BLOCK_SIZE];

    return memcmp(bytes, zeros, n) == 0;
}

static bool sector_look(struct look *l, const struct sector *s, u64 index, struct sectors *seen)
{
    if (!sector_is_whole(s)) {
        complain(l, "sector %" PRIu64 " is %s", index,
                 is_zeros(s, SECTOR_SIZE) ? "zeros" : "not what was ever written");
        return false;
    }
    if (!seen->count++)
        *seen = (struct sectors){ 1, s->file, s->length, s->round, s->round };
    if (s->file != seen->file || s->index != index || s->length != seen->length) {
        complain(l, "sector %" PRIu64 " is sector %u of file %x, not of %x", index, s->index, s->file, seen->file);
        return false;
    }
    seen->oldest = MIN(seen->oldest, s->round);
    seen->newest = MAX(seen->newest, s->round);
    return true;
}

/* Look at all whole sectors within the size. False: something is wrong, and was told. */
static bool sectors_look(struct look *l, const struct fs_inode *i, bool zeros_allowed, struct sectors *seen)
{
    u8 block[FS_BLOCK_SIZE];

    *seen = (struct sectors){};
    for (u64 index = 0; index < i->size / SECTOR_SIZE; index++) {
        u64 in_block = index % (FS_BLOCK_SIZE / SECTOR_SIZE);
        enum fs_error e = in_block ? FS_OK : file_block_read(l->img, i, index / (FS_BLOCK_SIZE / SECTOR_SIZE), block);
        if (e) {
            complain(l, "%s", fs_error_text(e));
            return false;
        }
        const struct sector *s = (const struct sector *)(block + in_block * SECTOR_SIZE);
        if (!(zeros_allowed && is_zeros(s, SECTOR_SIZE)) && !sector_look(l, s, index, seen))
            return false;
    }
    return true;
}

static void storm_file_look(struct look *l, const char *name, const struct fs_inode *i)
{
    struct sectors seen;

    l->wanderers += name[0] == 'n';
    if (!sectors_look(l, i, name[0] == 'z', &seen))
        return;
    if (name[0] == 'r' && (seen.oldest != seen.newest || !seen.length || seen.length * SECTOR_SIZE != i->size))
        complain(l, "not whole: %" PRIu64 " bytes of %u sectors, rounds %u to %u", i->size, seen.length, seen.oldest,
                 seen.newest);
}

// Images and old files.

/* When the image was made; 0: it's not whole, which was told. */
static u64 image_look(struct look *l, const struct fs_inode *i)
{
    u64 made, at;
    enum ckpt_error e = saved_verify(l->img, i, &made, &at);

    if (!e)
        return made;
    complain(l, "the image is not whole: %s (at byte %" PRIu64 ")", ckpt_error_text(e), at);
    return 0;
}

static u32 crc_of(struct look *l, const struct fs_inode *i)
{
    u8 block[FS_BLOCK_SIZE];
    u32 crc = 0;

    for (u64 at = 0; at < i->size; at += FS_BLOCK_SIZE) {
        enum fs_error e = file_block_read(l->img, i, at / FS_BLOCK_SIZE, block);
        if (e) {
            complain(l, "%s", fs_error_text(e));
            break;
        }
        crc = crc32c(crc, block, MIN(i->size - at, FS_BLOCK_SIZE));
    }
    return crc;
}

static void old_file_learn(struct look *l, const struct fs_inode *i)
{
    struct contents *c = l->c;

    tool_grow((void **)&c->old, &c->old_room, c->old_count + 1, sizeof(*c->old));
    struct old_file *o = &c->old[c->old_count++];
    *o = (struct old_file){ .size = i->size, .crc = crc_of(l, i) };
    strcpy(o->path, l->path);
}

// Walking.

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);

    return n >= m && strcmp(text + n - m, end) == 0;
}

static void file_look(struct look *l, const char *name, const struct fs_inode *i)
{
    bool storm = strncmp(l->path, "/w/", 3) == 0, image = ends_with(name, ".img");

    if (l->learning && !storm && !image)
        old_file_learn(l, i);
    else if (!l->learning && storm)
        storm_file_look(l, name, i);
    else if (!l->learning && image)
        (void)image_look(l, i);
}

static bool entry_look(void *arg, u64 slot, enum fs_error error, const struct fs_dirent *entry)
{
    struct look *l = arg;
    struct fs_inode i;
    size_t length = strlen(l->path);

    if (slot < 2 || !entry->ino)
        return true;
    snprintf(l->path + length, sizeof(l->path) - length, "%s%s", length > 1 ? "/" : "", entry->name);
    enum fs_error e = error ? error : image_inode_load(l->img, entry->ino, &i);
    if (e)
        complain(l, "%s", fs_error_text(e));
    else if (i.type == FS_DIR)
        dir_slots(l->img, &i, entry_look, l);
    else if (i.type == FS_FILE)
        file_look(l, entry->name, &i);
    l->path[length] = 0;
    return true;
}

static void walk(struct look *l)
{
    struct fs_inode root;

    strcpy(l->path, "/");
    if (image_inode_load(l->img, FS_ROOT_INO, &root))
        complain(l, "there is no root");
    else
        dir_slots(l->img, &root, entry_look, l);
}

// Looking for one path, without a message when it's not there.
static bool find(struct image *img, const char *path, struct fs_inode *out)
{
    char copy[PATH_SIZE];
    u64 ino = FS_ROOT_INO;

    strcpy(copy, path);
    if (image_inode_load(img, ino, out))
        return false;
    for (char *name = strtok(copy, "/"); name; name = strtok(NULL, "/")) {
        ino = out->type == FS_DIR ? dir_find(img, out, name) : 0;
        if (!ino || image_inode_load(img, ino, out))
            return false;
    }
    return true;
}

// Expectations.

static enum what what_of(const char *name)
{
    for (enum what w = 0; w < ARRAY_SIZE(what_names); w++)
        if (strcmp(name, what_names[w]) == 0)
            return w;
    tool_error("%s: nobody knows how to expect that", name);
    exit(2);
}

static void expectations_read(struct contents *c, const char *path)
{
    FILE *in = fopen(path, "r");
    struct expectation e = {};
    char line[512], what[32];

    if (!in) {
        perror(path);
        exit(2);
    }
    while (fgets(line, sizeof(line), in)) {
        e.value = 0;
        if (sscanf(line, "%" SCNu64 " %" SCNu64 " %31s %255s %" SCNu64, &e.from, &e.until, what, e.path, &e.value) < 4)
            continue;
        e.what = what_of(what);
        tool_grow((void **)&c->expectations, &c->expectation_room, c->expectation_count + 1, sizeof(e));
        c->expectations[c->expectation_count++] = e;
        if (strcmp(e.path, "/w/n0") == 0 && e.what == EXISTS && !c->wanderer_since)
            c->wanderer_since = e.from;
    }
    fclose(in);
}

struct contents *contents_create(struct image *img, const char *expectations)
{
    struct contents *c = tool_alloc(1, sizeof(*c));
    struct look l = { .c = c, .img = img, .out = stdout, .learning = true };

    walk(&l);
    expectations_read(c, expectations);
    return c;
}

bool contents_wants(const struct contents *c, u64 entries)
{
    for (size_t k = 0; k < c->expectation_count; k++)
        if (c->expectations[k].what == IMAGE && c->expectations[k].from == entries)
            return true;
    return false;
}

void contents_learn(struct contents *c, struct image *img, u64 entries)
{
    struct look l = { .c = c, .img = img, .out = stdout };
    struct fs_inode i;

    for (size_t k = 0; k < c->expectation_count; k++) {
        struct expectation *e = &c->expectations[k];
        if (e->what != IMAGE || e->from != entries)
            continue;
        strcpy(l.path, e->path);
        // 1: whatever is there must be whole. An image that is not there, or not whole, is told when states are
        // checked.
        e->value = find(img, e->path, &i) ? MAX(image_look(&l, &i), 1) : 1;
        for (size_t before = 0; before < k; before++)
            if (c->expectations[before].what == IMAGE && strcmp(c->expectations[before].path, e->path) == 0 &&
                e->value > 1 && c->expectations[before].value >= e->value)
                e->value = UINT64_MAX;  // reported as saved anew, but the old one is there: nothing can be good enough
    }
}

static void expectation_check(struct look *l, const struct expectation *e)
{
    struct fs_inode i;
    struct sectors seen;
    bool there = find(l->img, e->path, &i);

    strcpy(l->path, e->path);
    if (there == (e->what == ABSENT)) {
        complain(l, there ? "is still there" : "is not there, but was durable");
        return;
    }
    if (e->what == SIZE && i.size < e->value)
        complain(l, "%" PRIu64 " bytes, but %" PRIu64 " were durable", i.size, e->value);
    if (e->what == ROUND && sectors_look(l, &i, false, &seen) && seen.oldest < e->value)
        complain(l, "has a sector of round %u, but round %" PRIu64 " was durable", seen.oldest, e->value);
    if (e->what == IMAGE && image_look(l, &i) < e->value)
        complain(l, "an older image than the one that was durable");
}

static void old_files_check(struct look *l)
{
    struct fs_inode i;

    for (size_t k = 0; k < l->c->old_count; k++) {
        const struct old_file *o = &l->c->old[k];
        strcpy(l->path, o->path);
        if (!find(l->img, o->path, &i))
            complain(l, "is gone, and nobody touched it");
        else if (i.size != o->size || crc_of(l, &i) != o->crc)
            complain(l, "is another one, and nobody touched it");
    }
}

u64 contents_check(struct contents *c, struct image *img, u64 entries, FILE *out)
{
    struct look l = { .c = c, .img = img, .out = out };

    walk(&l);
    strcpy(l.path, "/w");
    if (l.wanderers > 1 || (!l.wanderers && c->wanderer_since && entries >= c->wanderer_since))
        complain(&l, "the file that wanders has %" PRIu64 " names", l.wanderers);
    old_files_check(&l);
    for (size_t k = 0; k < c->expectation_count; k++) {
        const struct expectation *e = &c->expectations[k];
        if (entries >= e->from && (!e->until || entries <= e->until))
            expectation_check(&l, e);
    }
    return l.wrong;
}
