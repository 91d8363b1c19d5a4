// fsck: each kind of damage is found, told of, and repaired so that a second check finds nothing. Nothing on the disk
// makes it fail otherwise.
#include "disk/disk.h"

#include <base/byteorder.h>
#include <base/crc32c.h>
#include <base/string.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void inode_change(const char *path, void (*change)(struct fs_inode *, const struct fs_super *))
{
    struct image *img = disk_open();
    struct fs_inode i;
    u64 ino = disk_find(img, path, &i);

    change(&i, &img->super);
    image_inode_store(img, ino, &i);
    disk_close(img);
}

static u64 ino_of(const char *path)
{
    struct image *img = disk_open();
    struct fs_inode i;
    u64 ino = disk_find(img, path, &i);

    disk_close(img);
    return ino;
}

static const char *lost_path(u64 ino, const char *below)
{
    static char path[64];

    snprintf(path, sizeof path, "/lost+found/#%u%s", (unsigned)ino, below);
    return path;
}

// Superblock.

static void a_bad_superblock_is_replaced_by_its_copy(void **state)
{
    struct image *img = disk_open();

    disk_patch64(img, 0, 16, 12345);
    disk_close(img);
    disk_expect_repair("superblock: the checksum does not match; the copy in the last block");
    disk_expect_file("/small.txt", 10, "ten bytes\n", 10);
}

static void a_wiped_superblock_is_replaced_by_its_copy(void **state)
{
    static const u8 zeros[FS_BLOCK_SIZE];
    struct image *img = disk_open();

    image_write(img, 0, zeros);
    disk_close(img);
    disk_expect_repair("superblock: the magic number is missing");
}

static void a_bad_copy_of_the_superblock_is_replaced(void **state)
{
    struct image *img = disk_open();

    disk_patch64(img, img->super.blocks - 1, 120, 1);
    disk_close(img);
    disk_expect_repair("copy of the superblock: the checksum does not match");
}

static void a_copy_of_another_file_system_is_replaced(void **state)
{
    struct image *img = disk_open();
    struct fs_super other = img->super;
    u8 block[FS_BLOCK_SIZE];

    other.created_ns++;
    fs_super_encode(&other, block);
    image_write(img, other.blocks - 1, block);
    disk_close(img);
    disk_expect_repair("it differs from block 0");
}

static void without_both_superblocks_nothing_is_done(void **state)
{
    struct image *img = disk_open();
    struct fsck_result result;
    struct image again;

    disk_patch64(img, 0, 0, 0);
    disk_patch64(img, img->super.blocks - 1, 0, 0);
    disk_close(img);
    assert_true(image_open(&again, disk_image_path(), false));
    assert_false(fsck_run(&again, false, stdout, &result));
    image_close(&again);
}

static void files_too_short_for_a_superblock_are_refused(void **state)
{
    struct fsck_result result;
    struct image img;

    for (off_t size = 0; size <= 8192; size += 1024) {
        assert_int_equal(truncate(disk_image_path(), size), 0);
        assert_true(image_open(&img, disk_image_path(), false));
        assert_false(fsck_run(&img, false, stdout, &result));
        image_close(&img);
    }
}

// Inodes and their trees.

static void a_wrong_checksum_alone_does_not_cost_the_file(void **state)
{
    struct image *img = disk_open();
    struct fs_inode i;
    u64 ino = disk_find(img, "/small.txt", &i);

    disk_patch64(img, inode_block(&img->super, ino), inode_offset(ino) + 32, 4711);
    disk_close(img);
    disk_expect_repair("(/small.txt): the checksum does not match; kept");
    disk_expect_file("/small.txt", 10, "ten bytes\n", 10);
}

static void an_inode_of_garbage_is_freed_with_its_name(void **state)
{
    struct image *img = disk_open();
    struct fs_inode i;
    u64 ino = disk_find(img, "/small.txt", &i);
    u8 garbage[FS_INODE_SIZE];

    memset(garbage, 0xa5, sizeof garbage);
    disk_patch(img, inode_block(&img->super, ino), inode_offset(ino), garbage, sizeof garbage);
    disk_close(img);
    disk_expect_repair("(/small.txt): the checksum does not match; becomes a free inode");
    assert_false(disk_exists("/small.txt"));
}

static void slot_0_outside(struct fs_inode *i, const struct fs_super *s)
{
    i->slots[0] = s->blocks + 5;
}

static void one_bad_slot_costs_only_its_blocks(void **state)
{
    static const u8 zeros[FS_BLOCK_SIZE];

    inode_change("/small.txt", slot_0_outside);
    disk_expect_repair("(/small.txt): a block number is outside the data area");
    disk_expect_file("/small.txt", 10, zeros, 10);
}

static void absurd_fields(struct fs_inode *i, const struct fs_super *s)
{
    i->height = 5;
    i->size = UINT64_MAX;
    i->next_orphan = s->inodes;
}

static void an_absurd_size_and_height_are_set_right(void **state)
{
    inode_change("/small.txt", absurd_fields);
    disk_expect_repair("the size or height is out of range");
    assert_true(disk_exists("/small.txt"));
}

