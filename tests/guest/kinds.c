// kinds NAME GO: a test of what a checkpoint keeps, one for each kind of state (stages.h says how they go).
// kinds --list: their names.
#include "stages.h"
#include <dirent.h>
#include <sys/stat.h>

const char *go_path;
static int arg_count;
static char **args;

static unsigned char bytes[1 << 20], more[1 << 20];

// ---- one process

// A loop of which the end is known, without any system call for long.
static void busyloop(void)
{
    uint32_t x = 1, rounds = 0;

    say_ready();
    do {
        for (int k = 0; k < 1000000; k++)
            x = x * 1664525 + 1013904223;
        rounds++;
    } while (!has_go());
    // The same sequence from its formula: a^n and the sum of powers by doubling.
    uint32_t a = 1, c = 0, factor = 1664525, add = 1013904223;
    for (uint64_t n = (uint64_t)rounds * 1000000; n; n >>= 1) {
        if (n & 1) {
            a *= factor;
            c = c * factor + add;
        }
        add *= factor + 1;
        factor *= factor;
    }
    CHECK(x == a + c, "%u after %u rounds, not %u", x, rounds, a + c);
}

static void sleeping(void)
{
    int before = uptime();

    say_ready();
    CHECK(sleep_ticks(40) == 0, "sleep");
    CHECK(uptime() - before >= 40, "woke after %d ticks", uptime() - before);
    wait_for_go();
}

static void pid_kept(void)
{
    pid_t pid = getpid(), parent;

    pid_t child = fork();
    if (child == 0) {
        pid_t mine = getpid();
        wait_for_go();
        CHECK(getpid() == mine && getppid() == pid, "child: %d, then %d; parent %d, not %d", mine, getpid(), getppid(),
              pid);
        _exit(0);
    }
    parent = getppid();
    ready_and_wait();
    CHECK(getpid() == pid, "%d, then %d", pid, getpid());
    CHECK(getppid() == parent || parent != getpid(), "parent");
    expect_pass(child);
}

static void arguments(void)
{
    char **vector = args;
    char *first = args[0], *last = args[arg_count - 1];
    char copy[2][64];

    snprintf(copy[0], sizeof(copy[0]), "%s", first);
    snprintf(copy[1], sizeof(copy[1]), "%s", last);
    ready_and_wait();
    CHECK(args == vector && args[0] == first && args[arg_count - 1] == last && !args[arg_count], "pointers");
    CHECK(strcmp(first, copy[0]) == 0 && strcmp(last, copy[1]) == 0, "%s, %s", first, last);
    CHECK((uintptr_t)first > (uintptr_t)&copy, "the strings lie above the stack's frames");
}

static void clocks(void)
{
    int ticks = uptime();
    uint64_t ns = clock_ns(), wall = wall_clock_ns();

    say_ready();
    do {
        int now = uptime();
        uint64_t now_ns = clock_ns();
        CHECK(now >= ticks, "ticks went from %d to %d", ticks, now);
        CHECK(now_ns >= ns, "the clock went back");
        // Both are one clock.
        CHECK(now_ns / 10000000 >= (uint64_t)now, "clock and ticks differ");
        ticks = now;
        ns = now_ns;
    } while (!has_go());
    CHECK(wall_clock_ns() >= wall, "the wall clock went back");
    sleep_ticks(2);
    CHECK(uptime() >= ticks + 2 && clock_ns() > ns, "the clock stands still");
}

static void console(void)
{
    int fd = open("/console", O_RDWR);
    struct stat st;

    CHECK(fd >= 0 && isatty(fd), "the console");
    ready_and_wait();
    CHECK(fstat(fd, &st) == 0 && st.type == T_DEV, "type %d", st.type);
    CHECK(write(fd, "(kinds)\n", 8) == 8, "write");
    CHECK(isatty(0), "standard input");
}

// ---- memory

// The heap's end moves before and after.
static void heap(void)
{
    char *base = sbrk(0);

    CHECK(sbrk(300000) == base, "grow");
    fill_pattern((unsigned char *)base, 5, 300000);
    CHECK(sbrk(-100000) == base + 300000, "shrink");
    ready_and_wait();
    CHECK(sbrk(0) == base + 200000, "the end moved");
    CHECK(right_pattern((unsigned char *)base, 5, 200000) == 200000, "contents");
    CHECK(sbrk(200000) == base + 200000, "grow again");
    for (unsigned k = 200000 + 4096; k < 400000; k++)
        CHECK(base[k] == 0, "new memory has %d at %u", base[k], k);
    CHECK(sbrk(-400000) == base + 400000 && sbrk(0) == base, "back to the beginning");
}

// Memory that is written all the time; each page says how often.
static void memory_touch(void)
{
    enum { PAGES = 200, WORDS = 1024 };
    static uint32_t pages[PAGES][WORDS];
    uint32_t round = 0;

    say_ready();
    do {
        round++;
        for (uint32_t p = 0; p < PAGES; p++)
            for (uint32_t w = p % 7; w < WORDS; w += 97)
                pages[p][w] += round * (p + 1);
    } while (!has_go());
    uint32_t sum = round * (round + 1) / 2;
    for (uint32_t p = 0; p < PAGES; p++)
        for (uint32_t w = 0; w < WORDS; w++) {
            uint32_t right = w % 97 == p % 7 ? sum * (p + 1) : 0;
            CHECK(pages[p][w] == right, "page %u, word %u: %u, not %u", p, w, pages[p][w], right);
        }
}

