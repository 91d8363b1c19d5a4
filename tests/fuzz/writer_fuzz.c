// The image's writer, against the reader: what was decoded and is encoded again says the same; a tree that was changed
// holds the changes, and all else as before.
#include "image_input.h"
#include <base/crc32c.h>
#include <base/string.h>

#define ROOM   (INPUT_BLOCKS + 64)
#define TEXT   (1 << 16)
#define CHANGE 3  // bytes of the input a change of a page is made of

struct copy {
    u8 bytes[ROOM * CKPT_BLOCK_SIZE];
    u64 blocks;
    size_t size;  // that is readable
};
static struct copy copy;
static struct ckpt_reader reader;
static struct ckpt_builder builder;
static struct ckpt_lookup old, new;
static struct ckpt_walk walk;
static struct ckpt_region regions[CKPT_REGIONS_MAX];
static struct ckpt_descriptor descriptors[CKPT_FDS_MAX];
static u8 record[CKPT_RECORD_MAX];

struct text {
    size_t n;
    char bytes[TEXT];
};
static struct text before, after;

static void gather(void *arg, const char *bytes, size_t n)
{
    struct text *t = arg;

    n = MIN(n, sizeof(t->bytes) - t->n);
    memcpy(t->bytes + t->n, bytes, n);
    t->n += n;
}

static size_t encode_space(const struct ckpt_item *item)
{
    for (u32 i = 0; i < item->space.regions; i++)
        ckpt_space_region(&item->space, i, &regions[i]);
    return ckpt_put_space(record, item->object, &item->space, regions);
}

static size_t encode_descriptors(const struct ckpt_item *item)
{
    for (u32 i = 0; i < item->descriptors.count; i++)
        ckpt_descriptor(&item->descriptors, i, &descriptors[i]);
    return ckpt_put_descriptors(record, item->object, item->descriptors.count, descriptors);
}

static size_t encode(const struct ckpt_item *item)
{
    switch (item->type) {
    case CKPT_EPOCH:
        return ckpt_put_epoch(record, &item->epoch);
    case CKPT_PIPE:
        return ckpt_put_pipe(record, item->object, &item->pipe);
    case CKPT_CONTENT:
        return ckpt_put_content(record, item->object, &item->content);
    case CKPT_FILE:
        return ckpt_put_file(record, item->object, &item->file);
    case CKPT_SPACE:
        return encode_space(item);
    case CKPT_TREE:
        return ckpt_put_tree(record, item->object, &item->tree);
    case CKPT_PROCESS:
        return ckpt_put_process(record, item->object, &item->process);
    case CKPT_REGISTERS:
    case CKPT_FPU:
        return ckpt_put_state(record, item->type, item->object, &item->state);
    case CKPT_RESTART:
        return ckpt_put_restart(record, item->object, &item->restart);
    case CKPT_CWD:
        return ckpt_put_cwd(record, item->object, &item->cwd);
    default:
        return encode_descriptors(item);
    }
}

static int read_copy(void *ctx, u64 offset, void *buf, size_t n)
{
    (void)ctx;
    EXPECT(offset <= copy.size && n <= copy.size - offset);
    memcpy(buf, copy.bytes + offset, n);
    return 0;
}

static const struct ckpt_source copy_source = { .read = read_copy, .size = sizeof(copy.bytes) };

// All records once more, behind everything; false: the image is bad, or has no room.
static bool copy_records(struct ckpt_header *header)
{
    struct ckpt_item item = { .type = CKPT_EPOCH };
    u64 at = copy.blocks * CKPT_BLOCK_SIZE;

    header->records_block = copy.blocks;
    header->records_size = 0;
    while (ckpt_next(&reader, &item) == CKPT_OK) {
        if (item.type == CKPT_END) {
            header->blocks = ROOM;
            header->digest = crc32c(0, copy.bytes + at, header->records_size);
            return true;
        }
        size_t n = encode(&item);
        if (at + header->records_size + n > sizeof(copy.bytes))
            return false;
        memcpy(copy.bytes + at + header->records_size, record, n);
        header->records_size += n;
    }
    return false;
}

static void encode_again(const struct ckpt_source *source)
{
    if (ckpt_open(&reader, source, 0))
        return;
    struct ckpt_header header = reader.header;
    if (!copy_records(&header))
        return;
    memset(copy.bytes, 0, CKPT_SLOTS * CKPT_BLOCK_SIZE);
    ckpt_header_encode(&header, copy.bytes);
    copy.size = sizeof(copy.bytes);
    before.n = after.n = 0;
    EXPECT(ckpt_open(&reader, source, 0) == CKPT_OK && ckpt_describe(&reader, gather, &before) == CKPT_OK);
    EXPECT(ckpt_open(&reader, &copy_source, 0) == CKPT_OK && ckpt_describe(&reader, gather, &after) == CKPT_OK);
    EXPECT(before.n == after.n && memcmp(before.bytes, after.bytes, before.n) == 0);
}