static void wrong_count(struct fs_inode *i, const struct fs_super *s)
{
    i->blocks++;
}

static void a_wrong_count_of_blocks_is_found(void **state)
{
    inode_change("/big", wrong_count);
    disk_expect_repair("(/big): owns 257 blocks, but says 258");
}

static void index_patch(u32 slot, u64 value)
{
    struct image *img = disk_open();
    struct fs_inode i;

    disk_find(img, "/big", &i);
    disk_patch64(img, i.slots[0], 8 * slot, value);
    disk_close(img);
}

static void a_pointer_outside_the_data_area_becomes_a_hole(void **state)
{
    static const u8 zeros[FS_BLOCK_SIZE];

    index_patch(0, 7);
    disk_expect_repair("(/big): slot 0 of level 0 is 0x7");
    disk_expect_file("/big", 1 << 20, zeros, sizeof zeros);
}

static void index_unwritten(struct fs_inode *i, const struct fs_super *s)
{
    i->slots[0] |= FS_SLOT_UNWRITTEN;
}

static void an_unwritten_index_block_is_refused(void **state)
{
    inode_change("/big", index_unwritten);
    disk_expect_repair("(/big): a block number is outside the data area");
}

static void a_block_of_two_files_stays_with_the_first(void **state)
{
    struct image *img = disk_open();
    struct fs_inode small;

    disk_find(img, "/small.txt", &small);
    disk_close(img);
    index_patch(3, small.slots[0]);
    disk_expect_repair("belongs to something else already");
    // /big has the lower inode number.
    assert_true(ino_of("/big") < ino_of("/small.txt"));
}

static void index_to_itself(struct fs_inode *i, const struct fs_super *s)
{
    i->height = 4;
}

static void a_tree_that_leads_back_into_itself_is_cut(void **state)
{
    struct image *img = disk_open();
    struct fs_inode i;

    disk_find(img, "/big", &i);
    for (u32 k = 0; k < FS_SLOTS_PER_BLOCK; k++)
        disk_patch64(img, i.slots[0], 8 * k, i.slots[0]);
    disk_close(img);
    inode_change("/big", index_to_itself);
    disk_expect_repair("belongs to something else already");
}

static void blocks_past_the_size(struct fs_inode *i, const struct fs_super *s)
{
    i->size = 5;
}

static void preallocated_and_unwritten_blocks_are_in_order(void **state)
{
    inode_change("/big", blocks_past_the_size);
    struct image *img = disk_open();
    struct fs_inode i;
    disk_find(img, "/big", &i);
    u8 index[FS_BLOCK_SIZE];
    image_read(img, i.slots[0], index);
    disk_patch64(img, i.slots[0], 8 * 9, le64(index + 8 * 9) | FS_SLOT_UNWRITTEN);
    disk_close(img);
    disk_expect_clean();
}

static void size_far_beyond(struct fs_inode *i, const struct fs_super *s)
{
    i->size = 1ull << 40;
}

static void a_size_past_the_tree_s_reach_is_in_order(void **state)
{
    inode_change("/small.txt", size_far_beyond);
    disk_expect_clean();
    disk_expect_file("/small.txt", 1ull << 40, "ten bytes\n", 10);
}

static void unwritten_first_block(struct fs_inode *i, const struct fs_super *s)
{
    i->slots[0] |= FS_SLOT_UNWRITTEN;
}

static void an_unwritten_block_reads_as_zeros(void **state)
{
    static const u8 zeros[10];

    inode_change("/small.txt", unwritten_first_block);
    disk_expect_clean();
    disk_expect_file("/small.txt", 10, zeros, 10);
}

// Bitmaps.

static void bitmap_flip(u64 (*start)(const struct fs_super *), u64 bit)
{
    struct image *img = disk_open();
    u64 block = start(&img->super) + bit / FS_BITS_PER_BLOCK;
    u8 map[FS_BLOCK_SIZE];

    image_read(img, block, map);
    map[bit % FS_BITS_PER_BLOCK / 8] ^= (u8)(1 << (bit % 8));
    image_write(img, block, map);
    disk_close(img);
}

static u64 block_map(const struct fs_super *s)
{
    return s->block_bitmap_start;
}

static u64 inode_map(const struct fs_super *s)
{
    return s->inode_bitmap_start;
}

static void bitmaps_are_checked_both_ways(void **state)
{
    bitmap_flip(block_map, 0);
    disk_expect_repair("block 0: in use, but marked free");
    bitmap_flip(block_map, 1000);
    disk_expect_repair("block 1000: free, but marked used");
    bitmap_flip(block_map, DISK_SIZE / FS_BLOCK_SIZE - 1);
    disk_expect_repair("block 1023: in use, but marked free");
    bitmap_flip(block_map, FS_BITS_PER_BLOCK - 1);
    disk_expect_repair("block 32767: in use, but marked free");
    bitmap_flip(inode_map, 0);
    disk_expect_repair("inode 0: in use, but marked free");
    bitmap_flip(inode_map, 1);
    disk_expect_repair("inode 1: in use, but marked free");
    bitmap_flip(inode_map, 255);
    disk_expect_repair("inode 255: free, but marked used");
    bitmap_flip(inode_map, 256);
    disk_expect_repair("inode 256: in use, but marked free");
}

