// Images of many epochs: trees that share what hasn't changed, against a plain map; old epochs; blocks in use; damage.

#include <base/byteorder.h>
#include <base/crc32c.h>
#include <base/string.h>
#include <ckptfmt/ckptfmt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define BLOCK     CKPT_BLOCK_SIZE
#define HEIGHT    3
#define PLACES    1500  // pages that tests play with
#define EPOCHS    12
#define USER_END  0x80000000u
#define MAX_INDEX (USER_END / BLOCK)

// What a page holds: a version, of which its bytes are made; 0: nothing.
struct map {
    u32 version[PLACES];
};

// A file in memory, and what each of its epochs should hold.
struct file {
    u8 *bytes;
    size_t size, room;
    u64 epoch;
    u64 area_block, area_size;  // of the newest epoch
    u64 record_at[16];          // of each of its records, from the area's start
    u32 records;
    u32 kept;
    struct ckpt_tree tree;
    struct ckpt_bounds bounds;
    struct ckpt_source source;
    struct map map[EPOCHS + 1];
    u64 area[EPOCHS + 1];     // each epoch's records block
    u8 replaced_by[1 << 16];  // which epoch's tree doesn't have the block any more; 0: none was told
    u64 index[PLACES];        // ascending
};

static u32 seed = 1;
static u64 bytes_read;

static u32 draw(u32 below)
{
    seed = seed * 1664525 + 1013904223;
    return (u32)((u64)(seed >> 4) * below >> 28);
}

static int memory_read(void *ctx, u64 offset, void *buf, size_t n)
{
    struct file *f = ctx;

    assert_true(offset <= f->source.size && n <= f->source.size - offset);
    memcpy(buf, f->bytes + offset, n);
    bytes_read += n;
    return 0;
}

static u8 *grow(struct file *f, size_t more)
{
    if (f->size + more > f->room) {
        f->room = 2 * (f->size + more);
        f->bytes = realloc(f->bytes, f->room);
        assert_non_null(f->bytes);
    }
    memset(f->bytes + f->size, 0, more);
    f->size += more;
    f->source.size = f->size;
    return f->bytes + f->size - more;
}

static int add_block(void *ctx, const u8 *bytes, u32 *block)
{
    struct file *f = ctx;

    *block = (u32)(f->size / BLOCK);
    memcpy(grow(f, BLOCK), bytes, BLOCK);
    return 0;
}

static void note_replaced(void *ctx, u32 first, u32 count)
{
    struct file *f = ctx;

    assert_true(count > 0);
    for (u32 block = first; block < first + count; block++) {
        assert_true(block < ARRAY_SIZE(f->replaced_by) && !f->replaced_by[block]);
        f->replaced_by[block] = (u8)(f->epoch + 1);
    }
}

static void page_fill(u8 *page, u64 index, u32 version)
{
    for (u32 i = 0; i < BLOCK; i += 8)
        put_le64(page + i, (index << 20 | version) * 0x9e3779b97f4a7c15ull + i);
}

// Half of the pages lie side by side, the others anywhere.
static struct file *file_make(void)
{
    struct file *f = calloc(1, sizeof *f);
    u64 index = 0;

    for (u32 i = 0; i < PLACES; i++) {
        f->index[i] = index;
        index += i < PLACES / 2 ? 1 : 1 + draw(1300);
    }
    assert_true(index < MAX_INDEX);
    f->source = (struct ckpt_source){ .read = memory_read, .ctx = f };
    grow(f, CKPT_SLOTS * BLOCK);
    return f;
}

static void file_free(struct file *f)
{
    free(f->bytes);
    free(f);
}

// Changes of pages that are numbered one after the other.
struct changes {
    u64 index;
    u32 count, block[40], crc[40];
};

static void set_changes(struct ckpt_builder *b, struct changes *c)
{
    if (c->count)
        assert_int_equal(ckpt_builder_set_run(b, c->index, c->count, c->block, c->crc), CKPT_OK);
    c->count = 0;
}

// Bring the tree from what the newest epoch holds to what the next one should.
static u64 update_tree(struct file *f)
{
    const struct map *old = &f->map[f->epoch], *new = &f->map[f->epoch + 1];
    struct ckpt_builder *b = malloc(sizeof *b);
    bool fresh = f->epoch == 0;
    struct changes c = { .count = 0 };
    u8 page[BLOCK];
    u64 written;

    ckpt_builder_init(b, HEIGHT, fresh ? NULL : &f->bounds, fresh ? NULL : &f->tree, add_block, f);
    b->replaced = note_replaced;
    for (u32 i = 0; i < PLACES; i++) {
        if (old->version[i] == new->version[i])
            continue;
        if (c.count == ARRAY_SIZE(c.block) || f->index[i] != c.index + c.count || draw(20) == 0)
            set_changes(b, &c);
        if (c.count == 0)
            c.index = f->index[i];
        c.block[c.count] = c.crc[c.count] = 0;
        if (new->version[i]) {
            page_fill(page, f->index[i], new->version[i]);
            c.crc[c.count] = crc32c(0, page, BLOCK);
            assert_int_equal(add_block(f, page, &c.block[c.count]), 0);
        }
        c.count++;
    }
    set_changes(b, &c);
    assert_int_equal(ckpt_builder_finish(b), CKPT_OK);
    f->tree = b->tree;
    written = b->written;
    free(b);
    return written;
}

static void add_record(struct file *f, const u8 *record, size_t size)
{
    f->record_at[f->records++] = f->area_size;
    memcpy(grow(f, size), record, size);
    f->area_size += size;
}

