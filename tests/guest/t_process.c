// Processes: fork, exit, wait, kill, exec, pipes between them, and preemption.
#include "check.h"
#include <amber.h>
#include <fcntl.h>
#include <stdint.h>

static void fork_fails_before_1000_and_all_are_waited_for(void)
{
    int n = 0;

    for (; n < 1000; n++) {
        pid_t pid = fork();
        if (pid < 0)
            break;
        if (pid == 0)
            _exit(0);
    }
    CHECK(n < 1000, "fork never failed");
    CHECK(n > 50, "only %d processes", n);
    for (int i = 0; i < n; i++)
        CHECK(wait(NULL) > 0, "child %d of %d is lost", i, n);
    CHECK(wait(NULL) == -1 && errno == ECHILD, "a child too many");
}

static void wait_gives_each_child_once(void)
{
    for (int i = 0; i < 100; i++) {
        int status;
        pid_t pid = fork();
        if (pid == 0)
            _exit(i);
        CHECK(wait(&status) == pid && WEXITSTATUS(status) == i, "round %d: status %#x", i, status);
    }
}

static void waitpid_chooses(void)
{
    pid_t first = fork();
    int status;

    if (first == 0)
        _exit(1);
    pid_t second = fork();
    if (second == 0)
        _exit(2);
    CHECK(waitpid(second, &status, 0) == second && WEXITSTATUS(status) == 2, "the second");
    CHECK(waitpid(first, &status, 0) == first && WEXITSTATUS(status) == 1, "the first");
    CHECK(waitpid(first, &status, 0) == -1 && errno == ECHILD, "twice");
    pid_t third = fork();
    if (third == 0)
        for (;;)
            sleep(100);
    CHECK(waitpid(third, &status, WNOHANG) == 0, "it has not ended");
    kill(third);
    CHECK(WTERMSIG(wait_for(third)) == SIGKILL, "killed");
}

static void kill_wakes_sleepers(void)
{
    int fds[2];
    pid_t pids[3];
    char byte;

    CHECK(pipe(fds) == 0, "pipe");
    for (int i = 0; i < 3; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            if (i == 0)
                sleep(10000);
            else if (i == 1)
                read(fds[0], &byte, 1);
            else {
                // The grandchild ends with the pipe's last writer, when this test does.
                if (fork() == 0) {
                    close(fds[1]);
                    read(fds[0], &byte, 1);
                    _exit(0);
                }
                wait(NULL);
            }
            _exit(0);
        }
    }
    sleep_ticks(5);
    for (int i = 0; i < 3; i++) {
        CHECK(kill(pids[i]) == 0, "kill");
        CHECK(WTERMSIG(wait_for(pids[i])) == SIGKILL, "sleeper %d", i);
    }
    CHECK(kill(pids[0]) == -1 && errno == ESRCH, "it is gone");
}

static void preemption_of_spinning_processes(void)
{
    pid_t pids[3];
    int fds[2];
    char byte;

    for (int i = 0; i < 2; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            for (;;)
                ;
    }
    CHECK(pipe(fds) == 0, "pipe");
    pids[2] = fork();
    if (pids[2] == 0) {
        close(fds[0]);
        CHECK(write(fds[1], "x", 1) == 1, "write");
        close(fds[1]);
        for (;;)
            ;
    }
    close(fds[1]);
    CHECK(read(fds[0], &byte, 1) == 1, "the third got a turn");
    close(fds[0]);
    for (int i = 0; i < 3; i++)
        kill(pids[i]);
    for (int i = 0; i < 3; i++)
        CHECK(wait(NULL) > 0, "wait");
}

static void pipe_carries_5_times_1033_bytes(void)
{
    enum { PIECE = 1033, ROUNDS = 5 };
    static unsigned char buf[8192];
    int fds[2], seen = 0, want = 1;
    ssize_t n;

    CHECK(pipe(fds) == 0, "pipe");
    pid_t pid = fork();
    if (pid == 0) {
        int next = 0;
        close(fds[0]);
        for (int round = 0; round < ROUNDS; round++) {
            for (int i = 0; i < PIECE; i++)
                buf[i] = (unsigned char)next++;
            CHECK(write(fds[1], buf, PIECE) == PIECE, "round %d", round);
        }
        _exit(0);
    }
    close(fds[1]);
    while ((n = read(fds[0], buf, (size_t)want)) > 0) {
        for (int i = 0; i < n; i++, seen++)
            CHECK(buf[i] == (seen & 0xff), "byte %d", seen);
        want = want * 2 > (int)sizeof(buf) ? (int)sizeof(buf) : want * 2;
    }
    CHECK(n == 0 && seen == PIECE * ROUNDS, "%d bytes came", seen);
    CHECK(wait_for(pid) == 0, "writer");
}