static void wiped_bitmaps_are_made_anew(void **state)
{
    static const u8 zeros[FS_BLOCK_SIZE];
    struct image *img = disk_open();

    image_write(img, img->super.block_bitmap_start, zeros);
    image_write(img, img->super.inode_bitmap_start, zeros);
    disk_close(img);
    disk_expect_repair("blocks 0 to ");
}

// Directories.

static struct fs_dirent entry(u64 ino, u8 type, const char *name)
{
    struct fs_dirent d = { .ino = ino, .type = type, .len = (u8)strlen(name) };

    memcpy(d.name, name, d.len);
    return d;
}

static void entry_write(const char *dir, u64 slot, struct fs_dirent d)
{
    struct image *img = disk_open();

    disk_entry(img, dir, slot, &d);
    disk_close(img);
}

static u64 slot_of(const char *dir, const char *name)
{
    struct image *img = disk_open();
    u64 slot = disk_entry_slot(img, dir, name);

    disk_close(img);
    return slot;
}

static void an_entry_with_a_bad_name_is_removed_and_its_file_found_again(void **state)
{
    u64 ino = ino_of("/small.txt");

    entry_write("/", slot_of("/", "small.txt"), entry(ino, FS_FILE, "a/b"));
    disk_expect_repair("the name is not a valid one; the entry is removed");
    disk_expect_file(lost_path(ino, ""), 10, "ten bytes\n", 10);
}

static void an_entry_for_a_free_inode_is_removed(void **state)
{
    entry_write("/d/e/f", slot_of("/d/e/f", "deep.txt"), entry(250, FS_FILE, "ghost"));
    disk_expect_repair("(/d/e/f): 'ghost', inode 250: it names a free inode");
    assert_false(disk_exists("/d/e/f/ghost"));
}

static void a_name_that_is_there_twice_loses_the_second(void **state)
{
    u64 n7 = ino_of("/d/n7");

    entry_write("/d", slot_of("/d", "n7"), entry(n7, FS_FILE, "n6"));
    disk_expect_repair("'n6', inode");
    assert_true(disk_exists("/d/n6"));
    disk_expect_file(lost_path(n7, ""), 4, "d/n7", 4);
}

static void a_wrong_type_in_an_entry_is_set_right(void **state)
{
    u64 ino = ino_of("/small.txt");

    entry_write("/", slot_of("/", "small.txt"), entry(ino, FS_DIR, "small.txt"));
    disk_expect_repair("its type is 2, not 1");
    disk_expect_file("/small.txt", 10, "ten bytes\n", 10);
}

static void dots_are_set_right(void **state)
{
    u64 small = ino_of("/small.txt");

    entry_write("/d", 0, entry(small, FS_FILE, "."));
    disk_expect_repair("(/d): slot 0 is not '.'");
    entry_write("/d", 1, entry(ino_of("/d/e"), FS_DIR, ".."));
    disk_expect_repair("(/d): slot 1 is not '..'");
    entry_write("/d", 0, entry(0, 0, ""));
    disk_expect_repair("(/d): slot 0 is not '.'");
    entry_write("/", 1, entry(FS_ROOT_INO, FS_DIR, "x"));
    disk_expect_repair("(/): slot 1 is not '..'");
    disk_expect_file("/d/e/f/deep.txt", 4, "deep", 4);
}

static void dots_in_other_slots_are_removed(void **state)
{
    entry_write("/d/e/f", slot_of("/d/e/f", "deep.txt"), entry(ino_of("/d"), FS_DIR, ".."));
    disk_expect_repair("this name belongs to the first two slots");
}

static void wrong_parent(struct fs_inode *i, const struct fs_super *s)
{
    i->parent = 9;
}

static void a_wrong_parent_is_set_right(void **state)
{
    inode_change("/d/e", wrong_parent);
    disk_expect_repair("(/d/e): its parent is inode");
}

static void a_second_name_of_a_directory_is_removed(void **state)
{
    entry_write("/", slot_of("/", "small.txt"), entry(ino_of("/d/e"), FS_DIR, "twice"));
    disk_expect_repair("that directory has a name already");
}

static void an_entry_for_the_root_is_removed(void **state)
{
    entry_write("/d/e", slot_of("/d/e", "f"), entry(FS_ROOT_INO, FS_DIR, "loop"));
    disk_expect_repair("it names the root");
}

static void no_links(struct fs_inode *i, const struct fs_super *s)
{
    i->nlink += 3;
}

static void link_counts_are_set_right(void **state)
{
    inode_change("/small.txt", no_links);
    disk_expect_repair("(/small.txt): its link count is 4, but it has 1");
    inode_change("/d", no_links);
    disk_expect_repair("(/d): its link count is 5, but it has 2");
}

static void unreachable_trees_get_a_name_in_lost_and_found(void **state)
{
    u64 ino = ino_of("/d");

    entry_write("/", slot_of("/", "d"), entry(0, 0, ""));
    disk_expect_repair("no name leads to it; gets one in /lost+found");
    disk_expect_file(lost_path(ino, "/e/f/deep.txt"), 4, "deep", 4);
    disk_expect_file(lost_path(ino, "/n50"), 5, "d/n50", 5);
}