static void add_process(struct file *f, u8 *r)
{
    static const u8 bytes[512];
    struct ckpt_process p = { .pid = 7, .ppid = 2, .pgid = 7, .state = CKPT_ALIVE, .space = 1, .name = "life" };
    struct ckpt_state regs = { CKPT_MACHINE_I386, 40, bytes }, fpu = { CKPT_MACHINE_I386, 512, bytes };

    add_record(f, r, ckpt_put_process(r, 1, &p));
    add_record(f, r, ckpt_put_state(r, CKPT_REGISTERS, 1, &regs));
    add_record(f, r, ckpt_put_state(r, CKPT_FPU, 1, &fpu));
    add_record(f, r, ckpt_put_restart(r, 1, &(struct ckpt_restart){ 0 }));
    add_record(f, r, ckpt_put_cwd(r, 1, &(struct ckpt_cwd){ .ino = 1, .path = "/", .path_length = 1 }));
    add_record(f, r, ckpt_put_descriptors(r, 1, 0, NULL));
}

enum { EPOCH_RECORD, SPACE_RECORD, TREE_RECORD };

static void add_records(struct file *f, const struct ckpt_epoch *e)
{
    struct ckpt_region region = { 0, USER_END, 7, CKPT_REGION_DATA, 0 };
    struct ckpt_space space = { .regions = 1 };
    u8 *r = malloc(CKPT_RECORD_MAX);

    f->area_block = f->size / BLOCK;
    f->area_size = f->records = 0;
    add_record(f, r, ckpt_put_epoch(r, e));
    add_record(f, r, ckpt_put_space(r, 1, &space, &region));
    add_record(f, r, ckpt_put_tree(r, 1, &f->tree));
    add_process(f, r);
    grow(f, ROUND_UP(f->size, BLOCK) - f->size);
    free(r);
}

static u8 *slot_of(struct file *f, u64 epoch)
{
    return f->bytes + (epoch - 1) % CKPT_SLOTS * BLOCK;
}

static void write_header(struct file *f, u64 parent)
{
    struct ckpt_header h = {
        .machine = CKPT_MACHINE_I386,
        .epoch = f->epoch,
        .parent = parent,
        .blocks = f->size / BLOCK,
        .records_block = f->area_block,
        .records_size = f->area_size,
        .digest = crc32c(0, f->bytes + f->area_block * BLOCK, f->area_size),
    };
    ckpt_header_encode(&h, slot_of(f, f->epoch));
    f->bounds = (struct ckpt_bounds){ &f->source, h.blocks, h.records_block,
                                      h.records_block + DIV_ROUND_UP(h.records_size, BLOCK), h.features };
}

// Write what f->map[f->epoch + 1] says as the next epoch, which keeps `kept` older ones.
static u64 save(struct file *f, u32 kept, u64 parent)
{
    u64 written = update_tree(f);
    struct ckpt_epoch e = {
        .epoch = f->epoch + 1,
        .parent = parent,
        .previous = f->epoch,
        .kept = kept,
        .spaces = 1,
        .processes = 1,
    };

    if (f->epoch) {
        e.previous_block = f->area_block;
        e.previous_size = f->area_size;
        e.previous_digest = le32(slot_of(f, f->epoch) + 216);
    }
    add_records(f, &e);
    f->epoch++;
    f->kept = kept;
    f->area[f->epoch] = f->area_block;
    write_header(f, parent);
    return written;
}

static struct map *next_map(struct file *f)
{
    f->map[f->epoch + 1] = f->map[f->epoch];
    return &f->map[f->epoch + 1];
}

static void change_some(struct file *f, u32 count, u32 removed_of_8)
{
    struct map *m = next_map(f);

    for (u32 i = 0; i < count; i++)
        m->version[draw(PLACES)] = draw(8) < removed_of_8 ? 0 : (u32)f->epoch + 1;
}

// As many epochs as `count`, with all kinds of changes.
static struct file *lived_file(u32 count)
{
    struct file *f = file_make();

    for (u32 i = 0; i < count; i++) {
        static const u32 how_many[] = { 300, 1, 40, 1000, 3, 200 };

        change_some(f, how_many[i % ARRAY_SIZE(how_many)], i % 8);
        save(f, i, i);
    }
    return f;
}

static struct file *file_of_few_pages(u32 epochs)
{
    struct file *f = file_make();

    for (u32 i = 0; i < epochs; i++) {
        change_some(f, 8, i);
        save(f, i, i);
    }
    return f;
}

// ---- reading

static void open_tree(struct file *f, struct ckpt_reader *r, u64 epoch, struct ckpt_tree *tree)
{
    struct ckpt_item item = { 0 };

    assert_int_equal(ckpt_open(r, &f->source, epoch), CKPT_OK);
    while (item.type != CKPT_TREE)
        assert_int_equal(ckpt_next(r, &item), CKPT_OK);
    *tree = item.tree;
}

static void expect_page(struct file *f, const struct ckpt_page *page, u32 place, u32 version)
{
    u8 bytes[BLOCK];

    assert_int_equal(page->index, f->index[place]);
    page_fill(bytes, page->index, version);
    assert_memory_equal(f->bytes + (u64)page->block * BLOCK, bytes, BLOCK);
    assert_int_equal(page->crc, crc32c(0, bytes, BLOCK));
}

static void expect_walk(struct file *f, const struct ckpt_reader *r, const struct ckpt_tree *tree, const struct map *m)
{
    struct ckpt_walk *w = malloc(sizeof *w);
    struct ckpt_page page;
    u64 pages = 0;

    assert_int_equal(ckpt_walk_begin(w, r, tree), CKPT_OK);
    for (u32 i = 0; i < PLACES; i++) {
        if (!m->version[i])
            continue;
        assert_int_equal(ckpt_walk_next(w, &page), CKPT_OK);
        assert_int_not_equal(page.block, 0);
        expect_page(f, &page, i, m->version[i]);
        pages++;
    }
    assert_int_equal(ckpt_walk_next(w, &page), CKPT_OK);
    assert_int_equal(page.block, 0);
    assert_int_equal(tree->pages, pages);
    free(w);
}

