// Crash anywhere: names, files and directories come and go, and the power fails (fs_crash.h).
//
// What must hold: the names are those after some operation k, where k is not before the last one that was reported
// durable, and not after the last one that had begun; names of one file still are; a file that wasn't changed since it
// was reported durable has exactly its contents; any other holds only what was written to it, at its place, or zeros; a
// published file is whole.
//
// usage: fs_crash_test [SEED [STATES [FIRST]]]
#include "fs_crash.h"
#include <base/byteorder.h>
#include <base/format.h>
#include <base/string.h>
#include <stdlib.h>
#include <uapi/errno.h>
#include <uapi/fcntl.h>

#define DISK_BLOCKS 512  // at most
#define DISK_MIN    170
#define DISK_LARGE  2048
#define FILE_MAX    (64 * 4096)
#define ENTRIES     48
#define OPERATIONS  90
#define NODES       512

// The model.

struct version {
    u32 operation;  // that made it
    bool whole;     // made by one transaction: never seen in part
    size_t size;
    u8 *data;
    struct version *older;
};

struct node {
    u32 type;
    size_t size;
    u8 *data;
    u32 writes;
    struct version *versions;  // newest first
};

struct entry {
    char path[56];
    u32 node;
};

struct state {
    struct entry entries[ENTRIES];
    u32 count;
};

struct operation {
    size_t begin, end;  // positions in the log
    bool durable;       // everything up to here is, once it has ended
};

static struct node nodes[NODES];
static u32 node_count;
static struct state now, states[OPERATIONS + 1];  // states[k]: after operation k; 0: at the beginning
static struct operation operations[OPERATIONS + 1];
static u32 operation_count;

static struct entry *find(const char *path)
{
    for (u32 k = 0; k < now.count; k++)
        if (strcmp(now.entries[k].path, path) == 0)
            return &now.entries[k];
    return NULL;
}

static void add(const char *path, u32 node)
{
    CHECK(now.count < ENTRIES);
    text_copy(now.entries[now.count].path, path, sizeof(now.entries[0].path));
    now.entries[now.count++].node = node;
}

static u32 node_new(u32 type)
{
    CHECK(node_count < NODES);
    nodes[node_count] = (struct node){ .type = type, .data = type == T_FILE ? calloc(1, FILE_MAX) : NULL };
    return node_count++;
}

static void drop(struct entry *e)
{
    *e = now.entries[--now.count];
}

static bool has_children(const char *path)
{
    size_t n = strlen(path);

    for (u32 k = 0; k < now.count; k++)
        if (strncmp(now.entries[k].path, path, n) == 0 && now.entries[k].path[n] == '/')
            return true;
    return false;
}

// The file got new contents in the current operation.
static void remember(u32 node, bool whole)
{
    struct node *n = &nodes[node];
    struct version *v = malloc(sizeof(*v));

    *v = (struct version){ .operation = operation_count, .whole = whole, .size = n->size, .older = n->versions };
    v->data = malloc(n->size + 1);
    memcpy(v->data, n->data, n->size);
    n->versions = v;
}

// Contents say what they are: 8 bytes hold the node, its n-th write, and the place.
static u64 word(u32 node, u32 write, u64 at)
{
    return (u64)(node + 1) << 44 | (u64)(write & 0xfff) << 32 | at;
}

static void make_contents(u32 node, u64 at, u8 *to, size_t n)
{
    u32 write = ++nodes[node].writes;

    for (size_t k = 0; k < n; k += 8)
        put_le64(to + k, word(node, write, at + k));
}

// Operations.

static const char *random_path(void)
{
    static char paths[8][56];
    static u32 turn;
    char *out = paths[turn++ % 8];
    char a = (char)('a' + host_random(4)), b = (char)('a' + host_random(4));

    if (host_random(2))
        snprintf(out, 56, "/%c", a);
    else
        snprintf(out, 56, "/%c/%c", a, b);
    return out;
}

static void make_durable(void)
{
    operations[operation_count].durable = true;
}

// Write to an open file, through the cache or past it. What the disk's size refuses is cut off.
static void write_some(struct file *f, u32 node, u64 at, size_t n)
{
    static u8 bytes[FILE_MAX];
    struct piece piece = { bytes, (u32)n };
    size_t done;

    make_contents(node, at, bytes, n);
    int err = inode_write(file_inode(f), at, &piece, 1, &done);
    CHECK(err == 0 || err == -ENOSPC);
    memcpy(nodes[node].data + at, bytes, done);
    if (done)
        nodes[node].size = MAX(nodes[node].size, at + done);
}

