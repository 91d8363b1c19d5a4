// What images take out of fs and put back: pipes, open files, files that can't be written meanwhile, and contents that
// are exchanged; the last with the power failing everywhere.
//
// usage: fs_export_test [SEED [ROUNDS]]
#include "fs_host.h"
#include <base/string.h>
#include <fsfmt/fsfmt.h>
#include <stdlib.h>
#include <uapi/errno.h>
#include <uapi/fcntl.h>

#define DISK_BLOCKS  1024
#define CONTENTS_MAX (90 * 4096)
#define ROUNDS_MAX   200

static struct disk *disk;

// Contents that say which they are.

struct version {
    u32 number;
    u32 size;
};

static u8 byte_of(struct version v, u32 at)
{
    return (u8)(v.number * 41 + at / 4096 * 7 + at % 251);
}

static void write_bytes(struct inode *i, struct version v, u32 from, u32 to)
{
    static u8 bytes[CONTENTS_MAX];
    struct piece piece = { bytes, to - from };
    size_t done;

    for (u32 at = from; at < to; at++)
        bytes[at - from] = byte_of(v, at);
    CHECK_OK(inode_write(i, from, &piece, 1, &done));
    CHECK(done == to - from);
}

// Through the cache, past it, or partly so.
static void write_version(struct inode *i, struct version v)
{
    u32 whole = host_random(2) ? host_random(v.size / 4096 + 1) : 0;

    for (u32 k = 0; k < whole; k++) {
        struct frame *frame = frame_alloc();
        CHECK(frame);
        for (u32 n = 0; n < 4096; n++)
            ((u8 *)frame_data(frame))[n] = byte_of(v, k * 4096 + n);
        CHECK_OK(inode_write_frames(i, k * 4096, &frame, 1));
        frame_put(frame);
    }
    write_bytes(i, v, whole * 4096, v.size);
}

static bool holds(struct inode *i, struct version v)
{
    static u8 bytes[CONTENTS_MAX];
    struct piece piece = { bytes, sizeof(bytes) };
    struct inode_identity id;
    size_t done;

    inode_identify(i, &id);
    if (id.size != v.size)
        return false;
    CHECK_OK(inode_read(i, 0, &piece, 1, &done));
    for (u32 at = 0; at < v.size; at++)
        if (bytes[at] != byte_of(v, at))
            return false;
    return done == v.size;
}

static bool path_holds(const char *path, struct version v)
{
    struct inode *i;

    CHECK_OK(path_lookup(NULL, path, &i));
    bool yes = holds(i, v);
    inode_put(i);
    return yes;
}

static struct version version_new(void)
{
    static u32 number;

    return (struct version){ ++number, 1 + host_random(host_random(2) ? 20000 : CONTENTS_MAX - 1) };
}

// Pipes.

static struct x_pipe pipe_state;
static u8 buffer[PIPE_CONTENTS_MAX];

static void put_bytes(struct file *end, u32 from, u32 n)
{
    struct piece piece = { buffer, n };
    size_t done;

    for (u32 k = 0; k < n; k++)
        buffer[k] = (u8)((from + k) * 13 + (from + k) / 256);
    CHECK_OK(file_write(end, &piece, 1, &done));
    CHECK(done == n);
}

static void get_bytes(struct file *end, u32 from, u32 n)
{
    struct piece piece = { buffer, n };
    size_t done;

    for (u32 k = 0; k < n; k += (u32)done) {
        piece.size = n - k;
        CHECK_OK(file_read(end, &piece, 1, &done));
        CHECK(done > 0);
        for (u32 j = 0; j < done; j++)
            CHECK(buffer[j] == (u8)((from + k + j) * 13 + (from + k + j) / 256));
    }
}

