// mkfs: what is put into an image is found in it, images are reproducible, and what can't be done is refused without
// harm.
#include "disk/disk.h"

#include <base/byteorder.h>
#include <base/string.h>
#include <lib/tool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

// Build "other.img" out of the given arguments.
static bool build(const char *const *arguments, size_t count, u64 size, u64 inodes, struct mkfs_result *result)
{
    struct tree tree;
    bool ok = true;

    tree_init(&tree, false);
    for (size_t k = 0; ok && k < count; k++)
        ok = tree_add(&tree, arguments[k]);
    ok = ok && mkfs_write(&tree, disk_host_path("other.img"), size, inodes, 0, result);
    tree_release(&tree);
    return ok;
}

// Build the image under test out of one argument.
static void build_disk(const char *argument)
{
    struct mkfs_result result;

    assert_true(build(&argument, 1, DISK_SIZE, 0, &result));
    assert_int_equal(rename(disk_host_path("other.img"), disk_image_path()), 0);
    disk_expect_clean();
}

static void a_new_image_is_clean(void **state)
{
    disk_expect_clean();
}

static void files_keep_their_contents(void **state)
{
    u8 zeros[65536] = {};
    char *text = NULL;
    size_t n = 1 << 20;
    FILE *f = fopen(disk_host_path("big"), "rb");

    text = malloc(n);
    assert_int_equal(fread(text, 1, n, f), n);
    fclose(f);
    disk_expect_file("/small.txt", 10, "ten bytes\n", 10);
    disk_expect_file("/empty", 0, "", 0);
    disk_expect_file("/big", n, text, n);
    disk_expect_file("/zeros", sizeof zeros, zeros, sizeof zeros);
    disk_expect_file("/d/e/f/deep.txt", 4, "deep", 4);
    disk_expect_file("/d/n199", 6, "d/n199", 6);
    free(text);
}

static void large_files_lie_in_one_piece(void **state)
{
    struct image *img = disk_open();
    struct fs_inode i;
    u64 slot, first;

    disk_find(img, "/big", &i);
    assert_int_equal(i.height, 1);
    assert_int_equal(i.blocks, 256 + 1);
    assert_int_equal(file_slot(img, &i, 0, &first), FS_OK);
    for (u64 k = 0; k < 256; k++) {
        assert_int_equal(file_slot(img, &i, k, &slot), FS_OK);
        assert_int_equal(slot, first + k);
    }
    disk_close(img);
}

static void zeros_become_holes(void **state)
{
    struct image *img = disk_open();
    struct fs_inode i;
    u8 block[FS_BLOCK_SIZE];

    disk_find(img, "/zeros", &i);
    assert_int_equal(i.size, 65536);
    assert_int_equal(i.blocks, 0);
    disk_find(img, "/far", &i);
    assert_int_equal(i.size, FAR_AT + 3);
    assert_int_equal(i.height, 2);
    assert_int_equal(i.blocks, 3);
    assert_int_equal(file_block_read(img, &i, FAR_AT / FS_BLOCK_SIZE, block), FS_OK);
    assert_memory_equal(block, "far", 4);
    disk_close(img);
}

static void directories_know_their_parents_and_count_their_links(void **state)
{
    struct image *img = disk_open();
    struct fs_inode root, d, e;

    u64 root_ino = disk_find(img, "/", &root), d_ino = disk_find(img, "/d", &d), e_ino = disk_find(img, "/d/e", &e);
    assert_int_equal(root_ino, FS_ROOT_INO);
    assert_int_equal(root.parent, FS_ROOT_INO);
    assert_int_equal(root.nlink, 2);
    assert_int_equal(d.parent, FS_ROOT_INO);
    assert_int_equal(d.nlink, 2);
    assert_int_equal(d.size, (2 + 201) * FS_DIRENT_SIZE);
    assert_int_equal(e.parent, d_ino);
    assert_int_equal(dir_find(img, &e, "."), e_ino);
    assert_int_equal(dir_find(img, &e, ".."), d_ino);
    disk_close(img);
}

