// Store. An epoch goes to blocks that no kept epoch uses, and comes to be when a header slot names it. That is written
// after everything else is durable, and over the older of the two slots: at any crash the file holds the epochs of
// before, or those and the new one.
#include "store.h"
#include <base/byteorder.h>
#include <base/string.h>
#include <fs/file.h>
#include <fs/path.h>
#include <kern/printk.h>
#include <kern/time.h>
#include <mm/kmalloc.h>
#include <uapi/checkpoint.h>
#include <uapi/errno.h>

#define WORTH_PREALLOCATING 256u  // blocks

static void forget_there(struct store *s)
{
    if (s->use) {
        image_use_unlock(s->use);
        image_use_put(s->use);
    }
    if (s->there)
        inode_put(s->there);
    s->use = NULL;
    s->there = NULL;
}

// Lock the file that the path names now.
static int lock_there(struct store *s)
{
    struct inode_identity id;

    inode_identify(s->there, &id);
    int err = image_use_get(id.ino, id.generation, &s->use);
    if (err)
        return err;
    err = image_use_lock(s->use);
    if (err) {
        image_use_put(s->use);
        s->use = NULL;
    }
    return err;
}

// While one waits for the lock, another may give the name to a new file.
static int find_there(struct store *s)
{
    for (;;) {
        struct inode *now;
        int err = path_lookup(s->cwd, s->path, &s->there);

        if (!err && inode_type(s->there) == T_FILE)
            err = lock_there(s);
        if (err)
            return err == -ENOENT ? 0 : err;
        err = path_lookup(s->cwd, s->path, &now);
        if (!err) {
            inode_put(now);
            if (now == s->there)
                return 0;
        }
        forget_there(s);
        if (err && err != -ENOENT)
            return err;
    }
}

static u32 newest_slot(struct store *s)
{
    u8 *block = s->image.reader.buffer;
    struct ckpt_header h;
    int err = s->image.source.read(s->image.source.ctx, 0, block, CKPT_BLOCK_SIZE);
    bool is_first = !err && ckpt_header_decode(block, s->image.source.size, &h) == CKPT_OK && h.epoch == s->head.epoch;

    return is_first ? 0 : 1;
}

// What is there and isn't a sound image will be replaced.
static int look_at_image(struct store *s)
{
    enum ckpt_error error;

    image_init(&s->image, s->there, s->path);
    error = image_open(&s->image, 0, &s->newest);
    if (error == CKPT_READ_FAILED)
        return image_refuse(&s->image, error, s->image.reader.failed_at);
    if (error) {
        forget_there(s);
        return 0;
    }
    s->head = s->image.reader.header;
    s->slot = newest_slot(s);
    return 0;
}

int store_open(struct inode *cwd, const char *path, struct store **out)
{
    struct store *s = kzalloc(sizeof(*s));

    if (!s)
        return -ENOMEM;
    s->cwd = inode_get(cwd);
    s->path = kstrdup(path);
    ckpt_text(s->image.name, sizeof(s->image.name), path, strlen(path));
    int err = s->path ? find_there(s) : -ENOMEM;
    if (!err && s->use)
        err = look_at_image(s);
    if (err) {
        store_close(s);
        return err;
    }
    *out = s;
    return 0;
}

// The file may end where its last block in use does. After a success a few more are left for the next epoch: to take
// them away and give them again would cost it a transaction. After a failure, maybe for lack of space, none are.
static void cut(struct store *s, u64 blocks, bool failed)
{
    u64 most = blocks + (failed ? 0 : MAX(blocks / 4, WORTH_PREALLOCATING));
    struct inode_identity id;

    inode_identify(s->output.inode, &id);
    if ((failed || id.size > most * CKPT_BLOCK_SIZE) && inode_truncate(s->output.inode, blocks * CKPT_BLOCK_SIZE))
        printk("%s: could not be cut to its size: blocks at its end are spare\n", s->path);
}

