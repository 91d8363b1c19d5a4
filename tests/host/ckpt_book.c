// Models of image files, and comparing them with files.
#include "ckpt_book.h"
#include "image.h"
#include "memo.h"
#include <base/crc32c.h>
#include <base/format.h>
#include <base/string.h>
#include <stdarg.h>
#include <stdlib.h>
#include <uapi/checkpoint.h>
#include <uapi/errno.h>
#include <uapi/fcntl.h>

#define STILLS_MAX 1000

static struct image_model *images[EVENTS_MAX];
static struct epoch_model *epochs[EVENTS_MAX * 4];
static u32 image_count, epoch_count;

// A file that didn't change between two places in the log.
static struct still {
    int pid;  // its family's
    u32 number;
    size_t from, to;
    u64 size, changes;
    u32 crc;
} stills[STILLS_MAX];
static u32 still_count;

void book_init(struct book *b, const char *path)
{
    memset(b, 0, sizeof(*b));
    text_copy(b->path, path, sizeof(b->path));
    *book_event(b, NULL, NULL) = (struct event){ .gone = SIZE_MAX };
}

void books_free(void)
{
    while (image_count)
        free(images[--image_count]);
    while (epoch_count)
        free(epochs[--epoch_count]);
    still_count = 0;
}

struct image_model *image_model_create(void)
{
    CHECK(image_count < ARRAY_SIZE(images));
    return images[image_count++] = calloc(1, sizeof(struct image_model));
}

struct epoch_model *epoch_model_create(void)
{
    CHECK(epoch_count < ARRAY_SIZE(epochs));
    return epochs[epoch_count++] = calloc(1, sizeof(struct epoch_model));
}

struct event *book_event(struct book *b, struct image_model *image, struct epoch_model *epoch)
{
    struct event *e = &b->events[b->event_count++];

    CHECK(b->event_count < EVENTS_MAX);
    *e = (struct event){ crash_log.count, SIZE_MAX, SIZE_MAX, image, epoch };
    return e;
}

static bool is_carried(const struct data *d, u32 flags)
{
    struct inode_identity id;

    if (!d->file)
        return false;
    inode_identify(file_inode(d->file), &id);
    CHECK(id.size == d->size);
    return id.nlink == 0 || flags & CKPT_SAVE_CONTENTS;
}

static void take_content(struct content_model *m, const struct data *d)
{
    static const u8 zeros[4096];

    struct inode_identity id;

    inode_identify(file_inode(d->file), &id);
    m->ino = id.ino;
    for (u32 i = 0; i * 4096 < d->size; i++)
        if (memcmp(d->bytes + i * 4096, zeros, 4096) != 0)
            m->crc[i] = ckpt_page_checksum(CKPT_FEATURES, d->bytes + i * 4096);
}

void epoch_model_take(struct epoch_model *m, const struct household *h, u32 count, u32 flags)
{
    m->processes = count;
    m->pipes = 1;
    m->pipe_crc = h->pipe_crc;
    m->spaces = household_memory(h, count, m->space);
    for (u32 i = 0; i < DATA_MAX; i++)
        if (is_carried(&h->data[i], flags))
            take_content(&m->content[m->contents++], &h->data[i]);
}

// ---- comparing

struct checker {
    const struct crash *crash;
    const char *path;
    struct image image;
    struct ckpt_verifier verifier;
    struct ckpt_walk walk;
    bool *used;  // blocks
    u32 used_count;
};

static _Noreturn PRINTF_LIKE(2, 3) void wrong(const struct crash *c, const char *format, ...)
{
    char text[200];
    va_list ap;

    va_start(ap, format);
    (void)format_text_va(text, sizeof(text), format, ap);
    va_end(ap);
    if (c)
        crash_fail(c, "%s", text);
    host_fail("%s", text);
}

static _Noreturn void refused(const struct checker *k, enum ckpt_error error, u64 epoch, u64 at)
{
    wrong(k->crash, "epoch %llu: %s at byte %llu", (unsigned long long)epoch, ckpt_error_text(error),
          (unsigned long long)at);
}

// Each page of the tree has the checksum that the model says, and the verifier found that it has that.
static void check_tree(struct checker *k, u64 epoch, const struct ckpt_tree *tree, u32 count, u32 (*page_of)(u32 i),
                       u32 (*crc_of)(const void *ctx, u32 i), const void *ctx)
{
    struct ckpt_page page;
    enum ckpt_error error = ckpt_walk_begin(&k->walk, &k->verifier.reader, tree);
    u32 at = 0;

    do {
        if (!error)
            error = ckpt_walk_next(&k->walk, &page);
        if (error)
            refused(k, error, epoch, k->walk.failed_at);
        while (at < count && (page.block ? page_of(at) < page.index : true) && !crc_of(ctx, at))
            at++;
        if (page.block ? at == count || page_of(at) != page.index || crc_of(ctx, at) != page.crc : at < count)
            wrong(k->crash, "epoch %llu: page %llu isn't what it was", (unsigned long long)epoch,
                  (unsigned long long)(at < count ? page_of(at) : page.index));
        at++;
    } while (page.block);
}

