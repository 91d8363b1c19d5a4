// lib/base: checksum, formatted text, strings, lists, byte order, 64-bit division.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/byteorder.h>
#include <base/calendar.h>
#include <base/crc32c.h>
#include <base/format.h>
#include <base/list.h>
#include <base/string.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

// The freestanding functions, under the names that base_string.c and base_div64.c give them.
void *base_memcpy(void *to, const void *from, size_t n);
void *base_memmove(void *to, const void *from, size_t n);
void *base_memset(void *to, int byte, size_t n);
int base_memcmp(const void *a, const void *b, size_t n);
void *base_memchr(const void *in, int byte, size_t n);
size_t base_strlen(const char *s);
size_t base_strnlen(const char *s, size_t max);
int base_strcmp(const char *a, const char *b);
int base_strncmp(const char *a, const char *b, size_t n);
char *base_strchr(const char *s, int c);
char *base_strrchr(const char *s, int c);
u64 base_udivmod(u64 n, u64 by, u64 *rest);
s64 base_div(s64 n, s64 by);
s64 base_mod(s64 n, s64 by);

static int sign(int n)
{
    return (n > 0) - (n < 0);
}

// A reproducible source of odd numbers (xorshift64, Marsaglia 2003).
static u64 random_next(u64 *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

// The checksum.

static void crc32c_gives_the_values_of_rfc_3720(void **state)
{
    u8 bytes[32];

    memset(bytes, 0, sizeof bytes);
    assert_int_equal(crc32c(0, bytes, 32), 0x8a9136aau);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(crc32c(0, bytes, 32), 0x62a8ab43u);
    for (u32 k = 0; k < 32; k++)
        bytes[k] = (u8)k;
    assert_int_equal(crc32c(0, bytes, 32), 0x46dd794eu);
    for (u32 k = 0; k < 32; k++)
        bytes[k] = (u8)(31 - k);
    assert_int_equal(crc32c(0, bytes, 32), 0x113fdb5cu);
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283u);
}

static void crc32c_gives_the_value_of_rfc_3720s_read_command(void **state)
{
    static const u8 command[48] = {
        0x01, 0xc0, [16] = 0x14, [22] = 0x04, [27] = 0x14, [31] = 0x18, [32] = 0x28, [40] = 0x02,
    };

    assert_int_equal(crc32c(0, command, sizeof command), 0xd9963a56u);
}

static void crc32c_goes_on_from_any_place(void **state)
{
    const char *text = "The quick brown fox jumps over the lazy dog, and then some more.";
    size_t n = strlen(text);

    for (size_t cut = 0; cut <= n; cut++)
        assert_int_equal(crc32c(crc32c(0, text, cut), text + cut, n - cut), crc32c(0, text, n));
}

static void crc32c_of_nothing_changes_nothing(void **state)
{
    assert_int_equal(crc32c(0, "", 0), 0);
    assert_int_equal(crc32c(0x12345678, "", 0), 0x12345678);
}

// Formatted text, against the host's C library.

#define CHECK_FORMAT(...)                                                                                              \
    do {                                                                                                               \
        char expected_[256], got_[256];                                                                                \
        int length_ = snprintf(expected_, sizeof expected_, __VA_ARGS__);                                              \
        assert_int_equal(format_text(got_, sizeof got_, __VA_ARGS__), length_);                                        \
        assert_string_equal(got_, expected_);                                                                          \
    } while (0)

static void format_writes_signed_numbers_as_snprintf(void **state)
{
    const int values[] = { 0, 1, -1, 7, 42, -42, 123456789, INT_MAX, INT_MIN };

    for (size_t k = 0; k < ARRAY_SIZE(values); k++) {
        int v = values[k];
        CHECK_FORMAT("%d|%i", v, v);
        CHECK_FORMAT("%5d|%-5d|%05d", v, v, v);
        CHECK_FORMAT("%+d|% d|%+6d|% 6d", v, v, v, v);
        CHECK_FORMAT("%.3d|%8.3d|%-8.3d|%.0d", v, v, v, v);
        CHECK_FORMAT("%*d|%-*d|%.*d|%*.*d", 7, v, 7, v, 4, v, 9, 4, v);
        CHECK_FORMAT("%hhd|%hd", (signed char)v, (short)v);
    }
    CHECK_FORMAT("%*d|", -7, 42);
    CHECK_FORMAT("%.*d|", -1, 42);
}

