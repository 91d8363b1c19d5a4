// The checksums that the host's tools compute by other means (tools/checksum) are those of lib/.
#include <base/crc32c.h>
#include <base/string.h>
#include <ckptfmt/ckptfmt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

// Those of tools/checksum, under other names.
u32 tools_crc32c(u32 crc, const void *bytes, size_t n);
void tools_page_sums(const u8 page[CKPT_BLOCK_SIZE], u64 *sum, u64 *weighted);

static void expect_same_sums(const u8 *page)
{
    u64 sum, weighted, tools_sum, tools_weighted;

    ckpt_page_sums(page, &sum, &weighted);
    tools_page_sums(page, &tools_sum, &tools_weighted);
    assert_int_equal(tools_sum, sum);
    assert_int_equal(tools_weighted, weighted);
}

static void fill(u8 *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        bytes[i] = (u8)rand();
}

static void page_sums_agree(void **state)
{
    u8 page[CKPT_BLOCK_SIZE];

    for (u32 n = 0; n < 300; n++) {
        fill(page, sizeof page);
        expect_same_sums(page);
    }
}

static void page_sums_agree_on_one_word_anywhere(void **state)
{
    u8 page[CKPT_BLOCK_SIZE] = {};

    for (u32 at = 0; at < sizeof page; at += 4) {
        memset(page + at, 0xff, 4);
        expect_same_sums(page);
        memset(page + at, 0, 4);
    }
}

static void page_sums_agree_on_the_largest(void **state)
{
    u8 page[CKPT_BLOCK_SIZE];

    memset(page, 0xff, sizeof page);
    expect_same_sums(page);
}

static void page_sums_agree_wherever_the_page_lies(void **state)
{
    u8 bytes[CKPT_BLOCK_SIZE + 64];

    fill(bytes, sizeof bytes);
    for (u32 at = 0; at < 64; at++)
        expect_same_sums(bytes + at);
}

static void crcs_agree(void **state)
{
    u8 bytes[3000];

    for (u32 n = 0; n < 3000; n += 1 + n / 16) {
        fill(bytes, n);
        assert_int_equal(tools_crc32c(n, bytes, n), crc32c(n, bytes, n));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(page_sums_agree),
        cmocka_unit_test(page_sums_agree_on_one_word_anywhere),
        cmocka_unit_test(page_sums_agree_on_the_largest),
        cmocka_unit_test(page_sums_agree_wherever_the_page_lies),
        cmocka_unit_test(crcs_agree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