static void write_whole_frames(struct file *f, u32 node, u64 at, u32 count)
{
    struct frame *frames[64];

    for (u32 k = 0; k < count; k++) {
        frames[k] = frame_alloc();
        CHECK(frames[k]);
        if (k == 0)
            nodes[node].writes++;
        for (u32 n = 0; n < 4096; n += 8)
            put_le64((u8 *)frame_data(frames[k]) + n, word(node, nodes[node].writes, at + k * 4096 + n));
    }
    int err = inode_write_frames(file_inode(f), at, frames, count);
    struct stat st;
    inode_stat(file_inode(f), &st);
    CHECK(err == 0 || err == -ENOSPC);
    // On an error some of it may be there.
    for (u32 k = 0; k < count; k++) {
        if (at + (k + 1) * 4096 <= st.size && !err)
            memcpy(nodes[node].data + at + k * 4096, frame_data(frames[k]), 4096);
        frame_put(frames[k]);
    }
    if (err) {
        // The model follows the file.
        struct piece piece = { nodes[node].data, st.size };
        size_t done;
        CHECK_OK(inode_read(file_inode(f), 0, &piece, 1, &done));
    }
    nodes[node].size = st.size;
}

static u64 changes_of(struct file *f)
{
    struct inode_identity id;

    inode_identify(file_inode(f), &id);
    return id.changes;
}

static void do_write(void)
{
    const char *path = random_path();
    bool truncate = host_random(4) == 0;
    struct file *f;
    int err = path_open(NULL, path, O_RDWR | O_CREATE | (truncate ? O_TRUNC : 0), &f);

    if (err)
        return;
    struct entry *e = find(path);
    u32 node = e ? e->node : node_new(T_FILE);
    if (!e)
        add(path, node);
    if (truncate) {
        memset(nodes[node].data, 0, FILE_MAX);
        nodes[node].size = 0;
    }
    u64 at = host_random(2) ? nodes[node].size & ~7ull : host_random(24) * 4096ull;
    u64 before = changes_of(f);
    size_t n = 8 + host_random(host_random(3) ? 1000 : 12000) * 8 % 90000;
    n = MIN(n & ~7ull, FILE_MAX - 4096 - MIN(at, FILE_MAX - 8192));
    bool through_cache = host_random(3) || at % 4096;
    if (at + n <= FILE_MAX) {
        if (through_cache)
            write_some(f, node, at, n);
        else
            write_whole_frames(f, node, at, 1 + host_random((u32)MIN(20, (FILE_MAX - at) / 4096)));
    }
    remember(node, false);
    if (host_random(4) == 0) {
        CHECK_OK(file_sync(f));
        // What came before is durable only with a logged change of this file: on a full disk there may be none, and
        // frames that went over others in place are none.
        if (!e || (through_cache && changes_of(f) != before))
            make_durable();
    }
    file_put(f);
}

static void do_truncate(void)
{
    const char *path = random_path();
    struct entry *e = find(path);
    struct file *f;

    if (!e || nodes[e->node].type != T_FILE)
        return;
    struct node *n = &nodes[e->node];
    size_t size = host_random(2) ? 0 : host_random(FILE_MAX / 8) * 8;
    if (path_open(NULL, path, O_RDWR, &f))
        host_fail("can't open %s", path);
    int err = file_truncate(f, size);
    CHECK(err == 0);
    if (size < n->size)
        memset(n->data + size, 0, n->size - size);
    n->size = size;
    remember(e->node, false);
    file_put(f);
}

static void do_publish(void)
{
    const char *path = random_path();
    struct entry *e = find(path);
    struct file *f;

    int err = path_create_unnamed(&f);
    if (err) {
        CHECK(err == -ENOSPC);
        return;
    }
    u32 node = node_new(T_FILE), count = 1 + host_random(40);
    if (host_random(2))
        err = inode_preallocate(file_inode(f), (count + host_random(10)) * 4096ull);
    if (!err && host_random(3) == 0)
        write_some(f, node, 0, 4096);
    if (!err)
        write_whole_frames(f, node, 0, count);
    if (!err)
        err = path_publish(NULL, path, f);
    if (!err) {
        if (e)
            e->node = node;
        else
            add(path, node);
        remember(node, true);
        make_durable();
    }
    file_put(f);
}

