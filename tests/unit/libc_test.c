// The guest's C library on the host: floating point and numbers against the host's own, the heap under stress, text.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/types.h>
#include <errno.h>
#include <malloc.h>
#include <math.h>
#include <print.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *libc_malloc(size_t n);
void *libc_calloc(size_t n, size_t size);
void *libc_realloc(void *p, size_t n);
void libc_free(void *p);
void *libc_sbrk(intptr_t by);
void libc_qsort(void *base, size_t n, size_t size, int (*compare)(const void *, const void *));
void *libc_bsearch(const void *key, const void *base, size_t n, size_t size,
                   int (*compare)(const void *, const void *));
double libc_strtod(const char *s, char **end);
long libc_strtol(const char *s, char **end, int base);
unsigned long libc_strtoul(const char *s, char **end, int base);
long long libc_strtoll(const char *s, char **end, int base);
char *libc_strstr(const char *in, const char *what);
char *libc_strncpy(char *to, const char *from, size_t n);
char *libc_strncat(char *to, const char *from, size_t n);
char *libc_strtok_r(char *s, const char *separators, char **state);
int libc_strcasecmp(const char *a, const char *b);

// A reproducible source of odd numbers (xorshift64, Marsaglia 2003).
static u64 random_next(void)
{
    static u64 state = 88172645463325252ull;

    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

// Floating point.

static double random_double(void)
{
    u64 bits = random_next();
    double x;

    switch (random_next() % 4) {
    case 0:
        return (double)(s64)(bits >> 40) / 1000;  // what people print
    case 1:
        return (double)(bits >> 44) / 64;  // halves and quarters: ties
    case 2:
        bits &= ~(0x7ffull << 52) | (random_next() % 40 << 52);  // among and near the smallest
        break;
    }
    memcpy(&x, &bits, sizeof(x));
    return x;
}

static void print(char *buf, size_t size, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    print_text(buf, size, format, ap);
    va_end(ap);
}

static void check_print(const char *format, int precision, double x)
{
    char ours[2048], theirs[2048];

    print(ours, sizeof(ours), format, precision, x);
    snprintf(theirs, sizeof(theirs), format, precision, x);
    if (strcmp(ours, theirs) != 0)
        fail_msg("%s, precision %d: %s, but it should be %s", format, precision, ours, theirs);
}

static const char *const formats[] = {
    "%.*f",   "%.*e",  "%.*g",  "%+.*f", "% .*e", "%012.*f", "%-30.*gx",
    "%30.*e", "%#.*f", "%#.*e", "%.*G",  "%.*E",  "%.*F",    "%+025.*e",
};

static void test_doubles_print_as_on_the_host(void **state)
{
    static const double special[] = { 0.0,
                                      -0.0,
                                      0.5,
                                      1.5,
                                      2.5,
                                      0.05,
                                      0.25,
                                      9.5,
                                      99.5,
                                      9.995,
                                      999999.5,
                                      1e5,
                                      1e6,
                                      123456.5,
                                      1e-4,
                                      9.9999e-5,
                                      1e21,
                                      1e22,
                                      1e23,
                                      5e-324,
                                      1e308,
                                      1.0,
                                      10.0,
                                      100.0,
                                      1e100,
                                      4503599627370496.5,
                                      INFINITY,
                                      -INFINITY,
                                      NAN,
                                      2.2250738585072014e-308,
                                      1.7976931348623157e308 };

    for (size_t f = 0; f < ARRAY_SIZE(formats); f++)
        for (size_t i = 0; i < ARRAY_SIZE(special); i++)
            for (int precision = -1; precision < 20; precision++)
                check_print(formats[f], precision, special[i]);
    for (int i = 0; i < 30000; i++)
        check_print(formats[random_next() % ARRAY_SIZE(formats)], (int)(random_next() % 25) - 1, random_double());
    check_print("%.*f", 1074, 5e-324);
    check_print("%.*e", 800, 1.7976931348623157e308);
}

static void check_read(const char *text)
{
    char *our_end, *their_end;
    double ours = libc_strtod(text, &our_end), theirs = strtod(text, &their_end);

    if (memcmp(&ours, &theirs, sizeof(ours)) != 0 && !(isnan(ours) && isnan(theirs)))
        fail_msg("%s: %.17g, but it should be %.17g", text, ours, theirs);
    if (our_end != their_end)
        fail_msg("%s ends after %d characters, but should after %d", text, (int)(our_end - text),
                 (int)(their_end - text));
}

static void test_doubles_are_read_as_on_the_host(void **state)
{
    static const char *const special[] = {
        "",
        "+",
        "-",
        ".",
        "e5",
        "1e",
        "1e+",
        "  1.5x",
        "-0",
        "0e999999999",
        "1e400",
        "1e-400",
        "-1e400",
        "inf",
        "-Infinity",
        "infin",
        "nan",
        ".5.5",
        "00012.50",
        "1e5000000000",
        "0.000e-5",
        "1 e5",
        "1e 5",
        "+.5e+0x",
        "2.2250738585072011e-308",
        "2.2250738585072014e-308",
        "4.9406564584124654e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "1.7976931348623157e308",
        "1.7976931348623158e308",
        "1.7976931348623159e308",
        "9007199254740993",
        "9007199254740992.99999",
        "9007199254740993.00000000000000000000000000000000000000000000000000000000000000000000000001",
    };
    char text[1200];

    for (size_t i = 0; i < ARRAY_SIZE(special); i++)
        check_read(special[i]);
    for (int i = 0; i < 20000; i++) {
        snprintf(text, sizeof(text), "%.*e", (int)(random_next() % 40), random_double());
        check_read(text);
    }
}

// Here the host's library drops a zero that '#' keeps.
static void test_alternate_general_form_keeps_zeros(void **state)
{
    char text[64];

    print(text, sizeof(text), "%#.2g %#.3g %#g %#.1g", 99.5, 1.0, 0.0, 7.0);
    assert_string_equal(text, "1.0e+02 1.00 0.00000 7.");
}

// Half way between two neighbours, written with all its digits, a digit more, and a digit less.
static void test_doubles_half_way_are_read_exactly(void **state)
{
    char text[1500];

    for (int i = 0; i < 2000; i++) {
        double x = fabs(random_double()), next = nextafter(x, INFINITY);
        if (!isfinite(next) || x < 1e-300)
            continue;
        snprintf(text, sizeof(text), "%.1070Lf", ((long double)x + next) / 2);
        check_read(text);
        strcat(text, "0001");
        check_read(text);
    }
}

static void test_doubles_survive_being_printed_and_read(void **state)
{
    char text[64];

    for (int i = 0; i < 20000; i++) {
        double x = random_double();
        print(text, sizeof(text), "%.17g", x);
        double back = libc_strtod(text, NULL);
        assert_true(memcmp(&x, &back, sizeof(x)) == 0 || isnan(x));
    }
}

static void test_whole_numbers_are_read_as_on_the_host(void **state)
{
    static const char *const texts[] = { "0",
                                         "12",
                                         "-12",
                                         "+7 x",
                                         "0x1fz",
                                         "0x",
                                         "0xg",
                                         "077",
                                         "08",
                                         "9223372036854775807",
                                         "9223372036854775808",
                                         "-9223372036854775808",
                                         "-9223372036854775809",
                                         "18446744073709551615",
                                         "99999999999999999999999",
                                         "",
                                         "-",
                                         "zz",
                                         "7fffffff",
                                         "-1" };
    static const int bases[] = { 0, 10, 16, 8, 2, 36 };
    char *ours, *theirs;

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        for (size_t b = 0; b < ARRAY_SIZE(bases); b++) {
            assert_int_equal(libc_strtol(texts[i], &ours, bases[b]), strtol(texts[i], &theirs, bases[b]));
            assert_ptr_equal(ours, theirs);
            assert_int_equal(libc_strtoul(texts[i], &ours, bases[b]), strtoul(texts[i], &theirs, bases[b]));
            assert_int_equal(libc_strtoll(texts[i], &ours, bases[b]), strtoll(texts[i], &theirs, bases[b]));
        }
}

// The heap, over a heap end of our own.

#define HEAP_SIZE (8u << 20)
static _Alignas(4096) char heap[HEAP_SIZE];
static size_t heap_used, heap_limit = HEAP_SIZE;

void *libc_sbrk(intptr_t by)
{
    if (by > 0 && (size_t)by > heap_limit - heap_used) {
        errno = ENOMEM;
        return (void *)-1;
    }
    heap_used += (size_t)by;
    return heap + heap_used - by;
}

struct piece_of_heap {
    unsigned char *at;
    size_t size;
    unsigned char mark;
};

static void check_piece(const struct piece_of_heap *p)
{
    assert_int_equal((uintptr_t)p->at % 16, 0);
    for (size_t i = 0; i < p->size; i++)
        assert_int_equal(p->at[i], p->mark);
}

static void fill_piece(struct piece_of_heap *p, size_t size)
{
    p->size = size;
    p->mark = (unsigned char)random_next();
    memset(p->at, p->mark, size);
}

static size_t random_size(void)
{
    return random_next() % (random_next() % 8 == 0 ? 20000 : 200);
}

static void step(struct piece_of_heap *p)
{
    size_t size = random_size();
    unsigned char *moved;

    if (!p->at) {
        p->at = libc_malloc(size);
        if (p->at)
            fill_piece(p, size);
        return;
    }
    check_piece(p);
    if (random_next() % 3 == 0) {
        moved = libc_realloc(p->at, size);
        if (!moved)
            return;
        p->at = moved;
        p->size = MIN(p->size, size);
        check_piece(p);
        fill_piece(p, size);
        return;
    }
    libc_free(p->at);
    p->at = NULL;
}

static void test_the_heap_keeps_what_is_in_it(void **state)
{
    static struct piece_of_heap pieces[300];

    for (int i = 0; i < 300000; i++) {
        step(&pieces[random_next() % ARRAY_SIZE(pieces)]);
        if (i % 1000 == 0)
            assert_true(heap_is_sound());
        if (i % 50000 == 25000)
            (void)libc_sbrk(5);  // somebody else moves the heap's end
    }
    for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
        if (pieces[i].at)
            check_piece(&pieces[i]);
        libc_free(pieces[i].at);
    }
    assert_true(heap_is_sound());
}

