// The journal: physical, write-ahead, of whole metadata blocks, with group commit.
//
//            tx_begin                 commit is due                  log written, flushed
//     empty -----------> running ---------------------> committing ------------------------> committed, not home
//                                  no handle is left      (the next one runs)                     |
//                                                                                                 | checkpoint
//                                      forgotten <--- head moved, flushed <--- home, flushed <----+
//
// One thread, "journal", does all commits and checkpoints, one after the other. A commit is due when somebody waits for
// it, when the transaction is large, after COMMIT_INTERVAL, and when memory or the disk's space is short. A checkpoint
// is due when the ring has no room for the next transaction, when the disk's space or memory is short, and after
// CHECKPOINT_IDLE without commits.
//
// Invariants
//  1. A handle promises at its beginning how many blocks it may add. Blocks in the running transaction and promises
//     never exceed tx_max, and tx_max blocks with their descriptors and commit block fit into an empty ring.
//  2. A block's contents change only while a handle holds it in the running transaction, and in a frame that nobody
//     else references. The committing transaction references the frames as they were when its last handle ended, so
//     what it writes stays as it is.
//  3. File data that was dirty when the last handle ended is written before the log, and flushed before the commit
//     block is written.
//  4. The commit block is written after a flush that follows the logged blocks. Its checksum of their contents can't
//     take the place of that flush: inodes end with a checksum of the same kind, and a CRC over something with its own
//     CRC at the end doesn't depend on what it is.
//  5. A block goes home only from a frame of a transaction whose commit block has been flushed (`home`); it goes
//     nowhere else before.
//  6. The head on disk moves only after what it leaves behind is home and flushed. Room in the ring counts as free
//     (`used`) only after the moved head is flushed.
//  7. Blocks that a transaction freed are told to the allocator as free after its commit (file data) or after the
//     checkpoint that follows it (metadata): alloc_committed(), alloc_checkpointed().
//  8. What was written in place past the cache, outside of any handle, is durable after the next flush, whoever asked
//     for it: `overwrites` and `flushed` count. Nothing else depends on it.
//  9. When a write or flush of the log, the head or a home fails, `failed` is set and stays: no handle begins any
//     more, nothing is written.
//
// Locks: a handle (RANK_JOURNAL, a promise rather than a mutex); inside, journal_lock (RANK_TX) for what the struct
// below says. What only the journal's thread touches needs none.
#include "journal.h"
#include "alloc.h"
#include "inodes.h"
#include "io.h"
#include "sort.h"
#include <base/crc32c.h>
#include <base/string.h>
#include <kern/printk.h>
#include <kern/time.h>
#include <mm/kmalloc.h>
#include <sched/thread.h>
#include <uapi/errno.h>

#define COMMIT_INTERVAL (1 * NS_PER_SECOND)
#define CHECKPOINT_IDLE (5 * NS_PER_SECOND)
#define TX_MAX          1920  // blocks of one transaction, in a large journal
#define DESCRIPTORS_MAX DIV_ROUND_UP(TX_MAX, FS_DESCRIPTOR_MAX)
#define SCRATCH         64  // frames for recovery

struct entry {
    struct buffer *buffer;  // pinned
    struct frame *frame;    // once committing: the contents, referenced
};

struct transaction {
    u64 round;
    u32 count;     // of entries
    u32 promised;  // entries that open handles may still add
    u32 handles;   // open
    u64 opened;    // when its first handle began; 0: none did
    struct entry *entries;
};

static struct spinlock journal_lock = SPINLOCK_INIT("journal", RANK_TX);
static struct wait_queue work GUARDED_BY(journal_lock) = { { &work.waiters, &work.waiters } };  // the thread waits
static struct wait_queue room GUARDED_BY(journal_lock) = { { &room.waiters, &room.waiters } };  // for a handle
static struct wait_queue done GUARDED_BY(journal_lock) = { { &done.waiters, &done.waiters } };  // for a round