static void format_writes_unsigned_numbers_as_snprintf(void **state)
{
    const unsigned values[] = { 0, 1, 8, 0xff, 0xabcdef, 0x7fffffff, UINT_MAX };

    for (size_t k = 0; k < ARRAY_SIZE(values); k++) {
        unsigned v = values[k];
        CHECK_FORMAT("%u|%x|%X|%o", v, v, v, v);
        CHECK_FORMAT("%#x|%#X|%#o", v, v, v);
        CHECK_FORMAT("%08x|%-8x|%#10x|%#010x|%.6x", v, v, v, v, v);
        CHECK_FORMAT("%#.6o|%#-12x|%.0x|%.0u", v, v, v, v);
    }
}

static void format_takes_every_length(void **state)
{
    CHECK_FORMAT("%ld %lu %lx", LONG_MIN, ULONG_MAX, 0x123456789abcdef0ul);
    CHECK_FORMAT("%lld %llu %llo", LLONG_MIN, ULLONG_MAX, 0123456701234567ull);
    CHECK_FORMAT("%zu %zd %td", (size_t)-1, (ptrdiff_t)-5, (ptrdiff_t)123456);
    CHECK_FORMAT("%jd %ju", (intmax_t)INTMAX_MIN, (uintmax_t)UINTMAX_MAX);
    CHECK_FORMAT("%llu|%20llu|%-20llu|%020llu", 4294967296ull, 4294967295ull, 9999999999ull, 10000000000ull);
}

static void format_writes_text_and_characters_as_snprintf(void **state)
{
    CHECK_FORMAT("%s|%10s|%-10s|%.2s|%10.2s|%.0s", "amber", "amber", "amber", "amber", "amber", "amber");
    CHECK_FORMAT("%c|%3c|%-3c|", 'a', 'b', 'c');
    CHECK_FORMAT("100%% of %s", "it");
    CHECK_FORMAT("%s%s%s", "", "x", "");
    CHECK_FORMAT("%p", (void *)0x1234);
}

static void format_reads_no_further_than_the_precision(void **state)
{
    const char unterminated[3] = { 'a', 'b', 'c' };
    char got[16];

    assert_int_equal(format_text(got, sizeof got, "%.*s", 3, unterminated), 3);
    assert_string_equal(got, "abc");
}

static void format_writes_null_text_harmlessly(void **state)
{
    char got[16];
    const char *volatile none = NULL;

    format_text(got, sizeof got, "%s", none);
    assert_string_equal(got, "(null)");
}

static void format_cuts_to_the_buffer_and_tells_the_whole_length(void **state)
{
    char got[8];

    memset(got, 'x', sizeof got);
    assert_int_equal(format_text(got, 5, "%s-%d", "abcdef", 12), 9);
    assert_string_equal(got, "abcd");
    assert_int_equal(got[5], 'x');
    assert_int_equal(format_text(got, 1, "%d", 12345), 5);
    assert_string_equal(got, "");
}

struct collected {
    char text[64];
    size_t n;
};

static void collect(void *arg, const char *bytes, size_t n)
{
    struct collected *c = arg;

    assert_true(c->n + n <= sizeof c->text);
    memcpy(c->text + c->n, bytes, n);
    c->n += n;
}

static size_t PRINTF_LIKE(2, 3) collect_format(struct collected *c, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    size_t n = format_to(collect, c, format, ap);
    va_end(ap);
    return n;
}

static void format_to_sends_every_byte_once(void **state)
{
    struct collected c = {};

    assert_int_equal(collect_format(&c, "[%6d] %s", 42, "and so on"), c.n);
    assert_int_equal(c.n, 18);
    assert_memory_equal(c.text, "[    42] and so on", 18);
}

// Memory and text: the freestanding functions against the host's.

static void memory_functions_agree_with_the_hosts(void **state)
{
    u8 from[64], a[64], b[64];
    u64 seed = 42;

    for (u32 round = 0; round < 4000; round++) {
        for (size_t k = 0; k < sizeof from; k++)
            from[k] = (u8)random_next(&seed);
        size_t at = random_next(&seed) % 24, to = random_next(&seed) % 24, n = random_next(&seed) % 40;
        memcpy(a, from, 64);
        memcpy(b, from, 64);
        assert_ptr_equal(base_memmove(a + to, a + at, n), a + to);
        memmove(b + to, b + at, n);
        assert_memory_equal(a, b, 64);
        base_memcpy(a + to, from + at, n);
        memcpy(b + to, from + at, n);
        assert_memory_equal(a, b, 64);
        base_memset(a + at, (int)round, n);
        memset(b + at, (int)round, n);
        assert_memory_equal(a, b, 64);
        assert_int_equal(sign(base_memcmp(a + at, from + at, n)), sign(memcmp(a + at, from + at, n)));
        assert_ptr_equal(base_memchr(a + at, from[0], n), memchr(a + at, from[0], n));
    }
}