static void lost_directories_keep_what_is_below_them(void **state)
{
    struct mkfs_result result;
    struct fs_inode i;
    struct tree tree;

    mkdir(disk_host_path("p"), 0755);
    mkdir(disk_host_path("q"), 0755);
    disk_host_file("p/x", "x", 1);
    disk_host_file("q/y", "y", 1);
    tree_init(&tree, false);
    assert_true(tree_add(&tree, disk_host_path("p")) && tree_add(&tree, disk_host_path("q")));
    assert_true(mkfs_write(&tree, disk_image_path(), DISK_SIZE, 0, 0, &result));
    tree_release(&tree);

    // p, of the lower number, moves into q; then q loses its name.
    u64 p = ino_of("/p"), q = ino_of("/q");
    assert_true(p < q);
    entry_write("/q", slot_of("/q", "y"), entry(p, FS_DIR, "p"));
    entry_write("/p", 1, entry(q, FS_DIR, ".."));
    struct image *img = disk_open();
    assert_int_equal(image_inode_load(img, p, &i), FS_OK);
    i.parent = q;
    image_inode_store(img, p, &i);
    disk_close(img);
    entry_write("/", slot_of("/", "p"), entry(0, 0, ""));
    entry_write("/", slot_of("/", "q"), entry(0, 0, ""));
    disk_expect_repair("no name leads to it");
    disk_expect_file(lost_path(q, "/p/x"), 1, "x", 1);
}

static void directories_that_hold_only_each_other_are_found(void **state)
{
    u64 e = ino_of("/d/e"), f = ino_of("/d/e/f");
    struct image *img = disk_open();
    struct fs_inode i;

    // /d/e/f takes /d/e into itself.
    struct fs_dirent up = entry(f, FS_DIR, ".."), down = entry(e, FS_DIR, "e"), none = {};
    u64 deep = disk_entry_slot(img, "/d/e/f", "deep.txt");
    disk_entry(img, "/d/e/f", deep, &down);
    disk_entry(img, "/d/e", 1, &up);
    disk_entry(img, "/d", disk_entry_slot(img, "/d", "e"), &none);
    assert_int_equal(image_inode_load(img, e, &i), FS_OK);
    i.parent = f;
    image_inode_store(img, e, &i);
    disk_close(img);
    disk_expect_repair("no name leads to it");
    assert_true(disk_exists(lost_path(e, "/f")));
}

static void type_file(struct fs_inode *i, const struct fs_super *s)
{
    i->type = FS_FILE;
    i->parent = 0;
}

static void a_root_that_is_no_directory_is_made_anew(void **state)
{
    u64 d = ino_of("/d"), small = ino_of("/small.txt");

    inode_change("/", type_file);
    disk_expect_repair("the root is not a directory");
    disk_expect_file(lost_path(d, "/e/f/deep.txt"), 4, "deep", 4);
    disk_expect_file(lost_path(small, ""), 10, "ten bytes\n", 10);
}

static void a_destroyed_root_is_made_anew(void **state)
{
    u64 d = ino_of("/d");
    struct image *img = disk_open();
    u8 garbage[FS_INODE_SIZE];

    memset(garbage, 0x5a, sizeof garbage);
    disk_patch(img, inode_block(&img->super, FS_ROOT_INO), inode_offset(FS_ROOT_INO), garbage, sizeof garbage);
    disk_close(img);
    disk_expect_repair("the root is not a directory");
    disk_expect_file(lost_path(d, "/e/f/deep.txt"), 4, "deep", 4);
}

static void first_block_gone(struct fs_inode *i, const struct fs_super *s)
{
    i->slots[0] = 0;
    i->blocks--;
}

static void a_directory_without_its_first_block_gets_one(void **state)
{
    u64 e = ino_of("/d/e");

    inode_change("/d", first_block_gone);
    disk_expect_repair("(/d): slot 0 is not '.'");
    disk_expect_file(lost_path(e, "/f/deep.txt"), 4, "deep", 4);
}

static void an_unwritten_block_of_a_directory_holds_no_entries(void **state)
{
    inode_change("/d", unwritten_first_block);
    disk_expect_repair("(/d): slot 0 is not '.'");
    assert_false(disk_exists("/d/n0"));
    assert_true(disk_exists("/d/n99"));
}

static void twenty_blocks(struct fs_inode *i, const struct fs_super *s)
{
    i->size = FS_ROOT_SLOTS * FS_BLOCK_SIZE;
}

