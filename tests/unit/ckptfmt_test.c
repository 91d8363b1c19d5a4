// The checkpoint image's format: what is written is read back, and what is not an image is refused, without a byte read
// outside of it.

#include <base/byteorder.h>
#include <base/crc32c.h>
#include <base/string.h>
#include <ckptfmt/ckptfmt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define BLOCK      CKPT_BLOCK_SIZE
#define TEXT_PAGES 700  // more than one node's worth
#define HEAP_PAGES 3
#define STACK_TOP  0x7ffff000u
#define HEAP_START 0x00400000u

enum { FILES = 4, FDS = 4, ALIVE = 1, ENDED = 2, CONTENT_SIZE = 4096 + 100 };

static const char pipe_bytes[] = "on its way";

// An image in memory. `bytes` is exactly as large as the image, so that the sanitizer sees every read beyond it.
struct image {
    u8 *bytes;
    size_t size;
    u64 area, area_size;  // offsets of the record area
    u64 record_at[32];    // of each record in the area
    u32 records;
    struct ckpt_tree tree, content_tree;
    u8 regs[40], fpu[512];
};

static u8 *grow(struct image *m, size_t more)
{
    m->bytes = realloc(m->bytes, m->size + more);
    assert_non_null(m->bytes);
    memset(m->bytes + m->size, 0, more);
    m->size += more;
    return m->bytes + m->size - more;
}

static u32 add_block(struct image *m, const u8 *bytes)
{
    memcpy(grow(m, BLOCK), bytes, BLOCK);
    return (u32)(m->size / BLOCK - 1);
}

static int emit_node(void *ctx, const u8 *node, u32 *block)
{
    *block = add_block(ctx, node);
    return 0;
}

static void page_fill(u8 *page, u64 index)
{
    for (u32 i = 0; i < BLOCK; i += 8)
        put_le64(page + i, index * 0x9e3779b97f4a7c15ull + i);
}

static void add_pages(struct image *m, struct ckpt_builder *b, u64 from, u32 count)
{
    u8 page[BLOCK];

    for (u32 i = 0; i < count; i++) {
        page_fill(page, from + i);
        u32 block = add_block(m, page);
        assert_int_equal(ckpt_builder_set(b, from + i, block, ckpt_page_checksum(CKPT_FEATURES, page)), CKPT_OK);
    }
}

static void add_content(struct image *m)
{
    struct ckpt_builder *b = malloc(sizeof *b);

    ckpt_builder_init(b, 1, NULL, NULL, emit_node, m);
    add_pages(m, b, 1, 1);
    assert_int_equal(ckpt_builder_finish(b), CKPT_OK);
    m->content_tree = b->tree;
    free(b);
}

static void add_memory(struct image *m)
{
    struct ckpt_builder *b = malloc(sizeof *b);

    ckpt_builder_init(b, 3, NULL, NULL, emit_node, m);
    add_pages(m, b, 0, TEXT_PAGES);
    add_pages(m, b, HEAP_START / BLOCK, HEAP_PAGES);
    add_pages(m, b, STACK_TOP / BLOCK - 1, 1);
    assert_int_equal(ckpt_builder_finish(b), CKPT_OK);
    assert_int_equal(b->written, b->tree.nodes);
    m->tree = b->tree;
    free(b);
}

static void add_record(struct image *m, const u8 *record, size_t size)
{
    m->record_at[m->records++] = m->area_size;
    memcpy(grow(m, size), record, size);
    m->area_size += size;
}

static void add_files(struct image *m, u8 *r)
{
    static const struct ckpt_file files[FILES] = {
        { .kind = CKPT_FILE_DEVICE,
          .flags = 2,
          .ino = 5,
          .generation = 1,
          .type = CKPT_INODE_DEV,
          .nlink = 1,
          .major = 1,
          .minor = 1,
          .path = "/console",
          .path_length = 8 },
        { .kind = CKPT_FILE_INODE,
          .flags = 0x801,
          .offset = 640,
          .ino = 77,
          .generation = 9,
          .size = 640,
          .changes = 12,
          .type = CKPT_INODE_FILE,
          .nlink = 1,
          .path = "/log.txt",
          .path_length = 8 },
        { .kind = CKPT_FILE_PIPE_WRITE, .flags = 1, .pipe = 1, .path = "pipe", .path_length = 4 },
        { .kind = CKPT_FILE_INODE,
          .flags = 2,
          .ino = 78,
          .generation = 2,
          .size = CONTENT_SIZE,
          .type = CKPT_INODE_FILE,
          .content = 1,
          .path = "/gone",
          .path_length = 5 },
    };
    struct ckpt_content content = { .size = CONTENT_SIZE };
    struct ckpt_pipe pipe = { sizeof pipe_bytes, (const u8 *)pipe_bytes };

    add_record(m, r, ckpt_put_content(r, 1, &content));
    add_record(m, r, ckpt_put_tree(r, 1, &m->content_tree));
    add_record(m, r, ckpt_put_pipe(r, 1, &pipe));

    for (u32 i = 0; i < FILES; i++)
        add_record(m, r, ckpt_put_file(r, i + 1, &files[i]));
}

static void add_space(struct image *m, u8 *r)
{
    struct ckpt_region regions[] = {
        { 0, TEXT_PAGES * BLOCK, 7, CKPT_REGION_DATA, CKPT_REGION_PROMISED },
        { HEAP_START, HEAP_START + 4 * BLOCK, 3, CKPT_REGION_HEAP, CKPT_REGION_PROMISED },
        { STACK_TOP - 16 * BLOCK, STACK_TOP, 3, CKPT_REGION_STACK, 0 },
    };
    struct ckpt_space s = { .heap_start = HEAP_START,
                            .heap_end = HEAP_START + 3 * BLOCK + 1,
                            .heap_limit = STACK_TOP - 32 * BLOCK,
                            .regions = ARRAY_SIZE(regions) };

    add_record(m, r, ckpt_put_space(r, 1, &s, regions));
    add_record(m, r, ckpt_put_tree(r, 1, &m->tree));
}