// Pages never touched, touched and zeroed again, and full ones.
static void memory_zeros(void)
{
    char *at = sbrk(4 << 20);

    CHECK(at != (char *)-1, "4 MiB");
    for (int p = 0; p < 1024; p += 3)
        fill_pattern((unsigned char *)at + p * 4096, (unsigned)p, 4096);
    for (int p = 0; p < 1024; p += 9)
        memset(at + p * 4096, 0, 4096);
    ready_and_wait();
    for (int p = 0; p < 1024; p++) {
        const unsigned char *page = (unsigned char *)at + p * 4096;
        if (p % 3 == 0 && p % 9) {
            CHECK(right_pattern(page, (unsigned)p, 4096) == 4096, "page %d", p);
            continue;
        }
        for (int k = 0; k < 4096; k++)
            CHECK(page[k] == 0, "page %d has %u at %d", p, page[k], k);
    }
}

// Parent and child share pages until one of them writes.
static void cow_unchanged(void)
{
    fill_pattern(bytes, 0, sizeof(bytes));
    pid_t child = fork();
    if (child)
        say_ready();
    wait_for_go();
    CHECK(right_pattern(bytes, 0, sizeof(bytes)) == sizeof(bytes), "before writing");
    fill_pattern(bytes, child ? 1 : 2, sizeof(bytes) / 2);
    if (child)
        expect_pass(child);
    CHECK(right_pattern(bytes, child ? 1 : 2, sizeof(bytes) / 2) == sizeof(bytes) / 2, "what was written");
    CHECK(right_pattern(bytes + sizeof(bytes) / 2, sizeof(bytes) / 2, sizeof(bytes) / 2) == sizeof(bytes) / 2, "rest");
    if (!child)
        _exit(0);
}

static void cow_changed(void)
{
    fill_pattern(bytes, 0, sizeof(bytes));
    pid_t child = fork();
    // Every other page is one's own already.
    for (unsigned p = child != 0; p < 256; p += 2)
        fill_pattern(bytes + p * 4096, child ? 100 : 200, 4096);
    if (child)
        say_ready();
    wait_for_go();
    for (unsigned p = 0; p < 256; p++) {
        unsigned from = p % 2 != (child != 0) ? p * 4096 : child ? 100 : 200;
        CHECK(right_pattern(bytes + p * 4096, from, 4096) == 4096, "page %u of the %s", p, child ? "parent" : "child");
    }
    if (!child)
        _exit(0);
    expect_pass(child);
}

static uint32_t sum_text(void)
{
    extern char text_begin[] __asm__("has_go_anchor");
    uint32_t sum = 0;

    for (int k = 0; k < 4096; k++)
        sum = sum * 31 + (unsigned char)text_begin[k];
    return sum;
}

__asm__(".pushsection .text.anchor,\"ax\"\n.globl has_go_anchor\nhas_go_anchor: ret\n.space 4096, 0x90\n.popsection");

static void text(void)
{
    uint32_t before = sum_text();

    ready_and_wait();
    CHECK(sum_text() == before, "the program's text changed");
}

// A deep stack: each frame knows what it holds.
static unsigned deep(unsigned depth)
{
    volatile unsigned char frame[1000];

    for (unsigned k = 0; k < sizeof(frame); k++)
        frame[k] = pattern(depth + k);
    if (depth == 300)
        ready_and_wait();
    unsigned below = depth < 300 ? deep(depth + 1) : 0;
    for (unsigned k = 0; k < sizeof(frame); k++)
        CHECK(frame[k] == pattern(depth + k), "frame %u, byte %u", depth, k);
    return below + 1;
}

static void stack(void)
{
    CHECK(deep(0) == 301, "depth");
}

// ---- floating point

// Wait for the go without leaving the registers to a compiler.
#define WAIT_HOLDING                                                                                                   \
    "1:\tpushl $0\n\tpushl %[path]\n\tpushl $0\n\tmovl $15, %%eax\n\tint $0x40\n\taddl $12, %%esp\n\t"                 \
    "cmpl $-1, %%eax\n\tjne 2f\n\t"                                                                                    \
    "pushl $1\n\tpushl $0\n\tmovl $13, %%eax\n\tint $0x40\n\taddl $8, %%esp\n\tjmp 1b\n2:\n\t"

static void x87_stack(void)
{
    double out[8];

    say_ready();
    __asm__ volatile("fninit\n\tfldz\n\tfldpi\n\tfldl2e\n\tfldl2t\n\tfldlg2\n\tfldln2\n\tfld1\n\tfldpi\n\t" WAIT_HOLDING
                     "fstpl 0(%[out])\n\tfstpl 8(%[out])\n\tfstpl 16(%[out])\n\tfstpl 24(%[out])\n\t"
                     "fstpl 32(%[out])\n\tfstpl 40(%[out])\n\tfstpl 48(%[out])\n\tfstpl 56(%[out])\n\t"
                     :
                     : [path] "S"(go_path), [out] "D"(out)
                     : "eax", "edx", "cc", "memory", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)",
                       "st(7)");
    static const double right[8] = { 3.141592653589793,  1.0,
                                     0.6931471805599453, 0.30102999566398120,
                                     3.3219280948873623, 1.4426950408889634,
                                     3.141592653589793,  0.0 };
    for (int k = 0; k < 8; k++)
        CHECK(out[k] == right[k], "st(%d)", k);
}