static void lost_and_found_grows_beyond_its_root_slots(void **state)
{
    struct mkfs_result result;
    struct tree tree;
    char name[32];

    // 126 files fill the first block of lost+found; holes up to its twentieth have no free slots that are there.
    mkdir(disk_host_path("lost+found"), 0755);
    for (u32 k = 0; k < FS_DIRENTS_PER_BLOCK - 2; k++) {
        snprintf(name, sizeof name, "lost+found/f%u", k);
        disk_host_file(name, "full", 4);
    }
    tree_init(&tree, false);
    assert_true(tree_add(&tree, disk_host_path("lost+found")) && tree_add(&tree, disk_host_path("small.txt")));
    assert_true(mkfs_write(&tree, disk_image_path(), DISK_SIZE, 0, 0, &result));
    tree_release(&tree);
    inode_change("/lost+found", twenty_blocks);
    disk_expect_clean();

    u64 ino = ino_of("/small.txt");
    entry_write("/", slot_of("/", "small.txt"), entry(0, 0, ""));
    disk_expect_repair("no name leads to it");
    disk_expect_file(lost_path(ino, ""), 10, "ten bytes\n", 10);
    disk_expect_file("/lost+found/f125", 4, "full", 4);
    struct image *img = disk_open();
    struct fs_inode i;
    disk_find(img, "/lost+found", &i);
    assert_int_equal(i.height, 1);
    disk_close(img);
}

static void many_lost_files_are_all_found(void **state)
{
    struct image *img = disk_open();
    struct fs_inode d;
    u64 ino = disk_find(img, "/d", &d);

    d.slots[0] = d.slots[1] = 0;
    d.blocks = 0;
    image_inode_store(img, ino, &d);
    disk_close(img);
    disk_expect_repair("no name leads to it");
    char *text;
    struct fsck_result r = disk_fsck(false, &text);
    free(text);
    assert_int_equal(r.inodes_used, 210 + 1);  // and lost+found
}

// Orphans.

// Take a file's name away and put it on the list of orphans, as unlinking an open file does.
static u64 orphan_make(const char *name)
{
    struct image *img = disk_open();
    struct fs_inode i, head;
    struct fs_dirent none = {};
    char path[32];

    snprintf(path, sizeof path, "/%s", name);
    u64 ino = disk_find(img, path, &i);
    disk_entry(img, "/", disk_entry_slot(img, "/", name), &none);
    assert_int_equal(image_inode_load(img, 0, &head), FS_OK);
    i.nlink = 0;
    i.next_orphan = head.next_orphan;
    head.next_orphan = ino;
    image_inode_store(img, ino, &i);
    image_inode_store(img, 0, &head);
    disk_close(img);
    return ino;
}

static void next_set(u64 ino, u64 next)
{
    struct image *img = disk_open();
    struct fs_inode i;

    assert_int_equal(image_inode_load(img, ino, &i), FS_OK);
    i.next_orphan = next;
    image_inode_store(img, ino, &i);
    disk_close(img);
}

static void orphans_are_in_order_and_freed_by_a_repair(void **state)
{
    char *text;

    orphan_make("small.txt");
    orphan_make("big");
    orphan_make("far");
    disk_expect_clean();
    struct fsck_result before = disk_fsck(false, &text);
    free(text);
    struct fsck_result r = disk_fsck(true, &text);
    free(text);
    assert_int_equal(r.found, 0);
    assert_int_equal(r.orphans, 3);
    disk_expect_clean();
    r = disk_fsck(false, &text);
    free(text);
    assert_int_equal(before.inodes_used - r.inodes_used, 3);
    assert_int_equal(before.blocks_used - r.blocks_used, 1 + 257 + 3);
}

static void a_list_of_orphans_that_bites_its_tail_is_cut(void **state)
{
    u64 first = orphan_make("small.txt");

    orphan_make("big");
    next_set(first, ino_of("/d") ? first : 0);
    disk_expect_repair("is on the list of orphans twice");
}

static void a_list_of_orphans_that_names_a_free_inode_is_cut(void **state)
{
    next_set(orphan_make("small.txt"), 251);
    disk_expect_repair("is on the list of orphans, but free");
}

static void a_stray_next_orphan_is_cleared(void **state)
{
    next_set(ino_of("/small.txt"), ino_of("/big"));
    disk_expect_repair("names a next orphan, but is not on the list");
    assert_true(disk_exists("/big"));
}

static void an_orphan_off_the_list_is_freed(void **state)
{
    orphan_make("small.txt");
    next_set(0, 0);
    disk_expect_repair("has no name, and is not on the list of orphans; freed");
}

static void an_orphan_with_a_name_is_taken_off_the_list(void **state)
{
    u64 ino = orphan_make("small.txt");

    entry_write("/", 2, entry(ino, FS_FILE, "back"));
    disk_expect_repair("has a name, but is on the list of orphans");
    disk_expect_file("/back", 10, "ten bytes\n", 10);
}

static void an_interrupted_truncation_is_finished(void **state)
{
    struct image *img = disk_open();
    struct fs_inode i;
    u64 ino = disk_find(img, "/big", &i);
    char *text;
    u8 begin[3 * FS_BLOCK_SIZE];

    for (u32 k = 0; k < 3; k++)
        assert_int_equal(file_block_read(img, &i, k, begin + k * FS_BLOCK_SIZE), FS_OK);
    i.size = 2 * FS_BLOCK_SIZE + 100;
    image_inode_store(img, ino, &i);
    disk_close(img);
    next_set(0, ino);
    disk_expect_clean();
    struct fsck_result r = disk_fsck(true, &text);
    free(text);
    assert_int_equal(r.orphans, 1);
    disk_expect_clean();
    disk_expect_file("/big", 2 * FS_BLOCK_SIZE + 100, begin, 2 * FS_BLOCK_SIZE + 100);
    img = disk_open();
    disk_find(img, "/big", &i);
    assert_int_equal(i.blocks, 3 + 1);
    disk_close(img);
}