static u32 space_crc(const void *ctx, u32 i)
{
    const struct memory *m = ctx;

    return m->seed[i] ? seed_crc(m->seed[i]) : 0;
}

static u32 content_page(u32 i)
{
    return i;
}

static u32 content_crc(const void *ctx, u32 i)
{
    return ((const struct content_model *)ctx)->crc[i];
}

// What is found on the way through the records.
struct found {
    struct ckpt_tree space[SPACES_MAX], content[DATA_MAX];
    u64 content_ino[DATA_MAX];
};

static bool item_is_right(const struct epoch_model *m, const struct ckpt_item *item, u32 last, struct found *found)
{
    switch (item->type) {
    case CKPT_EPOCH:
        return item->epoch.epoch == m->number && item->epoch.parent == m->parent && item->epoch.kept == m->kept &&
               item->epoch.spaces == m->spaces && item->epoch.processes == m->processes &&
               item->epoch.contents == m->contents && item->epoch.pipes == m->pipes;
    case CKPT_PIPE:
        return crc32c(0, item->pipe.bytes, item->pipe.size) == m->pipe_crc;
    case CKPT_FILE:
        if (item->file.content)
            found->content_ino[item->file.content - 1] = item->file.ino;
        return true;
    case CKPT_SPACE:
        return item->space.heap_end - item->space.heap_start == m->space[item->object - 1].heap * 4096ull;
    case CKPT_TREE:
        *(last == CKPT_CONTENT ? &found->content[item->object - 1] : &found->space[item->object - 1]) = item->tree;
        return true;
    default:
        return true;
    }
}

static const struct content_model *content_of(const struct checker *k, const struct epoch_model *m, u64 ino)
{
    for (u32 i = 0; i < m->contents; i++)
        if (m->content[i].ino == ino)
            return &m->content[i];
    wrong(k->crash, "epoch %llu carries what it shouldn't", (unsigned long long)m->number);
}

static void check_epoch(struct checker *k, const struct epoch_model *m)
{
    struct ckpt_reader *r = &k->verifier.reader;
    struct ckpt_item item = {};
    struct found found = {};
    enum ckpt_error error = ckpt_open(r, &k->image.source, m->number);

    do {
        u32 last = item.type;
        if (!error)
            error = ckpt_next(r, &item);
        if (error)
            refused(k, error, m->number, r->failed_at);
        if (item.type && !item_is_right(m, &item, last, &found))
            wrong(k->crash, "epoch %llu: its %s record isn't what it was", (unsigned long long)m->number,
                  ckpt_type_name(item.type));
    } while (item.type);
    if (m->digest && r->header.digest != m->digest)
        wrong(k->crash, "epoch %llu has another digest", (unsigned long long)m->number);
    for (u32 i = 0; i < m->spaces; i++)
        check_tree(k, m->number, &found.space[i], SLOTS, slot_page, space_crc, &m->space[i]);
    for (u32 i = 0; i < m->contents; i++)
        check_tree(k, m->number, &found.content[i], DATA_PAGES, content_page, content_crc,
                   content_of(k, m, found.content_ino[i]));
}

static bool note_use(void *ctx, u32 first, u32 count)
{
    struct checker *k = ctx;
    bool fresh = count > 1 || !k->used[first];

    for (u32 i = first; i < first + count; i++) {
        k->used_count += !k->used[i];
        k->used[i] = true;
    }
    return fresh;
}

static void count_blocks(struct checker *k, u64 number)
{
    struct ckpt_reader *r = &k->verifier.reader;
    enum ckpt_error error = ckpt_open(r, &k->image.source, number);

    if (!error)
        error = ckpt_blocks(r, &k->walk, note_use, k);
    if (error)
        refused(k, error, number, r->failed_at);
}

// All that the file keeps, from the newest to the oldest.
static void check_all(struct checker *k, const struct image_model *image, const struct epoch_model *newest)
{
    struct ckpt_verifier *v = malloc(sizeof(*v));
    enum ckpt_error error = ckpt_verify(v, &k->image.source, 0);

    for (u32 step = 0;; step++) {
        u64 number = newest->number - step;
        if (step > newest->kept && error == CKPT_NO_EPOCH)
            break;
        if (step > newest->kept && !error)
            wrong(k->crash, "more epochs are kept than should be");
        if (error)
            refused(k, error, number, v->failed_at);
        if (v->reader.header.epoch != number)
            wrong(k->crash, "epoch %llu is found, not %llu", (unsigned long long)v->reader.header.epoch,
                  (unsigned long long)number);
        check_epoch(k, step ? image->epochs[number] : newest);
        if (!k->crash)
            count_blocks(k, number);
        error = ckpt_verify_previous(v);
    }
    free(v);
}