static void add_processes(struct image *m, u8 *r)
{
    struct ckpt_process alive = {
        .pid = 7, .ppid = 2, .pgid = 7, .state = CKPT_ALIVE, .space = 1, .uptime_ns = 123456789, .name = "check"
    };
    struct ckpt_process ended = {
        .pid = 8, .ppid = 7, .pgid = 7, .state = CKPT_ENDED, .status = 0x100, .parent = 1, .name = "child"
    };
    struct ckpt_state regs = { CKPT_MACHINE_I386, sizeof m->regs, m->regs },
                      fpu = { CKPT_MACHINE_I386, sizeof m->fpu, m->fpu };
    struct ckpt_restart restart = { 13, 0, 2000000000 };
    struct ckpt_cwd cwd = { .ino = 1, .generation = 1, .path = "/home", .path_length = 5 };
    struct ckpt_descriptor fds[FDS] = { { 0, 1 }, { 1, 1 }, { 3, 2 }, { 7, 3 } };

    for (u32 i = 0; i < sizeof m->regs; i++)
        m->regs[i] = (u8)(i + 1);
    for (u32 i = 0; i < sizeof m->fpu; i++)
        m->fpu[i] = (u8)(i * 7);
    add_record(m, r, ckpt_put_process(r, ALIVE, &alive));
    add_record(m, r, ckpt_put_state(r, CKPT_REGISTERS, ALIVE, &regs));
    add_record(m, r, ckpt_put_state(r, CKPT_FPU, ALIVE, &fpu));
    add_record(m, r, ckpt_put_restart(r, ALIVE, &restart));
    add_record(m, r, ckpt_put_cwd(r, ALIVE, &cwd));
    add_record(m, r, ckpt_put_descriptors(r, ALIVE, FDS, fds));
    add_record(m, r, ckpt_put_process(r, ENDED, &ended));
}

enum {
    EPOCH_RECORD = 0,
    CONTENT_RECORD,
    CONTENT_TREE_RECORD,
    PIPE_RECORD,
    FILE_RECORD,
    SPACE_RECORD = FILE_RECORD + FILES,
    TREE_RECORD,
    PROCESS_RECORD,
    REGISTERS_RECORD,
    FPU_RECORD,
    RESTART_RECORD,
    CWD_RECORD,
    DESCRIPTORS_RECORD,
    ENDED_RECORD,
    RECORDS
};

static struct ckpt_header header_of(const struct image *m)
{
    struct ckpt_header h = {
        .machine = CKPT_MACHINE_I386,
        .features = CKPT_FEATURES,
        .identity = "0123456789abcde",
        .epoch = 1,
        .wall_ns = 1700000000000000000ull,
        .blocks = m->size / BLOCK,
        .records_block = m->area / BLOCK,
        .records_size = m->area_size,
        .digest = crc32c(0, m->bytes + m->area, m->area_size),
        .pid = 7,
        .memory = 4096,
        .name = "check",
    };
    return h;
}

static struct image *image_build(void)
{
    struct image *m = calloc(1, sizeof *m);
    struct ckpt_epoch epoch = { .epoch = 1,
                                .wall_ns = 1700000000000000000ull,
                                .uptime_ns = 5,
                                .pause_ns = 6,
                                .pages_written = TEXT_PAGES + HEAP_PAGES + 1,
                                .blocks_written = 800,
                                .contents = 1,
                                .pipes = 1,
                                .files = FILES,
                                .spaces = 1,
                                .processes = 2 };
    u8 *r = malloc(CKPT_RECORD_MAX);

    grow(m, CKPT_SLOTS * BLOCK);
    add_memory(m);
    add_content(m);
    m->area = m->size;
    add_record(m, r, ckpt_put_epoch(r, &epoch));
    add_files(m, r);
    add_space(m, r);
    add_processes(m, r);
    grow(m, ROUND_UP(m->size, BLOCK) - m->size);
    free(r);
    assert_int_equal(m->records, RECORDS);

    struct ckpt_header h = header_of(m);
    ckpt_header_encode(&h, m->bytes);
    return m;
}

// A copy of the image that all tests begin with.
static struct image *image_make(void)
{
    static struct image *original;
    struct image *m = malloc(sizeof *m);

    if (!original)
        original = image_build();
    *m = *original;
    m->bytes = malloc(m->size);
    memcpy(m->bytes, original->bytes, m->size);
    return m;
}

static void image_free(struct image *m)
{
    free(m->bytes);
    free(m);
}

// ---- reading

static u64 bytes_read;

static int memory_read(void *ctx, u64 offset, void *buf, size_t n)
{
    struct image *m = ctx;

    assert_true(offset <= m->size && n <= m->size - offset);
    memcpy(buf, m->bytes + offset, n);
    bytes_read += n;
    return 0;
}

static int failing_read(void *ctx, u64 offset, void *buf, size_t n)
{
    int *left = ctx;

    memset(buf, 0, n);
    return (*left)-- == 0;
}

static enum ckpt_error verify(struct image *m)
{
    static struct ckpt_verifier v;
    struct ckpt_source source = { .read = memory_read, .ctx = m, .size = m->size };

    memset(&v, 0xa5, sizeof v);
    bytes_read = 0;
    return ckpt_verify(&v, &source, 0);
}

// Make all checksums right again that stand in the record area and the header, as a forger would.
static void reseal(struct image *m)
{
    u8 *area = m->bytes + m->area;
    u64 at = 0;

    while (at + CKPT_RECORD_HEADER <= m->area_size) {
        u8 *r = area + at;
        u64 length = MIN((u64)le32(r + 8), m->area_size - at - CKPT_RECORD_HEADER);

        put_le32(r + 12, crc32c(crc32c(crc32c(0, r, 12), r + 16, 8), r + 24, length));
        at += ROUND_UP(CKPT_RECORD_HEADER + length, 8);
    }
    put_le32(m->bytes + 216, crc32c(0, area, m->area_size));
    put_le32(m->bytes + BLOCK - 4, crc32c(0, m->bytes, BLOCK - 4));
}

static u8 *payload(struct image *m, u32 record)
{
    return m->bytes + m->area + m->record_at[record] + CKPT_RECORD_HEADER;
}

// ---- what is written is read back