// The journal.

// Writes transactions into the ring.
struct scribe {
    struct image *img;
    u64 position;
};

static void scribe_block(struct scribe *w, const u8 *block)
{
    image_write(w->img, w->img->super.journal_start + 1 + w->position, block);
    w->position = (w->position + 1) % (w->img->super.journal_blocks - 1);
}

// A transaction that fills `count` blocks from `home` on with the byte `fill`; a descriptor for each `per` of them.
static void scribe_transaction(struct scribe *w, u64 sequence, u64 home, u32 count, u32 per, u8 fill)
{
    struct fs_commit commit = { .sequence = sequence, .blocks = count };
    u8 block[FS_BLOCK_SIZE], contents[FS_BLOCK_SIZE];

    memset(contents, fill, sizeof contents);
    for (u32 done = 0; done < count;) {
        struct fs_descriptor d = { .sequence = sequence, .count = MIN(per, count - done) };
        for (u32 k = 0; k < d.count; k++)
            d.home[k] = home + done + k;
        fs_descriptor_encode(&d, block);
        scribe_block(w, block);
        for (u32 k = 0; k < d.count; k++) {
            scribe_block(w, contents);
            commit.data_crc = crc32c(commit.data_crc, contents, sizeof contents);
        }
        done += d.count;
    }
    fs_commit_encode(&commit, block);
    scribe_block(w, block);
}

static void head_write(struct image *img, u64 sequence, u64 start)
{
    u8 block[FS_BLOCK_SIZE];

    fs_journal_head_encode(&(struct fs_journal_head){ sequence, start }, block);
    image_write(img, img->super.journal_start, block);
}

// A free block near the end of the disk, whose contents tell whether a transaction was replayed.
#define HOME 1000

static void expect_home(u64 block, u8 fill)
{
    struct image img;
    u8 bytes[FS_BLOCK_SIZE];

    assert_true(image_open_to_read(&img, disk_image_path()));
    image_read(&img, block, bytes);
    image_close(&img);
    for (u32 k = 0; k < FS_BLOCK_SIZE; k++)
        assert_int_equal(bytes[k], fill);
}

static u64 head_sequence(void)
{
    struct image *img = disk_open();
    struct fs_journal_head head;
    u8 block[FS_BLOCK_SIZE];

    image_read(img, img->super.journal_start, block);
    assert_int_equal(fs_journal_head_decode(block, &img->super, &head), FS_OK);
    disk_close(img);
    return head.sequence;
}

static void transactions_are_replayed_in_order(void **state)
{
    struct scribe w = { disk_open(), 0 };
    char *text;

    scribe_transaction(&w, 1, HOME, 3, 480, 0x11);
    scribe_transaction(&w, 2, HOME + 1, 1, 480, 0x22);
    disk_close(w.img);
    expect_home(HOME, 0x11);
    expect_home(HOME + 1, 0x22);
    expect_home(HOME + 2, 0x11);
    disk_expect_clean();

    struct fsck_result r = disk_fsck(true, &text);
    assert_int_equal(r.found, 0);
    assert_non_null(strstr(text, "replayed 2 transactions of 4 blocks"));
    free(text);
    assert_int_equal(head_sequence(), 4);
    expect_home(HOME + 1, 0x22);
    disk_expect_clean();
}

static void a_transaction_may_have_several_descriptors_and_wrap_around(void **state)
{
    struct image *img = disk_open();
    struct scribe w = { img, img->super.journal_blocks - 4 };

    head_write(img, 900, w.position);
    scribe_transaction(&w, 900, HOME, 7, 2, 0x33);
    scribe_transaction(&w, 901, HOME + 7, 1, 2, 0x44);
    disk_close(img);
    for (u32 k = 0; k < 7; k++)
        expect_home(HOME + k, 0x33);
    expect_home(HOME + 7, 0x44);
}

static void a_transaction_may_fill_the_ring(void **state)
{
    struct image *img = disk_open();
    u64 ring = img->super.journal_blocks - 1;
    struct scribe w = { img, 20 };

    head_write(img, 5, w.position);
    // Descriptor, contents and commit take the whole ring; what follows it would be the same descriptor again.
    scribe_transaction(&w, 5, HOME - 50, (u32)ring - 2, 480, 0x55);
    assert_int_equal(w.position, 20);
    disk_close(img);
    expect_home(HOME - 50, 0x55);
}

struct spoil {
    const char *what;
    u32 block, at;  // position in the ring, offset
};