static struct transaction transactions[2];
static struct transaction *running GUARDED_BY(journal_lock);
static struct transaction *committing;         // the thread's own; NULL: none
static bool closing GUARDED_BY(journal_lock);  // the running one takes no more handles
static bool failed GUARDED_BY(journal_lock);
static bool stopping GUARDED_BY(journal_lock);
static bool stopped GUARDED_BY(journal_lock);
static u64 wanted_round GUARDED_BY(journal_lock);       // to be committed at once
static u64 done_round GUARDED_BY(journal_lock);         // durable
static u64 wanted_checkpoint GUARDED_BY(journal_lock);  // the checkpoint after this round is wanted at once
static u64 done_checkpoint GUARDED_BY(journal_lock);
static u64 last_commit GUARDED_BY(journal_lock);  // when
static u64 overwrites GUARDED_BY(journal_lock);   // writes in place past the cache that are over,
static u64 flushed GUARDED_BY(journal_lock);      // and how many of them are durable

// Constant while mounted, or the thread's own.
static struct disk *disk;
static struct fs_super super;
static u32 tx_max;
static u64 ring_blocks;
static u64 next_sequence, next_position;        // of the next transaction in the log
static u64 used;                                // blocks of the ring from the head on disk to next_position
static struct list homes = { &homes, &homes };  // buffers with a `home`
static struct io_slot *slots;
static struct frame *descriptor_frames[DESCRIPTORS_MAX];
static struct frame *commit_frame, *head_frame;
static struct fs_descriptor *descriptor;

// Handles.

static bool has_room(u32 credits) REQUIRES(journal_lock)
{
    return !closing && running->count + running->promised + credits <= tx_max;
}

static void ask_for_commit(void) REQUIRES(journal_lock)
{
    wanted_round = MAX(wanted_round, running->round);
    wake_all(&work);
}

int tx_begin(struct tx *tx, u32 credits)
{
    int err = 0;

    assert(credits <= TX_CREDITS_MAX);
    spin_lock(&journal_lock);
    while (!failed && !has_room(credits)) {
        ask_for_commit();
        (void)!wait_on(&room, &journal_lock, WAIT_UNINTERRUPTIBLE, NEVER, "journal");
    }
    if (failed) {
        err = -EROFS;
    } else {
        *tx = (struct tx){ .credits = credits, .round = running->round };
        running->promised += credits;
        running->handles++;
        if (!running->opened) {
            running->opened = time_ns();
            wake_all(&work);
        }
    }
    spin_unlock(&journal_lock);
    return err;
}

void tx_end(struct tx *tx)
{
    spin_lock(&journal_lock);
    running->promised -= tx->credits;
    running->handles--;
    if (closing && !running->handles)
        wake_all(&work);
    else if (running->count > tx_max / 2)
        ask_for_commit();
    spin_unlock(&journal_lock);
}

int tx_write(struct tx *tx, struct buffer *b)
{
    int err = buf_own(b, true);

    if (err || b->tx_slot)
        return err;
    buf_get(b);
    spin_lock(&journal_lock);
    assert(tx->credits > 0 && running->count < tx_max);
    tx->credits--;
    running->promised--;
    running->entries[running->count++].buffer = b;
    b->tx_slot = running->count;
    spin_unlock(&journal_lock);
    return 0;
}

// Take the block out of the running transaction; the handle may add another one for it.
static struct buffer *remove_entry(struct tx *tx, struct buffer *b) REQUIRES(journal_lock)
{
    struct entry *e = &running->entries[b->tx_slot - 1];
    struct entry *last = &running->entries[--running->count];

    e->buffer = last->buffer;
    e->buffer->tx_slot = b->tx_slot;
    b->tx_slot = 0;
    tx->credits++;
    running->promised++;
    return b;
}