// Move the ring's beginning, fill it, export it by one end, import it, and read what comes out.
static void pipe_round(u32 skip, u32 n)
{
    struct file *read_end, *write_end, *r, *w;

    CHECK_OK(pipe_create(&read_end, &write_end));
    for (u32 k = 0; k < skip; k += MIN(skip - k, 4096)) {
        put_bytes(write_end, k, MIN(skip - k, 4096));
        get_bytes(read_end, k, MIN(skip - k, 4096));
    }
    put_bytes(write_end, skip, n);
    pipe_export(n % 2 ? read_end : write_end, &pipe_state);
    CHECK(pipe_state.size == n && pipe_state.has_reader && pipe_state.has_writer);
    CHECK_OK(pipe_import(&pipe_state, &r, &w));
    get_bytes(read_end, skip, n);  // the export took nothing out
    file_put(read_end);
    file_put(write_end);

    u32 more = MIN(PIPE_CONTENTS_MAX - n, 100);
    put_bytes(w, skip + n, more);
    file_put(w);
    get_bytes(r, skip, n + more);
    struct piece piece = { buffer, 1 };
    size_t done;
    CHECK_OK(file_read(r, &piece, 1, &done));
    CHECK(done == 0);
    file_put(r);
}

static void test_pipes(void)
{
    struct file *read_end, *write_end;

    for (u32 k = 0; k < 60; k++)
        pipe_round(host_random(40000), host_random(PIPE_CONTENTS_MAX + 1));
    pipe_round(5000, PIPE_CONTENTS_MAX);
    pipe_round(0, 0);

    CHECK_OK(pipe_create(&read_end, &write_end));
    put_bytes(write_end, 0, 7);
    file_put(write_end);
    pipe_export(read_end, &pipe_state);
    CHECK(pipe_state.size == 7 && pipe_state.has_reader && !pipe_state.has_writer);
    file_put(read_end);
    pipe_state.size = PIPE_CONTENTS_MAX + 1;
    CHECK_ERR(-EINVAL, pipe_import(&pipe_state, &read_end, &write_end));
    CHECK(pipes_live() == 0 && files_live() == 0);
}

// Open files.

static void test_unnamed(void)
{
    struct version v = version_new();
    struct file *maker, *f, *g;
    struct x_file x = { .kind = FILE_INODE, .flags = O_RDWR | O_APPEND, .offset = 5, .inode.type = FS_FILE }, now;
    size_t done;

    CHECK_OK(path_create_unnamed(&maker));
    write_version(file_inode(maker), v);
    CHECK_OK(file_import_at(&x, "gone", file_inode(maker), &f));
    x.flags = O_RDONLY;
    CHECK_OK(file_import_at(&x, "gone", file_inode(maker), &g));
    file_put(maker);
    CHECK(holds(file_inode(f), v) && file_inode(f) == file_inode(g));
    file_export(file_get(f), &now);
    CHECK(now.refs == 2 && now.offset == 5 && now.flags == (O_RDWR | O_APPEND) && now.inode.nlink == 0);
    file_put(f);
    struct piece piece = { buffer, 1 };
    CHECK_OK(file_read(f, &piece, 1, &done));
    CHECK(done == (v.size > 5) && (!done || buffer[0] == byte_of(v, 5)));
    CHECK_ERR(-EBADF, file_write(g, &piece, 1, &done));
    // One writer: f.
    CHECK_ERR(-ETXTBSY, inode_writes_deny(file_inode(g)));
    file_put(f);
    CHECK_OK(inode_writes_deny(file_inode(g)));
    x.flags = O_WRONLY;
    CHECK_ERR(-ETXTBSY, file_import_at(&x, "gone", file_inode(g), &f));
    inode_writes_allow(file_inode(g));
    x.flags = O_RDWR | O_WRONLY;
    CHECK_ERR(-EINVAL, file_import_at(&x, "gone", file_inode(g), &f));
    x = (struct x_file){ .kind = FILE_DEVICE };
    CHECK_ERR(-EINVAL, file_import_at(&x, "gone", file_inode(g), &f));
    struct inode *root = fs_root();
    x.kind = FILE_INODE;
    CHECK_ERR(-EINVAL, file_import_at(&x, "gone", root, &f));
    CHECK_ERR(-EINVAL, inode_writes_deny(root));
    inode_put(root);
    CHECK(holds(file_inode(g), v));
    file_put(g);
}