static void do_mkdir(void)
{
    const char *path = random_path();

    if (path_mkdir(NULL, path) == 0)
        add(path, node_new(T_DIR));
}

static void do_unlink(void)
{
    const char *path = random_path();

    if (path_unlink(NULL, path) == 0)
        drop(find(path));
}

static void do_link(void)
{
    const char *from = random_path(), *to = random_path();

    if (path_link(NULL, from, to) == 0)
        add(to, find(from)->node);
}

// Give everything below `from` its new name.
static void move(const char *from, const char *to)
{
    size_t n = strlen(from);

    for (u32 k = 0; k < now.count; k++) {
        char below[56], *path = now.entries[k].path;
        if (strncmp(path, from, n) != 0 || (path[n] && path[n] != '/'))
            continue;
        text_copy(below, path + n, sizeof(below));
        CHECK(format_text(path, sizeof(now.entries[k].path), "%s%s", to, below) < sizeof(now.entries[k].path));
    }
}

static void do_rename(void)
{
    const char *from = random_path(), *to = random_path();

    if (path_rename(NULL, from, to))
        return;
    struct entry *e = find(from), *old = find(to);
    CHECK(e);
    if (old && old->node == e->node)
        return;
    CHECK(!has_children(to));
    if (old)
        drop(old);
    move(from, to);
}

// Many names come and go in one directory, which needs more blocks for them.
static void do_storm(void)
{
    char path[64];

    for (u32 k = 0; k < 12; k++) {
        snprintf(path, sizeof(path), "/storm%u", k);
        int err = path_mkdir(NULL, path);
        CHECK(err == 0 || err == -ENOSPC);
        if (err)
            break;
    }
    for (u32 k = 0; k < 12; k++) {
        snprintf(path, sizeof(path), "/storm%u", k);
        int err = path_unlink(NULL, path);
        CHECK(err == 0 || err == -ENOENT || err == -ENOSPC);
    }
}

static void do_sync(void)
{
    CHECK_OK(fs_sync());
    make_durable();
}

static void work(void *arg)
{
    CHECK_OK(fs_mount(crash_disk));
    bool syncing = host_random(2);
    if (syncing)
        host_start_syncing();
    for (operation_count = 1; operation_count <= OPERATIONS; operation_count++) {
        struct operation *op = &operations[operation_count];
        *op = (struct operation){ .begin = crash_log.count };
        u32 pick = host_random(100);
        if (pick < 40)
            do_write();
        else if (pick < 46)
            do_truncate();
        else if (pick < 56)
            do_publish();
        else if (pick < 64)
            do_mkdir();
        else if (pick < 76)
            do_unlink();
        else if (pick < 82)
            do_link();
        else if (pick < 93)
            do_rename();
        else if (pick < 94)
            do_storm();
        else
            do_sync();
        op->end = crash_log.count;
        states[operation_count] = now;
    }
    operation_count = OPERATIONS;
    if (syncing)
        host_stop_syncing();
    CHECK_OK(fs_unmount());
}

// Checking what came through.

struct found {
    char path[56];
    u32 type;
    u64 ino;
    size_t size;
    u8 *data;
};

static struct found tree[4 * ENTRIES];
static u32 tree_count;

static void collect(const char *path)
{
    struct inode *i;
    struct inode_identity id;
    size_t done;

    CHECK_OK(path_lookup(NULL, path[0] ? path : "/", &i));
    inode_identify(i, &id);
    if (path[0]) {
        CHECK(tree_count < ARRAY_SIZE(tree));
        struct found *f = &tree[tree_count++];
        *f = (struct found){
            .type = id.type, .ino = id.ino, .size = (size_t)id.size, .data = malloc((size_t)id.size + 1)
        };
        text_copy(f->path, path, sizeof(f->path));
        struct piece piece = { f->data, (u32)f->size };
        if (id.type == T_FILE) {
            CHECK_OK(inode_read(i, 0, &piece, 1, &done));
            CHECK(done == f->size);
        }
    }
    if (id.type == T_DIR) {
        struct dirent d;
        struct piece piece = { &d, sizeof(d) };
        for (u64 at = 32; inode_read(i, at, &piece, 1, &done) == 0 && done == sizeof(d); at += sizeof(d)) {
            char below[64];
            if (!d.inum || strncmp(d.name, "storm", 5) == 0)
                continue;
            snprintf(below, sizeof(below), "%s/%.14s", path, d.name);
            collect(below);
        }
    }
    inode_put(i);
}

