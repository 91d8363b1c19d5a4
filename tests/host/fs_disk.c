// The simulated disk, with mkfs and fsck for it.
//
// Requests wait in a queue until somebody waits for one of them; then they are done in random order, as a device might.
// A flush is done at once: it covers what was done before it was submitted.
#include "fs_host.h"
#include <base/byteorder.h>
#include <base/string.h>
#include <fsck/fsck.h>
#include <sched/thread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <uapi/errno.h>
#include <unistd.h>

static struct disk disk = { .name = "sim" };
static u8 *bytes;
static int disk_fd = -1;

// What host_disk_revert() goes back to, and the blocks that have been written since it was kept.
static u8 *kept;
static bool *is_changed;
static u64 *changed, changed_count;

static struct list queue = { &queue, &queue };
static u32 queued;
static struct host_log *recording;

static bool holding;
static u32 flush_turns;
static u32 held;

static enum disk_op fail_op;
static u32 fail_in, lose_in;
static bool fail_on, failed;

struct disk *host_disk_create(u64 blocks)
{
    host_disk_destroy();
    disk_fd = memfd_create("disk", MFD_CLOEXEC);
    CHECK(disk_fd >= 0 && ftruncate(disk_fd, (off_t)(blocks * FS_BLOCK_SIZE)) == 0);
    bytes = mmap(NULL, blocks * FS_BLOCK_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, disk_fd, 0);
    CHECK(bytes != MAP_FAILED);
    disk.blocks = blocks;
    is_changed = calloc(blocks, sizeof(*is_changed));
    changed = malloc(blocks * sizeof(*changed));
    return &disk;
}

void host_disk_destroy(void)
{
    if (disk_fd < 0)
        return;
    munmap(bytes, disk.blocks * FS_BLOCK_SIZE);
    close(disk_fd);
    disk_fd = -1;
    free(kept);
    free(is_changed);
    free(changed);
    kept = NULL;
    changed_count = 0;
}

u8 *host_disk_bytes(void)
{
    return bytes;
}

static u8 *block_at(u64 block)
{
    return bytes + block * FS_BLOCK_SIZE;
}

void host_disk_write(u64 block, u32 at, const u8 *from, size_t n)
{
    memcpy(block_at(block) + at, from, n);
    if (!is_changed[block])
        changed[changed_count++] = block;
    is_changed[block] = true;
}

void host_disk_set(const u8 *all)
{
    for (u64 block = 0; block < disk.blocks; block++)
        if (memcmp(block_at(block), all + block * FS_BLOCK_SIZE, FS_BLOCK_SIZE) != 0)
            host_disk_write(block, 0, all + block * FS_BLOCK_SIZE, FS_BLOCK_SIZE);
}

void host_disk_keep(void)
{
    if (!kept)
        kept = memcpy(malloc(disk.blocks * FS_BLOCK_SIZE), bytes, disk.blocks * FS_BLOCK_SIZE);
    for (; changed_count; is_changed[changed[changed_count]] = false) {
        changed_count--;
        memcpy(kept + changed[changed_count] * FS_BLOCK_SIZE, block_at(changed[changed_count]), FS_BLOCK_SIZE);
    }
}

void host_disk_revert(void)
{
    for (; changed_count; is_changed[changed[changed_count]] = false) {
        changed_count--;
        memcpy(block_at(changed[changed_count]), kept + changed[changed_count] * FS_BLOCK_SIZE, FS_BLOCK_SIZE);
    }
}

void host_fail_disk(enum disk_op op, u32 n, bool from_then_on)
{
    fail_op = op;
    fail_in = n;
    fail_on = from_then_on;
    failed &= n == 0;
}

bool host_disk_failed(void)
{
    return failed;
}

void host_lose_write(u32 n)
{
    lose_in = n ? n + 1 : 0;
    failed &= n == 0;
}

static bool fails(enum disk_op op)
{
    if (op != fail_op || !fail_in || --fail_in)
        return false;
    failed = true;
    fail_in = fail_on;
    return true;
}

// Recording.

void host_record(struct host_log *log)
{
    recording = log;
}

static void record(bool flush, u64 block, const u8 *from)
{
    struct host_log *log = recording;

    if (!log)
        return;
    if (log->count == log->room) {
        log->room = log->room ? 2 * log->room : 256;
        log->writes = realloc(log->writes, log->room * sizeof(*log->writes));
    }
    struct host_write *w = &log->writes[log->count++];
    *w = (struct host_write){ .flush = flush, .block = block };
    if (from) {
        w->bytes = malloc(FS_BLOCK_SIZE);
        memcpy(w->bytes, from, FS_BLOCK_SIZE);
    }
}

