// Crash anywhere: an image gets new epochs.
//
// A file is used as a checkpoint image is: its first two blocks are slots for a header, which names the blocks of its
// epoch and their checksums. A new epoch's blocks go, as whole frames, to places that the newest header doesn't name,
// inside the file or behind its end; fsync; then the header goes over the older slot, in place; fsync. Meanwhile others
// create, write and delete files.
//
// What must hold after a crash: the newest slot that is valid is that of the last epoch that was reported durable, or
// of the one that was being written; and all blocks that it names have what was written to them. Without others at work
// the second fsync (or sync) costs one flush of the disk, and so does the first, if the file had all its blocks before.
//
// usage: fs_epochs_test [SEED [STATES [FIRST]]]
#include "fs_crash.h"
#include <base/byteorder.h>
#include <base/crc32c.h>
#include <base/string.h>
#include <fsfmt/fsfmt.h>
#include <sched/thread.h>
#include <uapi/errno.h>
#include <uapi/fcntl.h>

#define DISK_BLOCKS 512
#define SLOTS       2
#define PAGES_MAX   40   // of an epoch
#define PLACES      120  // of blocks in the file, slots included
#define EPOCHS      24
#define RUN_MAX     16
#define CRC_AT      4092

// A header block: the epoch, the count of its blocks, and for each its place and checksum. Zeros to the checksum at the
// end, which is far from the rest: a torn header must not be valid.
struct epoch {
    u64 number;
    u32 count;
    struct page {
        u32 place, crc;
    } pages[PAGES_MAX];
};

static struct epoch history[EPOCHS + 1];             // by number; the first is 1
static size_t begun[EPOCHS + 1], ended[EPOCHS + 1];  // positions in the log: header on its way; reported durable
static u32 epoch_count;
static bool has_block[PLACES];  // the file owns a block there, and it was written
static bool alone;

static void header_encode(const struct epoch *e, u8 *block)
{
    memset(block, 0, FS_BLOCK_SIZE);
    put_le64(block, e->number);
    put_le32(block + 8, e->count);
    for (u32 k = 0; k < e->count; k++) {
        put_le32(block + 16 + 8 * k, e->pages[k].place);
        put_le32(block + 20 + 8 * k, e->pages[k].crc);
    }
    put_le32(block + CRC_AT, crc32c(0, block, CRC_AT));
}

// Writing.

static struct frame *random_frame(u32 *crc)
{
    struct frame *f = frame_alloc();

    CHECK(f);
    for (u32 at = 0; at < FS_BLOCK_SIZE; at += 4)
        put_le32((u8 *)frame_data(f) + at, host_random(UINT32_MAX));
    *crc = crc32c(0, frame_data(f), FS_BLOCK_SIZE);
    return f;
}

// Write the pages [from, to), whose places follow each other. Do not all of them have blocks already?
static bool write_run(struct file *f, struct epoch *e, u32 from, u32 to)
{
    struct frame *frames[RUN_MAX];
    bool fresh = false;

    for (u32 k = from; k < to; k++) {
        frames[k - from] = random_frame(&e->pages[k].crc);
        fresh |= !has_block[e->pages[k].place];
        has_block[e->pages[k].place] = true;
    }
    CHECK_OK(inode_write_frames(file_inode(f), e->pages[from].place * 4096ull, frames, to - from));
    for (u32 k = from; k < to; k++)
        frame_put(frames[k - from]);
    return fresh;
}

static bool is_used(const struct epoch *e, u32 place)
{
    for (u32 k = 0; k < e->count; k++)
        if (e->pages[k].place == place)
            return true;
    return false;
}