void tx_forget(struct tx *tx, u64 block)
{
    struct buffer *b = buf_cached(block);

    if (!b)
        return;
    spin_lock(&journal_lock);
    struct buffer *removed = b->tx_slot ? remove_entry(tx, b) : NULL;
    spin_unlock(&journal_lock);
    if (removed)
        buf_put(removed);
    buf_forget(block, 1);
    buf_put(b);
}

// Asking and waiting.

u64 journal_round(void)
{
    spin_lock(&journal_lock);
    u64 round = running->round;
    spin_unlock(&journal_lock);
    return round;
}

int journal_commit(u64 round)
{
    spin_lock(&journal_lock);
    wanted_round = MAX(wanted_round, round);
    wake_all(&work);
    while (!failed && done_round < round)
        (void)!wait_on(&done, &journal_lock, WAIT_UNINTERRUPTIBLE, NEVER, "commit");
    int err = done_round < round ? -EIO : 0;
    spin_unlock(&journal_lock);
    return err;
}

int journal_checkpoint(void)
{
    spin_lock(&journal_lock);
    u64 round = running->round;
    wanted_checkpoint = MAX(wanted_checkpoint, round);
    wake_all(&work);
    while (!failed && done_checkpoint < round)
        (void)!wait_on(&done, &journal_lock, WAIT_UNINTERRUPTIBLE, NEVER, "checkpoint");
    int err = done_checkpoint < round ? -EIO : 0;
    spin_unlock(&journal_lock);
    return err;
}

void journal_hurry(void)
{
    spin_lock(&journal_lock);
    ask_for_commit();
    spin_unlock(&journal_lock);
}

void journal_relieve(void)
{
    spin_lock(&journal_lock);
    if (running) {
        wanted_checkpoint = MAX(wanted_checkpoint, running->round);
        wake_all(&work);
    }
    spin_unlock(&journal_lock);
}

bool journal_failed(void)
{
    spin_lock(&journal_lock);
    bool yes = failed;
    spin_unlock(&journal_lock);
    return yes;
}

static void fail(const char *what, int err)
{
    printk(
        "fs: %s: %s could not be written (error %d): the file system is read-only from now on; look at it with fsck\n",
        disk->name, what, -err);
    spin_lock(&journal_lock);
    failed = true;
    wake_all(&room);
    wake_all(&done);
    spin_unlock(&journal_lock);
}

// Flushing. After an error nobody knows what is on the disk: that goes to fail().

static int flush(void)
{
    spin_lock(&journal_lock);
    u64 before = overwrites;
    spin_unlock(&journal_lock);
    int err = disk_flush(disk);
    if (err)
        return err;
    spin_lock(&journal_lock);
    flushed = MAX(flushed, before);
    spin_unlock(&journal_lock);
    return 0;
}

u64 journal_overwrote(void)
{
    spin_lock(&journal_lock);
    u64 n = ++overwrites;
    spin_unlock(&journal_lock);
    return n;
}

int journal_flush_now(void)
{
    if (journal_failed())
        return -EIO;
    int err = flush();
    if (err)
        fail("file data", err);
    return err;
}

int journal_flush(u64 n)
{
    spin_lock(&journal_lock);
    bool durable = flushed >= MIN(n, overwrites);
    spin_unlock(&journal_lock);
    return durable ? 0 : journal_flush_now();
}

// Checkpoint: committed blocks go home, and the log is empty.

static u64 home_of(const struct list *link)
{
    return list_entry(link, const struct buffer, home_link)->block;
}

static int write_homes(void)
{
    struct io_stream io;
    struct buffer *b;

    io_begin(&io, disk, DISK_WRITE, slots, NULL, NULL);
    list_for_each(b, &homes, home_link)
        io_add(&io, b->block, b->home);
    return io_end(&io);
}

static int write_head(void)
{
    struct fs_journal_head head = { .sequence = next_sequence, .start = next_position };

    fs_journal_head_encode(&head, frame_data(head_frame));
    int err = disk_transfer(disk, DISK_WRITE, super.journal_start, 1, &head_frame);
    return err ? err : flush();
}