static void page_sum_is_the_crc_of_two_sums(void **state)
{
    u8 page[BLOCK] = { 0 }, sums[16] = { 0 };

    (void)state;
    assert_int_equal(ckpt_page_checksum(CKPT_FEATURE_SUMS, page), crc32c(0, sums, 16));
    assert_int_equal(ckpt_page_checksum(0, page), crc32c(0, page, BLOCK));
    memset(page, 0xff, BLOCK);
    put_le64(sums, 1024 * 0xffffffffull);
    put_le64(sums + 8, 1024 * 1025 / 2 * 0xffffffffull);
    assert_int_equal(ckpt_page_checksum(CKPT_FEATURE_SUMS, page), crc32c(0, sums, 16));
    memset(page, 0, BLOCK);
    put_le32(page, 3);              // counts 1,024 times
    put_le32(page + BLOCK - 4, 5);  // counts once
    put_le64(sums, 8);
    put_le64(sums + 8, 3 * 1024 + 5);
    assert_int_equal(ckpt_page_checksum(CKPT_FEATURE_SUMS, page), crc32c(0, sums, 16));
}

// Among the pairs are those that cancel out in a sum of 32 bits: the top bits of two words.
static void page_sum_sees_every_change_of_a_bit_or_two(void **state)
{
    u8 page[BLOCK];

    (void)state;
    page_fill(page, 1);
    u32 sum = ckpt_page_checksum(CKPT_FEATURE_SUMS, page);
    for (u32 bit = 0; bit < BLOCK * 8; bit += 7) {
        page[bit / 8] ^= 1 << bit % 8;
        assert_int_not_equal(ckpt_page_checksum(CKPT_FEATURE_SUMS, page), sum);
        u32 other = (bit + 64) % (BLOCK * 8);
        page[other / 8] ^= 1 << other % 8;
        assert_int_not_equal(ckpt_page_checksum(CKPT_FEATURE_SUMS, page), sum);
        page[other / 8] ^= 1 << other % 8;
        page[bit / 8] ^= 1 << bit % 8;
    }
}

static void sound_image_is_accepted(void **state)
{
    struct image *m = image_make();

    assert_int_equal(verify(m), CKPT_OK);
    image_free(m);
}

static void items_read(struct image *m, struct ckpt_reader *r, struct ckpt_item items[RECORDS + 1])
{
    static struct ckpt_source source;

    source = (struct ckpt_source){ .read = memory_read, .ctx = m, .size = m->size };
    assert_int_equal(ckpt_open(r, &source, 0), CKPT_OK);
    for (u32 i = 0; i <= RECORDS; i++)
        assert_int_equal(ckpt_next(r, &items[i]), CKPT_OK);
    assert_int_equal(items[RECORDS].type, CKPT_END);
}

static void records_come_back_as_written(void **state)
{
    struct image *m = image_make();
    struct ckpt_reader *r = malloc(sizeof *r);
    struct ckpt_item items[RECORDS + 1];

    items_read(m, r, items);
    assert_int_equal(r->header.pid, 7);
    assert_string_equal(r->header.name, "check");
    assert_int_equal(items[EPOCH_RECORD].epoch.pause_ns, 6);
    assert_int_equal(items[CONTENT_RECORD].content.size, CONTENT_SIZE);
    assert_int_equal(items[CONTENT_TREE_RECORD].object, 1);
    assert_int_equal(items[PIPE_RECORD].pipe.size, sizeof pipe_bytes);
    assert_int_equal(items[FILE_RECORD + 3].file.content, 1);
    assert_int_equal(items[FILE_RECORD + 1].object, 2);
    assert_int_equal(items[FILE_RECORD + 1].file.offset, 640);
    assert_int_equal(items[FILE_RECORD + 1].file.changes, 12);
    assert_int_equal(items[FILE_RECORD + 1].file.flags, 0x801);
    assert_int_equal(items[SPACE_RECORD].space.heap_end, HEAP_START + 3 * BLOCK + 1);
    assert_int_equal(items[TREE_RECORD].tree.pages, TEXT_PAGES + HEAP_PAGES + 1);
    assert_int_equal(items[PROCESS_RECORD].process.ppid, 2);
    assert_string_equal(items[PROCESS_RECORD].process.name, "check");
    assert_int_equal(items[RESTART_RECORD].restart.left_ns, 2000000000);
    assert_int_equal(items[CWD_RECORD].cwd.path_length, 5);
    assert_int_equal(items[DESCRIPTORS_RECORD].descriptors.count, FDS);
    assert_int_equal(items[ENDED_RECORD].process.status, 0x100);
    free(r);
    image_free(m);
}

static void lists_come_back_while_their_record_is_current(void **state)
{
    struct image *m = image_make();
    struct ckpt_reader *r = malloc(sizeof *r);
    struct ckpt_source source = { .read = memory_read, .ctx = m, .size = m->size };
    struct ckpt_item item = { .type = CKPT_EPOCH };
    struct ckpt_region region;
    struct ckpt_descriptor fd;

    assert_int_equal(ckpt_open(r, &source, 0), CKPT_OK);
    while (item.type != CKPT_END) {
        assert_int_equal(ckpt_next(r, &item), CKPT_OK);
        if (item.type == CKPT_SPACE) {
            ckpt_space_region(&item.space, 1, &region);
            assert_int_equal(region.end, HEAP_START + 4 * BLOCK);
        } else if (item.type == CKPT_DESCRIPTORS) {
            ckpt_descriptor(&item.descriptors, 2, &fd);
            assert_int_equal(fd.fd, 3);
            assert_int_equal(fd.file, 2);
        } else if (item.type == CKPT_REGISTERS) {
            assert_memory_equal(item.state.bytes, m->regs, sizeof m->regs);
        } else if (item.type == CKPT_PIPE) {
            assert_memory_equal(item.pipe.bytes, pipe_bytes, sizeof pipe_bytes);
        } else if (item.type == CKPT_FPU) {
            assert_memory_equal(item.state.bytes, m->fpu, sizeof m->fpu);
        } else if (item.type == CKPT_FILE && item.object == 2) {
            assert_memory_equal(item.file.path, "/log.txt", 8);
        }
    }
    free(r);
    image_free(m);
}