static void test_denied(void)
{
    struct version v = version_new(), w = version_new();
    struct file *f, *g, *h;
    size_t done;

    CHECK_OK(path_open(NULL, "/denied", O_RDWR | O_CREATE, &f));
    write_version(file_inode(f), v);
    CHECK_ERR(-ETXTBSY, inode_writes_deny(file_inode(f)));
    file_put(f);
    CHECK_OK(path_open(NULL, "/denied", O_RDONLY, &f));
    CHECK_OK(inode_writes_deny(file_inode(f)));
    CHECK_OK(inode_writes_deny(file_inode(f)));
    CHECK_ERR(-ETXTBSY, path_open(NULL, "/denied", O_RDWR, &g));
    CHECK_ERR(-ETXTBSY, path_open(NULL, "/denied", O_WRONLY | O_TRUNC, &g));
    CHECK_ERR(-ETXTBSY, path_open(NULL, "/denied", O_WRONLY | O_CREATE | O_APPEND, &g));
    CHECK_OK(path_open(NULL, "/denied", O_RDONLY | O_TRUNC, &g));
    CHECK_ERR(-EBADF, file_truncate(g, 0));
    CHECK_ERR(-EBADF, file_write(g, &(struct piece){ buffer, 1 }, 1, &done));
    file_put(g);
    CHECK(holds(file_inode(f), v));

    CHECK_OK(path_create_unnamed(&g));
    write_version(file_inode(g), w);
    CHECK_ERR(-ETXTBSY, inode_exchange(file_inode(f), file_inode(g)));
    CHECK_ERR(-ETXTBSY, path_publish(NULL, "/denied", g));
    file_put(g);

    // Its name may go, and it lives on.
    CHECK_OK(path_open(NULL, "/other", O_RDWR | O_CREATE, &h));
    write_version(file_inode(h), w);
    CHECK_OK(path_rename(NULL, "/other", "/denied"));
    CHECK(path_holds("/denied", w) && holds(file_inode(f), v));
    file_put(h);
    struct frame *frame = frame_alloc();
    CHECK(frame);
    CHECK_OK(inode_write_frames(file_inode(f), 0, &frame, 1));
    frame_put(frame);
    // As often allowed as denied.
    struct x_file x = { .kind = FILE_INODE, .flags = O_RDWR, .inode.type = FS_FILE };
    inode_writes_allow(file_inode(f));
    CHECK_ERR(-ETXTBSY, file_import_at(&x, "denied", file_inode(f), &g));
    inode_writes_allow(file_inode(f));
    CHECK_OK(file_import_at(&x, "denied", file_inode(f), &g));
    file_put(g);
    file_put(f);
    CHECK_OK(path_unlink(NULL, "/denied"));
}

// Exchanging.

static void open_two(struct file **a, struct file **b, struct version va, struct version vb)
{
    CHECK_OK(path_open(NULL, "/a", O_RDWR | O_CREATE | O_TRUNC, a));
    CHECK_OK(path_open(NULL, "/b", O_RDWR | O_CREATE | O_TRUNC, b));
    write_version(file_inode(*a), va);
    write_version(file_inode(*b), vb);
}