static void test_freed_memory_is_used_again(void **state)
{
    size_t before;
    void *p[64];

    for (int round = 0; round < 100; round++) {
        for (size_t i = 0; i < ARRAY_SIZE(p); i++)
            assert_non_null(p[i] = libc_malloc(3000));
        for (size_t i = 0; i < ARRAY_SIZE(p); i++)
            libc_free(p[i * 5 % ARRAY_SIZE(p)]);
        if (round == 0)
            before = heap_used;
        assert_int_equal(heap_used, before);
    }
    // The small ones have become one large one again.
    void *large = libc_malloc(64 * 3000);
    assert_non_null(large);
    libc_free(large);
    assert_int_equal(heap_used, before);
}

static void test_a_full_heap_says_so_and_goes_on(void **state)
{
    void *first = libc_malloc(100);
    void **chain = NULL, **p;

    while ((p = libc_malloc(1000)) != NULL) {
        *p = chain;
        chain = p;
    }
    assert_int_equal(errno, ENOMEM);
    assert_null(libc_malloc(SIZE_MAX - 5));
    assert_null(libc_malloc(SIZE_MAX / 2));
    assert_null(libc_calloc(SIZE_MAX / 4, 8));
    assert_null(libc_realloc(first, SIZE_MAX / 2 + 5));
    while (chain) {
        p = *chain;
        libc_free(chain);
        chain = p;
    }
    assert_true(heap_is_sound());
    unsigned char *zeros = libc_calloc(1000, 7);
    assert_non_null(zeros);
    for (int i = 0; i < 7000; i++)
        assert_int_equal(zeros[i], 0);
    libc_free(zeros);
    libc_free(first);
    libc_free(NULL);
}