void host_log_free(struct host_log *log)
{
    for (size_t k = 0; k < log->count; k++)
        free(log->writes[k].bytes);
    free(log->writes);
    *log = (struct host_log){};
}

// Requests.

static void execute(struct disk_request *r)
{
    for (u32 k = 0; k < r->count; k++) {
        u8 *frame = frame_data(r->frames[k]);
        if (r->op == DISK_READ) {
            memcpy(frame, block_at(r->block + k), FS_BLOCK_SIZE);
        } else {
            host_disk_write(r->block + k, 0, frame, FS_BLOCK_SIZE);
            record(false, r->block + k, frame);
        }
    }
}

static bool is_lost(struct disk_request *r)
{
    if (r->op != DISK_WRITE || !lose_in || --lose_in > 1)
        return false;
    if (lose_in == 1)
        execute(r);
    failed = true;
    return true;
}

void disk_submit(struct disk *d, struct disk_request *r)
{
    CHECK(d == &disk && r->done == NULL);
    r->complete = false;
    r->status = fails(r->op) || is_lost(r) || !disk_has(d, r) ? -EIO : 0;
    if (r->op == DISK_FLUSH || r->status) {
        if (!r->status)
            record(true, 0, NULL);
        r->complete = true;
        return;
    }
    list_append(&queue, &r->link);
    queued++;
}

static void execute_any(void)
{
    struct list *link = queue.next;

    for (u32 n = host_random(queued); n > 0; n--)
        link = link->next;
    struct disk_request *r = list_entry(link, struct disk_request, link);
    list_remove(link);
    queued--;
    execute(r);
    r->complete = true;
}

void host_hold_writes(bool on)
{
    holding = on;
}

u32 host_held(void)
{
    return held;
}

void host_slow_flushes(u32 turns)
{
    flush_turns = turns;
}

int disk_wait(struct disk_request *r)
{
    thread_yield();
    for (u32 n = r->op == DISK_FLUSH ? flush_turns : 0; n > 0; n--)
        thread_yield();
    held++;
    while (holding && r->op == DISK_WRITE)
        thread_yield();
    held--;
    while (!r->complete)
        execute_any();
    return r->status;
}

// mkfs.

static void mark(u64 map_start, u64 from, u64 to)
{
    for (u64 n = from; n < to; n++)
        fs_bit_set(block_at(map_start + n / FS_BITS_PER_BLOCK), (u32)(n % FS_BITS_PER_BLOCK));
}

static void format_root(const struct fs_super *s)
{
    struct fs_inode root = {
        .type = FS_DIR, .nlink = 1, .size = 2 * FS_DIRENT_SIZE, .generation = 1, .blocks = 1, .parent = 1
    };
    struct fs_dirent dot = { .ino = 1, .type = FS_DIR, .len = 1, .name = "." };
    struct fs_dirent dot_dot = { .ino = 1, .type = FS_DIR, .len = 2, .name = ".." };
    struct fs_inode head = { .type = FS_FREE };

    root.slots[0] = s->data_start;
    fs_inode_encode(&head, 0, block_at(s->inode_table_start));
    fs_inode_encode(&root, 1, block_at(s->inode_table_start) + FS_INODE_SIZE);
    fs_dirent_encode(&dot, block_at(s->data_start));
    fs_dirent_encode(&dot_dot, block_at(s->data_start) + FS_DIRENT_SIZE);
}

void host_format(u64 blocks, u64 inodes, u64 journal_blocks)
{
    struct fs_journal_head head = { .sequence = 1 };
    struct fs_super s;

    memset(bytes, 0, disk.blocks * FS_BLOCK_SIZE);
    CHECK(fs_super_plan(blocks ? blocks : disk.blocks, inodes, journal_blocks, &s) == FS_OK);
    fs_super_encode(&s, block_at(0));
    fs_super_encode(&s, block_at(s.blocks - 1));
    fs_journal_head_encode(&head, block_at(s.journal_start));
    mark(s.block_bitmap_start, 0, s.data_start + 1);
    mark(s.block_bitmap_start, s.blocks - 1, s.block_bitmap_blocks * FS_BITS_PER_BLOCK);
    mark(s.inode_bitmap_start, 0, 2);
    mark(s.inode_bitmap_start, s.inodes, s.inode_bitmap_blocks * FS_BITS_PER_BLOCK);
    format_root(&s);
}

// fsck.

u64 host_fsck(void)
{
    struct fsck_result result;
    struct image img;
    char path[64], *text = NULL;
    size_t size = 0;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", disk_fd);
    CHECK(image_open(&img, path, false));
    FILE *out = open_memstream(&text, &size);
    CHECK(fsck_run(&img, true, out, &result) && !img.failed);
    fclose(out);
    if (result.found)
        fputs(text, stderr);
    free(text);
    image_close(&img);
    return result.found;
}