u32 image_check(struct inode *i, const struct image_model *image, const struct epoch_model *newest,
                const struct crash *c, u64 *blocks)
{
    struct checker *k = calloc(1, sizeof(*k));

    k->crash = c;
    image_init(&k->image, i, "image");
    k->used = calloc(1, k->image.id.size / 4096 + 1);
    check_all(k, image, newest);
    u32 used = k->used_count;
    *blocks = k->verifier.reader.header.blocks;
    free(k->used);
    free(k);
    return used;
}

// ---- after a crash

static u64 newest_of(struct inode *i)
{
    struct image *image = malloc(sizeof(*image));

    image_init(image, i, "image");
    u64 number = image_open(image, 0, NULL) == CKPT_OK ? image->reader.header.epoch : 0;
    free(image);
    return number;
}

static u32 digest_of(struct inode *i)
{
    struct image *image = malloc(sizeof(*image));

    image_init(image, i, "image");
    u32 digest = image_open(image, 0, NULL) == CKPT_OK ? image->reader.header.digest : 0;
    free(image);
    return digest;
}

// Of those that it may be, the one that it seems to be.
static const struct event *choose(const struct book *b, const struct crash *c, struct inode *i)
{
    u64 number = i ? newest_of(i) : 0;
    u32 digest = number ? digest_of(i) : 0, durable = 0;

    for (u32 k = 0; k < b->event_count; k++)
        if (b->events[k].ended <= c->position)
            durable = k;
    for (u32 k = durable; k < b->event_count; k++) {
        const struct event *e = &b->events[k];
        if (e->begun > c->position || e->gone <= c->position)
            continue;
        if (number ? e->epoch && e->epoch->number == number && (!e->epoch->digest || e->epoch->digest == digest)
                   : !e->epoch)
            return e;
    }
    wrong(c, "%s: epoch %llu is the newest: it can't be", b->path, (unsigned long long)number);
}

void book_check(const struct book *b, const struct crash *c)
{
    struct inode *i = NULL;
    u64 blocks;
    int err = path_lookup(NULL, b->path, &i);

    if (err && err != -ENOENT)
        wrong(c, "%s can't be found: %d", b->path, err);
    const struct event *e = choose(b, c, i);
    if (e->epoch)
        (void)image_check(i, e->image, e->epoch, c, &blocks);
    if (i)
        inode_put(i);
}

void stills_begin(const struct household *h)
{
    struct inode_identity id;

    stills_end(h);
    for (u32 i = 0; i < DATA_MAX; i++) {
        const struct data *d = &h->data[i];
        if (!d->file)
            continue;
        inode_identify(file_inode(d->file), &id);
        if (!id.nlink)
            continue;
        CHECK(still_count < STILLS_MAX);
        stills[still_count++] =
            (struct still){ h->pid, i, crash_log.count, SIZE_MAX, d->size, id.changes, crc32c(0, d->bytes, d->size) };
    }
}

void stills_end(const struct household *h)
{
    for (u32 i = 0; i < still_count; i++)
        if (stills[i].pid == h->pid)
            stills[i].to = MIN(stills[i].to, crash_log.count);
}

static void check_still(const struct still *s, const struct crash *c)
{
    static u8 bytes[DATA_PAGES * 4096];
    struct piece piece = { bytes, sizeof(bytes) };
    struct inode_identity id;
    struct inode *i;
    char path[16];
    size_t done;

    snprintf(path, sizeof(path), "/data%d.%u", s->pid, s->number);
    CHECK_OK(path_lookup(NULL, path, &i));
    inode_identify(i, &id);
    CHECK_OK(inode_read(i, 0, &piece, 1, &done));
    inode_put(i);
    if (id.size != s->size || id.changes != s->changes || crc32c(0, bytes, done) != s->crc)
        wrong(c, "%s isn't as it was when its writer was saved", path);
}

void stills_check(const struct crash *c)
{
    for (u32 i = 0; i < still_count; i++)
        if (stills[i].from <= c->position && c->position <= stills[i].to)
            check_still(&stills[i], c);
}

void books_forget_memos(void)
{
    for (u32 i = 0; i < image_count; i++)
        memo_destroy(memo_recall(images[i]->ino, images[i]->generation));
}