static void text_functions_agree_with_the_hosts(void **state)
{
    static const char *const texts[] = { "",    "a",    "b",      "ab",    "abc",  "abd",
                                         "aba", "\xff", "ab\x80", "a/b/c", "same", "same" };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        const char *s = texts[i];
        assert_int_equal(base_strlen(s), strlen(s));
        for (int c = 0; c < 256; c++) {
            assert_ptr_equal(base_strchr(s, c), strchr(s, c));
            assert_ptr_equal(base_strrchr(s, c), strrchr(s, c));
        }
        for (size_t j = 0; j < ARRAY_SIZE(texts); j++) {
            assert_int_equal(sign(base_strcmp(s, texts[j])), sign(strcmp(s, texts[j])));
            for (size_t n = 0; n < 5; n++)
                assert_int_equal(sign(base_strncmp(s, texts[j], n)), sign(strncmp(s, texts[j], n)));
        }
        for (size_t n = 0; n < 7; n++)
            assert_int_equal(base_strnlen(s, n), strnlen(s, n));
    }
}

static void paths_that_end_in_dots_are_told_from_names(void **state)
{
    static const char *const dots[] = { "/", "//", ".", "..", "/.", "/..", "d/.", "d/..", "/d/.//", "../" };
    static const char *const names[] = { "", "d", "d/", "/d//", "...", "/...", "a.", "d/a..", ".a", "..a/" };

    (void)state;
    for (size_t i = 0; i < sizeof dots / sizeof *dots; i++)
        assert_true(path_ends_in_dots(dots[i]));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_false(path_ends_in_dots(names[i]));
}

static void text_copy_cuts_terminates_and_tells_the_whole_length(void **state)
{
    char out[4] = "xxx";

    assert_int_equal(text_copy(out, "ab", sizeof out), 2);
    assert_string_equal(out, "ab");
    assert_int_equal(text_copy(out, "abcdef", sizeof out), 6);
    assert_string_equal(out, "abc");
    assert_int_equal(text_copy(out, "abcdef", 1), 6);
    assert_string_equal(out, "");
}

static void memory_is_zero_sees_every_bit(void **state)
{
    u64 words[8] = {};

    assert_true(memory_is_zero(words, 0));
    for (size_t n = 8; n <= sizeof words; n += 8)
        assert_true(memory_is_zero(words, n));
    for (u32 bit = 0; bit < 8 * sizeof words; bit++) {
        words[bit / 64] = 1ull << (bit % 64);
        assert_false(memory_is_zero(words, sizeof words));
        words[bit / 64] = 0;
    }
}

// Lists.

struct item {
    int value;
    struct list link;
};

static void list_keeps_the_order_of_its_insertions(void **state)
{
    struct item items[] = { { .value = 1 }, { .value = 2 }, { .value = 3 } };
    struct list head;
    struct item *it;
    int seen = 0;

    list_init(&head);
    assert_true(list_empty(&head));
    list_append(&head, &items[1].link);
    list_append(&head, &items[2].link);
    list_push(&head, &items[0].link);
    assert_false(list_empty(&head));
    assert_ptr_equal(list_first(&head, struct item, link), &items[0]);
    list_for_each(it, &head, link)
        assert_int_equal(it->value, ++seen);
    assert_int_equal(seen, 3);
}

static void list_remove_unlinks_and_is_harmless_twice(void **state)
{
    struct item items[] = { { .value = 1 }, { .value = 2 } };
    struct list head;

    list_init(&head);
    list_append(&head, &items[0].link);
    list_append(&head, &items[1].link);
    list_remove(&items[0].link);
    list_remove(&items[0].link);
    assert_true(list_empty(&items[0].link));
    assert_ptr_equal(list_first(&head, struct item, link), &items[1]);
    list_remove(&items[1].link);
    assert_true(list_empty(&head));
}

static void list_for_each_safe_lets_the_body_unlink(void **state)
{
    struct item items[5];
    struct item *it, *after;
    struct list head;
    int seen = 0;

    list_init(&head);
    for (int k = 0; k < 5; k++) {
        items[k].value = k;
        list_append(&head, &items[k].link);
    }
    list_for_each_safe(it, after, &head, link) {
        assert_int_equal(it->value, seen++);
        list_remove(&it->link);
    }
    assert_int_equal(seen, 5);
    assert_true(list_empty(&head));
}