static void x87_control(void)
{
    uint16_t set = 0x0e3f, was = 0, status = 0;  // toward zero, 53 bits; then a flag raised: division by zero

    say_ready();
    __asm__ volatile("fninit\n\tfldcw %[set]\n\tfld1\n\tfldz\n\tfdivrp\n\tfstp %%st(0)\n\t" WAIT_HOLDING
                     "fnstcw %[was]\n\tfnstsw %[status]\n\tfninit"
                     : [was] "+m"(was), [status] "+m"(status)
                     : [path] "S"(go_path), [set] "m"(set)
                     : "eax", "edx", "cc", "memory", "st");
    CHECK(was == set, "control word %#x", was);
    CHECK(status & 4, "status word %#x", status);
}

static void sse_registers(void)
{
    static uint32_t in[8][4] __attribute__((aligned(16))), out[8][4] __attribute__((aligned(16)));

    for (uint32_t k = 0; k < 32; k++)
        in[k / 4][k % 4] = 0x9e3779b9u * (k + 1);
    say_ready();
    __asm__ volatile("movaps 0(%[in]), %%xmm0\n\tmovaps 16(%[in]), %%xmm1\n\tmovaps 32(%[in]), %%xmm2\n\t"
                     "movaps 48(%[in]), %%xmm3\n\tmovaps 64(%[in]), %%xmm4\n\tmovaps 80(%[in]), %%xmm5\n\t"
                     "movaps 96(%[in]), %%xmm6\n\tmovaps 112(%[in]), %%xmm7\n\t" WAIT_HOLDING
                     "movaps %%xmm0, 0(%[out])\n\tmovaps %%xmm1, 16(%[out])\n\tmovaps %%xmm2, 32(%[out])\n\t"
                     "movaps %%xmm3, 48(%[out])\n\tmovaps %%xmm4, 64(%[out])\n\tmovaps %%xmm5, 80(%[out])\n\t"
                     "movaps %%xmm6, 96(%[out])\n\tmovaps %%xmm7, 112(%[out])"
                     :
                     : [path] "S"(go_path), [in] "b"(in), [out] "D"(out)
                     : "eax", "edx", "cc", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7");
    for (int k = 0; k < 32; k++)
        CHECK(out[k / 4][k % 4] == in[k / 4][k % 4], "xmm%d", k / 4);
}

static void sse_control(void)
{
    uint32_t set = 0xffa0, was = 0;  // toward zero, flushing, and the flag of inexact results raised

    say_ready();
    __asm__ volatile("ldmxcsr %[set]\n\t" WAIT_HOLDING "stmxcsr %[was]"
                     : [was] "+m"(was)
                     : [path] "S"(go_path), [set] "m"(set)
                     : "eax", "edx", "cc", "memory");
    CHECK(was == set, "mxcsr %#x", was);
}

static void mmx_registers(void)
{
    static uint64_t in[8], out[8];

    for (uint32_t k = 0; k < 8; k++)
        in[k] = 0x0123456789abcdefull * (k + 3);
    say_ready();
    __asm__ volatile(
        "movq 0(%[in]), %%mm0\n\tmovq 8(%[in]), %%mm1\n\tmovq 16(%[in]), %%mm2\n\tmovq 24(%[in]), %%mm3\n\t"
        "movq 32(%[in]), %%mm4\n\tmovq 40(%[in]), %%mm5\n\tmovq 48(%[in]), %%mm6\n\t"
        "movq 56(%[in]), %%mm7\n\t" WAIT_HOLDING
        "movq %%mm0, 0(%[out])\n\tmovq %%mm1, 8(%[out])\n\tmovq %%mm2, 16(%[out])\n\t"
        "movq %%mm3, 24(%[out])\n\tmovq %%mm4, 32(%[out])\n\tmovq %%mm5, 40(%[out])\n\t"
        "movq %%mm6, 48(%[out])\n\tmovq %%mm7, 56(%[out])\n\temms"
        :
        : [path] "S"(go_path), [in] "b"(in), [out] "D"(out)
        : "eax", "edx", "cc", "memory", "mm0", "mm1", "mm2", "mm3", "mm4", "mm5", "mm6", "mm7");
    for (int k = 0; k < 8; k++)
        CHECK(out[k] == in[k], "mm%d", k);
}

// ---- families

static void exit_7_on_go(void)
{
    wait_for_go();
    _exit(7);
}

static void exit_5(void)
{
    _exit(5);
}

static void sleep_on(void)
{
    for (;;)
        sleep_ticks(1000);
}

static void blocked_in_wait(void)
{
    pid_t child = start(exit_7_on_go);

    say_ready();
    CHECK(WEXITSTATUS(status_of(child)) == 7, "status");
    CHECK(wait(NULL) == -1 && errno == ECHILD, "a child too many");
}

static void zombies(void)
{
    pid_t ended = start(exit_5), killed = start(sleep_on);

    kill(killed);
    wait_for_zombie(ended);
    wait_for_zombie(killed);
    ready_and_wait();
    CHECK(info_of(ended).state == PS_ZOMBIE && strcmp(info_of(ended).name, "kinds") == 0, "a zombie has a name");
    int status = status_of(killed);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "killed: %#x", status);
    status = status_of(ended);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 5, "ended: %#x", status);
    CHECK(wait(NULL) == -1 && errno == ECHILD, "waited for twice");
}