static void pipe_ends_are_noticed(void)
{
    int fds[2];
    char byte;

    CHECK(pipe(fds) == 0, "pipe");
    close(fds[1]);
    CHECK(read(fds[0], &byte, 1) == 0, "no writer: end of file");
    close(fds[0]);
    CHECK(pipe(fds) == 0, "pipe");
    close(fds[0]);
    CHECK(write(fds[1], "x", 1) == -1 && errno == EPIPE, "no reader: error");
    close(fds[1]);
    CHECK(pipe(fds) == 0, "pipe");
    CHECK(write(fds[0], "x", 1) == -1 && errno == EBADF, "the read end can't be written");
    CHECK(read(fds[1], &byte, 1) == -1 && errno == EBADF, "the write end can't be read");
}

static void pipe_blocks_a_fast_writer(void)
{
    enum { TOTAL = 300000 };
    static char buf[5000];
    int fds[2], got = 0;
    ssize_t n;

    CHECK(pipe(fds) == 0, "pipe");
    pid_t pid = fork();
    if (pid == 0) {
        for (int sent = 0; sent < TOTAL; sent += (int)sizeof(buf))
            CHECK(write(fds[1], buf, sizeof(buf)) == sizeof(buf), "a short write");
        _exit(0);
    }
    close(fds[1]);
    while ((n = read(fds[0], buf, 777)) > 0)
        got += (int)n;
    CHECK(got == TOTAL, "%d bytes", got);
    CHECK(wait_for(pid) == 0, "writer");
}

static void orphans_go_to_init(void)
{
    int fds[2];
    pid_t parent;

    CHECK(pipe(fds) == 0, "pipe");
    pid_t middle = fork();
    if (middle == 0) {
        if (fork() == 0) {
            for (int i = 0; i < 200 && getppid() == middle; i++)
                sleep_ticks(1);
            while (getppid() != 1)
                sleep_ticks(1);
            parent = getppid();
            write(fds[1], &parent, sizeof(parent));
        }
        _exit(0);
    }
    close(fds[1]);
    wait_for(middle);
    CHECK(read(fds[0], &parent, sizeof(parent)) == sizeof(parent) && parent == 1, "the parent is %d", parent);
}

static void sleep_lasts_its_ticks(void)
{
    int before = uptime();

    CHECK(sleep_ticks(10) == 0, "sleep");
    CHECK(uptime() - before >= 10, "only %d ticks", uptime() - before);
    CHECK(sleep_ticks(0) == 0, "no sleep");
}

static void uptime_grows(void)
{
    int before = uptime();

    for (int i = 0; i < 100; i++) {
        int now = uptime();
        CHECK(now >= before, "time ran back");
        before = now;
    }
}

static char *arguments[ARG_COUNT + 8];

static void exec_takes_32_arguments_at_most(void)
{
    for (int i = 0; i < ARG_COUNT; i++)
        arguments[i] = i ? "x" : "true";
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        execv("/true", arguments);
        _exit(9);
    }
    CHECK(wait_for(pid) == 0, "%d arguments", ARG_COUNT);
    for (int i = ARG_COUNT; i < ARG_COUNT + 4; i++)
        arguments[i] = "x";
    CHECK(execv("/true", arguments) == -1 && errno == E2BIG, "more of them");
}

static void exec_with_too_long_arguments_leaves_the_caller_whole(void)
{
    static char text[400];
    char *args[ARG_COUNT + 1];

    memset(text, 'a', sizeof(text) - 1);
    for (int i = 0; i < ARG_COUNT - 1; i++)
        args[i] = text;
    args[ARG_COUNT - 1] = NULL;
    int fd = open("/sh", O_RDONLY);
    CHECK(execv("/echo", args) == -1 && errno == E2BIG, "exec");
    CHECK(text[398] == 'a' && close(fd) == 0, "the caller is not what it was");
}

static void exec_with_bad_pointers_is_an_error(void)
{
    char *bad[] = { "echo", (char *)0x80000000u, NULL };

    CHECK(execv("/echo", (char **)0xfffffff0u) == -1, "argv");
    CHECK(execv("/echo", bad) == -1, "argv[1]");
    CHECK(execv((char *)0xdeadbeefu, bad) == -1, "path");
    CHECK(execv("/nosuchprogram", (char *[]){ "x", NULL }) == -1 && errno == ENOENT, "no such file");
    CHECK(execv("/", (char *[]){ "x", NULL }) == -1, "a directory");
}