static void collect_release(void)
{
    while (tree_count)
        free(tree[--tree_count].data);
}

static struct found *found_at(const char *path)
{
    for (u32 k = 0; k < tree_count; k++)
        if (strcmp(tree[k].path, path) == 0)
            return &tree[k];
    return NULL;
}

// Are the names those of that state?
static bool same_names(const struct state *s)
{
    static u64 ino_of[NODES];

    if (s->count != tree_count)
        return false;
    memset(ino_of, 0, sizeof(ino_of));
    for (u32 k = 0; k < s->count; k++) {
        struct found *f = found_at(s->entries[k].path);
        u32 node = s->entries[k].node;
        if (!f || f->type != nodes[node].type || (ino_of[node] && ino_of[node] != f->ino))
            return false;
        ino_of[node] = f->ino;
    }
    return true;
}

// The version that a file must have, if it was durable before `low` and not changed until `high`.
static struct version *settled(u32 node, u32 low, u32 high)
{
    struct version *v = nodes[node].versions;

    while (v && v->operation > high)
        v = v->older;
    return v && (v->operation <= low || v->whole) ? v : NULL;
}

static bool right_contents(const struct found *f, u32 node, u32 low, u32 high)
{
    struct version *v = settled(node, low, high);

    if (f->type != T_FILE)
        return true;
    if (v)
        return f->size == v->size && memcmp(f->data, v->data, v->size) == 0;
    for (size_t at = 0; at + 8 <= f->size; at += 8) {
        u64 w = le64(f->data + at);
        if (w && (w >> 44 != node + 1 || (w & 0xffffffff) != at))
            return false;
    }
    return true;
}

static bool agrees(u32 k, u32 low, u32 high)
{
    if (!same_names(&states[k]))
        return false;
    for (u32 n = 0; n < states[k].count; n++)
        if (!right_contents(found_at(states[k].entries[n].path), states[k].entries[n].node, low, high))
            return false;
    return true;
}

static void explain(u32 low, u32 high)
{
    fprintf(stderr, "found:");
    for (u32 k = 0; k < tree_count; k++)
        fprintf(stderr, " %s(%u, inode %llu, %zu)", tree[k].path, tree[k].type, (unsigned long long)tree[k].ino,
                tree[k].size);
    for (u32 s = low; s <= high; s++) {
        fprintf(stderr, "\nstate %u (names %s):", s, same_names(&states[s]) ? "agree" : "differ");
        for (u32 k = 0; k < states[s].count; k++) {
            u32 node = states[s].entries[k].node;
            struct found *f = found_at(states[s].entries[k].path);
            struct version *v = settled(node, low, high);
            fprintf(stderr, " %s(%u, node %u%s%s)", states[s].entries[k].path, nodes[node].type, node,
                    v ? ", settled" : "",
                    f && f->type == T_FILE && !right_contents(f, node, low, high) ? ", WRONG" : "");
        }
    }
    fprintf(stderr, "\n");
}

// What is past a file's end must not come to light when it is extended.
static void extend_all(void)
{
    static u8 bytes[FILE_MAX];
    struct piece piece = { bytes, sizeof(bytes) };
    struct inode *i;
    size_t done;

    for (u32 k = 0; k < tree_count; k++) {
        if (tree[k].type != T_FILE)
            continue;
        CHECK_OK(path_lookup(NULL, tree[k].path, &i));
        CHECK_OK(inode_truncate(i, FILE_MAX));
        CHECK_OK(inode_read(i, 0, &piece, 1, &done));
        CHECK(done == FILE_MAX && memcmp(bytes, tree[k].data, tree[k].size) == 0);
        for (size_t at = tree[k].size; at < FILE_MAX; at++)
            if (bytes[at])
                host_fail("%s, extended from %zu bytes, has %u at %zu", tree[k].path, tree[k].size, bytes[at], at);
        inode_put(i);
    }
}