static void release_homes(void)
{
    while (!list_empty(&homes)) {
        struct buffer *b = list_first(&homes, struct buffer, home_link);
        list_remove(&b->home_link);
        frame_put(b->home);
        b->home = NULL;
        buf_put(b);
    }
}

static int checkpoint(void)
{
    if (!used)
        return 0;
    list_sort(&homes, home_of);
    int err = write_homes();
    if (err)
        err = write_homes();  // the log still has everything: one more attempt does no harm
    if (!err)
        err = flush();
    if (!err)
        err = write_head();
    if (err) {
        fail("what the journal holds", err);
        return err;
    }
    used = 0;
    release_homes();
    alloc_checkpointed();
    return 0;
}

// Commit.

static u64 ring_block(u64 position)
{
    return super.journal_start + 1 + position % ring_blocks;
}

static u64 blocks_in_log(u32 count)
{
    return count + DIV_ROUND_UP(count, FS_DESCRIPTOR_MAX) + 1;
}

// Write one descriptor and what it describes: entries [from, from + n). Continues the checksum of the contents.
static void log_group(struct io_stream *io, const struct transaction *t, u32 from, u32 n, u64 *position, u32 *crc)
{
    struct frame *frame = descriptor_frames[from / FS_DESCRIPTOR_MAX];

    descriptor->sequence = next_sequence;
    descriptor->count = n;
    for (u32 k = 0; k < n; k++)
        descriptor->home[k] = t->entries[from + k].buffer->block;
    fs_descriptor_encode(descriptor, frame_data(frame));
    io_add(io, ring_block((*position)++), frame);
    for (u32 k = 0; k < n; k++) {
        struct frame *contents = t->entries[from + k].frame;
        *crc = crc32c(*crc, frame_data(contents), FS_BLOCK_SIZE);
        io_add(io, ring_block((*position)++), contents);
    }
}

static int log_write(const struct transaction *t)
{
    struct fs_commit commit = { .sequence = next_sequence, .blocks = t->count };
    u64 position = next_position;
    struct io_stream io;

    io_begin(&io, disk, DISK_WRITE, slots, NULL, NULL);
    for (u32 from = 0; from < t->count; from += FS_DESCRIPTOR_MAX)
        log_group(&io, t, from, MIN(t->count - from, FS_DESCRIPTOR_MAX), &position, &commit.data_crc);
    int err = io_end(&io);
    if (!err)
        err = flush();
    if (err)
        return err;
    fs_commit_encode(&commit, frame_data(commit_frame));
    err = disk_transfer(disk, DISK_WRITE, ring_block(position++), 1, &commit_frame);
    if (!err)
        err = flush();
    if (err)
        return err;
    used += position - next_position;
    next_position = position % ring_blocks;
    next_sequence++;
    return 0;
}

// The transaction is durable: its frames are what has to go home. A version that waited for that is superseded.
static void keep_homes(struct transaction *t)
{
    for (u32 k = 0; k < t->count; k++) {
        struct buffer *b = t->entries[k].buffer;
        if (b->home) {
            frame_put(b->home);
            buf_put(b);
        } else {
            list_append(&homes, &b->home_link);
        }
        b->home = t->entries[k].frame;
    }
    t->count = 0;
}

// No more handles; wait for those that are open. Then the next transaction runs, and *dirty has to be written before
// this one.
static struct transaction *close_running(struct list *dirty)
{
    spin_lock(&journal_lock);
    closing = true;
    while (running->handles)
        (void)!wait_on(&work, &journal_lock, WAIT_UNINTERRUPTIBLE, NEVER, "handles");
    struct transaction *t = running;
    struct transaction *next = t == &transactions[0] ? &transactions[1] : &transactions[0];
    spin_unlock(&journal_lock);

    // Nobody changes anything now.
    for (u32 k = 0; k < t->count; k++) {
        t->entries[k].frame = frame_get(t->entries[k].buffer->frame);
        t->entries[k].buffer->tx_slot = 0;
    }
    cache_take_dirty(dirty);
    alloc_closed();