static void exec_of_a_text_is_refused(void)
{
    int fd = open("text", O_CREATE | O_RDWR);

    CHECK(write(fd, "not a program\n", 14) == 14, "write");
    close(fd);
    CHECK(execv("text", (char *[]){ "text", NULL }) == -1 && errno == ENOEXEC, "exec");
    unlink("text");
}

static void exec_inherits_descriptors(void)
{
    char buf[8] = "";
    int fds[2];

    CHECK(pipe(fds) == 0, "pipe");
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fds[1], 1);
        execv("/echo", (char *[]){ "echo", "hello", NULL });
        _exit(9);
    }
    close(fds[1]);
    CHECK(read(fds[0], buf, sizeof(buf)) == 6 && memcmp(buf, "hello\n", 6) == 0, "got %s", buf);
    CHECK(wait_for(pid) == 0, "echo");
}

static void sixteen_descriptors_at_least(void)
{
    int fds[OPEN_MAX], n = 0;

    while (n < OPEN_MAX && (fds[n] = dup(1)) >= 0)
        n++;
    CHECK(n >= 13, "only %d more than three", n);
    CHECK(errno == EMFILE, "the end is an error");
    for (int i = 0; i < n; i++)
        close(fds[i]);
}

static void dup_takes_the_lowest_number(void)
{
    int a = dup(1), b = dup(1);

    CHECK(b == a + 1, "%d, %d", a, b);
    close(a);
    CHECK(dup(1) == a, "the hole is filled");
    close(a);
    close(b);
}

// The state of a process, or 0 when there is none.
static int state_of(pid_t pid)
{
    static struct proc_info list[512];
    int n = proc_list(list, 512);

    for (int i = 0; i < n && i < 512; i++)
        if (list[i].pid == pid)
            return list[i].state;
    return 0;
}

static void await_stopped(pid_t pid)
{
    for (int i = 0; i < 1000 && state_of(pid) != PS_STOPPED; i++)
        sleep_ticks(1);
    CHECK(state_of(pid) == PS_STOPPED, "state %d", state_of(pid));
}

// A child that waits for a byte on gate[0], then writes a byte to out[1] for each call it makes.
static pid_t start_writer(int gate[2], int out[2])
{
    char byte;

    CHECK(pipe(gate) == 0 && pipe(out) == 0, "pipes");
    pid_t pid = fork();
    if (pid == 0) {
        CHECK(read(gate[0], &byte, 1) == 1, "gate");
        for (int i = 0; i < 10; i++)
            write(out[1], "x", 1);
        _exit(0);
    }
    close(out[1]);
    return pid;
}

static void stop_at_stops_after_the_nth_call(void)
{
    int gate[2], out[2];
    char buf[20];
    pid_t pid = start_writer(gate, out);

    CHECK(stop_at(pid, EVENT_CALL, 1 + 3) == 0, "stop_at");
    CHECK(write(gate[1], "x", 1) == 1, "gate");
    await_stopped(pid);
    CHECK(read(out[0], buf, sizeof(buf)) == 3, "three writes came");
    CHECK(stop_at(pid, EVENT_CALL, 5) == 0 && cont(pid) == 0, "on");
    await_stopped(pid);
    CHECK(read(out[0], buf, sizeof(buf)) == 5, "five more");
    CHECK(stop_at(pid, EVENT_CALL, 1) == 0 && stop_at(pid, EVENT_CALL, 0) == 0 && cont(pid) == 0, "forget it");
    CHECK(wait_for(pid) == 0, "it ended");
    CHECK(read(out[0], buf, sizeof(buf)) == 2, "the last two");
}

static void a_stopped_process_can_be_killed(void)
{
    int gate[2], out[2];
    pid_t pid = start_writer(gate, out);

    CHECK(stop_at(pid, EVENT_CALL, 1) == 0 && write(gate[1], "x", 1) == 1, "stop_at");
    await_stopped(pid);
    CHECK(kill(pid) == 0 && WTERMSIG(wait_for(pid)) == SIGKILL, "killed");
}

