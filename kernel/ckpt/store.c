// Store. An epoch goes to blocks that no kept epoch uses, and comes to be when a header slot names it. That is written
// after everything else is durable, and over the slot that doesn't hold the durable epoch's (ckpt/commit.c): at any
// crash the file holds the epochs of before, or those and the new one.
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
#define WAITING_MOST        32u   // epochs of an image that are written and not durable

void store_leave(struct store *s)
{
    if (s->locked)
        image_use_unlock(s->use);
    s->locked = false;
}

static void forget_there(struct store *s)
{
    store_leave(s);
    memo_destroy(s->memo);
    if (s->header)
        frame_put(s->header);
    if (s->slot)
        frame_put(s->slot);
    if (s->use)
        image_use_put(s->use);
    if (s->there)
        inode_put(s->there);
    s->memo = NULL;
    s->header = s->slot = NULL;
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
    s->locked = !err;
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

        if (!err)
            err = inode_check_file(s->there);
        if (!err)
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

static void forget_memo(struct store *s)
{
    memo_destroy(s->memo);
    s->memo = NULL;
    s->image.recent = NULL;
}

// With what is remembered of it, if that is of what is there now.
static enum ckpt_error open_newest(struct store *s)
{
    const struct ckpt_header *h = &s->image.reader.header;

    s->memo = memo_recall(s->image.id.ino, s->image.id.generation);
    s->image.recent = s->memo ? s->memo->recent : NULL;
    if (s->image.recent && s->memo->changes != s->image.id.changes)
        recent_forget(s->memo->recent, 0, CKPT_SLOTS);
    enum ckpt_error error = image_open(&s->image, 0, &s->newest);
    if (!s->memo || (!error && s->memo->key.epoch == h->epoch && s->memo->key.digest == h->digest))
        return error;
    forget_memo(s);
    return image_open(&s->image, 0, &s->newest);
}

// What the file says is durable.
static void look_at_slots(struct store *s)
{
    struct turn d = { s->head.epoch, s->newest.kept, s->image.reader.slot, s->head.blocks, s->image.id.changes };

    commit_know(image_use_commit(s->use), &d);
}

// What is there and isn't a sound image will be replaced.
static int look_at_image(struct store *s)
{
    struct commit *commit = image_use_commit(s->use);

    (void)commit_settle(commit, s->there, WAITING_MOST);
    image_init(&s->image, s->there, s->path);
    s->image.commit = commit;
    s->header = s->image.header = commit_header(commit, &s->failures);
    enum ckpt_error error = open_newest(s);
    s->head = s->image.reader.header;
    if (error == CKPT_READ_FAILED)
        return image_refuse(&s->image, error, s->image.reader.failed_at);
    if (error)
        forget_there(s);
    else if (!s->header)
        look_at_slots(s);
    return 0;
}

int store_open(struct inode *cwd, const char *path, struct store **out)
{
    struct store *s = kmalloc(sizeof(*s));

    if (!s)
        return -ENOMEM;
    memset(s, 0, offsetof(struct store, image) + offsetof(struct image, reader));
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

static bool is_longer(struct store *s, u64 blocks)
{
    struct inode_identity id;

    inode_identify(s->there, &id);
    return id.size > blocks * CKPT_BLOCK_SIZE;
}

static void say_not_cut(const struct store *s)
{
    printk("%s: could not be cut to its size: blocks at its end are spare\n", s->path);
}

// What was begun may have failed for lack of space: none is left to it. What the durable header tells of is known when
// no newer one is on its way to the disk; one that may be there although it failed needs its blocks.
static void cut_back(struct store *s)
{
    struct commit *commit = image_use_commit(s->use);

    (void)commit_settle(commit, s->there, 0);
    u64 blocks = commit_durable(commit).blocks;
    if (commit_is_certain(commit) && is_longer(s, blocks) && inode_truncate(s->there, blocks * CKPT_BLOCK_SIZE))
        say_not_cut(s);
}

void store_close(struct store *s)
{
    if (s->begun) {
        (void)!output_finish(&s->output);
        if (s->continues)
            cut_back(s);
    }
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

u64 store_parent(struct store *s, u64 epoch, u32 digest)
{
    bool dropped = epoch + s->newest.kept < s->head.epoch;

    return dropped || store_keeps(s, epoch, digest) ? epoch : 0;
}

// Wait until the newest epoch is durable.
static int settle(struct store *s)
{
    return commit_settle(image_use_commit(s->use), s->there, 0) == s->failures ? 0 : -EIO;
}

// Spare blocks come from dropped epochs: those that no durable one keeps.
static int find_spare(struct store *s, u32 history, u64 wanted)
{
    bool drops = history != CKPT_HISTORY_ALL && s->newest.kept + 1 >= history;
    struct spare **spare = &s->memo->spare;
    struct turn d = commit_durable(image_use_commit(s->use));

    if (*spare)
        spare_dropped(*spare, d.epoch - d.kept);
    if (!drops || (*spare && !spare_is_stale(*spare, wanted)))
        return 0;
    spare_destroy(*spare);
    *spare = NULL;
    int err = settle(s);
    if (err)
        return err;
    enum ckpt_error error = image_open(&s->image, 0, NULL);
    return error ? image_refuse(&s->image, error, s->image.reader.failed_at) : spare_find(&s->image, spare);
}

static int begin_there(struct store *s, u32 history, u64 pages, u64 rest, _Atomic bool *cancelled)
{
    if (!s->memo)
        s->memo = memo_create();
    if (!s->memo)
        return -ENOMEM;
    int err = find_spare(s, history, pages + rest);
    if (err)
        return err;
    struct spare *spare = s->memo->spare;
    if (spare)
        spare_note(spare);
    err = output_init(&s->output, s->there, s->head.blocks, pages, s->memo, cancelled);
    if (err)
        return err;
    s->begun = true;
    u64 lacking = pages + rest - MIN(pages + rest, spare ? spare_count(spare) : 0);
    if (lacking < WORTH_PREALLOCATING)
        return 0;
    return inode_preallocate(s->there, (s->head.blocks + lacking) * CKPT_BLOCK_SIZE);
}

static int begin_anew(struct store *s, u64 pages, u64 rest, _Atomic bool *cancelled)
{
    forget_memo(s);
    s->memo = memo_create();
    int err = s->memo ? path_create_unnamed(&s->unnamed) : -ENOMEM;

    if (err)
        return err;
    err = output_init(&s->output, file_inode(s->unnamed), CKPT_SLOTS, pages, s->memo, cancelled);
    if (err)
        return err;
    s->begun = true;
    if (pages + rest <= BATCH_FRAMES)  // all of it is written at once
        return 0;
    return inode_preallocate(s->output.inode, (CKPT_SLOTS + pages + rest) * CKPT_BLOCK_SIZE);
}

int store_begin(struct store *s, bool continues, u32 history, u64 pages, u64 rest, _Atomic bool *cancelled)
{
    s->continues = continues;
    int err = continues ? begin_there(s, history, pages, rest, cancelled) : begin_anew(s, pages, rest, cancelled);

    // That may be too many, so a full disk is not an error yet; that there is no inode for a new file is one.
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
        s->kept = e->kept;
    } else {
        identity_make(h);
        e->epoch = 1;
    }
    h->epoch = e->epoch;
    h->parent = e->parent;
    h->wall_ns = e->wall_ns;
    return 0;
}

void store_replaced(struct store *s, u32 first, u32 count)
{
    if (s->memo->spare)
        spare_replaced(s->memo->spare, first, count);
}

static void remember(struct store *s)
{
    memo_keep(s->memo, &s->key);
    s->memo = NULL;
}

// What the slot holds is known as long as nobody else writes to the file.
static void remember_slot(struct store *s)
{
    struct inode_identity id;

    if (!s->memo->recent)
        return;
    inode_identify(s->there, &id);
    s->memo->changes = id.changes;
    recent_put(s->memo->recent, commit_durable(image_use_commit(s->use)).slot, s->slot);
}

// The epoch before doesn't share its records.
static void publish_spare(struct store *s, const struct ckpt_header *h)
{
    struct memo *m = s->memo;

    store_replaced(s, (u32)s->head.records_block, (u32)DIV_ROUND_UP(s->head.records_size, CKPT_BLOCK_SIZE));
    if (!m->spare || spare_publish(m->spare, h->epoch, h->parent != s->head.epoch, (u32)h->blocks))
        return;
    spare_destroy(m->spare);
    m->spare = NULL;
}

static int add_to_commit(struct store *s, const struct ckpt_header *h)
{
    struct turn what = { .epoch = h->epoch, .kept = s->kept, .blocks = h->blocks };

    s->slot = frame_alloc();
    if (!s->slot)
        return -ENOMEM;
    ckpt_header_encode(h, frame_data(s->slot));
    return commit_add(image_use_commit(s->use), &s->ticket, s->slot, &what, s->failures);
}

static int finish_there(struct store *s, const struct ckpt_header *h, bool waits)
{
    int err = add_to_commit(s, h);

    if (err)
        return err;
    if (!s->under_way)
        commit_arrived(image_use_commit(s->use), &s->ticket, 0);
    s->written = true;
    s->begun = false;
    publish_spare(s, h);
    if (!waits)
        remember(s);
    return 0;
}

// A new file has no name before all of it is durable: its header goes along with the rest.
static int put_first_header(struct store *s, struct ckpt_header *h)
{
    struct frame *slots[CKPT_SLOTS] = { frame_alloc_zeroed(), frame_alloc_zeroed() };
    bool all = slots[0] && slots[1];

    h->blocks = s->output.blocks;
    if (all) {
        ckpt_header_encode(h, frame_data(slots[0]));
        output_slots(&s->output, slots);
    }
    for (u32 i = 0; i < CKPT_SLOTS; i++)
        if (slots[i])
            frame_put(slots[i]);
    return all ? 0 : -ENOMEM;
}

static int finish_anew(struct store *s, const struct ckpt_header *h)
{
    struct inode_identity id;
    int err = 0;

    store_identify(s, &id);
    if (id.size > h->blocks * CKPT_BLOCK_SIZE)
        err = inode_truncate(s->output.inode, h->blocks * CKPT_BLOCK_SIZE);
    if (!err)
        err = path_publish(s->cwd, s->path, s->unnamed);
    if (err)
        return err;
    s->memo->spare = spare_create((u32)h->blocks);
    remember(s);
    return 0;
}

int store_finish(struct store *s, struct ckpt_header *h, bool waits)
{
    const struct spare *spare = s->memo->spare;
    struct inode_identity id;

    // What the epochs before it don't wait for can't make them fail.
    s->under_way = s->continues && output_fits(&s->output) && !(waits && s->header);
    int err = s->continues ? 0 : put_first_header(s, h);
    if (!err)
        err = output_send(&s->output);
    if (!err && !s->under_way)
        err = output_finish(&s->output);
    if (err)
        return err;
    h->blocks = s->output.blocks;
    if (spare && spare_tells_of(spare, h->blocks))
        h->blocks = MIN(h->blocks, (u64)spare_end(spare));
    store_identify(s, &id);
    s->key = (struct memo_key){ id.ino, id.generation, h->epoch, h->digest };
    return s->continues ? finish_there(s, h, waits) : finish_anew(s, h);
}

void store_await_blocks(struct store *s)
{
    if (!s->written || !s->under_way)
        return;
    commit_arrived(image_use_commit(s->use), &s->ticket, output_finish(&s->output));
    s->under_way = false;
}

int store_commit(struct store *s, bool lingers)
{
    if (!s->written)
        return 0;
    struct commit *commit = image_use_commit(s->use);
    store_await_blocks(s);
    if (lingers)
        commit_linger(commit, &s->ticket);
    int err = commit_wait(commit, &s->ticket, s->there);
    s->begun = err && s->locked;
    if (!err && s->memo) {
        remember_slot(s);
        remember(s);
    }
    return err;
}

// A few blocks more than needed are left for the next epoch: to take them away and give them again would cost it a
// transaction.
static bool is_long(struct store *s, u64 blocks)
{
    return is_longer(s, blocks + MAX(blocks / 4, WORTH_PREALLOCATING));
}

bool store_is_long(struct store *s)
{
    return s->written && is_long(s, commit_durable(image_use_commit(s->use)).blocks);
}

void store_trim(struct store *s)
{
    struct commit *commit = image_use_commit(s->use);

    if (!image_use_trylock(s->use))
        return;
    struct turn d = commit_durable(commit);
    int err = 0;
    if (commit_is_settled(commit) && is_long(s, d.blocks))
        err = inode_truncate_unchanged(s->there, d.changes, d.blocks * CKPT_BLOCK_SIZE);
    if (err && err != -ESTALE)
        say_not_cut(s);
    image_use_unlock(s->use);
}