    spin_lock(&journal_lock);
    next->round = t->round + 1;
    next->count = next->promised = next->handles = 0;
    next->opened = 0;
    running = next;
    closing = false;
    wake_all(&room);
    spin_unlock(&journal_lock);
    return t;
}

// Make the running transaction durable.
static int commit(void)
{
    struct list dirty;
    bool any;
    int err = 0;

    struct transaction *t = committing = close_running(&dirty);
    cache_write_dirty(&dirty, inode_write_failed, &any);
    if (t->count && used + blocks_in_log(t->count) > ring_blocks) {
        err = checkpoint();
        if (err)
            return err;
    }
    if (t->count)
        err = log_write(t);
    else if (any)
        err = flush();
    if (err) {
        fail("the journal", err);
        return err;
    }
    keep_homes(t);
    committing = NULL;
    alloc_committed();

    spin_lock(&journal_lock);
    done_round = t->round;
    last_commit = time_ns();
    wake_all(&done);
    spin_unlock(&journal_lock);
    return 0;
}

// The thread.

static bool commit_is_due(u64 now) REQUIRES(journal_lock)
{
    return wanted_round >= running->round || (running->opened && now >= running->opened + COMMIT_INTERVAL);
}

static bool checkpoint_is_due(u64 now) REQUIRES(journal_lock)
{
    return wanted_checkpoint > done_checkpoint || stopping ||
           (used && !running->opened && now >= last_commit + CHECKPOINT_IDLE);
}

static u64 next_deadline(void) REQUIRES(journal_lock)
{
    if (running->opened)
        return running->opened + COMMIT_INTERVAL;
    return used ? last_commit + CHECKPOINT_IDLE : NEVER;
}

// A commit and a checkpoint, after which everything up to now is home.
static void commit_and_checkpoint(void)
{
    u64 round = journal_round();

    if (commit() || checkpoint())
        return;
    spin_lock(&journal_lock);
    done_checkpoint = round;
    wake_all(&done);
    spin_unlock(&journal_lock);
}

static void run(void *unused)
{
    (void)unused;
    spin_lock(&journal_lock);
    while (!failed && !stopping) {
        u64 now = time_ns();
        bool check = checkpoint_is_due(now), due = commit_is_due(now);
        if (!check && !due) {
            (void)!wait_on(&work, &journal_lock, WAIT_UNINTERRUPTIBLE, next_deadline(), "journal");
            continue;
        }
        spin_unlock(&journal_lock);
        if (check)
            commit_and_checkpoint();
        else
            (void)!commit();
        spin_lock(&journal_lock);
    }
    while (!stopping)
        (void)!wait_on(&work, &journal_lock, WAIT_UNINTERRUPTIBLE, NEVER, "journal");
    bool good = !failed;
    spin_unlock(&journal_lock);
    if (good)
        commit_and_checkpoint();
    spin_lock(&journal_lock);
    stopped = true;
    wake_all(&done);
    spin_unlock(&journal_lock);
    thread_exit();
}

static void thread_is_dead(struct thread *t)
{
    frame_put(frame_of(t->stack));
    kfree(t);
}

static int start_thread(void)
{
    struct thread *t = kzalloc(sizeof(*t));
    struct frame *stack = frames_alloc(1);

    _Static_assert(KERNEL_STACK_SIZE == 2 * PAGE_SIZE, "two frames are one stack");
    if (!t || !stack) {
        kfree(t);
        if (stack)
            frame_put(stack);
        return -ENOMEM;
    }
    thread_init(t, "journal", frame_data(stack), run, NULL);
    t->on_dead = thread_is_dead;
    thread_start(t);
    return 0;
}

// Recovery. One transaction is read twice: first to see that it's whole, then to copy its blocks home.

struct recovery {
    struct frame *scratch[SCRATCH];
    u64 sequence, position;  // of the transaction that is looked for
    u64 length;              // blocks of the valid ones before it
    u64 transactions, blocks;
};