static void names_are_cut_to_14_characters(void **state)
{
    disk_host_file("a_name_of_many_letters", "x", 1);
    build_disk(disk_host_path("a_name_of_many_letters"));
    disk_expect_file("/a_name_of_many", 1, "x", 1);
}

static void a_place_in_the_image_can_be_said(void **state)
{
    char argument[512];

    snprintf(argument, sizeof argument, "%s:/etc/deep//motd", disk_host_path("small.txt"));
    build_disk(argument);
    disk_expect_file("/etc/deep/motd", 10, "ten bytes\n", 10);
    snprintf(argument, sizeof argument, "%s:/etc/", disk_host_path("small.txt"));
    build_disk(argument);
    disk_expect_file("/etc/small.txt", 10, "ten bytes\n", 10);
    snprintf(argument, sizeof argument, "%s:/", disk_host_path("d"));
    build_disk(argument);
    disk_expect_file("/d/e/f/deep.txt", 4, "deep", 4);
    snprintf(argument, sizeof argument, "%s:/x/y", disk_host_path("d/e"));
    build_disk(argument);
    disk_expect_file("/x/y/f/deep.txt", 4, "deep", 4);
}

static void a_file_whose_own_name_looks_like_a_place_is_taken_as_it_is(void **state)
{
    mkdir(disk_host_path("odd:"), 0755);
    disk_host_file("odd:/name", "odd", 3);
    build_disk(disk_host_path("odd:/name"));
    disk_expect_file("/name", 3, "odd", 3);
}

static void two_files_of_one_name_are_refused(void **state)
{
    struct mkfs_result result;
    struct tree tree;

    mkdir(disk_host_path("again"), 0755);
    disk_host_file("again/small.txt", "later", 5);
    const char *const both[] = { disk_host_path("small.txt"), disk_host_path("again/small.txt") };
    assert_false(build(both, 2, DISK_SIZE, 0, &result));
    assert_int_not_equal(access(disk_host_path("other.img"), F_OK), 0);

    tree_init(&tree, true);
    assert_true(tree_add(&tree, both[0]) && tree_add(&tree, both[1]));
    assert_true(mkfs_write(&tree, disk_image_path(), DISK_SIZE, 0, 0, &result));
    tree_release(&tree);
    disk_expect_file("/small.txt", 5, "later", 5);
}

static void names_that_are_the_same_once_cut_are_refused(void **state)
{
    struct mkfs_result result;

    mkdir(disk_host_path("long"), 0755);
    disk_host_file("long/fourteen_chars_one", "1", 1);
    disk_host_file("long/fourteen_chars_two", "2", 1);
    const char *const argument[] = { disk_host_path("long") };
    assert_false(build(argument, 1, DISK_SIZE, 0, &result));
}

static void a_file_and_a_directory_of_one_name_are_refused(void **state)
{
    struct mkfs_result result;
    char place[512], below[512];

    snprintf(place, sizeof place, "%s:/d", disk_host_path("small.txt"));
    snprintf(below, sizeof below, "%s:/d/x", disk_host_path("small.txt"));
    const char *const one[] = { disk_host_path("d"), place };
    assert_false(build(one, 2, DISK_SIZE, 0, &result));
    const char *const other[] = { place, below };
    assert_false(build(other, 2, DISK_SIZE, 0, &result));
}

static void what_is_not_there_is_refused(void **state)
{
    struct mkfs_result result;
    const char *const argument[] = { disk_host_path("no such file") };

    assert_false(build(argument, 1, DISK_SIZE, 0, &result));
}

static void a_full_disk_is_an_error_and_leaves_the_old_image(void **state)
{
    struct mkfs_result result;
    struct tree tree;

    tree_init(&tree, false);
    assert_true(tree_add(&tree, disk_host_path("big")));
    assert_false(mkfs_write(&tree, disk_image_path(), 1 << 20, 0, 0, &result));
    tree_release(&tree);
    disk_expect_file("/small.txt", 10, "ten bytes\n", 10);
}

static void too_few_inodes_are_an_error(void **state)
{
    struct mkfs_result result;
    const char *const argument[] = { disk_host_path("d") };

    assert_false(build(argument, 1, DISK_SIZE, 100, &result));
    assert_true(build(argument, 1, DISK_SIZE, 300, &result));
    assert_int_equal(result.super.inodes, 304);
    assert_int_equal(result.inodes_used, 1 + 4 + 200);
}