static void zombies_parent(void)
{
    pid_t mine = start(exit_5);

    wait_for_zombie(mine);
    wait_for_go();
    CHECK(WEXITSTATUS(status_of(mine)) == 5, "its status");
}

// A child that has a zombie of its own.
static void zombie_of_child(void)
{
    pid_t child = start(zombies_parent);

    sleep_ticks(3);
    ready_and_wait();
    expect_pass(child);
}

// Three levels, two children each; everybody's status is told upward.
static int branch(int level)
{
    pid_t pid = getpid(), children[2];

    for (int k = 0; level < 3 && k < 2; k++) {
        children[k] = fork();
        CHECK(children[k] >= 0, "fork");
        if (children[k] == 0) {
            CHECK(getppid() == pid, "born to %d", getppid());
            _exit(branch(level + 1));
        }
    }
    if (level == 0)
        say_ready();
    wait_for_go();
    CHECK(getpid() == pid, "%d became %d", pid, getpid());
    int sum = 1;
    for (int k = 0; level < 3 && k < 2; k++)
        sum += WEXITSTATUS(status_of(children[k]));
    return sum;
}

static void process_tree(void)
{
    int count = branch(0);

    CHECK(count == 15, "%d of 15 processes", count);
}

static void fork_afterwards(void)
{
    pid_t before = start(exit_7_on_go);

    ready_and_wait();
    pid_t after = start(exit_5);
    CHECK(after > 0 && after != before && after != getpid(), "pid %d", after);
    CHECK(WEXITSTATUS(status_of(after)) == 5, "a child born afterwards");
    CHECK(WEXITSTATUS(status_of(before)) == 7, "a child born before");
}

static void pids_anew(void)
{
    pid_t before = start(exit_7_on_go);

    ready_and_wait();
    for (int k = 0; k < 60; k++) {
        pid_t pid = start(exit_5);
        CHECK(pid != before && pid != getpid(), "pid %d is taken", pid);
        CHECK(WEXITSTATUS(status_of(pid)) == 5, "round %d", k);
    }
    CHECK(WEXITSTATUS(status_of(before)) == 7, "the first child");
}

static void killed_afterwards(void)
{
    pid_t sleeper = start(sleep_on), other = start(sleep_on);

    ready_and_wait();
    pid_t killer = fork();
    if (killer == 0)
        _exit(kill(other) ? 1 : 0);
    CHECK(kill(sleeper) == 0, "kill");
    CHECK(WIFSIGNALED(status_of(sleeper)), "its parent kills it");
    CHECK(WIFSIGNALED(status_of(other)), "its sibling kills it");
    expect_pass(killer);
    CHECK(kill(sleeper) == -1 && errno == ESRCH, "it is gone");
}

static void exec_afterwards(void)
{
    char *const vector[] = { "kinds", "--exec", "a word", NULL };

    ready_and_wait();
    pid_t child = fork();
    if (child == 0) {
        execv("/kinds", vector);
        _exit(1);
    }
    CHECK(WEXITSTATUS(status_of(child)) == 42, "the program that was executed");
}

// ---- pipes

static int ends[2], back[2];

static void make_pipe(int fds[2])
{
    CHECK(pipe(fds) == 0, "pipe");
}

static void pipe_empty(void)
{
    make_pipe(ends);
    ready_and_wait();
    CHECK(write(ends[1], "through", 7) == 7 && read(ends[0], bytes, 100) == 7 && !memcmp(bytes, "through", 7),
          "use it");
    close(ends[1]);
    CHECK(read(ends[0], bytes, 1) == 0, "its end");
}

static void pipe_data(void)
{
    make_pipe(ends);
    // Twice around the ring, so that what is in it lies over its end.
    fill_pattern(bytes, 0, 12000);
    CHECK(write(ends[1], bytes, 12000) == 12000 && read_all(ends[0], more, 12000) == 12000, "first");
    CHECK(write(ends[1], bytes, 9000) == 9000, "write");
    ready_and_wait();
    CHECK(write(ends[1], "x", 1) == 1, "one more");
    close(ends[1]);
    size_t n = read_all(ends[0], more, sizeof(more));
    CHECK(n == 9001 && right_pattern(more, 0, 9000) == 9000 && more[9000] == 'x', "%u bytes", (unsigned)n);
}

enum { FLOOD = 100000 };

static void flood(void)
{
    close(ends[0]);
    fill_pattern(bytes, 3, FLOOD);
    ssize_t n = write(ends[1], bytes, FLOOD);
    CHECK(n == FLOOD, "wrote %d", (int)n);
}

// A writer that is blocked in the middle of one write: each byte arrives once.
static void pipe_writer(void)
{
    make_pipe(ends);
    pid_t child = start(flood);
    close(ends[1]);
    wait_until_waits_for(child, "pipe");
    CHECK(read_all(ends[0], bytes, 1000) == 1000, "the beginning");
    wait_until_waits_for(child, "pipe");
    ready_and_wait();
    size_t n = 1000 + read_all(ends[0], bytes + 1000, sizeof(bytes) - 1000);
    CHECK(n == FLOOD, "%u bytes of %d", (unsigned)n, FLOOD);
    CHECK(right_pattern(bytes, 3, FLOOD) == FLOOD, "wrong at %u", (unsigned)right_pattern(bytes, 3, FLOOD));
    expect_pass(child);
}