void store_close(struct store *s)
{
    if (s->begun) {
        output_release(&s->output);
        if (s->continues)
            cut(s, s->head.blocks, true);
    }
    spare_destroy(s->spare);
    if (s->unnamed)
        file_put(s->unnamed);
    forget_there(s);
    inode_put(s->cwd);
    kfree(s->path);
    kfree(s);
}

bool store_keeps(struct store *s, u64 epoch, u32 digest)
{
    struct ckpt_reader *r = &s->image.reader;
    enum ckpt_error error;

    if (!s->use || epoch > s->head.epoch)
        return false;
    if (epoch == s->head.epoch)
        return digest == s->head.digest;
    error = image_open(&s->image, epoch, NULL);
    return !error && r->header.digest == digest;
}

static struct spare_key key_of(struct store *s, const struct ckpt_header *h)
{
    return (struct spare_key){ s->image.id.ino, s->image.id.generation, h->epoch, h->digest };
}

// Spare blocks come from dropped epochs.
static int find_spare(struct store *s, u32 history, u64 wanted, struct spare **out)
{
    struct spare_key key = key_of(s, &s->head);
    bool drops = history != CKPT_HISTORY_ALL && s->newest.kept + 1 >= history;
    struct spare *spare = spare_recall(&key);

    *out = spare;
    if (!drops || (spare && !spare_is_stale(spare, s->head.blocks, wanted)))
        return 0;
    spare_destroy(spare);
    *out = NULL;
    enum ckpt_error error = image_open(&s->image, 0, NULL);
    if (error)
        return image_refuse(&s->image, error, s->image.reader.failed_at);
    return spare_find(&s->image, out);
}

static int begin_there(struct store *s, u32 history, u64 blocks, _Atomic bool *cancelled)
{
    struct spare *spare;
    int err = find_spare(s, history, blocks, &spare);

    if (err)
        return err;
    s->spare = spare;
    output_init(&s->output, s->there, s->head.blocks, blocks, spare, cancelled);
    s->begun = true;
    u64 lacking = blocks - MIN(blocks, spare ? spare_count(spare) : 0);
    if (lacking < WORTH_PREALLOCATING)
        return 0;
    return inode_preallocate(s->there, (s->head.blocks + lacking) * CKPT_BLOCK_SIZE);
}

static int begin_anew(struct store *s, u64 blocks, _Atomic bool *cancelled)
{
    int err = path_create_unnamed(&s->unnamed);

    if (err)
        return err;
    output_init(&s->output, file_inode(s->unnamed), CKPT_SLOTS, blocks, NULL, cancelled);
    s->begun = true;
    return inode_preallocate(s->output.inode, (CKPT_SLOTS + blocks) * CKPT_BLOCK_SIZE);
}

int store_begin(struct store *s, bool continues, u32 history, u64 blocks, _Atomic bool *cancelled)
{
    s->continues = continues;
    int err = continues ? begin_there(s, history, blocks, cancelled) : begin_anew(s, blocks, cancelled);

    // `blocks` may be too high, so a full disk is not an error yet; that there is no inode for a new file is one.
    return err == -ENOSPC && s->begun ? 0 : err;
}

u32 store_features(const struct store *s)
{
    return s->continues ? s->head.features : CKPT_FEATURES;
}

void store_identify(struct store *s, struct inode_identity *id)
{
    inode_identify(s->output.inode, id);
}

// How many steps to older epochs lead to kept ones: as many as were asked for, and those that are being restored from.
static int count_kept(struct store *s, u32 history, u32 *kept)
{
    u64 pinned = image_oldest_pin(s->use);
    u32 most = s->newest.kept + 1, pin_at = 0;

    *kept = history == CKPT_HISTORY_ALL ? most : MIN(most, history - 1);
    if (pinned > s->head.epoch || *kept == most)
        return 0;
    enum ckpt_error error = image_open(&s->image, 0, NULL);
    while (!error && pin_at < most && s->image.reader.header.epoch >= pinned) {
        pin_at++;
        error = ckpt_open_previous(&s->image.reader);
        struct ckpt_item item;
        if (!error)
            error = ckpt_next(&s->image.reader, &item);
    }
    if (error && error != CKPT_NO_EPOCH)
        return image_refuse(&s->image, error, s->image.reader.failed_at);
    *kept = MAX(*kept, pin_at);
    return 0;
}

