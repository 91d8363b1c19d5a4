// What a committing transaction still has to write, and the next transaction no longer wants: each case by itself, with
// the disk held while the journal's thread waits for the first of many writes of file data.
//
// usage: fs_order_test
#include "fs_host.h"
#include "journal.h"
#include <base/byteorder.h>
#include <base/string.h>
#include <sched/thread.h>
#include <stdlib.h>
#include <uapi/errno.h>
#include <uapi/fcntl.h>

#define DISK_BLOCKS 4096
#define BLOCKS      1400u  // of the file: many more than the journal has in flight
#define LAST        40u    // of them, at the end, which it has not begun to write

static struct disk *disk;
static struct file *file;

static void write_block(u32 at, u64 mark)
{
    static u8 bytes[FS_BLOCK_SIZE];
    struct piece piece = { bytes, sizeof(bytes) };
    size_t done;

    for (u32 k = 0; k < FS_BLOCK_SIZE; k += 8)
        put_le64(bytes + k, mark + at);
    CHECK_OK(inode_write(file_inode(file), at * 4096ull, &piece, 1, &done));
}

static void expect_block(u32 at, u64 mark)
{
    static u8 bytes[FS_BLOCK_SIZE];
    struct piece piece = { bytes, sizeof(bytes) };
    size_t done;

    CHECK_OK(inode_read(file_inode(file), at * 4096ull, &piece, 1, &done));
    CHECK(done == sizeof(bytes));
    for (u32 k = 0; k < FS_BLOCK_SIZE; k += 8)
        if (le64(bytes + k) != mark + at)
            host_fail("block %u has %llx at %u, not %llx", at, (unsigned long long)le64(bytes + k), k,
                      (unsigned long long)(mark + at));
}

#define OLD (1ull << 32)
#define NEW (2ull << 32)

static void sync_file(void *arg)
{
    CHECK_OK(file_sync(file));
}

// A file of new blocks, all of them in the cache; its transaction is being committed.
static void begin_commit(void)
{
    CHECK_OK(fs_mount(disk));
    CHECK_OK(path_open(NULL, "/file", O_RDWR | O_CREATE, &file));
    for (u32 at = 0; at < BLOCKS; at++)
        write_block(at, OLD);
    host_hold_writes(true);
    host_spawn(sync_file, NULL);
    while (!host_held())
        thread_yield();
}

// fsync has returned, and the power fails. The disk as it is then.
static u8 *power_fails(void)
{
    size_t size = DISK_BLOCKS * FS_BLOCK_SIZE;

    host_hold_writes(false);
    host_join();
    u8 *image = memcpy(malloc(size), host_disk_bytes(), size);
    file_put(file);
    CHECK_OK(fs_unmount());
    return image;
}

static void look_again(u8 *image)
{
    memcpy(host_disk_bytes(), image, DISK_BLOCKS * FS_BLOCK_SIZE);
    free(image);
    CHECK(host_fsck() == 0);
    CHECK_OK(fs_mount(disk));
    CHECK_OK(path_open(NULL, "/file", O_RDWR, &file));
}

static void end(void)
{
    file_put(file);
    CHECK_OK(fs_unmount());
    CHECK(host_frames_used() == 0 && host_objects() == 0);
}

// The next transaction frees the blocks; but it isn't durable, and the file is as it was.
static void freed_by_the_next(void *arg)
{
    begin_commit();
    CHECK_OK(file_truncate(file, 0));
    look_again(power_fails());
    for (u32 at = 0; at < BLOCKS; at++)
        expect_block(at, OLD);
    end();
}

// Frames go over the last blocks, past the cache: what the cache had for them must not come later.
static void write_over(void *arg)
{
    struct frame *frames[LAST];

    for (u32 k = 0; k < LAST; k++) {
        frames[k] = frame_alloc();
        CHECK(frames[k]);
        for (u32 n = 0; n < FS_BLOCK_SIZE; n += 8)
            put_le64((u8 *)frame_data(frames[k]) + n, NEW + BLOCKS - LAST + k);
    }
    CHECK_OK(inode_write_frames(file_inode(file), (BLOCKS - LAST) * 4096ull, frames, LAST));
    for (u32 k = 0; k < LAST; k++)
        frame_put(frames[k]);
}

static void overwritten_past_the_cache(void *arg)
{
    begin_commit();
    host_spawn(write_over, NULL);
    for (u32 n = 0; n < 100; n++)
        thread_yield();
    look_again(power_fails());
    for (u32 at = 0; at < BLOCKS; at++)
        expect_block(at, at < BLOCKS - LAST ? OLD : NEW);
    end();
}