static void take_word(void)
{
    close(ends[1]);
    ssize_t n = read(ends[0], more, sizeof(more));
    CHECK(n == 4 && !memcmp(more, "word", 4), "read %d", (int)n);
    CHECK(read(ends[0], more, sizeof(more)) == 0, "its end");
}

static void pipe_reader(void)
{
    make_pipe(ends);
    pid_t child = start(take_word);
    wait_until_waits_for(child, "pipe");
    ready_and_wait();
    CHECK(write(ends[1], "word", 4) == 4, "write");
    close(ends[1]);
    expect_pass(child);
}

// Four processes in a ring hand a counter on, all the time; the go stops the first.
static void pipe_loop(void)
{
    enum { RING = 4 };
    int fds[RING][2];
    uint32_t count = 0;
    pid_t pids[RING];

    for (int k = 0; k < RING; k++)
        make_pipe(fds[k]);
    for (int k = 1; k < RING; k++) {
        pids[k] = fork();
        if (pids[k] == 0) {
            for (int j = 0; j < RING; j++) {
                if (j != k)
                    close(fds[j][0]);
                if (j != (k + 1) % RING)
                    close(fds[j][1]);
            }
            while (read(fds[k][0], &count, sizeof(count)) == sizeof(count)) {
                count++;
                write(fds[(k + 1) % RING][1], &count, sizeof(count));
            }
            _exit(0);
        }
    }
    for (int k = 1; k < RING; k++) {
        close(fds[k][0]);
        if (k != 1)
            close(fds[k][1]);
    }
    close(fds[0][1]);
    say_ready();
    uint32_t rounds = 0;
    do {
        CHECK(write(fds[1][1], &count, sizeof(count)) == sizeof(count), "round %u", rounds);
        CHECK(read(fds[0][0], &count, sizeof(count)) == sizeof(count), "round %u", rounds);
        rounds++;
        CHECK(count == rounds * (RING - 1), "round %u: %u", rounds, count);
    } while (rounds % 64 || !has_go());
    close(fds[1][1]);
    for (int k = 1; k < RING; k++)
        expect_pass(pids[k]);
}

// Three write into one pipe, at any time; two read from it. Each record arrives once, whole.
struct record {
    uint32_t writer, number, check, unused;  // 16 bytes: none lies across a border of the ring's pages
};

static void write_records(uint32_t writer)
{
    uint32_t n = 0;

    close(ends[0]);
    close(back[0]);
    do {
        struct record r = { writer, n, writer * 31 + n, 0 };
        CHECK(write(ends[1], &r, sizeof(r)) == sizeof(r), "write");
        n++;
    } while (n % 16 || !has_go());
    struct record last = { writer, n, ~0u, 0 };
    CHECK(write(back[1], &last, sizeof(last)) == sizeof(last), "tell");
}

// Its records, whoever else reads: numbers of a writer grow; in the end it tells how many it had.
static void read_records(void)
{
    struct record r, sums[3] = {};
    uint32_t next[3] = {};

    close(ends[1]);
    close(back[0]);
    while (read_all(ends[0], &r, sizeof(r)) == sizeof(r)) {
        CHECK(r.writer < 3 && r.check == r.writer * 31 + r.number, "a torn record");
        CHECK(r.number >= next[r.writer], "writer %u: %u after %u", r.writer, r.number, next[r.writer]);
        next[r.writer] = r.number + 1;
        sums[r.writer].number++;
    }
    for (uint32_t w = 0; w < 3; w++) {
        struct record mine = { w, sums[w].number, 0, 0 };
        CHECK(write(back[1], &mine, sizeof(mine)) == sizeof(mine), "tell");
    }
}

static void pipe_shared(void)
{
    uint32_t written[3] = {}, taken[3] = {};
    pid_t pids[5];
    struct record r;

    make_pipe(ends);
    make_pipe(back);
    for (uint32_t k = 0; k < 5; k++) {
        pids[k] = fork();
        CHECK(pids[k] >= 0, "fork");
        if (pids[k] == 0) {
            if (k < 3)
                write_records(k);
            else
                read_records();
            _exit(0);
        }
    }
    close(ends[0]);
    close(ends[1]);
    close(back[1]);
    ready_and_wait();
    while (read_all(back[0], &r, sizeof(r)) == sizeof(r))
        *(r.check ? &written[r.writer] : &taken[r.writer]) += r.number;
    for (int k = 0; k < 5; k++)
        expect_pass(pids[k]);
    for (int w = 0; w < 3; w++)
        CHECK(written[w] && written[w] == taken[w], "writer %d: %u written, %u read", w, written[w], taken[w]);
}

static void pipe_no_reader(void)
{
    make_pipe(ends);
    close(ends[0]);
    ready_and_wait();
    CHECK(write(ends[1], "x", 1) == -1 && errno == EPIPE, "write");
}

