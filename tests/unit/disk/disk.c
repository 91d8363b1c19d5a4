// A disk image for tests of mkfs and fsck.
#include "disk.h"

#include <base/byteorder.h>
#include <base/string.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[64];
static u8 *pristine;  // the image's bytes
static u8 *big;       // contents of /big
static struct image opened;

#define BIG_SIZE (1u << 20)

const char *disk_host_path(const char *name)
{
    static char paths[8][256];
    static u32 next;

    char *out = paths[next++ % 8];
    snprintf(out, sizeof paths[0], "%s/%s", directory, name);
    return out;
}

const char *disk_image_path(void)
{
    static char path[256];

    snprintf(path, sizeof path, "%s/disk.img", directory);
    return path;
}

void disk_host_file(const char *name, const void *bytes, size_t n)
{
    FILE *f = fopen(disk_host_path(name), "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

static void sources_make(void)
{
    char name[64];
    static const u8 zeros[65536];

    disk_host_file("small.txt", "ten bytes\n", 10);
    disk_host_file("empty", "", 0);
    disk_host_file("zeros", zeros, sizeof zeros);
    big = malloc(BIG_SIZE);
    for (u32 k = 0; k < BIG_SIZE; k += 4)
        put_le32(big + k, k * 2654435761u + 1);
    disk_host_file("big", big, BIG_SIZE);

    disk_host_file("far", "", 0);
    assert_int_equal(truncate(disk_host_path("far"), (off_t)FAR_AT), 0);
    FILE *f = fopen(disk_host_path("far"), "ab");
    fputs("far", f);
    fclose(f);

    mkdir(disk_host_path("d"), 0755);
    mkdir(disk_host_path("d/e"), 0755);
    mkdir(disk_host_path("d/e/f"), 0755);
    disk_host_file("d/e/f/deep.txt", "deep", 4);
    for (u32 k = 0; k < 200; k++) {
        snprintf(name, sizeof name, "d/n%u", k);
        disk_host_file(name, name, strlen(name));
    }
}

static void image_build(void)
{
    static const char *const names[] = { "small.txt", "empty", "big", "far", "zeros", "d" };
    struct mkfs_result result;
    struct tree tree;

    tree_init(&tree, false);
    for (size_t k = 0; k < ARRAY_SIZE(names); k++)
        assert_true(tree_add(&tree, disk_host_path(names[k])));
    assert_true(mkfs_write(&tree, disk_image_path(), DISK_SIZE, 0, 0, &result));
    tree_release(&tree);
}

static void image_bytes(u8 *out)
{
    FILE *f = fopen(disk_image_path(), "rb");

    assert_non_null(f);
    assert_int_equal(fread(out, 1, DISK_SIZE, f), DISK_SIZE);
    fclose(f);
}

int disk_group_setup(void **state)
{
    const char *tmp = getenv("TMPDIR");

    snprintf(directory, sizeof directory, "%.30s/amber-test-%ld", tmp ? tmp : "/tmp", (long)getpid());
    if (mkdir(directory, 0755) != 0)
        return -1;
    sources_make();
    image_build();
    pristine = malloc(DISK_SIZE);
    image_bytes(pristine);
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

int disk_group_teardown(void **state)
{
    free(pristine);
    free(big);
    return nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int disk_setup(void **state)
{
    disk_host_file("disk.img", pristine, DISK_SIZE);
    return 0;
}

struct image *disk_open(void)
{
    struct super_findings super;

    assert_true(image_open(&opened, disk_image_path(), true));
    assert_true(image_super_read(&opened, &super));
    return &opened;
}

void disk_close(struct image *img)
{
    assert_true(image_flush(img));
    image_close(img);
}

u64 disk_find(struct image *img, const char *path, struct fs_inode *out)
{
    u64 ino;

    assert_true(path_find(img, path, &ino, out));
    return ino;
}

void disk_patch(struct image *img, u64 block, u32 at, const void *bytes, size_t n)
{
    u8 buffer[FS_BLOCK_SIZE];

    image_read(img, block, buffer);
    memcpy(buffer + at, bytes, n);
    image_write(img, block, buffer);
}

void disk_patch64(struct image *img, u64 block, u32 at, u64 value)
{
    u8 bytes[8];

    put_le64(bytes, value);
    disk_patch(img, block, at, bytes, sizeof bytes);
}

void disk_entry(struct image *img, const char *dir, u64 slot, const struct fs_dirent *entry)
{
    u8 bytes[FS_DIRENT_SIZE];
    struct fs_inode i;
    u64 where;

    disk_find(img, dir, &i);
    assert_int_equal(file_slot(img, &i, slot / FS_DIRENTS_PER_BLOCK, &where), FS_OK);
    assert_true(where != 0);
    fs_dirent_encode(entry, bytes);
    disk_patch(img, where, (u32)(slot % FS_DIRENTS_PER_BLOCK) * FS_DIRENT_SIZE, bytes, sizeof bytes);
}

struct slot_search {
    const char *name;
    u64 slot;
};

static bool slot_compare(void *arg, u64 slot, enum fs_error error, const struct fs_dirent *entry)
{
    struct slot_search *s = arg;

    if (!error && entry->ino && strcmp(entry->name, s->name) == 0)
        s->slot = slot;
    return true;
}

u64 disk_entry_slot(struct image *img, const char *dir, const char *name)
{
    struct slot_search s = { name, UINT64_MAX };
    struct fs_inode i;

    disk_find(img, dir, &i);
    dir_slots(img, &i, slot_compare, &s);
    assert_true(s.slot != UINT64_MAX);
    return s.slot;
}

struct fsck_result disk_fsck(bool repair, char **text)
{
    struct fsck_result result;
    struct image img;
    size_t n;
    FILE *out = open_memstream(text, &n);

    assert_true(image_open(&img, disk_image_path(), repair));
    assert_true(fsck_run(&img, repair, out, &result));
    assert_false(img.failed);
    if (repair)
        assert_true(image_flush(&img));
    image_close(&img);
    fclose(out);
    return result;
}

static void expect_nothing_found(const char *when)
{
    char *text;
    struct fsck_result r = disk_fsck(false, &text);

    if (r.found || r.left)
        fail_msg("%s, fsck still finds:\n%s", when, text);
    free(text);
}

void disk_expect_repair(const char *words)
{
    u8 *before = malloc(DISK_SIZE), *after = malloc(DISK_SIZE);
    char *text, *again;

    image_bytes(before);
    struct fsck_result dry = disk_fsck(false, &text);
    image_bytes(after);
    assert_memory_equal(before, after, DISK_SIZE);
    if (!dry.found || !strstr(text, words))
        fail_msg("fsck does not say '%s', but:\n%s", words, text);
    struct fsck_result repair = disk_fsck(true, &again);
    assert_int_equal(repair.found, dry.found);
    assert_int_equal(repair.left, 0);
    expect_nothing_found(again);
    free(text);
    free(again);
    free(before);
    free(after);
}

void disk_expect_clean(void)
{
    expect_nothing_found("without any damage");
}

void disk_expect_file(const char *path, u64 size, const void *begin, size_t n)
{
    struct fs_inode i;
    struct image img;
    u64 ino;
    u8 block[FS_BLOCK_SIZE];

    assert_true(image_open_to_read(&img, disk_image_path()));
    assert_true(path_find(&img, path, &ino, &i));
    assert_int_equal(i.type, FS_FILE);
    assert_int_equal(i.size, size);
    for (size_t at = 0; at < n; at += FS_BLOCK_SIZE) {
        assert_int_equal(file_block_read(&img, &i, at / FS_BLOCK_SIZE, block), FS_OK);
        assert_memory_equal(block, (const u8 *)begin + at, MIN(n - at, FS_BLOCK_SIZE));
    }
    image_close(&img);
}

bool disk_exists(const char *path)
{
    struct fs_inode i;
    struct image img;
    char dir[256], *slash;

    text_copy(dir, path, sizeof dir);
    slash = strrchr(dir, '/');
    *slash = 0;
    assert_true(image_open_to_read(&img, disk_image_path()));
    disk_find(&img, dir, &i);
    bool found = dir_find(&img, &i, slash + 1) != 0;
    image_close(&img);
    return found;
}