// Through the cache: the block in flight keeps its contents, and the new ones follow with the next commit.
static void overwritten_in_the_cache(void *arg)
{
    begin_commit();
    for (u32 at = 0; at < BLOCKS; at += 7)
        write_block(at, NEW);
    host_hold_writes(false);
    host_join();
    host_spawn(sync_file, NULL);
    look_again(power_fails());
    for (u32 at = 0; at < BLOCKS; at++)
        expect_block(at, at % 7 ? OLD : NEW);
    end();
}

// More changes than the ring of the journal can hold, and nobody waits for any of them.
#define DIRECTORIES 300

static void more_than_the_ring(void *arg)
{
    char path[32];
    struct inode *i;

    host_format(0, 2 * DIRECTORIES, FS_JOURNAL_MIN);
    CHECK_OK(fs_mount(disk));
    CHECK_OK(path_open(NULL, "/file", O_RDWR | O_CREATE, &file));
    for (u32 k = 0; k < DIRECTORIES; k++) {
        snprintf(path, sizeof(path), "/d%u", k);
        CHECK_OK(path_mkdir(NULL, path));
    }
    CHECK_OK(fs_sync());
    look_again(power_fails());
    for (u32 k = 0; k < DIRECTORIES; k++) {
        snprintf(path, sizeof(path), "/d%u", k);
        CHECK_OK(path_lookup(NULL, path, &i));
        inode_put(i);
    }
    end();
}

// Handles that together might change more than the ring holds: the second waits for the first, although that changes
// nothing at all.
static bool has_begun;

static void begin_second(void *arg)
{
    struct tx tx;

    CHECK_OK(tx_begin(&tx, TX_CREDITS_MAX));
    has_begun = true;
    tx_end(&tx);
}

static void promises(void *arg)
{
    struct tx tx;

    host_format(0, 0, FS_JOURNAL_MIN);
    CHECK_OK(fs_mount(disk));
    has_begun = false;
    CHECK_OK(tx_begin(&tx, TX_CREDITS_MAX));
    host_spawn(begin_second, NULL);
    for (u32 n = 0; n < 100; n++)
        thread_yield();
    CHECK(!has_begun);
    tx_end(&tx);
    host_join();
    CHECK(has_begun);
    CHECK_OK(fs_unmount());
}

// The ring is used again behind a head that has moved. If the disk loses that head, and the beginning of what was
// written over the old log, the rest of the old log must not be there to be replayed.
#define ROUNDS 40

static size_t durable_at[ROUNDS];  // positions in the log

// Transactions of different sizes, each durable before the next.
static void fill_ring(void *arg)
{
    struct host_log *log = arg;
    char path[32];

    CHECK_OK(fs_mount(disk));
    for (u32 k = 0; k < ROUNDS; k++) {
        for (u32 n = 0; n < (k % 8 == 7 ? 30 : 1); n++) {
            snprintf(path, sizeof(path), "/d%u_%u", k, n);
            CHECK_OK(path_mkdir(NULL, path));
        }
        CHECK_OK(fs_sync());
        durable_at[k] = log->count;
    }
    CHECK_OK(fs_unmount());
}

static void expect_durable(void *arg)
{
    size_t position = *(size_t *)arg;
    struct inode *i;
    char path[32];

    CHECK_OK(fs_mount(disk));
    for (u32 k = 0; k < ROUNDS && durable_at[k] <= position; k++) {
        snprintf(path, sizeof(path), "/d%u_0", k);
        CHECK_OK(path_lookup(NULL, path, &i));
        inode_put(i);
    }
    CHECK_OK(fs_unmount());
}

// Of the writes [from, to) only those behind `place` are on the disk.
static void lose_below(const struct host_log *log, size_t from, size_t to, u64 place)
{
    for (size_t k = from; k < to; k++)
        if (log->writes[k].block > place)
            host_disk_write(log->writes[k].block, 0, log->writes[k].bytes, FS_BLOCK_SIZE);
    if (host_fsck())
        host_fail("fsck objects when writes %zu to %zu up to block %llu are lost", from, to, (unsigned long long)place);
    host_run(expect_durable, &from);
    host_disk_revert();
}