// A name for a new history: no two are alike on one machine, and hardly on several.
static void identity_make(struct ckpt_header *h)
{
    static _Atomic u32 count;

    put_le64(h->identity, h->wall_ns);
    put_le32(h->identity + 8, ++count);
    put_le32(h->identity + 12, (u32)time_ns());
}

int store_number(struct store *s, u32 history, struct ckpt_header *h, struct ckpt_epoch *e)
{
    if (s->continues) {
        memcpy(h->identity, s->head.identity, sizeof(h->identity));
        e->epoch = s->head.epoch + 1;
        e->previous = s->head.epoch;
        e->previous_block = s->head.records_block;
        e->previous_size = s->head.records_size;
        e->previous_digest = s->head.digest;
        int err = count_kept(s, history, &e->kept);
        if (err)
            return err;
    } else {
        identity_make(h);
        e->epoch = 1;
    }
    h->epoch = e->epoch;
    h->parent = e->parent;
    h->wall_ns = e->wall_ns;
    return 0;
}

static int write_slot(struct store *s, struct frame *slot)
{
    int err = inode_write_frames(s->there, (u64)(1 - s->slot) * CKPT_BLOCK_SIZE, &slot, 1);

    return err ? err : inode_sync(s->there);
}

// An epoch that is reported as failed must not turn up later: its slot becomes empty again, as far as the disk lets it.
static int turn_over(struct store *s, const struct ckpt_header *h)
{
    struct frame *slot = frame_alloc_zeroed();

    if (!slot)
        return -ENOMEM;
    ckpt_header_encode(h, frame_data(slot));
    int err = write_slot(s, slot);
    if (err) {
        memset(frame_data(slot), 0, PAGE_SIZE);
        if (write_slot(s, slot))
            printk("%s: whether epoch %llu is in it is uncertain\n", s->path, (unsigned long long)h->epoch);
    }
    frame_put(slot);
    return err;
}

static int finish_there(struct store *s, const struct ckpt_header *h)
{
    struct spare_key key = key_of(s, h);
    int err = inode_sync(s->there);

    if (!err)
        err = turn_over(s, h);
    if (err)
        return err;
    s->begun = false;
    cut(s, h->blocks, false);
    if (s->spare)
        spare_keep(s->spare, &key, h->blocks);
    s->spare = NULL;
    return 0;
}

static int write_first_header(struct store *s, const struct ckpt_header *h)
{
    struct frame *slots[CKPT_SLOTS] = { frame_alloc_zeroed(), frame_alloc_zeroed() };
    int err = -ENOMEM;

    if (slots[0] && slots[1]) {
        ckpt_header_encode(h, frame_data(slots[0]));
        err = inode_write_frames(s->output.inode, 0, slots, CKPT_SLOTS);
    }
    for (u32 i = 0; i < CKPT_SLOTS; i++)
        if (slots[i])
            frame_put(slots[i]);
    return err;
}

static int finish_anew(struct store *s, const struct ckpt_header *h)
{
    int err = write_first_header(s, h);

    if (!err)
        err = inode_truncate(s->output.inode, h->blocks * CKPT_BLOCK_SIZE);
    return err ? err : path_publish(s->cwd, s->path, s->unnamed);
}

int store_finish(struct store *s, struct ckpt_header *h)
{
    int err = output_finish(&s->output);

    if (err)
        return err;
    h->blocks = s->output.blocks;
    if (s->spare && spare_tells_of(s->spare, h->blocks))
        h->blocks = MIN(h->blocks, (u64)spare_end(s->spare));
    return s->continues ? finish_there(s, h) : finish_anew(s, h);
}