static void pipe_no_writer(void)
{
    make_pipe(ends);
    CHECK(write(ends[1], "end", 3) == 3, "write");
    close(ends[1]);
    ready_and_wait();
    CHECK(read(ends[0], bytes, 100) == 3 && !memcmp(bytes, "end", 3), "the rest");
    CHECK(read(ends[0], bytes, 100) == 0, "its end");
}

// Who holds an end a second time keeps the pipe open.
static void pipe_duplicates(void)
{
    make_pipe(ends);
    int again = dup(ends[1]);
    pid_t child = start(wait_for_go);
    ready_and_wait();
    close(ends[1]);
    CHECK(write(again, "ab", 2) == 2 && read(ends[0], bytes, 2) == 2, "by the other descriptor");
    expect_pass(child);
    close(again);
    CHECK(read(ends[0], bytes, 1) == 0, "its end");
}

// ---- files

static int create(const char *name, int flags)
{
    int fd = open(name, O_CREATE | O_TRUNC | flags);

    CHECK(fd >= 0, "%s", name);
    return fd;
}

static void write_pattern(int fd, unsigned from, size_t n)
{
    fill_pattern(bytes, from, n);
    CHECK(write(fd, bytes, n) == (ssize_t)n, "write of %u", (unsigned)n);
}

/* From the offset on there are n bytes of the pattern, and no more. */
static void expect_pattern(int fd, unsigned from, size_t n)
{
    size_t got = read_all(fd, bytes, sizeof(bytes));

    CHECK(got == n, "%u bytes, not %u", (unsigned)got, (unsigned)n);
    CHECK(right_pattern(bytes, from, n) == n, "wrong at %u", (unsigned)right_pattern(bytes, from, n));
}

static void make_folder(const char *name)
{
    CHECK(mkdir(name) == 0 || errno == EEXIST, "%s", name);
}

static void file_write_read(void)
{
    int fd = create("f", O_RDWR);

    write_pattern(fd, 0, 5000);
    ready_and_wait();
    write_pattern(fd, 5000, 3000);
    CHECK(lseek(fd, 0, SEEK_SET) == 0, "seek");
    expect_pattern(fd, 0, 8000);
}

static void file_offset(void)
{
    int fd = create("f", O_RDWR);

    write_pattern(fd, 0, 10000);
    close(fd);
    fd = open("f", O_RDONLY);
    CHECK(read_all(fd, bytes, 4321) == 4321, "read");
    ready_and_wait();
    CHECK(lseek(fd, 0, SEEK_CUR) == 4321, "offset");
    expect_pattern(fd, 4321, 10000 - 4321);
    CHECK(write(fd, "x", 1) == -1 && errno == EBADF, "it is open for reading");
}

static void file_append(void)
{
    int fd = create("f", O_WRONLY | O_APPEND);

    write_pattern(fd, 0, 10);
    ready_and_wait();
    int other = open("f", O_RDWR);
    CHECK(lseek(other, 0, SEEK_END) == 10, "size");
    write_pattern(other, 10, 10);
    CHECK(lseek(fd, 0, SEEK_SET) == 0, "seek");
    write_pattern(fd, 20, 10);
    lseek(other, 0, SEEK_SET);
    expect_pattern(other, 0, 30);
}

// The offset belongs to the description, which parent and child share.
static void file_shared(void)
{
    int fd = create("f", O_RDWR);
    int own = open("f", O_RDWR);

    make_pipe(ends);
    pid_t child = fork();
    if (child == 0) {
        wait_for_go();
        CHECK(read(ends[0], more, 1) == 1, "turn");
        CHECK(lseek(fd, 0, SEEK_CUR) == 200, "the child sees %d", (int)lseek(fd, 0, SEEK_CUR));
        write_pattern(fd, 200, 100);
        _exit(0);
    }
    write_pattern(fd, 0, 100);
    ready_and_wait();
    write_pattern(fd, 100, 100);
    CHECK(lseek(own, 0, SEEK_CUR) == 0, "another description");
    write(ends[1], "x", 1);
    expect_pass(child);
    CHECK(lseek(fd, 0, SEEK_CUR) == 300, "the parent sees %d", (int)lseek(fd, 0, SEEK_CUR));
    expect_pattern(own, 0, 300);
}

static void file_links(void)
{
    struct stat st;
    int fd = create("a", O_RDWR);

    CHECK(link("a", "b") == 0, "link");
    write_pattern(fd, 0, 100);
    ready_and_wait();
    CHECK(fstat(fd, &st) == 0 && st.nlink == 2, "%d links", st.nlink);
    CHECK(unlink("a") == 0, "unlink");
    write_pattern(fd, 100, 100);
    int other = open("b", O_RDONLY);
    expect_pattern(other, 0, 200);
    CHECK(unlink("b") == 0, "unlink");
}

static void file_attributes(void)
{
    struct stat before, after, directory;
    int fd = create("f", O_RDWR), dir = open(".", O_RDONLY);

    write_pattern(fd, 0, 777);
    CHECK(fstat(fd, &before) == 0 && fstat(dir, &directory) == 0, "stat");
    ready_and_wait();
    CHECK(fstat(fd, &after) == 0, "stat");
    CHECK(memcmp(&before, &after, sizeof(before)) == 0, "file: size %u, inode %u", after.size, after.ino);
    CHECK(fstat(dir, &after) == 0 && after.ino == directory.ino && after.type == T_DIR, "directory");
    CHECK(stat("f", &after) == 0 && after.ino == before.ino, "its name means another file");
}