static void lose_heads(void)
{
    struct host_log log = {};
    struct fs_super s;
    size_t from = 0;

    host_format(0, 1000, FS_JOURNAL_MIN);
    host_disk_keep();
    CHECK(fs_super_decode(host_disk_bytes(), DISK_BLOCKS, &s) == FS_OK);
    host_record(&log);
    host_run(fill_ring, &log);
    host_record(NULL);
    host_disk_revert();
    for (size_t to = 0; to < log.count; to++) {
        if (!log.writes[to].flush)
            continue;
        bool has_head = false;
        for (size_t k = from; k < to; k++)
            has_head |= log.writes[k].block == s.journal_start;
        for (u64 place = s.journal_start; has_head && place < s.journal_start + s.journal_blocks; place++)
            lose_below(&log, from, to, place);
        for (size_t k = from; k < to; k++)
            host_disk_write(log.writes[k].block, 0, log.writes[k].bytes, FS_BLOCK_SIZE);
        host_disk_keep();
        from = to + 1;
    }
    host_log_free(&log);
}

// A number that is used again is another file, and who remembers the old one is told.
static void number_used_anew(void *arg)
{
    struct inode_identity old, anew;
    struct inode *i;

    CHECK_OK(fs_mount(disk));
    CHECK_OK(path_open(NULL, "/old", O_RDWR | O_CREATE, &file));
    inode_identify(file_inode(file), &old);
    file_put(file);
    CHECK_OK(path_unlink(NULL, "/old"));
    CHECK_OK(path_open(NULL, "/new", O_RDWR | O_CREATE, &file));
    inode_identify(file_inode(file), &anew);
    CHECK(anew.ino == old.ino && anew.generation != old.generation);
    CHECK_ERR(-ESTALE, inode_find(old.ino, old.generation, &i));
    end();
}

// What is in the log rots on the disk: the transaction is void, and none of it is copied home.

enum { DESCRIPTOR, CONTENTS, COMMIT, PARTS };

// The number of the next transaction, as the disk says.
static u64 head_sequence(const u8 *image)
{
    struct fs_journal_head head;
    struct fs_super s;

    CHECK(fs_super_decode(image, DISK_BLOCKS, &s) == FS_OK);
    CHECK(fs_journal_head_decode(image + s.journal_start * FS_BLOCK_SIZE, &s, &head) == FS_OK);
    return head.sequence;
}

// Where in the image the first transaction has that part.
static u8 *find_part(u8 *image, u32 part)
{
    struct fs_descriptor d;
    struct fs_super s;
    u8 *at;

    CHECK(fs_super_decode(image, DISK_BLOCKS, &s) == FS_OK);
    for (at = image + (s.journal_start + 1) * FS_BLOCK_SIZE; fs_descriptor_decode(at, &s, &d) != FS_OK;)
        at += FS_BLOCK_SIZE;
    return at + (part == DESCRIPTOR ? 0 : part == CONTENTS ? 1 : d.count + 1) * FS_BLOCK_SIZE;
}

static void damaged_log(void *arg)
{
    struct inode *i;

    CHECK_OK(fs_mount(disk));
    CHECK_OK(path_open(NULL, "/file", O_RDWR | O_CREATE, &file));
    CHECK_OK(fs_sync());
    u8 *image = power_fails();
    for (u32 part = 0; part < PARTS; part++) {
        // The last byte before the checksum: nothing but that tells.
        u8 *byte = find_part(image, part) + FS_BLOCK_SIZE - 5;
        *byte ^= 1;
        memcpy(host_disk_bytes(), image, DISK_BLOCKS * FS_BLOCK_SIZE);
        *byte ^= 1;
        CHECK(host_fsck() == 0);
        CHECK_OK(fs_mount(disk));
        CHECK_ERR(-ENOENT, path_lookup(NULL, "/file", &i));
        // Its number is not used again.
        CHECK(head_sequence(host_disk_bytes()) > head_sequence(image));
        CHECK_OK(fs_unmount());
    }
    free(image);
}

int main(void)
{
    static void (*const cases[])(void *) = { freed_by_the_next,
                                             overwritten_past_the_cache,
                                             overwritten_in_the_cache,
                                             more_than_the_ring,
                                             promises,
                                             number_used_anew,
                                             damaged_log };

    // So much that what is dirty makes nobody hurry.
    host_set_memory(16000);
    for (u32 k = 0; k < ARRAY_SIZE(cases); k++) {
        host_seed(k);
        disk = host_disk_create(DISK_BLOCKS);
        host_format(0, 0, 0);
        host_run(cases[k], NULL);
    }
    disk = host_disk_create(DISK_BLOCKS);
    lose_heads();
    host_disk_destroy();
    printf("fs_order_test: seed 0, %zu cases of a commit and what comes after it\n", ARRAY_SIZE(cases) + 1);
    return 0;
}