static void pages_come_back_in_order(void **state)
{
    struct image *m = image_make();
    struct ckpt_reader *r = malloc(sizeof *r);
    struct ckpt_walk *w = malloc(sizeof *w);
    struct ckpt_item items[RECORDS + 1];
    struct ckpt_page page = { .block = 1 };
    u8 expected[BLOCK];
    u64 count = 0;

    items_read(m, r, items);
    assert_int_equal(ckpt_walk_begin(w, r, &items[TREE_RECORD].tree), CKPT_OK);
    for (;;) {
        assert_int_equal(ckpt_walk_next(w, &page), CKPT_OK);
        if (!page.block)
            break;
        u64 index = count < TEXT_PAGES                ? count
                    : count < TEXT_PAGES + HEAP_PAGES ? HEAP_START / BLOCK + count - TEXT_PAGES
                                                      : STACK_TOP / BLOCK - 1;
        assert_int_equal(page.index, index);
        page_fill(expected, index);
        assert_memory_equal(m->bytes + (u64)page.block * BLOCK, expected, BLOCK);
        count++;
    }
    assert_int_equal(count, TEXT_PAGES + HEAP_PAGES + 1);
    free(w);
    free(r);
    image_free(m);
}

static void fields_that_xv6_reads_are_where_it_looks(void **state)
{
    struct image *m = image_make();

    assert_int_equal(le32(m->bytes), 0xDEADBEEF);
    assert_int_equal(le32(m->bytes + 4), 7);
    assert_int_equal(le32(m->bytes + 8), 4096);
    assert_string_equal((char *)m->bytes + 12, "check");
    image_free(m);
}

static void unknown_optional_record_is_passed_over(void **state)
{
    struct image *m = image_make();
    u8 *r = payload(m, RESTART_RECORD) - CKPT_RECORD_HEADER;

    // The area gets a record of an unknown type at its end, with an odd length.
    u64 at = m->area + m->area_size;
    assert_true(at + 40 <= m->size);
    memcpy(m->bytes + at, r, 24);
    put_le32(m->bytes + at, 0x7777);
    put_le32(m->bytes + at + 8, 11);
    put_le16(m->bytes + at + 6, 1);
    m->area_size += 40;
    put_le64(m->bytes + 208, m->area_size);
    reseal(m);
    assert_int_equal(verify(m), CKPT_OK);

    put_le16(m->bytes + at + 6, 0);
    reseal(m);
    assert_int_equal(verify(m), CKPT_UNKNOWN_RECORD);
    image_free(m);
}

static void empty_space_is_accepted(void **state)
{
    struct image *m = image_make();

    memset(payload(m, TREE_RECORD), 0, 24);
    reseal(m);
    assert_int_equal(verify(m), CKPT_OK);
    image_free(m);
}

// ---- slots

static void newest_valid_slot_counts(void **state)
{
    struct image *m = image_make();
    struct ckpt_reader *r = malloc(sizeof *r);
    struct ckpt_source source = { .read = memory_read, .ctx = m, .size = m->size };
    struct ckpt_header h = header_of(m);

    h.epoch = 2;
    h.parent = 1;
    ckpt_header_encode(&h, m->bytes + BLOCK);
    assert_int_equal(ckpt_open(r, &source, 0), CKPT_OK);
    assert_int_equal(r->header.epoch, 2);

    m->bytes[BLOCK + 300] ^= 1;
    assert_int_equal(ckpt_open(r, &source, 0), CKPT_OK);
    assert_int_equal(r->header.epoch, 1);

    m->bytes[BLOCK + 300] ^= 1;
    m->bytes[300] ^= 1;
    assert_int_equal(ckpt_open(r, &source, 0), CKPT_OK);
    assert_int_equal(r->header.epoch, 2);

    m->bytes[BLOCK + 300] ^= 1;
    assert_int_equal(ckpt_open(r, &source, 0), CKPT_BAD_CHECKSUM);
    free(r);
    image_free(m);
}

static void foreign_files_are_not_images(void **state)
{
    struct image m = { 0 };

    assert_int_equal(verify(&m), CKPT_NOT_IMAGE);
    grow(&m, 100);
    put_le32(m.bytes, CKPT_XV6_ID);
    assert_int_equal(verify(&m), CKPT_NOT_IMAGE);
    grow(&m, 50000);
    assert_int_equal(verify(&m), CKPT_NOT_IMAGE);
    free(m.bytes);
}

// ---- damage

static void every_truncation_is_refused(void **state)
{
    struct image *m = image_make();
    u8 *whole = m->bytes;
    size_t size = m->size;

    for (m->size = 0; m->size < size; m->size += 512) {
        m->bytes = malloc(m->size + 1);
        memcpy(m->bytes, whole, m->size);
        enum ckpt_error err = verify(m);
        assert_true(err == (m->size < CKPT_PROBE_SIZE ? CKPT_NOT_IMAGE : CKPT_TRUNCATED));
        free(m->bytes);
    }
    m->bytes = whole;
    image_free(m);
}

static void expect_flips_refused(struct image *m, u64 from, u64 n, u32 step)
{
    for (u64 at = from; at < from + n; at += step) {
        m->bytes[at] ^= 1 << (at % 8);
        if (verify(m) == CKPT_OK)
            fail_msg("a flip of byte %llu went unseen", (unsigned long long)at);
        m->bytes[at] ^= 1 << (at % 8);
    }
}

// A small image, as every byte costs a verification.
static struct image *small_image(void)
{
    struct image *m = image_make();

    memset(payload(m, TREE_RECORD), 0, 24);
    memset(payload(m, CONTENT_TREE_RECORD), 0, 24);
    reseal(m);
    return m;
}

static void every_flipped_byte_of_the_header_is_refused(void **state)
{
    struct image *m = small_image();

    expect_flips_refused(m, 0, BLOCK, 1);
    image_free(m);
}

static void every_flipped_byte_of_the_record_area_is_refused(void **state)
{
    struct image *m = small_image();

    expect_flips_refused(m, m->area, m->size - m->area, 1);
    image_free(m);
}

static void flipped_bytes_of_nodes_and_pages_are_refused(void **state)
{
    struct image *m = image_make();

    expect_flips_refused(m, (u64)m->tree.root * BLOCK, BLOCK, 19);
    expect_flips_refused(m, (u64)(m->tree.root - 1) * BLOCK, BLOCK, 19);
    expect_flips_refused(m, CKPT_SLOTS * BLOCK, (m->area / BLOCK - CKPT_SLOTS) * BLOCK, 4097 * 5);
    image_free(m);
}