static void descriptors(void)
{
    int fd = create("f", O_RDWR), low;

    CHECK(dup2(fd, 9) == 9 && dup2(fd, OPEN_MAX - 1) == OPEN_MAX - 1, "dup2");
    CHECK(dup2(1, 20) == 20, "dup2");
    int other = open("f", O_RDONLY);
    CHECK(dup2(other, 30) == 30, "dup2");
    close(other);
    write_pattern(9, 0, 100);
    ready_and_wait();
    for (int k = 0; k < OPEN_MAX; k++) {
        int is_open = k <= 2 || k == fd || k == 9 || k == 20 || k == 30 || k == OPEN_MAX - 1;
        struct stat st;
        CHECK((fstat(k, &st) == 0) == is_open, "descriptor %d", k);
    }
    CHECK(lseek(fd, 0, SEEK_CUR) == 100 && lseek(OPEN_MAX - 1, 0, SEEK_CUR) == 100 && lseek(30, 0, SEEK_CUR) == 0,
          "offsets");
    low = dup(fd);
    CHECK(low == other, "the lowest free one is %d, not %d", low, other);
    write_pattern(low, 100, 50);
    expect_pattern(30, 0, 150);
}

static void directory_offset(void)
{
    struct dirent_slot one;
    char name[8];
    int seen = 0;

    make_folder("d");
    for (int k = 0; k < 20; k++) {
        snprintf(name, sizeof(name), "d/%d", k);
        close(create(name, O_WRONLY));
    }
    int dir = open("d", O_RDONLY);
    for (int k = 0; k < 9; k++)
        CHECK(read(dir, &one, sizeof(one)) == sizeof(one), "read");
    ready_and_wait();
    while (read(dir, &one, sizeof(one)) == sizeof(one))
        seen += one.inum != 0;
    CHECK(seen == 13, "%d entries behind the first 9", seen);
}

// ---- files without a name

static int create_unlinked(const char *name)
{
    int fd = create(name, O_RDWR);

    CHECK(unlink(name) == 0, "unlink");
    return fd;
}

static void unlinked_small(void)
{
    struct stat st;
    int fd = create_unlinked("gone");

    write_pattern(fd, 0, 3000);
    CHECK(lseek(fd, 1234, SEEK_SET) == 1234, "seek");
    ready_and_wait();
    CHECK(fstat(fd, &st) == 0 && st.nlink == 0 && st.size == 3000, "%d links, size %u", st.nlink, st.size);
    expect_pattern(fd, 1234, 3000 - 1234);
    write_pattern(fd, 3000, 500);
    lseek(fd, 0, SEEK_SET);
    expect_pattern(fd, 0, 3500);
    CHECK(open("gone", O_RDONLY) == -1, "it has a name again");
}

static void unlinked_large(void)
{
    int fd = create_unlinked("gone");

    for (unsigned k = 0; k < 16; k++)
        write_pattern(fd, k << 16, 1 << 16);
    ready_and_wait();
    CHECK(lseek(fd, 0, SEEK_CUR) == 1 << 20, "offset");
    lseek(fd, 0, SEEK_SET);
    expect_pattern(fd, 0, 1 << 20);
}

static void unlinked_holes(void)
{
    static const int places[] = { 0, 700000, 700001, 2500000 };
    int fd = create_unlinked("gone");
    unsigned char byte;
    struct stat st;

    for (int k = 0; k < 4; k++) {
        lseek(fd, places[k], SEEK_SET);
        write_pattern(fd, (unsigned)k, 1);
    }
    CHECK(ftruncate(fd, 3000000) == 0, "truncate");
    ready_and_wait();
    CHECK(fstat(fd, &st) == 0 && st.size == 3000000, "size %u", st.size);
    lseek(fd, 0, SEEK_SET);
    for (int base = 0; base < 3000000; base += 1 << 20) {
        size_t n = read_all(fd, bytes, sizeof(bytes));
        for (size_t k = 0; k < n; k++) {
            byte = 0;
            for (int j = 0; j < 4; j++)
                if (places[j] == base + (int)k)
                    byte = pattern((unsigned)j);
            CHECK(bytes[k] == byte, "%u at %u", bytes[k], base + (unsigned)k);
        }
    }
}

// Two descriptions, and a child that shares one of them.
static void unlinked_shared(void)
{
    int fd = create("gone", O_RDWR), reader = open("gone", O_RDONLY);

    CHECK(unlink("gone") == 0, "unlink");
    write_pattern(fd, 0, 100);
    pid_t child = fork();
    if (child == 0) {
        wait_for_go();
        write_pattern(fd, 100, 100);
        _exit(0);
    }
    ready_and_wait();
    expect_pass(child);
    CHECK(lseek(fd, 0, SEEK_CUR) == 200, "the shared offset");
    expect_pattern(reader, 0, 200);
}

// A file of the same name takes its place.
static void unlinked_replaced(void)
{
    int fd = create_unlinked("name");

    write_pattern(fd, 0, 100);
    int other = create("name", O_RDWR);
    write_pattern(other, 50, 70);
    ready_and_wait();
    lseek(fd, 0, SEEK_SET);
    lseek(other, 0, SEEK_SET);
    expect_pattern(fd, 0, 100);
    expect_pattern(other, 50, 70);
    CHECK(unlink("name") == 0, "unlink");
}

