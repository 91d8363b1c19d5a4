// kernel/fs against a model: random operations on a small tree of names, each compared with what a simple tree in
// memory says; in between everything is compared, the file system is unmounted, checked by fsck, and mounted again.
//
// usage: fs_model_test [SEED [OPERATIONS]]
#include "fs_host.h"
#include <base/string.h>
#include <stdlib.h>
#include <uapi/errno.h>
#include <uapi/fcntl.h>

#define DISK_BLOCKS 16384
#define FILE_MAX    (96 * 4096)  // bytes: past the slots of the inode
#define CHILDREN    32
#define OPEN_FILES  6

struct node {
    u32 type;
    u32 links;
    u32 opens;
    size_t size;
    u8 *data;
    u32 major;
    struct node *parent;  // of a directory
    u32 count;
    struct {
        char name[NAME_LEN + 1];
        struct node *node;
    } children[CHILDREN];
};

static struct node *root;
static struct disk *disk;
static u32 operations, operation;

static struct {
    struct file *file;
    struct node *node;
} open_files[OPEN_FILES];

// The model.

static struct node *node_new(u32 type, struct node *parent)
{
    struct node *n = calloc(1, sizeof(*n));

    n->type = type;
    n->parent = parent;
    n->data = type == T_FILE ? calloc(1, FILE_MAX) : NULL;
    return n;
}

static void node_release(struct node *n)
{
    if (n->links || n->opens)
        return;
    free(n->data);
    free(n);
}

static struct node **find(struct node *dir, const char *name)
{
    for (u32 k = 0; k < dir->count; k++)
        if (strncmp(dir->children[k].name, name, NAME_LEN) == 0)
            return &dir->children[k].node;
    return NULL;
}

static void add(struct node *dir, const char *name, struct node *n)
{
    text_copy(dir->children[dir->count].name, name, NAME_LEN + 1);
    dir->children[dir->count++].node = n;
    n->links++;
}

static void drop(struct node *dir, struct node **at)
{
    struct node *n = *at;
    u32 k = 0;

    while (&dir->children[k].node != at)
        k++;
    dir->children[k] = dir->children[--dir->count];
    n->links--;
    node_release(n);
}

// Where a path leads: *dir and the last component. An error as the kernel gives it.
static int walk(const char *path, struct node **dir, const char **last)
{
    static char text[128];
    struct node *at = root;

    text_copy(text, path, sizeof(text));
    char *p = text + 1;
    for (char *slash; (slash = strchr(p, '/')); p = slash + 1) {
        *slash = 0;
        struct node **next = find(at, p);
        if (!next)
            return -ENOENT;
        if ((*next)->type != T_DIR)
            return -ENOTDIR;
        at = *next;
    }
    *dir = at;
    *last = p;
    return 0;
}

static bool is_below(struct node *n, struct node *top)
{
    while (n != top && n->parent)
        n = n->parent;
    return n == top;
}

// Random things.

static const char *random_path(void)
{
    static const char *const names[] = {
        "a", "b", "c", "dd", "name-of-14-ch", "name-that-is-too-long-1", "name-that-is-too-long-2", "x y"
    };
    static char paths[4][128];
    static u32 turn;
    char *out = paths[turn++ % 4];
    u32 depth = 1 + host_random(3);

    out[0] = 0;
    for (u32 k = 0; k < depth; k++) {
        strcat(out, "/");
        strcat(out, names[host_random(ARRAY_SIZE(names))]);
    }
    return out;
}

static void fill_random(u8 *to, size_t n)
{
    u8 first = (u8)(1 + host_random(255));

    for (size_t k = 0; k < n; k++)
        to[k] = (u8)(first + k * 7 + (k >> 8));
}

// Comparing.

static void compare_file(struct inode *i, struct node *n)
{
    static u8 bytes[FILE_MAX + 1];
    struct piece piece = { .data = bytes, .size = sizeof(bytes) };
    struct stat st;
    size_t done;

    inode_stat(i, &st);
    CHECK(st.type == T_FILE && st.size == n->size && st.nlink == (int)n->links);
    CHECK_OK(inode_read(i, 0, &piece, 1, &done));
    CHECK(done == n->size);
    for (size_t k = 0; k < done; k++)
        if (bytes[k] != n->data[k])
            host_fail("operation %u: byte %zu of %zu is %u, not %u", operation, k, done, bytes[k], n->data[k]);
}