// Keep some of the last epoch's pages, and write new ones to free places, some of which are left out. Did the file get
// blocks?
static bool write_pages(struct file *f, const struct epoch *last, struct epoch *e)
{
    u32 wanted = 1 + host_random(PAGES_MAX - 1), from;
    bool fresh = false;

    for (u32 k = 0; k < last->count && e->count < wanted; k++)
        if (host_random(2))
            e->pages[e->count++] = last->pages[k];
    from = e->count;
    for (u32 place = SLOTS; place < PLACES && e->count < wanted; place++) {
        if (is_used(last, place) || host_random(6) == 0)
            continue;
        bool joins = e->count > from && e->pages[e->count - 1].place + 1 == place && e->count - from < RUN_MAX;
        if (!joins && e->count > from) {
            fresh |= write_run(f, e, from, e->count);
            from = e->count;
        }
        e->pages[e->count++].place = place;
    }
    if (e->count > from)
        fresh |= write_run(f, e, from, e->count);
    return fresh;
}

static u32 flushes_since(size_t position)
{
    u32 n = 0;

    for (size_t k = position; k < crash_log.count; k++)
        n += crash_log.writes[k].flush;
    return n;
}

static void write_epoch(struct file *f)
{
    const struct epoch *last = &history[epoch_count];
    struct epoch *e = &history[epoch_count + 1];
    struct frame *header = frame_alloc();

    *e = (struct epoch){ .number = epoch_count + 1 };
    begun[e->number] = SIZE_MAX;  // nothing can be seen of it yet
    ended[e->number] = SIZE_MAX;
    epoch_count++;
    bool fresh = write_pages(f, last, e);
    size_t before = crash_log.count;
    CHECK_OK(file_sync(f));
    CHECK(!alone || fresh || flushes_since(before) <= 1);

    CHECK(header);
    header_encode(e, frame_data(header));
    before = begun[e->number] = crash_log.count;
    CHECK_OK(inode_write_frames(file_inode(f), e->number % SLOTS * 4096, &header, 1));
    CHECK_OK(host_random(4) ? file_sync(f) : fs_sync());
    CHECK(!alone || flushes_since(before) == 1);
    ended[e->number] = crash_log.count;
    frame_put(header);
}

// What no slot that counts needs any more is given back.
static void cut_tail(struct file *f)
{
    u32 end = SLOTS;

    for (u32 k = 0; k < history[epoch_count].count; k++)
        end = MAX(end, history[epoch_count].pages[k].place + 1);
    CHECK_OK(file_truncate(f, end * 4096ull));
    memset(has_block + end, 0, sizeof(has_block) - end);
}

static bool others_work;

static void other_work(void *arg)
{
    static u8 bytes[20000];
    struct piece piece = { bytes, sizeof(bytes) };
    struct file *f;
    size_t done;

    while (others_work) {
        piece.size = 1 + host_random(sizeof(bytes));
        CHECK_OK(path_open(NULL, "/other", O_RDWR | O_CREATE, &f));
        CHECK_OK(inode_write(file_inode(f), 0, &piece, 1, &done));
        if (host_random(3) == 0)
            CHECK_OK(file_sync(f));
        file_put(f);
        if (host_random(2))
            CHECK_OK(path_unlink(NULL, "/other"));
        for (u32 n = host_random(30); n > 0; n--)
            thread_yield();
    }
}

static void start_others(void)
{
    if (host_random(2))
        host_start_syncing();
    others_work = true;
    host_spawn(other_work, NULL);
}

// The file with its two slots, durable; nothing is in them.
static struct file *create_image(void)
{
    struct file *f;

    CHECK_OK(path_open(NULL, "/image", O_RDWR | O_CREATE, &f));
    CHECK_OK(host_random(2) ? inode_preallocate(file_inode(f), (SLOTS + host_random(30)) * 4096ull)
                            : file_truncate(f, SLOTS * 4096));
    struct frame *zeros[SLOTS] = { frame_alloc_zeroed(), frame_alloc_zeroed() };
    CHECK(zeros[0] && zeros[1]);
    CHECK_OK(inode_write_frames(file_inode(f), 0, zeros, SLOTS));
    CHECK_OK(file_sync(f));
    frame_put(zeros[0]);
    frame_put(zeros[1]);
    return f;
}