// What is told of the pages behind one is what looking them up one by one tells. Returns how many there were.
static u32 expect_more(struct ckpt_lookup *l, const struct ckpt_page *page)
{
    u32 crc[2 * CKPT_FANOUT], n = ckpt_lookup_more(l, page, 2 * CKPT_FANOUT, crc);
    struct ckpt_page each;

    assert_int_equal(ckpt_lookup_more(l, page, n / 2, crc), n / 2);
    for (u32 i = 0; i <= n; i++) {
        assert_int_equal(ckpt_lookup(l, page->index + 1 + i, false, &each), CKPT_OK);
        bool ends_node = (page->index + 1 + i) % CKPT_FANOUT == 0;
        assert_true((each.block == page->block + 1 + i) == (i < n) || ends_node);
        if (i < n)
            assert_int_equal(each.crc, crc[i]);
    }
    return n;
}

static u32 more;  // in all

static void expect_lookups(struct file *f, const struct ckpt_reader *r, const struct ckpt_tree *tree,
                           const struct map *m)
{
    struct ckpt_lookup *l = malloc(sizeof *l);
    struct ckpt_bounds bounds;
    struct ckpt_page page;
    u32 next = PLACES;  // the first place from there on that has a page

    ckpt_bounds(&bounds, r);
    ckpt_lookup_init(l, &bounds, tree);
    for (u32 i = PLACES; i-- > 0;) {
        if (i + 1 < PLACES && f->index[i] + 1 < f->index[i + 1]) {
            assert_int_equal(ckpt_lookup(l, f->index[i] + 1, false, &page), CKPT_OK);
            assert_int_equal(page.block, 0);
        }
        assert_int_equal(ckpt_lookup(l, f->index[i], false, &page), CKPT_OK);
        assert_true((page.block != 0) == (m->version[i] != 0));
        if (page.block) {
            expect_page(f, &page, i, m->version[i]);
            more += i % 37 ? 0 : expect_more(l, &page);
            next = i;
        }
        assert_int_equal(ckpt_lookup(l, i ? f->index[i - 1] + 1 : 0, true, &page), CKPT_OK);
        assert_true((page.block != 0) == (next < PLACES));
        if (page.block)
            expect_page(f, &page, next, m->version[next]);
    }
    assert_int_equal(ckpt_lookup(l, (u64)1 << 40, true, &page), CKPT_OK);
    assert_int_equal(page.block, 0);
    free(l);
}

static enum ckpt_error verify(struct file *f, u64 epoch)
{
    static struct ckpt_verifier v;

    memset(&v, 0xa5, sizeof v);
    return ckpt_verify(&v, &f->source, epoch);
}

// ---- trees

static void all_epochs_hold_what_a_map_says(void **state)
{
    for (u32 round = 1; round <= 6; round++) {
        seed = round;
        struct file *f = lived_file(EPOCHS);
        struct ckpt_reader *r = malloc(sizeof *r);
        struct ckpt_tree tree;

        for (u64 epoch = 1; epoch <= EPOCHS; epoch++) {
            open_tree(f, r, epoch, &tree);
            expect_walk(f, r, &tree, &f->map[epoch]);
            expect_lookups(f, r, &tree, &f->map[epoch]);
            assert_int_equal(verify(f, epoch), CKPT_OK);
        }
        free(r);
        file_free(f);
    }
    assert_true(more > 100);  // or they would say little
}

static void lookups_in_any_order_find_the_same(void **state)
{
    struct file *f = lived_file(4);
    struct ckpt_reader *r = malloc(sizeof *r);
    struct ckpt_lookup *l = malloc(sizeof *l);
    struct ckpt_bounds bounds;
    struct ckpt_tree tree;
    struct ckpt_page page;

    open_tree(f, r, 4, &tree);
    ckpt_bounds(&bounds, r);
    ckpt_lookup_init(l, &bounds, &tree);
    for (u32 i = 0; i < 20000; i++) {
        u32 place = draw(PLACES);

        assert_int_equal(ckpt_lookup(l, f->index[place], false, &page), CKPT_OK);
        assert_true((page.block != 0) == (f->map[4].version[place] != 0));
        if (page.block)
            expect_page(f, &page, place, f->map[4].version[place]);
    }
    free(l);
    free(r);
    file_free(f);
}

static void cost_is_that_of_the_changes(void **state)
{
    struct file *f = file_make();

    for (u32 i = 0; i < PLACES; i++)
        f->map[1].version[i] = 1;
    save(f, 0, 0);

    bytes_read = 0;
    next_map(f);
    struct ckpt_tree before = f->tree;
    assert_int_equal(save(f, 1, 1), 0);
    assert_memory_equal(&f->tree, &before, sizeof before);
    assert_int_equal(bytes_read, 0);

    next_map(f)->version[5] = 3;
    assert_int_equal(save(f, 2, 2), HEIGHT);
    assert_int_equal(bytes_read, HEIGHT * BLOCK);
    assert_int_equal(f->tree.pages, before.pages);
    assert_int_equal(f->tree.nodes, before.nodes);

    // Two in one leaf and one far off: the root is written once.
    struct map *m = next_map(f);
    m->version[5] = m->version[6] = m->version[PLACES - 1] = 4;
    assert_int_equal(save(f, 3, 3), 2 * HEIGHT - 1);
    assert_int_equal(verify(f, 0), CKPT_OK);
    file_free(f);
}