static void failing_source_is_reported_as_such(void **state)
{
    static struct ckpt_verifier v;
    int left = 0;
    struct ckpt_source source = { .read = failing_read, .ctx = &left, .size = 1 << 20 };

    assert_int_equal(ckpt_verify(&v, &source, 0), CKPT_READ_FAILED);
    left = 1;
    assert_int_equal(ckpt_verify(&v, &source, 0), CKPT_READ_FAILED);
}

// ---- lies, with every checksum right

struct lie {
    const char *what;
    u32 record;
    u32 offset;  // in the payload
    u32 size;
    u64 value;
    enum ckpt_error error;
};

#define HUGE_COUNT 0xffffffff

static const struct lie lies[] = {
    { "no process", EPOCH_RECORD, 104, 4, 0, CKPT_BAD_ORDER },
    { "more processes than there are", EPOCH_RECORD, 104, 4, 3, CKPT_BAD_ORDER },
    { "fewer processes than there are", EPOCH_RECORD, 104, 4, 1, CKPT_BAD_ORDER },
    { "absurdly many files", EPOCH_RECORD, 96, 4, HUGE_COUNT, CKPT_BAD_ORDER },
    { "fewer files than there are", EPOCH_RECORD, 96, 4, 3, CKPT_BAD_ORDER },
    { "absurdly many spaces", EPOCH_RECORD, 100, 4, HUGE_COUNT, CKPT_BAD_ORDER },
    { "more pipes than files", EPOCH_RECORD, 92, 4, FILES + 1, CKPT_BAD_ORDER },
    { "more pipes than there are", EPOCH_RECORD, 92, 4, 2, CKPT_BAD_ORDER },
    { "fewer pipes than there are", EPOCH_RECORD, 92, 4, 0, CKPT_BAD_ORDER },
    { "absurdly many pipes", EPOCH_RECORD, 92, 4, HUGE_COUNT, CKPT_BAD_ORDER },
    { "more contents than there are", EPOCH_RECORD, 88, 4, 2, CKPT_BAD_ORDER },
    { "fewer contents than there are", EPOCH_RECORD, 88, 4, 0, CKPT_BAD_ORDER },
    { "absurdly many contents", EPOCH_RECORD, 88, 4, HUGE_COUNT, CKPT_BAD_ORDER },
    { "absurdly many processes", EPOCH_RECORD, 104, 4, HUGE_COUNT, CKPT_BAD_ORDER },
    { "more spaces than processes", EPOCH_RECORD, 100, 4, 3, CKPT_BAD_ORDER },
    { "fewer spaces than there are", EPOCH_RECORD, 100, 4, 0, CKPT_BAD_ORDER },
    { "kept epochs without a previous one", EPOCH_RECORD, 84, 4, 1, CKPT_BAD_HEADER },
    { "a previous epoch's records without one", EPOCH_RECORD, 64, 8, 3, CKPT_BAD_HEADER },
    { "another parent than the header's", EPOCH_RECORD, 8, 8, 7, CKPT_BAD_HEADER },
    { "another time than the header's", EPOCH_RECORD, 16, 8, 7, CKPT_BAD_HEADER },
    { "more bytes in a pipe than there are", PIPE_RECORD, 0, 4, sizeof pipe_bytes + 1, CKPT_BAD_RECORD },
    { "absurdly many bytes in a pipe", PIPE_RECORD, 0, 4, HUGE_COUNT, CKPT_BAD_RECORD },
    { "a content of absurd size", CONTENT_RECORD, 0, 8, UINT64_MAX, CKPT_BAD_RECORD },
    { "a content of another size than its file's", CONTENT_RECORD, 0, 8, CONTENT_SIZE + 1, CKPT_BAD_FILE },
    { "a carried pipe without an end", FILE_RECORD + 2, 64, 8, 2, CKPT_BAD_ORDER },
    { "a content without a file", FILE_RECORD + 3, 72, 8, 0, CKPT_BAD_ORDER },
    { "a content of another file's size", FILE_RECORD + 1, 72, 8, 1, CKPT_BAD_FILE },
    { "a content of a device", FILE_RECORD, 72, 8, 1, CKPT_BAD_FILE },
    { "a content of a pipe", FILE_RECORD + 2, 72, 8, 1, CKPT_BAD_FILE },
    { "a content of a directory", FILE_RECORD + 3, 48, 4, CKPT_INODE_DIR, CKPT_BAD_FILE },
    { "another epoch than the header's", EPOCH_RECORD, 0, 8, 2, CKPT_BAD_HEADER },
    { "itself as the previous epoch", EPOCH_RECORD, 56, 8, 1, CKPT_BAD_HEADER },
    { "unknown kind of file", FILE_RECORD, 0, 4, 9, CKPT_BAD_FILE },
    { "a file that is a device by its kind only", FILE_RECORD + 1, 0, 4, CKPT_FILE_DEVICE, CKPT_BAD_FILE },
    { "unknown open flags", FILE_RECORD + 1, 4, 4, 0x201, CKPT_BAD_FILE },
    { "reading, writing and more", FILE_RECORD + 1, 4, 4, 3, CKPT_BAD_FILE },
    { "negative offset", FILE_RECORD + 1, 8, 8, 1ull << 63, CKPT_BAD_FILE },
    { "a regular file in a pipe", FILE_RECORD + 1, 64, 8, 1, CKPT_BAD_FILE },
    { "a pipe without a pipe", FILE_RECORD + 2, 64, 8, 0, CKPT_BAD_FILE },
    { "contents that are not there", FILE_RECORD + 1, 72, 8, 2, CKPT_BAD_REFERENCE },
    { "absurd length of a path", FILE_RECORD + 1, 80, 4, HUGE_COUNT, CKPT_BAD_RECORD },
    { "a NUL in a path", FILE_RECORD + 1, 90, 1, 0, CKPT_BAD_TEXT },
    { "absurdly many regions", SPACE_RECORD, 24, 4, HUGE_COUNT, CKPT_BAD_REGION },
    { "more regions than there are", SPACE_RECORD, 24, 4, 4, CKPT_BAD_RECORD },
    { "a region that begins inside a page", SPACE_RECORD, 32, 8, 1, CKPT_BAD_REGION },
    { "an empty region", SPACE_RECORD, 40, 8, 0, CKPT_BAD_REGION },
    { "overlapping regions", SPACE_RECORD, 40, 8, HEAP_START + BLOCK, CKPT_BAD_HEAP },
    { "overlapping regions, last before first", SPACE_RECORD, 96, 8, HEAP_START, CKPT_BAD_REGION },
    { "a region in the kernel", SPACE_RECORD, 104, 8, 0x80001000, CKPT_BAD_REGION },
    { "a region that wraps", SPACE_RECORD, 104, 8, 0xfffffffffffff000, CKPT_BAD_REGION },
    { "unknown rights", SPACE_RECORD, 48, 4, 8, CKPT_BAD_REGION },
    { "unknown kind of region", SPACE_RECORD, 52, 4, 4, CKPT_BAD_REGION },
    { "no kind of region", SPACE_RECORD, 52, 4, 0, CKPT_BAD_REGION },
    { "a region's unknown flag", SPACE_RECORD, 56, 4, 2, CKPT_BAD_REGION },
    { "two heaps", SPACE_RECORD, 52, 4, CKPT_REGION_HEAP, CKPT_BAD_HEAP },
    { "a heap without its region", SPACE_RECORD, 84, 4, CKPT_REGION_DATA, CKPT_BAD_HEAP },
    { "a heap that ends before it starts", SPACE_RECORD, 8, 8, HEAP_START - 1, CKPT_BAD_HEAP },
    { "a heap beyond its limit", SPACE_RECORD, 16, 8, HEAP_START, CKPT_BAD_HEAP },
    { "a heap that may grow over the stack", SPACE_RECORD, 16, 8, STACK_TOP - BLOCK, CKPT_BAD_HEAP },
    { "a heap that may grow into the kernel", SPACE_RECORD, 16, 8, 0x80000001, CKPT_BAD_HEAP },
    { "a tree in the header", TREE_RECORD, 16, 4, 1, CKPT_BAD_BLOCK },
    { "a tree beyond the file", TREE_RECORD, 16, 4, HUGE_COUNT, CKPT_BAD_BLOCK },
    { "a tree of no height", TREE_RECORD, 24, 4, 0, CKPT_BAD_TREE },
    { "a tree of absurd height", TREE_RECORD, 24, 4, HUGE_COUNT, CKPT_BAD_TREE },
    { "a tree of another height", TREE_RECORD, 24, 4, 2, CKPT_BAD_CHECKSUM },
    { "a tree of absurdly many pages", TREE_RECORD, 0, 8, UINT64_MAX, CKPT_BAD_TREE },
    { "a tree of more pages than there are", TREE_RECORD, 0, 8, TEXT_PAGES + HEAP_PAGES + 2, CKPT_BAD_TREE },
    { "a tree of fewer pages than there are", TREE_RECORD, 0, 8, 3, CKPT_BAD_TREE },
    { "a tree of fewer nodes than there are", TREE_RECORD, 8, 8, 4, CKPT_BAD_TREE },
    { "pages in a tree without a root", TREE_RECORD, 16, 4, 0, CKPT_BAD_TREE },
    { "pid 0", PROCESS_RECORD, 0, 4, 0, CKPT_BAD_PROCESS },
    { "a negative pid", PROCESS_RECORD, 0, 4, 0x80000000, CKPT_BAD_PROCESS },
    { "a negative parent", PROCESS_RECORD, 4, 4, 0xffffffff, CKPT_BAD_PROCESS },
    { "unknown state", PROCESS_RECORD, 12, 4, 3, CKPT_BAD_PROCESS },
    { "a name that doesn't end", PROCESS_RECORD, 47, 8, ~0ull, CKPT_OK },  // still ends in its last byte
    { "a space that is not there", PROCESS_RECORD, 24, 8, 2, CKPT_BAD_REFERENCE },
    { "alive without a space", PROCESS_RECORD, 24, 8, 0, CKPT_BAD_REFERENCE },
    { "its own parent", PROCESS_RECORD, 56, 8, 1, CKPT_BAD_REFERENCE },
    { "a status of a process that lives", PROCESS_RECORD, 16, 4, 1, CKPT_BAD_PROCESS },
    { "an ended process with a space", ENDED_RECORD, 24, 8, 1, CKPT_BAD_REFERENCE },
    { "a second process whose parent is outside", ENDED_RECORD, 56, 8, 0, CKPT_BAD_REFERENCE },
    { "a parent with another pid", ENDED_RECORD, 4, 4, 2, CKPT_BAD_PROCESS },
    { "two processes of one pid", ENDED_RECORD, 0, 4, 7, CKPT_BAD_PROCESS },
    { "another machine's registers", REGISTERS_RECORD, 0, 4, CKPT_MACHINE_RISCV64, CKPT_BAD_MACHINE },
    { "registers of another size", REGISTERS_RECORD, 4, 4, 44, CKPT_BAD_RECORD },
    { "FPU state of another size", FPU_RECORD, 4, 4, HUGE_COUNT, CKPT_BAD_RECORD },
    { "absurdly many descriptors", DESCRIPTORS_RECORD, 0, 4, HUGE_COUNT, CKPT_BAD_DESCRIPTOR },
    { "more descriptors than there are", DESCRIPTORS_RECORD, 0, 4, 5, CKPT_BAD_RECORD },
    { "a descriptor twice", DESCRIPTORS_RECORD, 8 + 16, 4, 0, CKPT_BAD_DESCRIPTOR },
    { "an absurd descriptor", DESCRIPTORS_RECORD, 8 + 48, 4, HUGE_COUNT, CKPT_BAD_DESCRIPTOR },
    { "a descriptor of no file", DESCRIPTORS_RECORD, 8 + 8, 8, 0, CKPT_BAD_REFERENCE },
    { "a descriptor of a file that is not there", DESCRIPTORS_RECORD, 8 + 8, 8, FILES + 1, CKPT_BAD_REFERENCE },
};