static int ring_read(u64 position, u32 count, struct frame **frames)
{
    while (count) {
        u64 at = position % ring_blocks;
        u32 n = (u32)MIN(count, ring_blocks - at);
        int err = disk_transfer(disk, DISK_READ, ring_block(at), n, frames);
        if (err)
            return err;
        position += n;
        frames += n;
        count -= n;
    }
    return 0;
}

// Go over the blocks that *descriptor describes, which begin at `position`: checksum them, or copy them home.
static int go_over(struct recovery *r, u64 position, bool copy, u32 *crc)
{
    for (u32 from = 0; from < descriptor->count; from += SCRATCH) {
        u32 n = MIN(descriptor->count - from, SCRATCH);
        struct io_stream io;
        int err = ring_read(position + from, n, r->scratch);
        if (err)
            return err;
        io_begin(&io, disk, DISK_WRITE, slots, NULL, NULL);
        for (u32 k = 0; k < n; k++) {
            if (copy)
                io_add(&io, descriptor->home[from + k], r->scratch[k]);
            else
                *crc = crc32c(*crc, frame_data(r->scratch[k]), FS_BLOCK_SIZE);
        }
        err = io_end(&io);
        if (err)
            return err;
    }
    return 0;
}

// Read the transaction at r->position. *length: its blocks, the commit block included; 0: there is no valid one. copy:
// it's known to be valid.
static int read_transaction(struct recovery *r, bool copy, u64 *length, u64 *blocks)
{
    u8 *block = frame_data(descriptor_frames[0]);
    struct fs_commit commit;
    u64 at = 0;
    u32 crc = 0;

    *length = *blocks = 0;
    for (;;) {
        if (r->length + at >= ring_blocks)
            return 0;
        int err = ring_read(r->position + at, 1, descriptor_frames);
        if (err)
            return err;
        if (fs_descriptor_decode(block, &super, descriptor) || descriptor->sequence != r->sequence)
            break;
        if (r->length + at + 1 + descriptor->count >= ring_blocks)
            return 0;
        err = go_over(r, r->position + at + 1, copy, &crc);
        if (err)
            return err;
        at += 1 + descriptor->count;
        *blocks += descriptor->count;
    }
    bool valid = at && !fs_commit_decode(block, &commit) && commit.sequence == r->sequence &&
                 commit.blocks == *blocks && (copy || commit.data_crc == crc);
    *length = valid ? at + 1 : 0;
    return 0;
}

static int replay(struct recovery *r)
{
    for (;;) {
        u64 length, blocks;
        int err = read_transaction(r, false, &length, &blocks);
        if (err || !length)
            return err;
        err = read_transaction(r, true, &length, &blocks);
        if (err)
            return err;
        r->position = (r->position + length) % ring_blocks;
        r->length += length;
        r->sequence++;
        r->transactions++;
        r->blocks += blocks;
    }
}

static int recover_from(struct recovery *r)
{
    struct fs_journal_head head;
    int err = disk_transfer(disk, DISK_READ, super.journal_start, 1, &head_frame);

    if (err)
        return err;
    enum fs_error bad = fs_journal_head_decode(frame_data(head_frame), &super, &head);
    if (bad) {
        printk("fs: %s: the journal's head: %s; repair it with fsck\n", disk->name, fs_error_text(bad));
        return -EINVAL;
    }
    r->sequence = head.sequence;
    r->position = head.start;
    err = replay(r);
    if (!err && r->transactions)
        err = flush();
    if (err)
        return err;
    if (r->transactions)
        printk("fs: %s: recovered %llu transactions (%llu blocks) from the journal\n", disk->name,
               (unsigned long long)r->transactions, (unsigned long long)r->blocks);
    // A number that did not become valid is not used again: what is left of that transaction can't complete another
    // one.
    next_sequence = r->sequence + 1;
    next_position = r->position;
    return write_head();
}