static void unlinked_empty(void)
{
    int fd = create_unlinked("gone");

    ready_and_wait();
    expect_pattern(fd, 0, 0);
    write_pattern(fd, 0, 10);
    lseek(fd, 0, SEEK_SET);
    expect_pattern(fd, 0, 10);
}

// ---- working directories

static void cwd_kept(void)
{
    char before[PATH_LEN], after[PATH_LEN];

    make_folder("inside");
    CHECK(chdir("inside") == 0 && getcwd(before, sizeof(before)), "go there");
    ready_and_wait();
    CHECK(getcwd(after, sizeof(after)) && strcmp(before, after) == 0, "%s became %s", before, after);
    close(create("x", O_WRONLY));
    CHECK(unlink("../inside/x") == 0, "a relative name");
    CHECK(chdir("..") == 0 && chdir("inside") == 0, "up and down");
}

static void cwd_removed(void)
{
    char path[PATH_LEN];

    make_folder("inside");
    CHECK(chdir("inside") == 0 && unlink("../inside") == 0, "remove it");
    ready_and_wait();
    CHECK(open("x", O_CREATE | O_WRONLY) == -1 && errno == ENOENT, "create");
    CHECK(open("../out", O_RDONLY) == -1 && errno == ENOENT, "upward");
    CHECK(!getcwd(path, sizeof(path)), "it has a name");
    CHECK(chdir("/") == 0 && getcwd(path, sizeof(path)) && strcmp(path, "/") == 0, "leave it");
}

// A child in another directory.
static void cwd_of_child(void)
{
    char path[PATH_LEN];

    make_folder("inside");
    pid_t child = fork();
    if (child == 0) {
        CHECK(chdir("inside") == 0, "chdir");
        wait_for_go();
        CHECK(getcwd(path, sizeof(path)) && strcmp(path + strlen(path) - 7, "/inside") == 0, "%s", path);
        close(create("x", O_WRONLY));
        _exit(0);
    }
    ready_and_wait();
    expect_pass(child);
    CHECK(unlink("inside/x") == 0, "made by the child");
}

static void chdir_afterwards(void)
{
    make_folder("inside");
    ready_and_wait();
    CHECK(chdir("inside") == 0, "chdir");
    close(create("x", O_WRONLY));
    CHECK(chdir("..") == 0 && unlink("inside/x") == 0, "and back");
}

static const struct {
    const char *name;
    void (*run)(void);
} kinds[] = {
    { "busyloop", busyloop },
    { "sleeping", sleeping },
    { "pid", pid_kept },
    { "arguments", arguments },
    { "clocks", clocks },
    { "console", console },
    { "heap", heap },
    { "memory_touch", memory_touch },
    { "memory_zeros", memory_zeros },
    { "cow_unchanged", cow_unchanged },
    { "cow_changed", cow_changed },
    { "text", text },
    { "stack", stack },
    { "x87_stack", x87_stack },
    { "x87_control", x87_control },
    { "sse_registers", sse_registers },
    { "sse_control", sse_control },
    { "mmx", mmx_registers },
    { "wait", blocked_in_wait },
    { "zombies", zombies },
    { "zombie_child", zombie_of_child },
    { "process_tree", process_tree },
    { "fork", fork_afterwards },
    { "pids_anew", pids_anew },
    { "kill", killed_afterwards },
    { "exec", exec_afterwards },
    { "pipe_empty", pipe_empty },
    { "pipe_data", pipe_data },
    { "pipe_writer", pipe_writer },
    { "pipe_reader", pipe_reader },
    { "pipe_loop", pipe_loop },
    { "pipe_shared", pipe_shared },
    { "pipe_no_reader", pipe_no_reader },
    { "pipe_no_writer", pipe_no_writer },
    { "pipe_twice", pipe_duplicates },
    { "write_read", file_write_read },
    { "file_offset", file_offset },
    { "file_append", file_append },
    { "file_shared", file_shared },
    { "file_links", file_links },
    { "file_stat", file_attributes },
    { "descriptors", descriptors },
    { "directory", directory_offset },
    { "gone_small", unlinked_small },
    { "gone_large", unlinked_large },
    { "gone_holes", unlinked_holes },
    { "gone_shared", unlinked_shared },
    { "gone_replaced", unlinked_replaced },
    { "gone_empty", unlinked_empty },
    { "cwd", cwd_kept },
    { "cwd_removed", cwd_removed },
    { "cwd_of_child", cwd_of_child },
    { "chdir", chdir_afterwards },
};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        for (int k = 0; k < KINDS; k++)
            printf("%s\n", kinds[k].name);
        return 0;
    }
    if (argc == 3 && strcmp(argv[1], "--exec") == 0)
        return strcmp(argv[2], "a word") == 0 ? 42 : 1;
    for (int k = 0; argc == 3 && k < KINDS; k++)
        if (strcmp(argv[1], kinds[k].name) == 0) {
            go_path = argv[2];
            args = argv;
            arg_count = argc;
            kinds[k].run();
            write(1, "pass\n", 5);
            return 0;
        }
    fprintf(stderr, "usage: kinds NAME GO | kinds --list\n");
    return 2;
}