static void the_smallest_disk_is_usable(void **state)
{
    struct mkfs_result result;
    const char *const argument[] = { disk_host_path("small.txt") };
    struct image img;

    assert_true(build(argument, 1, 1 << 20, 0, &result));
    assert_true(image_open_to_read(&img, disk_host_path("other.img")));
    assert_int_equal(img.disk_blocks, 256);
    image_close(&img);
}

static void the_last_inode_can_be_used(void **state)
{
    struct mkfs_result result;
    const char *const argument[] = { disk_host_path("d") };

    // 205 files and directories and inode 0: two more fill a table of 208.
    char places[3][512];
    const char *all[4] = { argument[0] };
    for (u32 k = 0; k < 3; k++) {
        snprintf(places[k], sizeof places[k], "%s:/more%u", disk_host_path("empty"), k);
        all[k + 1] = places[k];
    }
    assert_true(build(all, 3, DISK_SIZE, 208, &result));
    assert_int_equal(result.inodes_used, 207);
    assert_false(build(all, 4, DISK_SIZE, 208, &result));
}

static void images_are_reproducible(void **state)
{
    struct mkfs_result result;
    const char *const argument[] = { disk_host_path("d") };
    char *one = malloc(DISK_SIZE), *two = malloc(DISK_SIZE);

    setenv("SOURCE_DATE_EPOCH", "1700000000", 1);
    for (u32 k = 0; k < 2; k++) {
        assert_true(build(argument, 1, DISK_SIZE, 0, &result));
        FILE *f = fopen(disk_host_path("other.img"), "rb");
        assert_int_equal(fread(k ? two : one, 1, DISK_SIZE, f), DISK_SIZE);
        fclose(f);
    }
    unsetenv("SOURCE_DATE_EPOCH");
    assert_memory_equal(one, two, DISK_SIZE);
    assert_true(result.super.created_ns == 1700000000ull * 1000000000);
    free(one);
    free(two);
}

static void sizes_are_parsed_strictly(void **state)
{
    u64 n;

    assert_true(parse_size("4096", &n) && n == 4096);
    assert_true(parse_size("64K", &n) && n == 65536);
    assert_true(parse_size("3m", &n) && n == 3 << 20);
    assert_true(parse_size("2G", &n) && n == 2ull << 30);
    assert_true(parse_size("1T", &n) && n == 1ull << 40);
    assert_false(parse_size("", &n));
    assert_false(parse_size("K", &n));
    assert_false(parse_size("-1", &n));
    assert_false(parse_size("1KB", &n));
    assert_false(parse_size("1 K", &n));
    assert_false(parse_size("1X", &n));
    assert_false(parse_size("99999999999999999999", &n));
    assert_false(parse_size("9999999999G", &n));
}

#define ON_DISK(test) cmocka_unit_test_setup(test, disk_setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_DISK(a_new_image_is_clean),
        ON_DISK(files_keep_their_contents),
        ON_DISK(large_files_lie_in_one_piece),
        ON_DISK(zeros_become_holes),
        ON_DISK(directories_know_their_parents_and_count_their_links),
        ON_DISK(names_are_cut_to_14_characters),
        ON_DISK(a_place_in_the_image_can_be_said),
        ON_DISK(a_file_whose_own_name_looks_like_a_place_is_taken_as_it_is),
        ON_DISK(two_files_of_one_name_are_refused),
        ON_DISK(names_that_are_the_same_once_cut_are_refused),
        ON_DISK(a_file_and_a_directory_of_one_name_are_refused),
        ON_DISK(what_is_not_there_is_refused),
        ON_DISK(a_full_disk_is_an_error_and_leaves_the_old_image),
        ON_DISK(too_few_inodes_are_an_error),
        ON_DISK(the_smallest_disk_is_usable),
        ON_DISK(the_last_inode_can_be_used),
        ON_DISK(images_are_reproducible),
        ON_DISK(sizes_are_parsed_strictly),
    };

    return cmocka_run_group_tests(tests, disk_group_setup, disk_group_teardown);
}