static void test_exchange(void)
{
    struct version va = version_new(), vb = version_new();
    struct inode_identity before, after;
    struct file *a, *b;

    open_two(&a, &b, va, vb);
    inode_identify(file_inode(a), &before);
    CHECK_ERR(-EINVAL, inode_exchange(file_inode(a), file_inode(a)));
    CHECK_OK(inode_exchange(file_inode(a), file_inode(b)));
    inode_identify(file_inode(a), &after);
    CHECK(after.ino == before.ino && after.generation == before.generation && after.changes > before.changes);
    CHECK(holds(file_inode(a), vb) && holds(file_inode(b), va));

    // What is written now goes to the right one, whoever had the block before.
    struct version vc = { 99, vb.size };
    write_bytes(file_inode(a), vc, 0, vc.size);
    CHECK(holds(file_inode(a), vc) && holds(file_inode(b), va));
    CHECK_OK(inode_exchange(file_inode(b), file_inode(a)));
    file_put(a);
    file_put(b);
    CHECK_OK(fs_unmount());
    CHECK(host_fsck() == 0);
    CHECK_OK(fs_mount(disk));
    CHECK(path_holds("/a", va) && path_holds("/b", vc));

    // Preallocated blocks past the end don't travel to where they would come to light.
    CHECK_OK(path_create_unnamed(&b));
    CHECK_OK(inode_preallocate(file_inode(b), 40 * 4096));
    CHECK_OK(path_open(NULL, "/a", O_RDWR, &a));
    CHECK_OK(inode_exchange(file_inode(a), file_inode(b)));
    CHECK(holds(file_inode(a), (struct version){ 0, 0 }) && holds(file_inode(b), va));
    file_put(a);
    file_put(b);

    struct inode *root = fs_root(), *i;
    CHECK_OK(path_lookup(NULL, "/a", &i));
    CHECK_ERR(-EINVAL, inode_exchange(root, i));
    inode_put(i);
    inode_put(root);
}

// Data that can't be written is known before anything is exchanged.
static void test_exchange_errors(void)
{
    struct version va = version_new(), vb = version_new();
    struct file *a, *b;

    open_two(&a, &b, va, vb);
    CHECK_OK(fs_sync());
    struct version vc = { 77, va.size };
    write_bytes(file_inode(a), vc, 0, 1);
    host_fail_disk(DISK_WRITE, 1, false);
    CHECK_ERR(-EIO, inode_exchange(file_inode(a), file_inode(b)));
    CHECK(host_disk_failed());
    host_fail_disk(DISK_WRITE, 0, false);
    CHECK(holds(file_inode(b), vb));
    CHECK_OK(inode_exchange(file_inode(a), file_inode(b)));
    CHECK(holds(file_inode(a), vb));
    file_put(a);
    file_put(b);
}

static void test_all(void *arg)
{
    CHECK_OK(fs_mount(disk));
    test_pipes();
    test_unnamed();
    test_denied();
    for (u32 k = 0; k < 20; k++)
        test_exchange();
    test_exchange_errors();
    CHECK_OK(fs_unmount());
    CHECK(host_fsck() == 0);
}

// The power fails: /a and /b hold what they did after some operation that wasn't durable yet, or the last one that was.

struct moment {
    struct version a, b;
    size_t begin, end;  // positions in the log of the operation that led here
    bool durable;
};

static struct moment moments[ROUNDS_MAX + 1];
static u32 rounds = 30, states_tried;
static struct host_log history;

// New contents for one file, by way of one without a name; or both files exchanged.
static void operate(struct file *a, struct file *b, struct moment *m)
{
    bool both = host_random(2), first = host_random(2);
    struct version fresh = version_new();
    struct file *u;

    if (both) {
        CHECK_OK(inode_exchange(file_inode(a), file_inode(b)));
        struct version was = m->a;
        m->a = m->b;
        m->b = was;
        return;
    }
    CHECK_OK(path_create_unnamed(&u));
    write_version(file_inode(u), fresh);
    CHECK_OK(inode_exchange(file_inode(first ? a : b), file_inode(u)));
    *(first ? &m->a : &m->b) = fresh;
    file_put(u);
}