static void compare_dir(struct inode *i, struct node *n);

// What `dir` has there: names go from directory to directory, as renames make paths of any length.
static void compare(struct inode *dir, const char *name, struct node *n)
{
    struct inode *i;
    struct stat st;

    CHECK_OK(path_lookup(dir, name, &i));
    inode_stat(i, &st);
    CHECK(st.type == (int)n->type);
    if (n->type == T_FILE)
        compare_file(i, n);
    else if (n->type == T_DIR)
        compare_dir(i, n);
    inode_put(i);
}

static void compare_dir(struct inode *i, struct node *n)
{
    u32 count = 0, dirs = 0;
    struct dirent d;
    struct piece piece = { .data = &d, .size = sizeof(d) };
    struct stat st;
    size_t done;

    for (u64 at = 0;; at += sizeof(d)) {
        CHECK_OK(inode_read(i, at, &piece, 1, &done));
        if (!done)
            break;
        CHECK(done == sizeof(d));
        if (at >= 2 * sizeof(d) && d.inum)
            count++;
    }
    CHECK(count == n->count);
    for (u32 k = 0; k < n->count; k++) {
        dirs += n->children[k].node->type == T_DIR;
        compare(i, n->children[k].name, n->children[k].node);
    }
    inode_stat(i, &st);
    CHECK(st.nlink == (int)(1 + dirs));
}

static void compare_all(void)
{
    compare(NULL, "/", root);
    for (u32 k = 0; k < OPEN_FILES; k++)
        if (open_files[k].file && open_files[k].node->type == T_FILE)
            compare_file(file_inode(open_files[k].file), open_files[k].node);
}

// Operations. Each knows what it should return.

static void do_create(void)
{
    const char *path = random_path(), *last;
    u32 flags = O_RDWR | O_CREATE | (host_random(3) ? 0 : O_TRUNC), slot = host_random(OPEN_FILES);
    struct node *dir, **at, *n = NULL;
    struct file *f;
    int expected = walk(path, &dir, &last);

    if (!expected) {
        at = find(dir, last);
        n = at ? *at : NULL;
        if (n && n->type == T_DIR)
            expected = -EISDIR;
        else if (!n && dir->count == CHILDREN)
            return;
    }
    int err = path_open(NULL, path, flags, &f);
    CHECK(err == expected);
    if (err)
        return;
    if (!n) {
        n = node_new(T_FILE, NULL);
        add(dir, last, n);
    }
    if (flags & O_TRUNC && n->type == T_FILE) {
        memset(n->data, 0, FILE_MAX);
        n->size = 0;
    }
    if (open_files[slot].file) {
        file_put(f);
        return;
    }
    open_files[slot].file = f;
    open_files[slot].node = n;
    n->opens++;
}

static void do_close(void)
{
    u32 slot = host_random(OPEN_FILES);

    if (!open_files[slot].file)
        return;
    file_put(open_files[slot].file);
    open_files[slot].file = NULL;
    open_files[slot].node->opens--;
    node_release(open_files[slot].node);
}

// A random open regular file; NULL if the slot is none.
static struct node *random_open(struct inode **i)
{
    u32 slot = host_random(OPEN_FILES);

    if (!open_files[slot].file || open_files[slot].node->type != T_FILE)
        return NULL;
    *i = file_inode(open_files[slot].file);
    return open_files[slot].node;
}

static void do_write(void)
{
    static u8 bytes[FILE_MAX];
    struct inode *i;
    struct node *n = random_open(&i);
    struct piece pieces[3];
    size_t done;

    if (!n)
        return;
    u32 size = 1 + host_random(host_random(4) ? 6000 : 90000);
    u64 at = host_random(3) ? MIN(n->size, FILE_MAX - 1) : host_random(FILE_MAX);
    size = (u32)MIN(size, FILE_MAX - at);
    fill_random(bytes, size);
    u32 cut1 = host_random(size + 1), cut2 = cut1 + host_random(size - cut1 + 1);
    pieces[0] = (struct piece){ bytes, cut1 };
    pieces[1] = (struct piece){ bytes + cut1, cut2 - cut1 };
    pieces[2] = (struct piece){ bytes + cut2, size - cut2 };
    CHECK_OK(inode_write(i, at, pieces, 3, &done));
    CHECK(done == size);
    memcpy(n->data + at, bytes, size);
    n->size = MAX(n->size, at + size);
}