static void emptied_trees_vanish(void **state)
{
    struct file *f = file_make();

    f->map[1].version[0] = f->map[1].version[PLACES - 1] = 1;
    save(f, 0, 0);
    assert_int_equal(f->tree.nodes, 5);

    next_map(f)->version[PLACES - 1] = 0;
    assert_int_equal(save(f, 1, 1), 1);
    assert_int_equal(f->tree.nodes, 3);
    assert_int_equal(f->tree.pages, 1);
    assert_int_equal(verify(f, 0), CKPT_OK);

    next_map(f)->version[0] = 0;
    assert_int_equal(save(f, 2, 2), 0);
    assert_int_equal(f->tree.root | f->tree.crc | f->tree.nodes | f->tree.pages, 0);
    assert_int_equal(f->tree.height, HEIGHT);
    assert_int_equal(verify(f, 0), CKPT_OK);

    next_map(f)->version[7] = 4;
    assert_int_equal(save(f, 3, 3), HEIGHT);
    for (u64 epoch = 1; epoch <= 4; epoch++)
        assert_int_equal(verify(f, epoch), CKPT_OK);
    file_free(f);
}

static int refuse_block(void *ctx, const u8 *bytes, u32 *block)
{
    return -1;
}

static void builder_reports_what_goes_wrong(void **state)
{
    struct file *f = lived_file(1);
    struct ckpt_builder *b = malloc(sizeof *b);

    ckpt_builder_init(b, HEIGHT, NULL, NULL, refuse_block, NULL);
    assert_int_equal(ckpt_builder_set(b, 3, 5, 1), CKPT_OK);
    assert_int_equal(ckpt_builder_set(b, 3, 5, 1), CKPT_BAD_TREE);
    assert_int_equal(ckpt_builder_set(b, 1 << (9 * HEIGHT), 5, 1), CKPT_BAD_TREE);
    assert_int_equal(ckpt_builder_set(b, 1000, 5, 1), CKPT_WRITE_FAILED);

    f->bytes[(u64)f->tree.root * BLOCK + 9] ^= 1;
    ckpt_builder_init(b, HEIGHT, &f->bounds, &f->tree, add_block, f);
    assert_int_equal(ckpt_builder_set(b, 3, 5, 1), CKPT_BAD_CHECKSUM);
    assert_int_equal(b->failed_at, (u64)f->tree.root * BLOCK);
    free(b);
    file_free(f);
}

// ---- blocks

struct tally {
    u8 *count;
    u32 told;
    bool once;  // pass over what was told before
};

static bool tally_use(void *ctx, u32 first, u32 count)
{
    struct tally *t = ctx;
    bool known = t->count[first];

    t->told += count;
    for (u32 i = 0; i < count; i++)
        t->count[first + i]++;
    return !(t->once && known);
}

// By another way: mark what hangs on an entry, straight from the bytes.
static void mark(struct file *f, u32 block, u32 level, u8 *count)
{
    const u8 *node = f->bytes + (u64)block * BLOCK;

    count[block]++;
    for (u32 i = 0; level > 0 && i < CKPT_FANOUT; i++)
        if (le32(node + 8 * i))
            mark(f, le32(node + 8 * i), level - 1, count);
}

static void blocks_are_those_in_reach(void **state)
{
    struct file *f = lived_file(6);
    struct ckpt_reader *r = malloc(sizeof *r);
    struct ckpt_walk *w = malloc(sizeof *w);
    struct ckpt_tree tree;

    for (u64 epoch = 6; epoch > 0; epoch--) {
        struct tally t = { .count = calloc(f->size / BLOCK, 1) };
        u8 *expected = calloc(f->size / BLOCK, 1);

        open_tree(f, r, epoch, &tree);
        expected[f->area[epoch]] = 1;
        mark(f, tree.root, HEIGHT, expected);
        assert_int_equal(ckpt_open(r, &f->source, epoch), CKPT_OK);
        assert_int_equal(ckpt_blocks(r, w, tally_use, &t), CKPT_OK);
        assert_memory_equal(t.count, expected, f->size / BLOCK);
        assert_int_equal(t.told, 1 + tree.nodes + tree.pages);
        free(expected);
        free(t.count);
    }
    free(w);
    free(r);
    file_free(f);
}

// Which blocks an epoch's tree has.
static u8 *tree_blocks(struct file *f, struct ckpt_reader *r, u64 epoch)
{
    u8 *count = calloc(f->size / BLOCK, 1);
    struct ckpt_tree tree;

    open_tree(f, r, epoch, &tree);
    if (tree.root)
        mark(f, tree.root, HEIGHT, count);
    return count;
}

// What a builder says is replaced is what the old tree has and the new one doesn't, each block once.
static void replaced_blocks_are_told(void **state)
{
    struct file *f = lived_file(8);
    struct ckpt_reader *r = malloc(sizeof *r);
    u32 told = 0;

    for (u64 epoch = 2; epoch <= 8; epoch++) {
        u8 *before = tree_blocks(f, r, epoch - 1), *after = tree_blocks(f, r, epoch);
        for (u32 block = 0; block < f->size / BLOCK; block++) {
            assert_int_equal(f->replaced_by[block] == epoch, before[block] && !after[block]);
            told += f->replaced_by[block] == epoch;
        }
        free(before);
        free(after);
    }
    assert_true(told > 100);
    free(r);
    file_free(f);
}