static void stop_at_a_tick_interrupts_a_sleep_that_goes_on(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        int before = uptime();
        int result = sleep_ticks(30);
        _exit(result == 0 && uptime() - before >= 30 ? 0 : 1);
    }
    CHECK(stop_at(pid, EVENT_TICK, 3) == 0, "stop_at");
    await_stopped(pid);
    CHECK(cont(pid) == 0 && wait_for(pid) == 0, "it slept well");
}

static void stop_at_a_tick_stops_a_spinning_process(void)
{
    pid_t pid = fork();

    if (pid == 0)
        for (;;)
            ;
    CHECK(stop_at(pid, EVENT_TICK, 2) == 0, "stop_at");
    await_stopped(pid);
    CHECK(stop_at(pid, EVENT_TICK, 2) == 0 && cont(pid) == 0, "again");
    await_stopped(pid);
    kill(pid);
    wait_for(pid);
}

static void stop_at_stops_after_page_faults(void)
{
    enum { PAGE = 4096, PAGES = 8 };
    int gate[2], out[2];
    char byte, buf[PAGES];

    CHECK(pipe(gate) == 0 && pipe(out) == 0, "pipes");
    pid_t pid = fork();
    if (pid == 0) {
        // What it needs besides the new pages is its own before the count begins.
        char *pages = sbrk(PAGES * PAGE);
        CHECK(write(out[1], "r", 1) == 1 && read(gate[0], &byte, 1) == 1, "gate");
        for (int i = 0; i < PAGES; i++) {
            *(volatile char *)&pages[i * PAGE] = 1;
            write(out[1], "x", 1);
        }
        _exit(0);
    }
    CHECK(read(out[0], &byte, 1) == 1, "it is ready");
    int stops = 0, writes = 0;
    CHECK(stop_at(pid, EVENT_FAULT, 1) == 0 && write(gate[1], "x", 1) == 1, "stop_at");
    for (; stops < PAGES; stops++) {
        await_stopped(pid);
        CHECK(stop_at(pid, EVENT_FAULT, stops < PAGES - 1) == 0 && cont(pid) == 0, "on");
    }
    CHECK(wait_for(pid) == 0, "it ended");
    close(out[1]);
    for (ssize_t n; (n = read(out[0], buf, sizeof(buf))) > 0;)
        writes += (int)n;
    CHECK(writes == PAGES, "%d writes", writes);
}

static void stop_at_and_cont_refuse_what_is_wrong(void)
{
    CHECK(stop_at(getpid(), EVENT_CALL, 1) == -1 && errno == EPERM, "itself");
    CHECK(stop_at(1, EVENT_CALL, 1) == -1 && errno == EPERM, "not a descendant");
    CHECK(stop_at(29999, EVENT_CALL, 1) == -1 && errno == ESRCH, "nobody");
    CHECK(stop_at(getpid(), 0, 1) == -1 && errno == EINVAL, "no event");
    CHECK(stop_at(getpid(), EVENT_TICK + 1, 1) == -1 && errno == EINVAL, "no event");
    CHECK(stop_at(getpid(), EVENT_CALL, -1) == -1 && errno == EINVAL, "a negative count");
    CHECK(cont(29999) == -1 && errno == ESRCH, "nobody");
    CHECK(cont(getpid()) == 0, "who isn't stopped");
}

static const struct test tests[] = {
    TEST(fork_fails_before_1000_and_all_are_waited_for),
    TEST(wait_gives_each_child_once),
    TEST(waitpid_chooses),
    TEST(kill_wakes_sleepers),
    TEST(preemption_of_spinning_processes),
    TEST(pipe_carries_5_times_1033_bytes),
    TEST(pipe_ends_are_noticed),
    TEST(pipe_blocks_a_fast_writer),
    TEST(orphans_go_to_init),
    TEST(sleep_lasts_its_ticks),
    TEST(uptime_grows),
    TEST(exec_takes_32_arguments_at_most),
    TEST(exec_with_too_long_arguments_leaves_the_caller_whole),
    TEST(exec_with_bad_pointers_is_an_error),
    TEST(exec_of_a_text_is_refused),
    TEST(exec_inherits_descriptors),
    TEST(sixteen_descriptors_at_least),
    TEST(dup_takes_the_lowest_number),
    TEST(stop_at_stops_after_the_nth_call),
    TEST(a_stopped_process_can_be_killed),
    TEST(stop_at_a_tick_interrupts_a_sleep_that_goes_on),
    TEST(stop_at_a_tick_stops_a_spinning_process),
    TEST(stop_at_stops_after_page_faults),
    TEST(stop_at_and_cont_refuse_what_is_wrong),
};
RUN_TESTS(tests)