static void do_read(void)
{
    static u8 bytes[FILE_MAX];
    struct inode *i;
    struct node *n = random_open(&i);
    size_t done;

    if (!n)
        return;
    u64 at = host_random(FILE_MAX);
    struct piece piece = { bytes, 1 + host_random(FILE_MAX) };
    CHECK_OK(inode_read(i, at, &piece, 1, &done));
    CHECK(done == (at < n->size ? MIN(piece.size, n->size - at) : 0));
    CHECK(memcmp(bytes, n->data + at, done) == 0);
}

#define FRAMES 24

// One run, or two with a gap between them.
static void write_runs(struct inode *i, struct node *n, u32 at, struct frame **frames, u32 count)
{
    u32 first = host_random(count + 1), gap = host_random(MIN(FILE_MAX / 4096 - at - count, 5));
    struct frame_run runs[2] = { { at * 4096ull, frames, first },
                                 { (at + first + gap) * 4096ull, frames + first, count - first } };

    CHECK_OK(inode_write_runs(i, runs, 2));
    for (u32 r = 0; r < 2; r++) {
        for (u32 k = 0; k < runs[r].count; k++)
            memcpy(n->data + runs[r].offset + k * 4096, frame_data(runs[r].frames[k]), 4096);
        if (runs[r].count)
            n->size = MAX(n->size, runs[r].offset + runs[r].count * 4096);
    }
}

static void do_frames(void)
{
    struct frame *frames[FRAMES];
    struct inode *i;
    struct node *n = random_open(&i);
    u32 count = 1 + host_random(FRAMES), at = host_random(FILE_MAX / 4096 - count);
    bool writes = host_random(2);

    if (!n)
        return;
    for (u32 k = 0; k < count; k++) {
        frames[k] = frame_alloc();
        CHECK(frames[k]);
        fill_random(frame_data(frames[k]), 4096);
    }
    if (writes) {
        write_runs(i, n, at, frames, count);
    } else {
        CHECK_OK(inode_read_frames(i, at * 4096ull, frames, count));
        for (u32 k = 0; k < count; k++)
            CHECK(memcmp(n->data + (at + k) * 4096, frame_data(frames[k]), 4096) == 0);
    }
    for (u32 k = 0; k < count; k++)
        frame_put(frames[k]);
}

// Bytes in the way a program's memory comes: page frames, of which the first and the last may be partial.
static void do_paged(void)
{
    struct frame *frames[FRAMES];
    struct piece pieces[FRAMES];
    struct inode *i;
    struct node *n = random_open(&i);
    u32 count = 2 + host_random(FRAMES - 2), skip = host_random(2) ? host_random(4096) : 0;
    u64 at = host_random(FILE_MAX - FRAMES * 4096);
    bool writes = host_random(2);
    size_t done, sum = 0;

    if (!n)
        return;
    if (host_random(4))
        at = ROUND_DOWN(at, 4096) + skip;
    for (u32 k = 0; k < count; k++) {
        frames[k] = frame_alloc();
        CHECK(frames[k]);
        fill_random(frame_data(frames[k]), 4096);
        pieces[k] = (struct piece){ frame_data(frames[k]), 4096 };
    }
    pieces[0].data = (u8 *)pieces[0].data + skip;
    pieces[0].size -= skip;
    if (host_random(2))
        pieces[count - 1].size = 1 + host_random(4095);
    for (u32 k = 0; k < count; k++)
        sum += pieces[k].size;
    if (writes) {
        CHECK_OK(inode_write(i, at, pieces, count, &done));
        CHECK(done == sum);
        n->size = MAX(n->size, at + sum);
    } else {
        CHECK_OK(inode_read(i, at, pieces, count, &done));
        CHECK(done == (at < n->size ? MIN(sum, n->size - at) : 0));
    }
    size_t moved = 0;
    for (u32 k = 0; k < count && moved < done; k++) {
        size_t part = MIN(pieces[k].size, done - moved);
        if (writes)
            memcpy(n->data + at + moved, pieces[k].data, part);
        else
            CHECK(memcmp(n->data + at + moved, pieces[k].data, part) == 0);
        moved += part;
    }
    for (u32 k = 0; k < count; k++)
        frame_put(frames[k]);
}