static void work(void *arg)
{
    struct file *a, *b;

    CHECK_OK(fs_mount(disk));
    host_start_syncing();
    CHECK_OK(path_open(NULL, "/a", O_RDWR, &a));
    CHECK_OK(path_open(NULL, "/b", O_RDWR, &b));
    for (u32 k = 1; k <= rounds; k++) {
        moments[k] = moments[k - 1];
        moments[k].begin = history.count;
        operate(a, b, &moments[k]);
        moments[k].durable = host_random(3) == 0;
        if (moments[k].durable) {
            CHECK_OK(inode_sync(file_inode(a)));
            CHECK_OK(inode_sync(file_inode(b)));
        }
        moments[k].end = history.count;
    }
    host_stop_syncing();
    file_put(a);
    file_put(b);
    CHECK_OK(fs_unmount());
}

static void prepare(void *arg)
{
    struct file *a, *b;

    CHECK_OK(fs_mount(disk));
    moments[0] = (struct moment){ version_new(), version_new(), .durable = true };
    open_two(&a, &b, moments[0].a, moments[0].b);
    file_put(a);
    file_put(b);
    CHECK_OK(fs_unmount());
}

static void examine(void *arg)
{
    size_t position = *(size_t *)arg;
    u32 low = 0, high = 0;
    bool good = false;

    CHECK_OK(fs_mount(disk));
    while (high < rounds && moments[high + 1].begin <= position)
        high++;
    for (u32 k = 1; k <= rounds && moments[k].end <= position; k++)
        if (moments[k].durable)
            low = k;
    for (u32 k = low; k <= high && !good; k++)
        good = path_holds("/a", moments[k].a) && path_holds("/b", moments[k].b);
    if (!good)
        host_fail("a crash at %zu of %zu: /a and /b are as after none of the operations %u to %u", position,
                  history.count, low, high);
    CHECK_OK(fs_unmount());
}

static void check_state(size_t position)
{
    if (host_fsck())
        host_fail("fsck objects to a crash at %zu of %zu", position, history.count);
    host_run(examine, &position);
    states_tried++;
}

static void apply(size_t from, size_t to, bool half)
{
    for (size_t k = from; k < to; k++)
        if (!history.writes[k].flush && (!half || host_random(2)))
            memcpy(host_disk_bytes() + history.writes[k].block * FS_BLOCK_SIZE, history.writes[k].bytes, FS_BLOCK_SIZE);
}

// At places all over the log: what was written before the last flush, and all or some of what came after it.
static void crash_everywhere(u32 stride)
{
    static u8 base[DISK_BLOCKS * FS_BLOCK_SIZE];
    size_t flushed = 0;

    memcpy(base, host_disk_bytes(), sizeof(base));
    for (size_t at = 0; at <= history.count; at++) {
        if (at > 0 && history.writes[at - 1].flush) {
            memcpy(host_disk_bytes(), base, sizeof(base));
            apply(flushed, at, false);
            memcpy(base, host_disk_bytes(), sizeof(base));
            flushed = at;
        }
        if (host_random(stride))
            continue;
        memcpy(host_disk_bytes(), base, sizeof(base));
        apply(flushed, at, host_random(2));
        check_state(at);
    }
}

int main(int argc, char **argv)
{
    static u8 first[DISK_BLOCKS * FS_BLOCK_SIZE];
    u64 seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;

    rounds = argc > 2 ? (u32)MIN(atoi(argv[2]), ROUNDS_MAX) : rounds;
    host_seed(seed);
    host_set_memory(4096);
    disk = host_disk_create(DISK_BLOCKS);
    host_format(0, 64, 64);
    host_run(test_all, NULL);
    host_format(0, 64, 64);
    host_run(prepare, NULL);
    memcpy(first, host_disk_bytes(), sizeof(first));
    host_record(&history);
    host_run(work, NULL);
    host_record(NULL);
    memcpy(host_disk_bytes(), first, sizeof(first));
    crash_everywhere(4);
    host_log_free(&history);
    CHECK(host_frames_used() == 0 && host_objects() == 0);
    printf("fs_export_test: seed %llu, %u exchanges, %u crash states: good\n", (unsigned long long)seed, rounds,
           states_tried);
    host_disk_destroy();
    return 0;
}