// Standing anywhere in an epoch, one starts with it again.
static void an_epoch_is_opened_again(void **state)
{
    struct file *f = lived_file(4);
    struct ckpt_reader *r = malloc(sizeof *r);
    struct ckpt_item item;

    assert_int_equal(ckpt_open(r, &f->source, 0), CKPT_OK);
    assert_int_equal(r->slot, 1);
    for (u32 steps = 0; steps < 9; steps++) {
        for (u32 i = 0; i < steps; i++)
            assert_int_equal(ckpt_next(r, &item), CKPT_OK);
        ckpt_open_again(r);
        assert_int_equal(ckpt_next(r, &item), CKPT_OK);
        assert_true(item.type == CKPT_EPOCH && item.epoch.epoch == 4);
        while (item.type != CKPT_END)
            assert_int_equal(ckpt_next(r, &item), CKPT_OK);
        ckpt_open_again(r);
    }
    free(r);
    file_free(f);
}

// Over all epochs together, every block of the file is in use, and what epochs share is looked at once.
static void shared_blocks_are_passed_over(void **state)
{
    struct file *f = lived_file(6);
    struct ckpt_reader *r = malloc(sizeof *r);
    struct ckpt_walk *w = malloc(sizeof *w);
    struct tally t = { .count = calloc(f->size / BLOCK, 1), .once = true };

    assert_int_equal(ckpt_open(r, &f->source, 0), CKPT_OK);
    do
        assert_int_equal(ckpt_blocks(r, w, tally_use, &t), CKPT_OK);
    while (ckpt_open_previous(r) == CKPT_OK);
    for (u32 block = CKPT_SLOTS; block < f->size / BLOCK; block++)
        assert_true(t.count[block] > 0);

    t.told = 0;
    bytes_read = 0;
    assert_int_equal(ckpt_open(r, &f->source, 0), CKPT_OK);
    assert_int_equal(ckpt_blocks(r, w, tally_use, &t), CKPT_OK);
    assert_int_equal(t.told, 2);  // records and root
    assert_true(bytes_read <= 3 * BLOCK);
    free(t.count);
    free(w);
    free(r);
    file_free(f);
}

// ---- history

static void kept_epochs_are_found_and_no_others(void **state)
{
    struct file *f = file_make();
    struct ckpt_reader *r = malloc(sizeof *r);
    struct ckpt_item item;

    for (u32 i = 0; i < 7; i++) {
        change_some(f, 10, 0);
        save(f, MIN(i, 3), i);
    }
    assert_int_equal(ckpt_open(r, &f->source, 0), CKPT_OK);
    assert_int_equal(ckpt_open_previous(r), CKPT_NO_EPOCH);  // nothing is known of it yet
    for (u64 epoch = 7; epoch >= 4; epoch--) {
        assert_int_equal(r->header.epoch, epoch);
        assert_int_equal(r->header.records_block, f->area[epoch]);
        assert_int_equal(ckpt_next(r, &item), CKPT_OK);
        assert_int_equal(item.epoch.epoch, epoch);
        assert_int_equal(ckpt_open_previous(r), epoch > 4 ? CKPT_OK : CKPT_NO_EPOCH);
    }
    for (u64 epoch = 1; epoch < 10; epoch++) {
        bool kept = epoch >= 4 && epoch <= 7;

        assert_int_equal(ckpt_open(r, &f->source, epoch), kept ? CKPT_OK : CKPT_NO_EPOCH);
        assert_int_equal(verify(f, epoch), kept ? CKPT_OK : CKPT_NO_EPOCH);
    }
    // Epoch 8 keeps none: its previous one is dropped, too.
    next_map(f);
    save(f, 0, 7);
    assert_int_equal(verify(f, 8), CKPT_OK);
    assert_int_equal(verify(f, 7), CKPT_NO_EPOCH);
    free(r);
    file_free(f);
}

static void newer_epoch_without_a_header_does_not_exist(void **state)
{
    struct file *f = lived_file(3);
    struct ckpt_reader *r = malloc(sizeof *r);

    slot_of(f, 3)[200] ^= 1;
    assert_int_equal(ckpt_open(r, &f->source, 0), CKPT_OK);
    assert_int_equal(r->header.epoch, 2);
    assert_int_equal(ckpt_open(r, &f->source, 3), CKPT_NO_EPOCH);
    assert_int_equal(verify(f, 1), CKPT_OK);
    free(r);
    file_free(f);
}

static void verifier_goes_back(void **state)
{
    struct file *f = lived_file(5);
    struct ckpt_verifier *v = malloc(sizeof *v);

    assert_int_equal(ckpt_verify(v, &f->source, 0), CKPT_OK);
    for (u64 epoch = 4; epoch > 0; epoch--) {
        assert_int_equal(ckpt_verify_previous(v), CKPT_OK);
        assert_int_equal(v->reader.header.epoch, epoch);
    }
    assert_int_equal(ckpt_verify_previous(v), CKPT_NO_EPOCH);
    free(v);
    file_free(f);
}

// Make the checksums of an epoch's records right again, and, if it is the newest, those of its header.
static void reseal(struct file *f)
{
    u8 *area = f->bytes + f->area_block * BLOCK;

    for (u32 i = 0; i < f->records; i++) {
        u8 *r = area + f->record_at[i];

        put_le32(r + 12, crc32c(crc32c(crc32c(0, r, 12), r + 16, 8), r + 24, le32(r + 8)));
    }
    put_le32(slot_of(f, f->epoch) + 216, crc32c(0, area, f->area_size));
    put_le32(slot_of(f, f->epoch) + BLOCK - 4, crc32c(0, slot_of(f, f->epoch), BLOCK - 4));
}