static void do_truncate(void)
{
    struct inode *i;
    struct node *n = random_open(&i);

    if (!n)
        return;
    size_t size = host_random(4) ? host_random(FILE_MAX) : 0;
    CHECK_OK(inode_truncate(i, size));
    if (size < n->size)
        memset(n->data + size, 0, n->size - size);
    n->size = size;
}

static void do_preallocate(void)
{
    struct inode *i;

    if (random_open(&i))
        CHECK_OK(inode_preallocate(i, host_random(FILE_MAX)));
}

static void do_sync(void)
{
    struct inode *i;

    if (host_random(2))
        CHECK_OK(fs_sync());
    else if (random_open(&i))
        CHECK_OK(inode_sync(i));
}

static void do_mkdir(void)
{
    const char *path = random_path(), *last;
    struct node *dir;
    int expected = walk(path, &dir, &last);

    if (!expected && find(dir, last))
        expected = -EEXIST;
    if (!expected && dir->count == CHILDREN)
        return;
    CHECK_ERR(expected, path_mkdir(NULL, path));
    if (!expected)
        add(dir, last, node_new(T_DIR, dir));
}

static void do_mknod(void)
{
    const char *path = random_path(), *last;
    struct node *dir;
    int expected = walk(path, &dir, &last);

    if (!expected && find(dir, last))
        expected = -EEXIST;
    if (!expected && dir->count == CHILDREN)
        return;
    CHECK_ERR(expected, path_mknod(NULL, path, 1, 7));
    if (!expected)
        add(dir, last, node_new(T_DEV, NULL));
}

static void do_unlink(void)
{
    const char *path = random_path(), *last;
    struct node *dir, **at = NULL;
    int expected = walk(path, &dir, &last);

    if (!expected) {
        at = find(dir, last);
        expected = !at ? -ENOENT : (*at)->type == T_DIR && (*at)->count ? -ENOTEMPTY : 0;
    }
    CHECK_ERR(expected, path_unlink(NULL, path));
    if (!expected)
        drop(dir, at);
}

static void do_link(void)
{
    const char *from = random_path(), *to = random_path(), *last;
    struct node *dir, **at = NULL, *n = NULL;
    int expected = walk(from, &dir, &last);

    if (!expected) {
        at = find(dir, last);
        expected = !at ? -ENOENT : (*at)->type == T_DIR ? -EISDIR : 0;
        n = at ? *at : NULL;
    }
    if (!expected)
        expected = walk(to, &dir, &last);
    if (!expected && find(dir, last))
        expected = -EEXIST;
    if (!expected && dir->count == CHILDREN)
        return;
    CHECK_ERR(expected, path_link(NULL, from, to));
    if (!expected)
        add(dir, last, n);
}

static int rename_result(struct node *from_dir, struct node **from, struct node *to_dir, struct node **to)
{
    if (!from)
        return -ENOENT;
    if (to && *from == *to)
        return 0;
    if ((*from)->type == T_DIR && is_below(to_dir, *from))
        return -EINVAL;
    if (!to)
        return 0;
    if ((*to)->type != T_DIR)
        return (*from)->type == T_DIR ? -ENOTDIR : 0;
    if ((*from)->type != T_DIR)
        return -EISDIR;
    return (*to)->count ? -ENOTEMPTY : 0;
}

static void do_rename(void)
{
    const char *from_path = random_path(), *to_path = random_path(), *last;
    char from_name[64], to_name[64];
    struct node *from_dir, *to_dir, **from = NULL, **to = NULL;
    int expected = walk(from_path, &from_dir, &last);

    if (!expected) {
        text_copy(from_name, last, sizeof(from_name));
        expected = walk(to_path, &to_dir, &last);
    }
    if (!expected) {
        text_copy(to_name, last, sizeof(to_name));
        from = find(from_dir, from_name);
        to = find(to_dir, to_name);
        expected = rename_result(from_dir, from, to_dir, to);
        if (!expected && !to && to_dir->count == CHILDREN)
            return;
    }
    CHECK_ERR(expected, path_rename(NULL, from_path, to_path));
    if (expected || (to && *from == *to))
        return;
    struct node *n = *from;
    n->links++;
    if (to)
        drop(to_dir, to);
    drop(from_dir, find(from_dir, from_name));
    n->links--;
    add(to_dir, to_name, n);
    if (n->type == T_DIR)
        n->parent = to_dir;
}