// ---- trees

static int emit(void *ctx, const u8 node[CKPT_BLOCK_SIZE], u32 *block)
{
    (void)ctx;
    if (copy.blocks == ROOM)
        return -1;
    *block = (u32)copy.blocks++;
    memcpy(copy.bytes + (size_t)*block * CKPT_BLOCK_SIZE, node, CKPT_BLOCK_SIZE);
    return 0;
}

static bool is_changed(const u8 *changes, u32 n, u64 index, u32 *block)
{
    u64 at = 0;

    for (u32 i = 0; i < n; i++) {
        at += 1 + changes[i * CHANGE] + ((u64)changes[i * CHANGE + 1] << 5);
        *block = changes[i * CHANGE + 2] & 1 ? INPUT_BLOCKS + changes[i * CHANGE + 2] % 16 : 0;
        if (at == index)
            return true;
    }
    return false;
}

static bool change(const u8 *changes, u32 n, u64 limit)
{
    u64 at = 0;
    u32 block;

    for (u32 i = 0; i < n; i++) {
        at += 1 + changes[i * CHANGE] + ((u64)changes[i * CHANGE + 1] << 5);
        if (at >= limit)
            break;
        EXPECT(is_changed(changes, n, at, &block));
        if (ckpt_builder_set(&builder, at, block, block))
            return false;
    }
    return ckpt_builder_finish(&builder) == CKPT_OK;
}

static bool is_sound(const struct ckpt_tree *tree)
{
    struct ckpt_page page = { .block = 1 };
    enum ckpt_error err = ckpt_walk_begin(&walk, &reader, tree);

    while (!err && page.block)
        err = ckpt_walk_next(&walk, &page);
    return !err;
}

static void compare(const struct ckpt_tree *base, const struct ckpt_bounds *bounds, const u8 *changes, u32 n, u64 limit)
{
    u64 pages = 0, index = 0;
    struct ckpt_page page, was;
    u32 block;

    ckpt_lookup_init(&old, bounds, base);
    ckpt_lookup_init(&new, bounds, &builder.tree);
    for (;; pages++, index = page.index + 1) {
        EXPECT(ckpt_lookup(&new, index, true, &page) == CKPT_OK);
        if (!page.block)
            break;
        EXPECT(page.index < limit);
        if (is_changed(changes, n, page.index, &block)) {
            EXPECT(page.block == block && page.crc == block);
        } else {
            EXPECT(ckpt_lookup(&old, page.index, false, &was) == CKPT_OK);
            EXPECT(page.block == was.block && page.crc == was.crc);
        }
    }
    EXPECT(pages == builder.tree.pages);
    reader.header.blocks = ROOM * 4;
    EXPECT(is_sound(&builder.tree));
}

static void change_tree(const struct ckpt_tree *tree, const u8 *changes, u32 n)
{
    struct ckpt_bounds bounds;
    u64 limit = 1ull << (tree->height * CKPT_FANOUT_BITS);

    reader.source = &copy_source;
    ckpt_bounds(&bounds, &reader);
    if (!is_sound(tree))
        return;
    bounds.blocks = ROOM;
    copy.size = sizeof(copy.bytes);
    ckpt_builder_init(&builder, tree->height, &bounds, tree, emit, NULL);
    if (change(changes, n, limit))
        compare(tree, &bounds, changes, n, limit);
}

static void change_first_tree(const struct ckpt_source *source, const u8 *changes, u32 n)
{
    struct ckpt_item item = { .type = CKPT_EPOCH };

    if (ckpt_open(&reader, source, 0))
        return;
    while (item.type != CKPT_TREE)
        if (ckpt_next(&reader, &item) || item.type == CKPT_END)
            return;
    change_tree(&item.tree, changes, n);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    u32 n = size > 3 ? MIN(data[2], (u32)(size - 3) / CHANGE) : 0;
    struct ckpt_source source;
    struct input input;

    input_open(&input, data, size, &source);
    memset(copy.bytes, 0, sizeof(copy.bytes));
    memcpy(copy.bytes, input.bytes, input.size);
    copy.blocks = INPUT_BLOCKS;
    copy.size = input.size;
    encode_again(&source);
    copy.blocks = INPUT_BLOCKS;
    memcpy(copy.bytes, input.bytes, MIN(input.size, (size_t)CKPT_SLOTS * CKPT_BLOCK_SIZE));
    change_first_tree(&source, data + size - n * CHANGE, n);
    input_close(&input);
    return 0;
}