static u8 *payload(struct file *f, u32 record)
{
    return f->bytes + f->area_block * BLOCK + f->record_at[record] + CKPT_RECORD_HEADER;
}

static void lies_about_older_epochs_are_refused(void **state)
{
    static const struct {
        u32 offset, size;
        u64 value;
        enum ckpt_error newest, older;  // what opening or verifying epoch 3 and 2 says
    } lies[] = {
        { 56, 8, 3, CKPT_BAD_HEADER, CKPT_BAD_HEADER },  // previous: itself
        { 56, 8, UINT64_MAX, CKPT_BAD_HEADER, CKPT_BAD_HEADER },
        { 56, 8, 0, CKPT_BAD_HEADER, CKPT_BAD_HEADER },  // but some are kept
        { 56, 8, 1, CKPT_OK, CKPT_NO_EPOCH },            // the records say another number
        { 64, 8, 0, CKPT_OK, CKPT_BAD_HEADER },          // records block
        { 64, 8, UINT64_MAX, CKPT_OK, CKPT_BAD_HEADER },
        { 64, 8, 2, CKPT_OK, CKPT_BAD_RECORD },  // a page
        { 72, 8, 0, CKPT_OK, CKPT_BAD_HEADER },  // records size
        { 72, 8, 33, CKPT_OK, CKPT_BAD_HEADER },
        { 72, 8, UINT64_MAX - 7, CKPT_OK, CKPT_BAD_HEADER },
        { 72, 8, 136, CKPT_OK, CKPT_BAD_ORDER },
        { 80, 4, 0x12345678, CKPT_OK, CKPT_BAD_CHECKSUM },  // digest
        { 84, 4, 0, CKPT_OK, CKPT_NO_EPOCH },               // none kept, though there was one
        { 84, 4, 3, CKPT_OK, CKPT_BAD_HEADER },             // more than epoch 2 had
        { 84, 4, 0xffffffff, CKPT_OK, CKPT_BAD_HEADER },
        { 84, 4, 1, CKPT_OK, CKPT_OK },
    };

    for (u32 i = 0; i < ARRAY_SIZE(lies); i++) {
        struct file *f = lived_file(3);

        for (u32 k = 0; k < lies[i].size; k++)
            payload(f, EPOCH_RECORD)[lies[i].offset + k] = (u8)(lies[i].value >> 8 * k);
        reseal(f);
        if (verify(f, 0) != lies[i].newest || verify(f, 2) != lies[i].older)
            fail_msg("lie %u: \"%s\", \"%s\"", i, ckpt_error_text(verify(f, 0)), ckpt_error_text(verify(f, 2)));
        file_free(f);
    }
}

// ---- damage

// Whatever is found in any epoch and has the right checksum must be what was written.
static void expect_no_wrong_page(struct file *f, struct ckpt_reader *r, struct ckpt_lookup *l)
{
    u64 newest = f->epoch;

    for (u64 epoch = 1; epoch <= newest; epoch++) {
        struct ckpt_item item = { .type = CKPT_EPOCH };
        enum ckpt_error err = ckpt_open(r, &f->source, epoch);

        while (!err && item.type != CKPT_TREE)
            err = ckpt_next(r, &item);
        if (err)
            continue;
        struct ckpt_bounds bounds;
        struct ckpt_page page;
        ckpt_bounds(&bounds, r);
        ckpt_lookup_init(l, &bounds, &item.tree);
        for (u32 i = draw(7); i < PLACES; i += 1 + draw(40)) {
            if (ckpt_lookup(l, f->index[i], false, &page) != CKPT_OK)
                continue;
            assert_true((page.block != 0) == (f->map[epoch].version[i] != 0));
            if (page.block && crc32c(0, f->bytes + (u64)page.block * BLOCK, BLOCK) == page.crc)
                expect_page(f, &page, i, f->map[epoch].version[i]);
        }
    }
}

static void flips_never_yield_a_wrong_page(void **state)
{
    struct file *f = lived_file(5);
    struct ckpt_reader *r = malloc(sizeof *r);
    struct ckpt_lookup *l = malloc(sizeof *l);

    for (u32 round = 0; round < 500; round++) {
        static const char areas[] = { 0, 1, 1, 2, 2 };
        u64 at = draw((u32)f->size);

        if (areas[round % sizeof areas] == 0)
            at = draw(2 * BLOCK);
        if (areas[round % sizeof areas] == 1)
            at = f->area[1 + draw(5)] * BLOCK + draw(1200);
        u8 flip = (u8)(1 << draw(8));
        f->bytes[at] ^= flip;
        expect_no_wrong_page(f, r, l);
        f->bytes[at] ^= flip;
    }
    free(l);
    free(r);
    file_free(f);
}

// Each block of a file is some epoch's: a flip in it is noticed when all are verified.
static void flips_are_noticed(void **state)
{
    struct file *f = file_of_few_pages(4);
    struct ckpt_verifier *v = malloc(sizeof *v);

    for (u64 at = CKPT_SLOTS * BLOCK; at < f->size; at += 397) {
        f->bytes[at] ^= 0x10;
        enum ckpt_error err = ckpt_verify(v, &f->source, 0);
        while (!err)
            err = ckpt_verify_previous(v);
        if (err == CKPT_NO_EPOCH)
            fail_msg("a flip of byte %llu went unseen", (unsigned long long)at);
        f->bytes[at] ^= 0x10;
    }
    free(v);
    file_free(f);
}

static void truncations_are_refused(void **state)
{
    struct file *f = file_of_few_pages(4);
    size_t size = f->size;

    for (f->source.size = 0; f->source.size < size; f->source.size += BLOCK / 2 + 512)
        for (u64 epoch = 0; epoch <= 4; epoch++)
            if (verify(f, epoch) == CKPT_OK)
                // The other slot's epoch is whole before the newest one's blocks.
                assert_true(f->source.size >= f->area[3] * BLOCK && epoch != 4);
    file_free(f);
}

