// The image's reader: every way to look into an image, on bytes that may be anything. What verify accepts, all others
// must accept, too, and they must agree.
#include "image_input.h"
#include <base/string.h>
#include <locale.h>
#include <stdlib.h>

static struct ckpt_verifier verifier;
static struct ckpt_reader reader;
static struct ckpt_walk walk;
static struct ckpt_lookup lookup;

// What was said, for a person at a terminal.
struct text {
    size_t n;
    char bytes[1 << 17];
};
static struct text said;

static void listen(void *arg, const char *bytes, size_t n)
{
    struct text *t = arg;

    n = MIN(n, sizeof(t->bytes) - 1 - t->n);
    memcpy(t->bytes + t->n, bytes, n);
    t->n += n;
}

// Nothing that a terminal could obey.
static void expect_printable(void)
{
    static wchar_t wide[sizeof(said.bytes)];

    said.bytes[said.n] = 0;
    EXPECT(strlen(said.bytes) == said.n);
    if (said.n < sizeof(said.bytes) - 1)
        EXPECT(mbstowcs(wide, said.bytes, ARRAY_SIZE(wide)) != (size_t)-1);
    for (size_t i = 0; i < said.n && wide[i]; i++)
        EXPECT(wide[i] == '\n' || (wide[i] >= ' ' && wide[i] < 0x7f) || wide[i] >= 0xa0);
    said.n = 0;
}

// The blocks are told in range, and each run once more makes no difference.
static bool note_blocks(void *ctx, u32 first, u32 count)
{
    u8 *seen = ctx;
    bool any = false;

    for (u32 i = 0; i < count; i++) {
        EXPECT(first + i < INPUT_BLOCKS);
        any |= !seen[first + i];
        seen[first + i] = 1;
    }
    return any;
}

static void check_tree(const struct ckpt_source *source, const struct ckpt_tree *tree)
{
    struct ckpt_bounds bounds;
    struct ckpt_page page, found;
    enum ckpt_error err;
    u64 next = 0;

    (void)source;
    ckpt_bounds(&bounds, &reader);
    ckpt_lookup_init(&lookup, &bounds, tree);
    for (err = ckpt_walk_begin(&walk, &reader, tree); !err;) {
        err = ckpt_walk_next(&walk, &page);
        if (err)
            break;
        enum ckpt_error e = ckpt_lookup(&lookup, next, true, &found);
        EXPECT(!e && found.block == page.block && (!page.block || found.index == page.index));
        if (!page.block)
            break;
        EXPECT(page.index >= next);
        EXPECT(ckpt_lookup(&lookup, page.index, false, &found) == CKPT_OK && found.crc == page.crc);
        next = page.index + 1;
    }
}

// Whatever walking says, looking up must end.
static void look_around(const struct ckpt_tree *tree)
{
    struct ckpt_bounds bounds;
    struct ckpt_page page;
    u64 at = 0;

    ckpt_bounds(&bounds, &reader);
    ckpt_lookup_init(&lookup, &bounds, tree);
    for (u32 n = 0; n < 600 && ckpt_lookup(&lookup, at, true, &page) == CKPT_OK && page.block; n++)
        at = page.index + 1;
    (void)!ckpt_lookup(&lookup, ~0ull, false, &page);
    (void)!ckpt_lookup(&lookup, 0x7ffff, false, &page);
}

static enum ckpt_error pass_epoch(const struct ckpt_source *source)
{
    struct ckpt_item item = { .type = CKPT_EPOCH };
    enum ckpt_error err = CKPT_OK;

    while (!err && item.type != CKPT_END) {
        err = ckpt_next(&reader, &item);
        if (err || item.type != CKPT_TREE)
            continue;
        check_tree(source, &item.tree);
        look_around(&item.tree);
    }
    return err;
}

static void look_at(const struct ckpt_source *source, u64 epoch, bool good)
{
    u8 seen[INPUT_BLOCKS] = { 0 };
    enum ckpt_error err = ckpt_open(&reader, source, epoch);
    if (!err)
        err = pass_epoch(source);
    EXPECT(!good || !err);
    if (!ckpt_open(&reader, source, epoch)) {
        err = ckpt_describe(&reader, listen, &said);
        EXPECT(!good || (!err && said.n));
    }
    if (!ckpt_open(&reader, source, epoch)) {
        err = ckpt_blocks(&reader, &walk, note_blocks, seen);
        EXPECT(!good || !err);
    }
    err = ckpt_describe_memory(&verifier, source, epoch, listen, &said);
    EXPECT(!good || !err);
    expect_printable();
}

static void look_at_all(const struct ckpt_source *source)
{
    enum ckpt_error err = ckpt_verify(&verifier, source, 0);
    u64 epochs[64];
    u32 n = 0;
    bool good[64];

    EXPECT(strlen(ckpt_error_text(err)) > 0);
    while (err != CKPT_NO_EPOCH && n < 64 && verifier.reader.header.epoch) {
        good[n] = !err;
        epochs[n++] = verifier.reader.header.epoch;
        if (err)
            break;
        err = ckpt_verify_previous(&verifier);
    }
    look_at(source, 0, n && good[0]);
    for (u32 i = 1; i < n; i++)
        look_at(source, epochs[i], good[i]);
    (void)!ckpt_open(&reader, source, 3);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct ckpt_source source;
    struct input input;

    setlocale(LC_ALL, "C.UTF-8");
    input_open(&input, data, size, &source);
    look_at_all(&source);
    if (!ckpt_open(&reader, &source, 0))
        (void)!ckpt_describe_log(&reader, listen, &said);
    expect_printable();
    // A source that fails.
    input.reads_left = data && size > 3 ? data[3] : 0;
    (void)!ckpt_verify(&verifier, &source, 0);
    input_close(&input);
    return 0;
}