static void a_damaged_transaction_ends_the_log(void **state)
{
    static const struct spoil spoils[] = {
        { "descriptor", 4, 30 },
        { "contents", 5, 4000 },
        { "commit", 6, 24 },
        { "commit's magic", 6, 0 },
    };

    for (size_t k = 0; k < ARRAY_SIZE(spoils); k++) {
        disk_setup(NULL);
        struct scribe w = { disk_open(), 0 };
        scribe_transaction(&w, 1, HOME, 2, 480, 0x11);
        scribe_transaction(&w, 2, HOME + 1, 1, 480, 0x22);
        scribe_transaction(&w, 3, HOME + 2, 1, 480, 0x33);
        disk_patch64(w.img, w.img->super.journal_start + 1 + spoils[k].block, spoils[k].at, 0x4141414141414141);
        disk_close(w.img);
        expect_home(HOME, 0x11);
        expect_home(HOME + 1, 0x11);
        expect_home(HOME + 2, 0);
    }
}

// Transaction number `descriptor` whose commit block is that of number `commit`.
static void sequences_mix(u64 descriptor, u64 commit)
{
    struct image *img = disk_open();
    struct scribe w = { img, 0 };
    u8 block[FS_BLOCK_SIZE];

    scribe_transaction(&w, commit, HOME, 1, 480, 0x11);
    image_read(img, img->super.journal_start + 1 + 2, block);
    w.position = 0;
    scribe_transaction(&w, descriptor, HOME, 1, 480, 0x11);
    image_write(img, img->super.journal_start + 1 + 2, block);
    disk_close(img);
}

static void transactions_of_another_sequence_are_not_replayed(void **state)
{
    static const u64 mixes[][2] = { { 2, 2 }, { 1, 2 }, { 2, 1 } };

    for (size_t k = 0; k < ARRAY_SIZE(mixes); k++) {
        disk_setup(NULL);
        sequences_mix(mixes[k][0], mixes[k][1]);
        expect_home(HOME, 0);
    }
}

static void a_ring_full_of_descriptors_is_read_only_once(void **state)
{
    struct image *img = disk_open();
    struct fs_descriptor d = { .sequence = 1, .count = 1, .home = { HOME } };
    struct scribe w = { img, 0 };
    u8 block[FS_BLOCK_SIZE];

    fs_descriptor_encode(&d, block);
    for (u64 k = 0; k < img->super.journal_blocks - 1; k++)
        scribe_block(&w, block);
    disk_close(img);
    expect_home(HOME, 0);
}

static void a_commit_of_another_count_is_not_believed(void **state)
{
    struct image *img = disk_open();
    struct fs_commit lie = { .sequence = 1, .blocks = 2 };
    struct scribe w = { img, 0 };
    u8 block[FS_BLOCK_SIZE];

    scribe_transaction(&w, 1, HOME, 1, 480, 0x11);
    image_read(img, img->super.journal_start + 1 + 1, block);
    lie.data_crc = crc32c(0, block, sizeof block);
    fs_commit_encode(&lie, block);
    image_write(img, img->super.journal_start + 1 + 2, block);
    disk_close(img);
    expect_home(HOME, 0);
}

static void a_bad_journal_head_is_replaced_by_one_beyond_all_that_is_there(void **state)
{
    struct scribe w = { disk_open(), 0 };

    scribe_transaction(&w, 1, HOME, 1, 480, 0x11);
    scribe_transaction(&w, 41, HOME, 1, 480, 0x11);
    disk_patch64(w.img, w.img->super.journal_start, 8, 0);
    disk_close(w.img);
    disk_expect_repair("journal: the head: the checksum does not match");
    assert_int_equal(head_sequence(), 42);
    expect_home(HOME, 0);
}

static void repairs_see_what_the_journal_brings(void **state)
{
    struct image *img = disk_open();
    struct scribe w = { img, 0 };

    // The transaction wipes the block bitmap: an error that is only in the journal.
    scribe_transaction(&w, 1, img->super.block_bitmap_start, 1, 480, 0);
    disk_close(img);
    disk_expect_repair("in use, but marked free");
}

// Anything.