// Sorting and text.

static int by_value(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;

    return (x > y) - (x < y);
}

static void test_sorting_sorts(void **state)
{
    int ours[500], theirs[500];

    for (size_t n = 0; n < ARRAY_SIZE(ours); n++) {
        for (size_t i = 0; i < n; i++)
            ours[i] = theirs[i] = (int)(random_next() % (n + 1));
        libc_qsort(ours, n, sizeof(int), by_value);
        qsort(theirs, n, sizeof(int), by_value);
        assert_memory_equal(ours, theirs, n * sizeof(int));
        int absent = -1;
        assert_null(libc_bsearch(&absent, ours, n, sizeof(int), by_value));
        if (n)
            assert_int_equal(*(int *)libc_bsearch(&theirs[n / 3], ours, n, sizeof(int), by_value), theirs[n / 3]);
    }
}

static void test_text(void **state)
{
    char buf[16], text[] = ",,one,two,,three,", *rest;
    const char *words = "one two";

    assert_ptr_equal(libc_strstr(words, "two"), words + 4);
    assert_null(libc_strstr(words, "three"));
    assert_ptr_equal(libc_strstr(words, ""), words);
    memset(buf, 'x', sizeof(buf));
    libc_strncpy(buf, "abc", 6);
    assert_memory_equal(buf, "abc\0\0\0x", 7);
    libc_strncat(buf, "defgh", 2);
    assert_string_equal(buf, "abcde");
    assert_string_equal(libc_strtok_r(text, ",", &rest), "one");
    assert_string_equal(libc_strtok_r(NULL, ",", &rest), "two");
    assert_string_equal(libc_strtok_r(NULL, ",", &rest), "three");
    assert_null(libc_strtok_r(NULL, ",", &rest));
    assert_int_equal(libc_strcasecmp("HeLLo", "hEllO"), 0);
    assert_true(libc_strcasecmp("a", "B") < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_doubles_print_as_on_the_host),
        cmocka_unit_test(test_alternate_general_form_keeps_zeros),
        cmocka_unit_test(test_doubles_are_read_as_on_the_host),
        cmocka_unit_test(test_doubles_half_way_are_read_exactly),
        cmocka_unit_test(test_doubles_survive_being_printed_and_read),
        cmocka_unit_test(test_whole_numbers_are_read_as_on_the_host),
        cmocka_unit_test(test_the_heap_keeps_what_is_in_it),
        cmocka_unit_test(test_freed_memory_is_used_again),
        cmocka_unit_test(test_a_full_heap_says_so_and_goes_on),
        cmocka_unit_test(test_sorting_sorts),
        cmocka_unit_test(test_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