// Checksums right all the way up: the root's bytes, and the newest epoch's tree record.
static void random_trees_do_no_harm(void **state)
{
    struct file *f = file_of_few_pages(4);
    struct ckpt_reader *r = malloc(sizeof *r);
    struct ckpt_walk *w = malloc(sizeof *w);
    struct ckpt_lookup *l = malloc(sizeof *l);
    struct ckpt_builder *b = malloc(sizeof *b);
    u8 *root = f->bytes + (u64)f->tree.root * BLOCK;
    u8 *whole = malloc(f->size);
    size_t size = f->size;

    memcpy(whole, f->bytes, size);
    for (u32 round = 0; round < 4000; round++) {
        struct tally t = { .count = calloc(f->size / BLOCK, 1) };
        struct ckpt_bounds bounds;
        struct ckpt_tree tree;
        struct ckpt_page page;
        u32 entry = draw(4), from = draw(CKPT_FANOUT);

        // An entry of the root becomes any block, or one with its checksum, or the root itself.
        put_le32(root + 8 * entry, draw((u32)(f->size / BLOCK) + 2));
        if (round % 3 == 0)
            put_le32(root + 8 * entry + 4, crc32c(0, f->bytes + draw((u32)(f->size / BLOCK)) * (u64)BLOCK, BLOCK));
        if (round % 3 == 1)
            memcpy(root + 8 * entry, root + 8 * from, 8);
        put_le32(payload(f, TREE_RECORD) + 20, crc32c(0, root, BLOCK));
        if (round % 5 == 0)
            put_le32(payload(f, TREE_RECORD) + 24, 1 + draw(6));
        if (round % 7 == 0)
            put_le64(payload(f, TREE_RECORD) + draw(2) * 8, draw(2000));
        reseal(f);

        bytes_read = 0;
        (void)!verify(f, 0);
        assert_true(bytes_read < 4 * f->size);
        assert_int_equal(ckpt_open(r, &f->source, 0), CKPT_OK);
        (void)!ckpt_blocks(r, w, tally_use, &t);
        free(t.count);
        assert_true(bytes_read < 8 * f->size);

        struct ckpt_item item = { .type = CKPT_EPOCH };
        assert_int_equal(ckpt_open(r, &f->source, 0), CKPT_OK);
        enum ckpt_error err = CKPT_OK;
        while (!err && item.type != CKPT_TREE)
            err = ckpt_next(r, &item);
        if (!err) {
            tree = item.tree;
            ckpt_bounds(&bounds, r);
            ckpt_lookup_init(l, &bounds, &tree);
            page.index = 0;
            for (u32 i = 0; i < 50 && !ckpt_lookup(l, page.index + 1, true, &page) && page.block; i++)
                page.index += draw(3000);
            ckpt_builder_init(b, tree.height, &bounds, &tree, add_block, f);
            for (u64 index = 0; index < 1u << 18 && !err; index += 1 + draw(1 << 16))
                err = ckpt_builder_set(b, index, draw(2), 0);
            root = f->bytes + (u64)f->tree.root * BLOCK;
        }
        f->size = size;
        f->source.size = size;
        memcpy(f->bytes, whole, size);
    }
    free(whole);
    free(b);
    free(l);
    free(w);
    free(r);
    file_free(f);
}

// One node that names itself nowhere but everywhere the same empty-looking child: a search must not wander.
static void search_ends_in_a_tree_of_one_leaf(void **state)
{
    struct file *f = file_make();
    struct ckpt_lookup *l = malloc(sizeof *l);
    struct ckpt_page page;
    u8 node[BLOCK];
    u32 block, crc;

    memset(node, 0, BLOCK);
    assert_int_equal(add_block(f, node, &block), 0);
    for (u32 level = 1; level < CKPT_HEIGHT_MAX; level++) {
        crc = crc32c(0, node, BLOCK);
        for (u32 i = 0; i < CKPT_FANOUT; i++) {
            put_le32(node + 8 * i, block);
            put_le32(node + 8 * i + 4, crc);
        }
        assert_int_equal(add_block(f, node, &block), 0);
    }
    struct ckpt_tree tree = { 1, 5, block, crc32c(0, node, BLOCK), CKPT_HEIGHT_MAX };
    struct ckpt_bounds bounds = { .source = &f->source, .blocks = f->size / BLOCK };
    bytes_read = 0;
    ckpt_lookup_init(l, &bounds, &tree);
    assert_int_equal(ckpt_lookup(l, 0, true, &page), CKPT_BAD_TREE);
    assert_int_equal(bytes_read, CKPT_HEIGHT_MAX * BLOCK);
    free(l);
    file_free(f);
}

// ---- limits of pipes, contents and processes

static size_t put_padded(struct file *f, const u8 *record, size_t size)
{
    memcpy(grow(f, size), record, size);
    f->area_size += size;
    return size;
}

// An image of so many contents and pipes, each with one FILE, and of processes that have ended.
static enum ckpt_error verify_many(u32 contents, u32 pipes, u32 ended, u32 pipe_size)
{
    struct file *f = file_make();
    u8 *r = malloc(CKPT_RECORD_MAX), *bytes = calloc(1, CKPT_RECORD_MAX);
    struct ckpt_tree none = { .height = 1 };
    struct ckpt_content content = { 0 };
    struct ckpt_pipe pipe = { pipe_size, bytes };
    struct ckpt_region region = { 0, USER_END, 7, CKPT_REGION_DATA, 0 };
    struct ckpt_space space = { .regions = 1 };
    struct ckpt_epoch e = {
        .epoch = 1, .contents = contents, .pipes = pipes, .files = contents + pipes, .spaces = 1, .processes = 1 + ended
    };