static int recover(void)
{
    struct recovery *r = kzalloc(sizeof(*r));
    int err = r ? 0 : -ENOMEM;

    for (u32 k = 0; !err && k < SCRATCH; k++) {
        r->scratch[k] = frame_alloc();
        if (!r->scratch[k])
            err = -ENOMEM;
    }
    if (!err)
        err = recover_from(r);
    for (u32 k = 0; r && k < SCRATCH; k++)
        if (r->scratch[k])
            frame_put(r->scratch[k]);
    kfree(r);
    return err;
}

// Beginning and end.

static void put_frame(struct frame **frame)
{
    if (*frame)
        frame_put(*frame);
    *frame = NULL;
}

static void free_memory(void)
{
    for (u32 k = 0; k < DESCRIPTORS_MAX; k++)
        put_frame(&descriptor_frames[k]);
    put_frame(&commit_frame);
    put_frame(&head_frame);
    for (u32 k = 0; k < ARRAY_SIZE(transactions); k++) {
        kfree(transactions[k].entries);
        transactions[k].entries = NULL;
    }
    kfree(descriptor);
    kfree(slots);
    descriptor = NULL;
    slots = NULL;
}

static int allocate_memory(void)
{
    bool all = true;

    for (u32 k = 0; k < DESCRIPTORS_MAX; k++)
        all &= (descriptor_frames[k] = frame_alloc()) != NULL;
    all &= (commit_frame = frame_alloc()) != NULL;
    all &= (head_frame = frame_alloc()) != NULL;
    for (u32 k = 0; k < ARRAY_SIZE(transactions); k++)
        all &= (transactions[k].entries = kmalloc(tx_max * sizeof(struct entry))) != NULL;
    all &= (descriptor = kmalloc(sizeof(*descriptor))) != NULL;
    all &= (slots = kmalloc(IO_SLOTS * sizeof(*slots))) != NULL;
    if (!all)
        free_memory();
    return all ? 0 : -ENOMEM;
}

static void reset_state(void)
{
    spin_lock(&journal_lock);
    closing = failed = stopping = stopped = false;
    wanted_round = done_round = wanted_checkpoint = done_checkpoint = 0;
    overwrites = flushed = 0;
    last_commit = time_ns();
    running = &transactions[0];
    running->round = 1;
    running->count = running->promised = running->handles = 0;
    running->opened = 0;
    spin_unlock(&journal_lock);
    committing = NULL;
    used = 0;
}

int journal_init(struct disk *d, const struct fs_super *s)
{
    disk = d;
    super = *s;
    ring_blocks = s->journal_blocks - 1;
    // A quarter of the ring, so that several transactions find room; in the smallest rings one.
    tx_max = (u32)MIN(MAX(ring_blocks / 4, TX_CREDITS_MAX), TX_MAX);
    int err = allocate_memory();
    if (err)
        return err;
    reset_state();
    err = recover();
    if (!err)
        err = start_thread();
    if (err) {
        spin_lock(&journal_lock);
        running = NULL;
        spin_unlock(&journal_lock);
        free_memory();
    }
    return err;
}

// After a failure: what was to be written is given up.
static void drop_transaction(struct transaction *t, bool has_frames)
{
    for (u32 k = 0; k < t->count; k++) {
        if (has_frames)
            frame_put(t->entries[k].frame);
        t->entries[k].buffer->tx_slot = 0;
        buf_put(t->entries[k].buffer);
    }
    t->count = 0;
}

void journal_release(void)
{
    spin_lock(&journal_lock);
    stopping = true;
    wake_all(&work);
    while (!stopped)
        (void)!wait_on(&done, &journal_lock, WAIT_UNINTERRUPTIBLE, NEVER, "journal");
    struct transaction *t = running;
    running = NULL;
    spin_unlock(&journal_lock);

    if (committing)
        drop_transaction(committing, true);
    drop_transaction(t, false);
    release_homes();
    free_memory();
}