static void put_field(u8 *at, u32 size, u64 value)
{
    for (u32 i = 0; i < size; i++)
        at[i] = (u8)(value >> 8 * i);
}

static void lies_are_refused_although_checksums_match(void **state)
{
    for (u32 i = 0; i < ARRAY_SIZE(lies); i++) {
        const struct lie *lie = &lies[i];
        struct image *m = image_make();

        put_field(payload(m, lie->record) + lie->offset, lie->size, lie->value);
        reseal(m);
        enum ckpt_error err = verify(m);
        if (err != lie->error)
            fail_msg("%s: \"%s\", expected \"%s\"", lie->what, ckpt_error_text(err), ckpt_error_text(lie->error));
        image_free(m);
    }
}

static void name_without_end_is_refused(void **state)
{
    struct image *m = image_make();

    memset(payload(m, PROCESS_RECORD) + 40, 'x', CKPT_NAME_SIZE);
    reseal(m);
    assert_int_equal(verify(m), CKPT_BAD_TEXT);
    image_free(m);
}

static void lying_headers_are_refused(void **state)
{
    static const struct {
        u32 offset, size;
        u64 value;
        enum ckpt_error error;
    } fields[] = {
        { 136, 4, 2, CKPT_BAD_VERSION },         { 140, 4, 3, CKPT_BAD_FEATURE },
        { 144, 4, 99, CKPT_BAD_MACHINE },        { 148, 4, 8192, CKPT_BAD_PAGE_SIZE },
        { 168, 8, 0, CKPT_BAD_HEADER },          { 176, 8, 1, CKPT_BAD_HEADER },
        { 192, 8, 1 << 20, CKPT_TRUNCATED },     { 192, 8, UINT64_MAX, CKPT_BAD_HEADER },
        { 200, 8, 0, CKPT_BAD_HEADER },          { 200, 8, 1, CKPT_BAD_HEADER },
        { 200, 8, UINT64_MAX, CKPT_BAD_HEADER }, { 208, 8, 0, CKPT_BAD_HEADER },
        { 208, 8, 1001, CKPT_BAD_HEADER },       { 208, 8, UINT64_MAX - 7, CKPT_BAD_HEADER },
    };

    for (u32 i = 0; i < ARRAY_SIZE(fields); i++) {
        struct image *m = image_make();

        put_field(m->bytes + fields[i].offset, fields[i].size, fields[i].value);
        put_le32(m->bytes + BLOCK - 4, crc32c(0, m->bytes, BLOCK - 4));
        assert_int_equal(verify(m), fields[i].error);
        image_free(m);
    }
}