static void examine_names(void *arg)
{
    struct crash *c = arg;
    u32 low = 0, high = 0;

    CHECK_OK(fs_mount(crash_disk));
    collect("");
    while (high < operation_count && operations[high + 1].begin <= c->position)
        high++;
    for (u32 k = 1; k <= operation_count && operations[k].end <= c->position; k++)
        if (operations[k].durable)
            low = k;
    bool good = false;
    for (u32 k = low; k <= high && !good; k++)
        good = agrees(k, low, high);
    if (!good) {
        explain(low, high);
        crash_fail(c, "it is none of the states %u to %u", low, high);
    }
    extend_all();
    collect_release();
    CHECK_OK(fs_unmount());
}

// A file that is larger than what one transaction frees.

#define LARGE_BLOCKS 1500

static void write_large(struct file *f)
{
    for (u32 at = 0; at < LARGE_BLOCKS; at += 60) {
        struct frame *frames[60];
        for (u32 k = 0; k < ARRAY_SIZE(frames); k++) {
            frames[k] = frame_alloc();
            CHECK(frames[k]);
            for (u32 n = 0; n < 4096; n += 8)
                put_le64((u8 *)frame_data(frames[k]) + n, word(0, 1, (at + k) * 4096 + n));
        }
        CHECK_OK(inode_write_frames(file_inode(f), at * 4096ull, frames, ARRAY_SIZE(frames)));
        for (u32 k = 0; k < ARRAY_SIZE(frames); k++)
            frame_put(frames[k]);
    }
}

static void work_large(void *arg)
{
    struct file *f;

    CHECK_OK(fs_mount(crash_disk));
    host_start_syncing();
    for (u32 round = 0; round < 2; round++) {
        CHECK_OK(path_open(NULL, "/big", O_RDWR | O_CREATE, &f));
        write_large(f);
        CHECK_OK(file_truncate(f, host_random(40 * 512) * 8));
        CHECK_OK(file_truncate(f, 50 * 4096));
        write_large(f);
        CHECK_OK(file_truncate(f, host_random(700 * 512) * 8));
        file_put(f);
        CHECK_OK(path_unlink(NULL, "/big"));
    }
    host_stop_syncing();
    CHECK_OK(fs_unmount());
}

static void examine_large(void *arg)
{
    static u8 bytes[FILE_MAX];
    struct crash *c = arg;
    struct piece piece = { bytes, sizeof(bytes) };
    struct inode *i;
    size_t done;

    CHECK_OK(fs_mount(crash_disk));
    if (path_lookup(NULL, "/big", &i) == 0) {
        struct inode_identity id;
        inode_identify(i, &id);
        if (id.size < FILE_MAX)
            CHECK_OK(inode_truncate(i, FILE_MAX));
        CHECK_OK(inode_read(i, 0, &piece, 1, &done));
        CHECK(done == FILE_MAX);
        for (size_t at = 0; at < FILE_MAX; at += 8) {
            u64 w = le64(bytes + at);
            if (w && (at >= id.size || w != word(0, (u32)(w >> 32) & 0xfff, at)))
                crash_fail(c, "%llx at %zu of %llu bytes", (unsigned long long)w, at, (unsigned long long)id.size);
        }
        inode_put(i);
    }
    CHECK_OK(fs_unmount());
}

static void release(void)
{
    for (u32 k = 0; k < node_count; k++) {
        while (nodes[k].versions) {
            struct version *v = nodes[k].versions;
            nodes[k].versions = v->older;
            free(v->data);
            free(v);
        }
        free(nodes[k].data);
    }
    node_count = 0;
    now = (struct state){};
}

static void try_names(void)
{
    crash_disk_create(DISK_BLOCKS, host_random(2) ? DISK_BLOCKS : DISK_MIN + host_random(100));
    crash_try(work, examine_names, 1);
    release();
}

static void try_large(void)
{
    crash_disk_create(DISK_LARGE, 0);
    crash_try(work_large, examine_large, 32);
}

int main(int argc, char **argv)
{
    static void (*const workloads[])(void) = { try_names, try_names, try_names, try_large,
                                               try_names, try_names, try_names, try_names };

    return crash_main(argc, argv, "fs_crash_test", workloads, ARRAY_SIZE(workloads));
}
