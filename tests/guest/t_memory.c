// Memory: the heap, sharing after fork, running out of it, and floating point across switches.
#include "check.h"
#include <amber.h>
#include <stdint.h>

#define MIB (1024 * 1024)

static void sbrk_grows_bytewise_5000_times(void)
{
    char *end = sbrk(0);

    for (int i = 0; i < 5000; i++) {
        char *got = sbrk(1);
        CHECK(got == end, "step %d: %p, not %p", i, got, end);
        *got = 1;
        end = got + 1;
    }
}

static void sbrk_goes_on_after_fork(void)
{
    char *end = sbrk(0);

    sbrk(1);
    pid_t pid = fork();
    CHECK(pid >= 0, "fork");
    CHECK(sbrk(1) == end + 1, "the break is inherited");
    if (pid == 0)
        _exit(0);
    CHECK(wait_for(pid) == 0, "child");
}

static void sbrk_grows_to_100_mib_and_back(void)
{
    char *start = sbrk(0);
    intptr_t amount = 100 * MIB - (intptr_t)start;

    CHECK(sbrk(amount) == start, "growing");
    start[amount - 1] = 99;
    CHECK(start[amount - 1] == 99, "the last byte");
    CHECK(sbrk(-amount) == start + amount, "shrinking");
    CHECK(sbrk(0) == start, "the break is back");
}

static void released_page_reads_zero_when_taken_again(void)
{
    char *page = sbrk(4096);

    memset(page, 7, 4096);
    CHECK(sbrk(-4096) == page + 4096, "give back");
    CHECK(sbrk(4096) == page, "take again");
    for (int i = 0; i < 4096; i++)
        CHECK(page[i] == 0, "byte %d is %d", i, page[i]);
}

static char *gone;

static void touch_gone(void)
{
    *(volatile char *)gone = 1;
}

static void released_memory_is_gone(void)
{
    gone = sbrk(8192);
    gone = (char *)(((uintptr_t)gone + 4095) & ~4095ul);
    sbrk(-8192);
    gone = (char *)(((uintptr_t)sbrk(0) + 4095) & ~4095ul);
    CHECK(WTERMSIG(in_child(touch_gone)) == SIGSEGV, "memory past the break can be touched");
}

static void failing_sbrk_is_minus_one(void)
{
    char *end = sbrk(0);

    CHECK(sbrk(0x7fffffff) == (void *)-1, "2 GiB were granted");
    CHECK(sbrk(-0x7fffffff) == (void *)-1, "the program gave back more than it has");
    CHECK(sbrk(0) == end, "the break moved");
}

static void ten_processes_of_100_mib_and_4_kib_more(void)
{
    pid_t pids[10];
    int fds[2];
    char byte;

    CHECK(pipe(fds) == 0, "pipe");
    for (int i = 0; i < 10; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            sbrk(100 * MIB - (intptr_t)sbrk(0));
            write(fds[1], "x", 1);
            for (;;)
                sleep(1000);
        }
        if (pids[i] > 0)
            CHECK(read(fds[0], &byte, 1) == 1, "child %d", i);
    }
    CHECK(sbrk(4096) != (void *)-1, "no page left");
    for (int i = 0; i < 10; i++)
        if (pids[i] > 0) {
            kill(pids[i]);
            wait_for(pids[i]);
        }
}

static void take_all_memory(void)
{
    struct block {
        struct block *next;
    } *first = NULL, *b;

    while ((b = malloc(10001))) {
        b->next = first;
        first = b;
    }
    CHECK(first, "not even one block");
    while (first) {
        b = first->next;
        free(first);
        first = b;
    }
    b = malloc(1024 * 20);
    CHECK(b, "nothing after everything was freed");
    free(b);
}

static void malloc_until_failure_then_go_on(void)
{
    CHECK(in_child(take_all_memory) == 0, "the child did not survive it");
}

static int shared_value = 1;

static void change_value(void)
{
    shared_value = 2;
}

static void writes_after_fork_are_private(void)
{
    CHECK(in_child(change_value) == 0 && shared_value == 1, "the child's write is seen: %d", shared_value);
    char *heap = sbrk(64 * 4096);
    memset(heap, 'a', 64 * 4096);
    pid_t pid = fork();
    if (pid == 0) {
        memset(heap, 'b', 64 * 4096);
        _exit(heap[64 * 4096 - 1] == 'b' ? 0 : 1);
    }
    memset(heap, 'c', 32 * 4096);
    CHECK(wait_for(pid) == 0, "child");
    CHECK(heap[0] == 'c' && heap[32 * 4096] == 'a', "%c %c", heap[0], heap[32 * 4096]);
}

static char zeros[10000];

static void bss_is_zero(void)
{
    for (unsigned i = 0; i < sizeof(zeros); i++)
        CHECK(zeros[i] == 0, "byte %u", i);
}

// A sum that rounds at every step, so a lost or foreign register shows.
static double harmonic(int n)
{
    double sum = 0;

    for (int i = 1; i <= n; i++)
        sum += 1.0 / i;
    return sum;
}

static void floating_point_belongs_to_the_process(void)
{
    double expected = harmonic(200000);
    pid_t pids[4];

    fflush(stdout);
    for (int i = 0; i < 4; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            int good = 1;
            for (int round = 0; round < 10; round++)
                good &= harmonic(200000) == expected;
            _exit(good ? 0 : 1);
        }
    }
    for (int i = 0; i < 4; i++)
        CHECK(wait_for(pids[i]) == 0, "process %d computed something else", i);
}

static void x87_control_word_survives(void)
{
    uint16_t word = 0x27f, now = 0;

    __asm__ volatile("fldcw %0" : : "m"(word));
    for (int i = 0; i < 20; i++) {
        sleep_ticks(1);
        __asm__ volatile("fnstcw %0" : "=m"(now));
        CHECK(now == word, "it is %#x", now);
    }
}

static void fork_inherits_floating_point(void)
{
    uint32_t mxcsr = 0x3f80, now = 0;  // rounds down

    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
    pid_t pid = fork();
    __asm__ volatile("stmxcsr %0" : "=m"(now));
    if (pid == 0)
        _exit((now & 0xffc0) == mxcsr ? 0 : 1);
    CHECK(wait_for(pid) == 0, "the child rounds otherwise");
}

static const struct test tests[] = {
    TEST(sbrk_grows_bytewise_5000_times),
    TEST(sbrk_goes_on_after_fork),
    TEST(sbrk_grows_to_100_mib_and_back),
    TEST(released_page_reads_zero_when_taken_again),
    TEST(released_memory_is_gone),
    TEST(failing_sbrk_is_minus_one),
    TEST(ten_processes_of_100_mib_and_4_kib_more),
    TEST(malloc_until_failure_then_go_on),
    TEST(writes_after_fork_are_private),
    TEST(bss_is_zero),
    TEST(floating_point_belongs_to_the_process),
    TEST(x87_control_word_survives),
    TEST(fork_inherits_floating_point),
};
RUN_TESTS(tests)