static void records_out_of_place_are_refused(void **state)
{
    struct image *m = image_make();
    u8 *r = payload(m, FILE_RECORD) - CKPT_RECORD_HEADER;

    put_le64(r + 16, 2);
    reseal(m);
    assert_int_equal(verify(m), CKPT_BAD_ORDER);

    put_le64(r + 16, 1);
    put_le32(r, CKPT_CWD);
    reseal(m);
    assert_int_equal(verify(m), CKPT_BAD_ORDER);

    put_le32(r, CKPT_FILE);
    put_le16(r + 4, 2);
    reseal(m);
    assert_int_equal(verify(m), CKPT_UNKNOWN_RECORD);

    // One that may be passed over, but not before EPOCH.
    r = payload(m, EPOCH_RECORD) - CKPT_RECORD_HEADER;
    put_le32(r, 0x7777);
    put_le16(r + 6, 1);
    reseal(m);
    assert_int_equal(verify(m), CKPT_BAD_ORDER);
    image_free(m);
}

static void records_longer_than_the_area_are_refused(void **state)
{
    for (u32 length = 0; length < 64; length++) {
        struct image *m = image_make();

        put_le32(payload(m, ENDED_RECORD) - CKPT_RECORD_HEADER + 8, UINT32_MAX - length);
        reseal(m);
        assert_int_equal(verify(m), CKPT_BAD_RECORD);
        image_free(m);
    }
}

// The root's first entry, repeated: a small file that stands for a huge address space.
static void node_that_repeats_a_child_is_refused(void **state)
{
    struct image *m = image_make();
    u8 *root = m->bytes + (u64)m->tree.root * BLOCK;

    for (u32 i = 1; i < CKPT_FANOUT; i++)
        memcpy(root + 8 * i, root, 8);
    put_le32(payload(m, TREE_RECORD) + 20, crc32c(0, root, BLOCK));
    reseal(m);
    assert_int_equal(verify(m), CKPT_BAD_TREE);
    assert_true(bytes_read < 2 * m->size);
    image_free(m);
}

static void checksum_without_a_block_is_refused(void **state)
{
    struct image *m = image_make();
    u8 *root = m->bytes + (u64)m->tree.root * BLOCK;

    put_le32(root + 8 * 100 + 4, 1);
    put_le32(payload(m, TREE_RECORD) + 20, crc32c(0, root, BLOCK));
    reseal(m);
    assert_int_equal(verify(m), CKPT_BAD_TREE);
    image_free(m);
}

static void node_that_points_at_the_records_is_refused(void **state)
{
    struct image *m = image_make();
    u8 *root = m->bytes + (u64)m->tree.root * BLOCK;

    put_le32(root, (u32)(m->area / BLOCK));
    put_le32(payload(m, TREE_RECORD) + 20, crc32c(0, root, BLOCK));
    reseal(m);
    assert_int_equal(verify(m), CKPT_BAD_BLOCK);
    image_free(m);
}

static void page_beyond_a_content_is_refused(void **state)
{
    struct image *m = image_make();

    put_le64(payload(m, CONTENT_RECORD), BLOCK);
    put_le64(payload(m, FILE_RECORD + 3) + 32, BLOCK);
    reseal(m);
    assert_int_equal(verify(m), CKPT_BAD_TREE);
    put_le64(payload(m, CONTENT_RECORD), BLOCK + 1);
    put_le64(payload(m, FILE_RECORD + 3) + 32, BLOCK + 1);
    reseal(m);
    assert_int_equal(verify(m), CKPT_OK);
    image_free(m);
}

// FILE 2 becomes an end of the pipe, too: one for reading is in order, another one for writing is not.
static void pipe_has_one_end_of_a_kind(void **state)
{
    struct image *m = image_make();
    u8 *file = payload(m, FILE_RECORD + 1);

    put_le32(file, CKPT_FILE_PIPE_READ);
    put_le32(file + 4, 0);
    put_le64(file + 64, 1);
    reseal(m);
    assert_int_equal(verify(m), CKPT_OK);
    put_le32(file, CKPT_FILE_PIPE_WRITE);
    reseal(m);
    assert_int_equal(verify(m), CKPT_BAD_FILE);
    // Of a pipe that isn't carried the image doesn't know how many ends there are.
    put_le64(file + 64, 9);
    reseal(m);
    assert_int_equal(verify(m), CKPT_OK);
    image_free(m);
}