static void do_publish(void)
{
    const char *path = random_path(), *last;
    struct node *dir, **at = NULL;
    struct file *f;
    u32 count = 1 + host_random(FRAMES);
    struct frame *frames[FRAMES];
    int expected = walk(path, &dir, &last);

    if (!expected) {
        at = find(dir, last);
        expected = at && (*at)->type == T_DIR ? -EISDIR : 0;
        if (!at && dir->count == CHILDREN)
            return;
    }
    struct node *n = node_new(T_FILE, NULL);
    CHECK_OK(path_create_unnamed(&f));
    if (host_random(2))
        CHECK_OK(inode_preallocate(file_inode(f), host_random(60 * 4096)));
    for (u32 k = 0; k < count; k++) {
        frames[k] = frame_alloc();
        CHECK(frames[k]);
        fill_random(frame_data(frames[k]), 4096);
        memcpy(n->data + k * 4096, frame_data(frames[k]), 4096);
    }
    CHECK_OK(inode_write_frames(file_inode(f), 0, frames, count));
    n->size = count * 4096;
    for (u32 k = 0; k < count; k++)
        frame_put(frames[k]);
    CHECK_ERR(expected, path_publish(NULL, path, f));
    file_put(f);
    if (expected) {
        node_release(n);
        return;
    }
    if (at)
        drop(dir, at);
    add(dir, last, n);
}

static void do_remount(void)
{
    compare_all();
    for (u32 k = 0; k < OPEN_FILES; k++) {
        if (!open_files[k].file)
            continue;
        file_put(open_files[k].file);
        open_files[k].file = NULL;
        open_files[k].node->opens--;
        node_release(open_files[k].node);
    }
    CHECK(files_live() == 0);
    host_stop_syncing();
    CHECK_OK(fs_unmount());
    host_check_nothing_left();
    CHECK(host_fsck() == 0);
    CHECK_OK(fs_mount(disk));
    host_start_syncing();
    compare_all();
}

static void body(void *arg)
{
    static const struct {
        void (*run)(void);
        u32 weight;
    } kinds[] = {
        { do_create, 12 }, { do_close, 6 },    { do_write, 20 },      { do_read, 10 },   { do_frames, 8 },
        { do_paged, 8 },   { do_truncate, 5 }, { do_preallocate, 2 }, { do_sync, 2 },    { do_mkdir, 6 },
        { do_mknod, 1 },   { do_unlink, 10 },  { do_link, 5 },        { do_rename, 10 }, { do_publish, 2 },
    };
    u32 total = 0;

    for (u32 k = 0; k < ARRAY_SIZE(kinds); k++)
        total += kinds[k].weight;
    CHECK_OK(fs_mount(disk));
    host_start_syncing();
    for (u32 n = 0; n < operations; n++) {
        u32 pick = host_random(total), k = 0;
        if (n % 200 == 199)
            do_remount();
        while (pick >= kinds[k].weight)
            pick -= kinds[k++].weight;
        operation = n;
        kinds[k].run();
    }
    do_remount();
    host_stop_syncing();
    CHECK_OK(fs_unmount());
}

static void forget(struct node *n)
{
    for (u32 k = 0; k < n->count; k++) {
        n->children[k].node->links--;
        forget(n->children[k].node);
    }
    node_release(n);
}

int main(int argc, char **argv)
{
    u64 seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;

    operations = argc > 2 ? (u32)strtoul(argv[2], NULL, 0) : 4000;
    host_seed(seed);
    host_set_preemption(seed % 2 ? 0 : 6);
    // Little memory, so that the cache has to give some back all the time.
    host_set_memory(512);
    disk = host_disk_create(DISK_BLOCKS);
    host_format(0, 0, 0);
    root = node_new(T_DIR, NULL);
    host_run(body, NULL);
    forget(root);
    host_disk_destroy();
    printf("fs_model_test: seed %llu, %u operations agree with the model\n", (unsigned long long)seed, operations);
    return 0;
}