static void work(void *arg)
{
    CHECK_OK(fs_mount(crash_disk));
    struct file *f = create_image();
    epoch_count = 0;
    memset(has_block, 0, sizeof(has_block));
    if (!alone)
        start_others();
    while (epoch_count < EPOCHS) {
        write_epoch(f);
        if (host_random(5) == 0)
            cut_tail(f);
        if (host_random(8) == 0) {
            file_put(f);
            CHECK_OK(path_open(NULL, "/image", O_RDWR, &f));
        }
        if (alone)
            CHECK_OK(fs_sync());
    }
    file_put(f);
    others_work = false;
    host_stop_syncing();
    CHECK_OK(fs_unmount());
}

// Looking.

static void read_block(struct inode *i, u32 place, u8 *block)
{
    struct piece piece = { block, FS_BLOCK_SIZE };
    size_t done;

    CHECK_OK(inode_read(i, place * 4096ull, &piece, 1, &done));
    memset(block + done, 0, FS_BLOCK_SIZE - done);
}

// The newest of the slots that are valid; 0: none is.
static u64 newest(struct inode *i, u8 *header)
{
    u64 number = 0;
    u8 block[FS_BLOCK_SIZE];

    for (u32 slot = 0; slot < SLOTS; slot++) {
        read_block(i, slot, block);
        if (!le64(block) || le32(block + CRC_AT) != crc32c(0, block, CRC_AT) || le64(block) < number)
            continue;
        number = le64(block);
        memcpy(header, block, FS_BLOCK_SIZE);
    }
    return number;
}

static void examine_image(struct inode *i, const struct crash *c, u64 low, u64 high)
{
    u8 header[FS_BLOCK_SIZE], block[FS_BLOCK_SIZE];
    u64 number = newest(i, header);

    if (number < low || number > high)
        crash_fail(c, "epoch %llu is the newest, not one of %llu to %llu", (unsigned long long)number,
                   (unsigned long long)low, (unsigned long long)high);
    header_encode(&history[number], block);
    if (number && memcmp(header, block, FS_BLOCK_SIZE) != 0)
        crash_fail(c, "the header of epoch %llu is not what was written", (unsigned long long)number);
    for (u32 k = 0; k < history[number].count; k++) {
        read_block(i, history[number].pages[k].place, block);
        if (crc32c(0, block, FS_BLOCK_SIZE) != history[number].pages[k].crc)
            crash_fail(c, "epoch %llu: its block at place %u is not what was written", (unsigned long long)number,
                       history[number].pages[k].place);
    }
}

static void examine(void *arg)
{
    const struct crash *c = arg;
    u64 low = 0, high = 0;
    struct inode *i;

    for (u64 k = 1; k <= epoch_count; k++) {
        low = ended[k] <= c->position ? k : low;
        high = begun[k] <= c->position ? k : high;
    }
    CHECK_OK(fs_mount(crash_disk));
    int err = path_lookup(NULL, "/image", &i);
    if (!err) {
        examine_image(i, c, low, high);
        inode_put(i);
    } else if (err != -ENOENT || low) {
        crash_fail(c, "the image can't be found (error %d)", -err);
    }
    CHECK_OK(fs_unmount());
}

static void try_alone(void)
{
    alone = true;
    crash_disk_create(DISK_BLOCKS, 0);
    crash_try(work, examine, 1);
}

static void try_among_others(void)
{
    alone = false;
    crash_disk_create(DISK_BLOCKS, 0);
    crash_try(work, examine, 1);
}

int main(int argc, char **argv)
{
    static void (*const workloads[])(void) = { try_alone, try_among_others };

    return crash_main(argc, argv, "fs_epochs_test", workloads, ARRAY_SIZE(workloads));
}