static void node_without_entries_is_refused(void **state)
{
    struct image *m = image_make();
    u8 *leaf = m->bytes + (u64)m->content_tree.root * BLOCK;

    memset(leaf, 0, BLOCK);
    put_le64(payload(m, CONTENT_TREE_RECORD), 0);
    put_le32(payload(m, CONTENT_TREE_RECORD) + 20, crc32c(0, leaf, BLOCK));
    reseal(m);
    assert_int_equal(verify(m), CKPT_BAD_TREE);
    image_free(m);
}

static void page_outside_of_all_regions_is_refused(void **state)
{
    struct image *m = image_make();

    put_le64(payload(m, SPACE_RECORD) + 40, (TEXT_PAGES - 1) * BLOCK);
    reseal(m);
    assert_int_equal(verify(m), CKPT_BAD_TREE);
    image_free(m);
}

static void count_text(void *arg, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_true(bytes[i] == '\n' || (u8)bytes[i] >= 0x20);
    *(size_t *)arg += n;
}

// All that can be told of an image; returns how much that was.
static size_t describe(struct image *m)
{
    static struct ckpt_reader r;
    static struct ckpt_verifier v;
    struct ckpt_source source = { .read = memory_read, .ctx = m, .size = m->size };
    size_t told = 0;

    if (ckpt_open(&r, &source, 0) == CKPT_OK)
        (void)!ckpt_describe(&r, count_text, &told);
    if (ckpt_open(&r, &source, 0) == CKPT_OK)
        (void)!ckpt_describe_log(&r, count_text, &told);
    (void)!ckpt_describe_memory(&v, &source, 0, count_text, &told);
    return told;
}

static void descriptions_are_text(void **state)
{
    struct image *m = image_make();

    assert_true(describe(m) > 1000);
    memset(payload(m, FILE_RECORD + 1) + 88, 0x1b, 8);
    memset(payload(m, PROCESS_RECORD) + 40, 7, CKPT_NAME_SIZE - 1);
    reseal(m);
    assert_true(describe(m) > 1000);
    image_free(m);
}

// Whatever is made of an image, reading ends, stays inside, and costs no more than a few times the file.
static void random_forgeries_do_no_harm(void **state)
{
    u32 seed = 1;

    struct image *m = small_image();
    u8 *clean = malloc(m->size);

    memcpy(clean, m->bytes, m->size);
    for (u32 round = 0; round < 20000; round++) {
        for (u32 i = 0; i < 1 + round % 4; i++) {
            seed = seed * 1664525 + 1013904223;
            u64 at = seed >> 8;
            bool in_header = round % 5 == 0;
            u8 *target = in_header ? m->bytes + 128 + at % 96 : m->bytes + m->area + at % m->area_size;
            *target = round % 3 ? (u8)(seed >> 3) : (u8)(0u - (seed & 1));
        }
        reseal(m);
        (void)!verify(m);
        assert_true(bytes_read < 8 * m->size);
        if (round % 4 == 0)
            describe(m);
        memcpy(m->bytes, clean, m->size);
    }
    free(clean);
    image_free(m);
}

static void text_for_people_has_no_control_characters(void **state)
{
    char text[8];

    assert_string_equal(ckpt_text(text, sizeof text, "a\033[2J\nb", 7), "a?[2J?b");
    assert_string_equal(ckpt_text(text, sizeof text, "too long a text", 15), "too lon");
    // UTF-8 stays; terminals obey 0x9b, and U+009B in two bytes, as they obey ESC [.
    assert_string_equal(ckpt_text(text, sizeof text, "gr\xc3\xbcn", 5), "gr\xc3\xbcn");
    assert_string_equal(ckpt_text(text, sizeof text, "a\x9bKK", 4), "a?KK");
    assert_string_equal(ckpt_text(text, sizeof text, "a\xc2\x9bKK", 5), "a??KK");
    assert_string_equal(ckpt_text(text, sizeof text, "\xc0\x80\xed\xa0\x80", 5), "?????");
    assert_string_equal(ckpt_text(text, sizeof text, "\xf0\x9f\x98\x80", 4), "\xf0\x9f\x98\x80");
    assert_string_equal(ckpt_text(text, 4, "ab\xc3\xbc", 4), "ab?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(page_sum_is_the_crc_of_two_sums),
        cmocka_unit_test(page_sum_sees_every_change_of_a_bit_or_two),
        cmocka_unit_test(sound_image_is_accepted),
        cmocka_unit_test(records_come_back_as_written),
        cmocka_unit_test(lists_come_back_while_their_record_is_current),
        cmocka_unit_test(pages_come_back_in_order),
        cmocka_unit_test(fields_that_xv6_reads_are_where_it_looks),
        cmocka_unit_test(unknown_optional_record_is_passed_over),
        cmocka_unit_test(empty_space_is_accepted),
        cmocka_unit_test(newest_valid_slot_counts),
        cmocka_unit_test(foreign_files_are_not_images),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(every_flipped_byte_of_the_header_is_refused),
        cmocka_unit_test(every_flipped_byte_of_the_record_area_is_refused),
        cmocka_unit_test(flipped_bytes_of_nodes_and_pages_are_refused),
        cmocka_unit_test(failing_source_is_reported_as_such),
        cmocka_unit_test(lies_are_refused_although_checksums_match),
        cmocka_unit_test(name_without_end_is_refused),
        cmocka_unit_test(lying_headers_are_refused),
        cmocka_unit_test(records_out_of_place_are_refused),
        cmocka_unit_test(records_longer_than_the_area_are_refused),
        cmocka_unit_test(node_that_repeats_a_child_is_refused),
        cmocka_unit_test(checksum_without_a_block_is_refused),
        cmocka_unit_test(node_that_points_at_the_records_is_refused),
        cmocka_unit_test(page_outside_of_all_regions_is_refused),
        cmocka_unit_test(page_beyond_a_content_is_refused),
        cmocka_unit_test(pipe_has_one_end_of_a_kind),
        cmocka_unit_test(node_without_entries_is_refused),
        cmocka_unit_test(descriptions_are_text),
        cmocka_unit_test(random_forgeries_do_no_harm),
        cmocka_unit_test(text_for_people_has_no_control_characters),
    };

    return cmocka_run_group_tests_name("ckptfmt", tests, NULL, NULL);
}