    f->area_block = f->size / BLOCK;
    put_padded(f, r, ckpt_put_epoch(r, &e));
    for (u32 i = 1; i <= contents; i++) {
        put_padded(f, r, ckpt_put_content(r, i, &content));
        put_padded(f, r, ckpt_put_tree(r, i, &none));
    }
    for (u32 i = 1; i <= pipes; i++)
        put_padded(f, r, ckpt_put_pipe(r, i, &pipe));
    for (u32 i = 1; i <= contents + pipes; i++) {
        struct ckpt_file file = { .kind = CKPT_FILE_INODE, .type = CKPT_INODE_FILE, .content = i, .path = "" };

        if (i > contents)
            file = (struct ckpt_file){ .kind = CKPT_FILE_PIPE_READ, .pipe = i - contents, .path = "" };
        put_padded(f, r, ckpt_put_file(r, i, &file));
    }
    put_padded(f, r, ckpt_put_space(r, 1, &space, &region));
    put_padded(f, r, ckpt_put_tree(r, 1, &none));
    f->records = 0;
    add_process(f, r);
    for (u32 i = 0; i < ended; i++) {
        struct ckpt_process p = { .pid = 100 + (s32)i, .ppid = 7, .state = CKPT_ENDED, .parent = 1 };

        put_padded(f, r, ckpt_put_process(r, 2 + i, &p));
    }
    grow(f, ROUND_UP(f->size, BLOCK) - f->size);
    f->epoch = 1;
    write_header(f, 0);
    free(r);
    free(bytes);
    enum ckpt_error err = verify(f, 0);
    file_free(f);
    return err;
}

static void limits_are_kept(void **state)
{
    assert_int_equal(verify_many(0, 1, 0, 0), CKPT_OK);
    assert_int_equal(verify_many(0, 1, 0, CKPT_PIPE_MAX), CKPT_OK);
    assert_int_equal(verify_many(0, 1, 0, CKPT_PIPE_MAX + 1), CKPT_BAD_RECORD);
    assert_int_equal(verify_many(3, CKPT_PIPES_MAX, 0, 5), CKPT_OK);
    assert_int_equal(verify_many(3, CKPT_PIPES_MAX + 1, 0, 5), CKPT_BAD_ORDER);
    assert_int_equal(verify_many(CKPT_CONTENTS_MAX, 0, 0, 0), CKPT_OK);
    assert_int_equal(verify_many(CKPT_CONTENTS_MAX + 1, 0, 0, 0), CKPT_BAD_ORDER);
    assert_int_equal(verify_many(0, 0, CKPT_PROCESSES_MAX - 1, 0), CKPT_OK);
    assert_int_equal(verify_many(0, 0, CKPT_PROCESSES_MAX, 0), CKPT_BAD_ORDER);
}

// What the file had before it was damaged, but for the newest header's checksum.
static u8 *remembered;

static bool remembers(void *ctx, u64 offset, u8 block[BLOCK])
{
    memcpy(block, remembered + offset, BLOCK);
    return true;
}

static void known_blocks_are_neither_read_nor_checked(void **state)
{
    struct file *f = lived_file(3);
    struct ckpt_reader *r = malloc(sizeof *r);
    struct ckpt_tree tree;

    remembered = malloc(f->size);
    memcpy(remembered, f->bytes, f->size);
    slot_of(f, 3)[BLOCK - 100] ^= 1;
    f->bytes[f->tree.root * BLOCK] ^= 1;
    memset(remembered + (slot_of(f, 3) - f->bytes) + BLOCK - 4, 0, 4);

    assert_int_equal(ckpt_open(r, &f->source, 0), CKPT_OK);
    assert_int_equal(r->header.epoch, 2);
    f->source.known = remembers;
    open_tree(f, r, 0, &tree);
    assert_int_equal(r->header.epoch, 3);
    bytes_read = 0;
    expect_walk(f, r, &tree, &f->map[3]);
    assert_int_equal(bytes_read, 0);
    free(remembered);
    free(r);
    file_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_epochs_hold_what_a_map_says),
        cmocka_unit_test(lookups_in_any_order_find_the_same),
        cmocka_unit_test(cost_is_that_of_the_changes),
        cmocka_unit_test(emptied_trees_vanish),
        cmocka_unit_test(builder_reports_what_goes_wrong),
        cmocka_unit_test(blocks_are_those_in_reach),
        cmocka_unit_test(shared_blocks_are_passed_over),
        cmocka_unit_test(kept_epochs_are_found_and_no_others),
        cmocka_unit_test(newer_epoch_without_a_header_does_not_exist),
        cmocka_unit_test(verifier_goes_back),
        cmocka_unit_test(lies_about_older_epochs_are_refused),
        cmocka_unit_test(flips_never_yield_a_wrong_page),
        cmocka_unit_test(replaced_blocks_are_told),
        cmocka_unit_test(an_epoch_is_opened_again),
        cmocka_unit_test(flips_are_noticed),
        cmocka_unit_test(truncations_are_refused),
        cmocka_unit_test(random_trees_do_no_harm),
        cmocka_unit_test(search_ends_in_a_tree_of_one_leaf),
        cmocka_unit_test(limits_are_kept),
        cmocka_unit_test(known_blocks_are_neither_read_nor_checked),
    };

    return cmocka_run_group_tests_name("ckptfmt_history", tests, NULL, NULL);
}