static u64 random_next(u64 *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

// Change an inode's field at random, and give it a valid checksum again, so that the change is not just told by that.
static void inode_damage(struct image *img, u64 *seed)
{
    u64 ino = random_next(seed) % 220;
    u32 at = (u32)(random_next(seed) % 31) * 8, offset = inode_offset(ino);
    struct fs_inode i;
    u8 block[FS_BLOCK_SIZE];

    image_read(img, inode_block(&img->super, ino), block);
    put_le64(block + offset + at, random_next(seed) % 3 ? random_next(seed) % 1100 : random_next(seed));
    fs_inode_decode_unchecked(block + offset, ino, &i);
    fs_inode_encode(&i, ino, block + offset);
    image_write(img, inode_block(&img->super, ino), block);
}

static void block_damage(struct image *img, u64 *seed)
{
    const struct fs_super *s = &img->super;
    u64 first = s->block_bitmap_start, block = first + random_next(seed) % (s->blocks - 1 - first);
    u64 value = random_next(seed) % 2 ? random_next(seed) % 1100 : random_next(seed);

    disk_patch64(img, block, (u32)(random_next(seed) % 512) * 8, value);
}

static void swap_damage(struct image *img, u64 *seed)
{
    const struct fs_super *s = &img->super;
    u64 first = s->inode_table_start, count = s->blocks - 1 - first;
    u64 a = first + random_next(seed) % count, b = first + random_next(seed) % count;
    u8 one[FS_BLOCK_SIZE], other[FS_BLOCK_SIZE];

    image_read(img, a, one);
    image_read(img, b, other);
    image_write(img, a, other);
    image_write(img, b, one);
}

static void whatever_the_damage_a_repaired_disk_is_clean(void **state)
{
    u64 seed = 20240607;

    for (u32 round = 0; round < 250; round++) {
        disk_setup(NULL);
        struct image *img = disk_open();
        for (u64 n = random_next(&seed) % 20; n > 0; n--)
            (random_next(&seed) % 2 ? inode_damage : block_damage)(img, &seed);
        if (random_next(&seed) % 8 == 0)
            swap_damage(img, &seed);
        disk_close(img);

        char *told, *again;
        struct fsck_result repair = disk_fsck(true, &told), after = disk_fsck(false, &again);
        if (repair.left || after.found)
            fail_msg("round %u: repaired:\n%s\nand then:\n%s", round, told, again);
        free(told);
        free(again);
    }
}

#define ON_DISK(test) cmocka_unit_test_setup(test, disk_setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_DISK(a_bad_superblock_is_replaced_by_its_copy),
        ON_DISK(a_wiped_superblock_is_replaced_by_its_copy),
        ON_DISK(a_bad_copy_of_the_superblock_is_replaced),
        ON_DISK(a_copy_of_another_file_system_is_replaced),
        ON_DISK(without_both_superblocks_nothing_is_done),
        ON_DISK(files_too_short_for_a_superblock_are_refused),
        ON_DISK(a_wrong_checksum_alone_does_not_cost_the_file),
        ON_DISK(an_inode_of_garbage_is_freed_with_its_name),
        ON_DISK(one_bad_slot_costs_only_its_blocks),
        ON_DISK(an_absurd_size_and_height_are_set_right),
        ON_DISK(a_wrong_count_of_blocks_is_found),
        ON_DISK(a_pointer_outside_the_data_area_becomes_a_hole),
        ON_DISK(an_unwritten_index_block_is_refused),
        ON_DISK(a_block_of_two_files_stays_with_the_first),
        ON_DISK(a_tree_that_leads_back_into_itself_is_cut),
        ON_DISK(preallocated_and_unwritten_blocks_are_in_order),
        ON_DISK(a_size_past_the_tree_s_reach_is_in_order),
        ON_DISK(an_unwritten_block_reads_as_zeros),
        ON_DISK(bitmaps_are_checked_both_ways),
        ON_DISK(wiped_bitmaps_are_made_anew),
        ON_DISK(an_entry_with_a_bad_name_is_removed_and_its_file_found_again),
        ON_DISK(an_entry_for_a_free_inode_is_removed),
        ON_DISK(a_name_that_is_there_twice_loses_the_second),
        ON_DISK(a_wrong_type_in_an_entry_is_set_right),
        ON_DISK(dots_are_set_right),
        ON_DISK(dots_in_other_slots_are_removed),
        ON_DISK(a_wrong_parent_is_set_right),
        ON_DISK(a_second_name_of_a_directory_is_removed),
        ON_DISK(an_entry_for_the_root_is_removed),
        ON_DISK(link_counts_are_set_right),
        ON_DISK(unreachable_trees_get_a_name_in_lost_and_found),
        ON_DISK(lost_directories_keep_what_is_below_them),
        ON_DISK(directories_that_hold_only_each_other_are_found),
        ON_DISK(a_root_that_is_no_directory_is_made_anew),
        ON_DISK(a_destroyed_root_is_made_anew),
        ON_DISK(a_directory_without_its_first_block_gets_one),
        ON_DISK(an_unwritten_block_of_a_directory_holds_no_entries),
        ON_DISK(lost_and_found_grows_beyond_its_root_slots),
        ON_DISK(many_lost_files_are_all_found),
        ON_DISK(orphans_are_in_order_and_freed_by_a_repair),
        ON_DISK(a_list_of_orphans_that_bites_its_tail_is_cut),
        ON_DISK(a_list_of_orphans_that_names_a_free_inode_is_cut),
        ON_DISK(a_stray_next_orphan_is_cleared),
        ON_DISK(an_orphan_off_the_list_is_freed),
        ON_DISK(an_orphan_with_a_name_is_taken_off_the_list),
        ON_DISK(an_interrupted_truncation_is_finished),
        ON_DISK(transactions_are_replayed_in_order),
        ON_DISK(a_transaction_may_have_several_descriptors_and_wrap_around),
        ON_DISK(a_transaction_may_fill_the_ring),
        ON_DISK(a_damaged_transaction_ends_the_log),
        ON_DISK(transactions_of_another_sequence_are_not_replayed),
        ON_DISK(a_ring_full_of_descriptors_is_read_only_once),
        ON_DISK(a_commit_of_another_count_is_not_believed),
        ON_DISK(a_bad_journal_head_is_replaced_by_one_beyond_all_that_is_there),
        ON_DISK(repairs_see_what_the_journal_brings),
        ON_DISK(whatever_the_damage_a_repaired_disk_is_clean),
    };

    return cmocka_run_group_tests(tests, disk_group_setup, disk_group_teardown);
}