// Byte order and division.

static void little_endian_fields_round_trip_at_any_address(void **state)
{
    u8 bytes[16];

    for (u32 at = 0; at < 8; at++) {
        put_le64(bytes + at, 0x8877665544332211ull);
        assert_int_equal(bytes[at], 0x11);
        assert_int_equal(bytes[at + 7], 0x88);
        assert_true(le64(bytes + at) == 0x8877665544332211ull);
        put_le32(bytes + at, 0xf4f3f2f1u);
        assert_int_equal(le32(bytes + at), 0xf4f3f2f1u);
        put_le16(bytes + at, 0xbeef);
        assert_int_equal(le16(bytes + at), 0xbeef);
        assert_int_equal(bytes[at], 0xef);
    }
}

static void division_agrees_with_the_hosts(void **state)
{
    static const u64 edges[] = {
        0,
        1,
        2,
        3,
        10,
        0x7fffffff,
        0x80000000,
        0xffffffff,
        0x100000000,
        0x100000001,
        0x7fffffffffffffff,
        0x8000000000000000,
        0xfffffffeffffffff,
        0xffffffff00000000,
        0xffffffffffffffff,
    };
    u64 seed = 7;

    for (u32 round = 0; round < 60000; round++) {
        u64 n = random_next(&seed) >> random_next(&seed) % 64, by = random_next(&seed) >> random_next(&seed) % 64, rest;
        if (round < ARRAY_SIZE(edges) * ARRAY_SIZE(edges)) {
            n = edges[round % ARRAY_SIZE(edges)];
            by = edges[round / ARRAY_SIZE(edges)];
        }
        if (!by)
            continue;
        assert_true(base_udivmod(n, by, &rest) == n / by);
        assert_true(rest == n % by);
        if ((s64)n == INT64_MIN && (s64)by == -1)
            continue;
        assert_true(base_div((s64)n, (s64)by) == (s64)n / (s64)by);
        assert_true(base_mod((s64)n, (s64)by) == (s64)n % (s64)by);
    }
}

static void calendar_agrees_with_the_hosts(void **state)
{
    (void)state;
    for (u64 seconds = 0; seconds < 20000000000ull; seconds += 1234567) {
        struct calendar c;
        struct tm tm;
        time_t t = (time_t)seconds;
        calendar_from_seconds(seconds, &c);
        assert_non_null(gmtime_r(&t, &tm));
        assert_int_equal(c.year, tm.tm_year + 1900);
        assert_int_equal(c.month, tm.tm_mon + 1);
        assert_int_equal(c.day, tm.tm_mday);
        assert_int_equal(c.hour * 3600 + c.minute * 60 + c.second, tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec);
        assert_int_equal(c.weekday, tm.tm_wday);
        assert_int_equal(c.day_of_year, tm.tm_yday);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc32c_gives_the_values_of_rfc_3720),
        cmocka_unit_test(crc32c_gives_the_value_of_rfc_3720s_read_command),
        cmocka_unit_test(crc32c_goes_on_from_any_place),
        cmocka_unit_test(crc32c_of_nothing_changes_nothing),
        cmocka_unit_test(format_writes_signed_numbers_as_snprintf),
        cmocka_unit_test(format_writes_unsigned_numbers_as_snprintf),
        cmocka_unit_test(format_takes_every_length),
        cmocka_unit_test(format_writes_text_and_characters_as_snprintf),
        cmocka_unit_test(format_reads_no_further_than_the_precision),
        cmocka_unit_test(format_writes_null_text_harmlessly),
        cmocka_unit_test(format_cuts_to_the_buffer_and_tells_the_whole_length),
        cmocka_unit_test(format_to_sends_every_byte_once),
        cmocka_unit_test(memory_functions_agree_with_the_hosts),
        cmocka_unit_test(text_functions_agree_with_the_hosts),
        cmocka_unit_test(paths_that_end_in_dots_are_told_from_names),
        cmocka_unit_test(text_copy_cuts_terminates_and_tells_the_whole_length),
        cmocka_unit_test(memory_is_zero_sees_every_bit),
        cmocka_unit_test(list_keeps_the_order_of_its_insertions),
        cmocka_unit_test(list_remove_unlinks_and_is_harmless_twice),
        cmocka_unit_test(list_for_each_safe_lets_the_body_unlink),
        cmocka_unit_test(little_endian_fields_round_trip_at_any_address),
        cmocka_unit_test(division_agrees_with_the_hosts),
        cmocka_unit_test(calendar_agrees_with_the_hosts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
