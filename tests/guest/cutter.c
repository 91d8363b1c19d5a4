// cutter [-e call|fault|tick] [-n N] [-s|-l|-r|-u] [-2] PROGRAM [ARG...]: checkpoint anywhere.
//
// Runs the program to its end, uncut. Then runs it again and stops it after every N-th system call, page fault or tick
// (-n, default 1); each time it is checkpointed with its descendants, ended by that, and restored; and so on to its
// end. What it wrote to standard output and its exit status must be those of the uncut run.
//
//     -s    single cuts: one run for each place, cut once at the N-th, 2N-th, 3N-th ... event. After a restore memory
//           comes in by page faults, so cutting at every fault of every life would never get to the end.
//     -l    cut once, at the N-th event, and leave it so: the machine may go down
//     -r    restore what -l left, and let it run to its end
//     -u    no cuts: proves that the program does the same each time
//     -2    a second process checkpoints it all the while, into another file
//
// Works in the folder /cut: images "img" and "other", outputs "uncut" and "out".
#include <amber.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <uapi/checkpoint.h>
#include <unistd.h>

enum { PATIENCE = 6000 };  // ticks
enum { CUTS_MAX = 20000 };

static const char image[] = "/cut/img", other_image[] = "/cut/other", uncut_output[] = "/cut/uncut",
                  output[] = "/cut/out";
static int event = EVENT_CALL, every = 1, rivals, mode;  // mode: a letter of s, l, r, u, or 0
static char **program;
static int cuts;
static int echo_to[2], echo_from[2];

// A process that answers each byte: by the time it does, whoever was ready before it has had the CPU.
static pid_t start_echo(void)
{
    char byte;

    if (pipe(echo_to) || pipe(echo_from))
        err(1, "pipe");
    pid_t pid = fork();
    if (pid == 0) {
        close(echo_to[1]);
        close(echo_from[0]);
        while (read(echo_to[0], &byte, 1) == 1)
            write(echo_from[1], &byte, 1);
        _exit(0);
    }
    close(echo_to[0]);
    close(echo_from[1]);
    return pid;
}

static void let_others_run(void)
{
    char byte = 0;

    write(echo_to[1], &byte, 1);
    read(echo_from[0], &byte, 1);
}

static struct proc_info info_of(pid_t pid)
{
    static struct proc_info list[256];
    int n = proc_list(list, 256);

    for (int k = 0; k < n && k < 256; k++)
        if (list[k].pid == pid)
            return list[k];
    return (struct proc_info){ .pid = pid };
}

// A child whose first call waits for its parent's word, so that whoever is faster, the parent knows what it counts.
static pid_t fork_waiting(int word[2])
{
    char byte;

    if (pipe(word))
        err(1, "pipe");
    pid_t pid = fork();
    if (pid < 0)
        err(1, "fork");
    if (pid)
        return pid;
    read(word[0], &byte, 1);
    close(word[0]);
    close(word[1]);
    close(echo_to[1]);
    close(echo_from[0]);
    return 0;
}

static void give_word(int word[2])
{
    write(word[1], "", 1);
    close(word[0]);
    close(word[1]);
}

static _Noreturn void become_program(const char *path)
{
    int fd = open(path, O_CREATE | O_TRUNC | O_WRONLY);

    if (fd < 0 || chdir("/cut"))
        err(98, "%s", path);
    dup2(fd, 1);
    if (fd != 1)
        close(fd);
    execvp(program[0], program);
    err(98, "%s", program[0]);
}

static _Noreturn void become_image(void)
{
    struct ckpt_restore_args args = { .path = (uintptr_t)image };

    ckpt_restore(&args);
    err(99, "restore");
}

enum outcome { STOPPED, ENDED, LOST };

// Until it is stopped, or has ended as *status says, or nothing happens for too long.
static enum outcome wait_for_event(pid_t pid, int *status)
{
    for (int end = uptime() + PATIENCE; uptime() < end; let_others_run()) {
        if (waitpid(pid, status, WNOHANG) == pid)
            return ENDED;
        if (info_of(pid).state == PS_STOPPED)
            return STOPPED;
    }
    return LOST;
}

static int is_named(pid_t pid, const char *name)
{
    return strcmp(info_of(pid).name, name) == 0;
}

static void await_event(pid_t pid, int what, int n)
{
    if (stop_at(pid, what, n) || cont(pid))
        err(1, "stop_at");
}

// Call by call, until the child runs the program.
static void step_into_program(pid_t pid)
{
    int status;

    while (is_named(pid, program_name)) {
        await_event(pid, EVENT_CALL, 1);
        if (wait_for_event(pid, &status) != STOPPED)
            errx(1, "the program doesn't begin");
    }
}

// Start a life of the program, fresh or from the image, that will be stopped after n events of its own; 0: not.
static pid_t begin_life(int fresh, int n)
{
    int word[2], status;
    pid_t pid = fork_waiting(word);

    if (pid == 0) {
        if (fresh)
            become_program(output);
        become_image();
    }
    if (n && stop_at(pid, EVENT_CALL, 1))
        err(1, "stop_at");
    give_word(word);
    if (!n)
        return pid;
    if (wait_for_event(pid, &status) != STOPPED)
        errx(1, "the child was not stopped");
    if (fresh)
        step_into_program(pid);
    await_event(pid, event, n);
    return pid;
}

// As wait_for_event(), but stops before it runs the image don't count.
static enum outcome wait_for_cut(pid_t pid, int n, int *status)
{
    enum outcome outcome;

    while ((outcome = wait_for_event(pid, status)) == STOPPED && is_named(pid, program_name))
        await_event(pid, event, n);
    return outcome;
}

static int save(pid_t pid, const char *path, uint32_t flags)
{
    struct ckpt_save_args args = { .path = (uintptr_t)path, .pid = pid, .flags = flags, .history = 2 };
    struct ckpt_figures figures;

    return ckpt_save(&args, &figures);
}

// The second checkpointer: as often as it can, until the process has ended.
static pid_t start_rival(pid_t pid)
{
    pid_t rival = fork();

    if (rival)
        return rival;
    while (is_named(pid, program_name))
        sleep_ticks(1);
    while (save(pid, other_image, CKPT_SAVE_TREE) == 0 || errno != ESRCH)
        sleep_ticks(1);
    _exit(0);
}

// The process is stopped: checkpoint, so that it ends.
static void cut(pid_t pid)
{
    int status;

    if (save(pid, image, CKPT_SAVE_TREE | CKPT_SAVE_KILL))
        err(1, "cut %d: checkpoint", cuts + 1);
    if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status))
        errx(1, "cut %d: it was not ended by the checkpoint", cuts + 1);
    if (++cuts > CUTS_MAX)
        errx(1, "it doesn't come to its end");
}

// One life, cut after n events (0: not), or to its end: true, with its status.
static int live(int fresh, int n, int *status)
{
    pid_t pid = begin_life(fresh, n), rival = rivals ? start_rival(pid) : 0;
    enum outcome outcome = wait_for_cut(pid, n, status);

    if (outcome == LOST)
        errx(1, "after %d cuts: nothing happens any more", cuts);
    if (outcome == STOPPED)
        cut(pid);
    if (rival) {
        kill(rival);
        waitpid(rival, NULL, 0);
    }
    return outcome == ENDED;
}

static int run_uncut(void)
{
    int word[2], status;
    pid_t pid = fork_waiting(word);

    if (pid == 0)
        become_program(uncut_output);
    give_word(word);
    waitpid(pid, &status, 0);
    return status;
}

static char *contents(const char *path, size_t *size)
{
    static char bytes[2][65536];
    static int turn;
    char *to = bytes[turn++ % 2];
    int fd = open(path, O_RDONLY);

    if (fd < 0)
        err(1, "%s", path);
    *size = 0;
    for (ssize_t n; (n = read(fd, to + *size, sizeof(bytes[0]) - *size)) > 0;)
        *size += (size_t)n;
    close(fd);
    return to;
}

static void compare(int status, int expected)
{
    size_t size, right_size;
    char *right = contents(uncut_output, &right_size), *now = contents(output, &size);

    if (status != expected)
        printf("after %d cuts: status %#x, not %#x\n", cuts, status, expected);
    if (size != right_size || memcmp(now, right, size) != 0)
        printf("after %d cuts: other output than uncut; it is:\n%.*s\n", cuts, (int)size, now);
    if (status != expected || size != right_size || memcmp(now, right, size) != 0)
        exit(1);
}

// Cut at every n-th event of every life.
static void run_chain(int expected)
{
    int status = 0, fresh = 1;

    while (!live(fresh, mode == 'u' ? 0 : every, &status))
        fresh = 0;
    compare(status, expected);
}

// One run for each place.
static void run_singles(int expected)
{
    int status = 0;

    for (int n = every; !live(1, n, &status); n += every) {
        while (!live(0, 0, &status))
            ;
        compare(status, expected);
    }
    compare(status, expected);
}

// Cut once, and no more.
static void run_until_cut(void)
{
    int status;

    if (live(1, every, &status))
        errx(1, "it ended before event %d", every);
}

static void run_rest(int expected)
{
    int status = 0;

    (void)live(0, 0, &status);
    compare(status, expected);
}

static int event_named(const char *name)
{
    return strcmp(name, "call") == 0    ? EVENT_CALL
           : strcmp(name, "fault") == 0 ? EVENT_FAULT
           : strcmp(name, "tick") == 0  ? EVENT_TICK
                                        : 0;
}

int main(int argc, char **argv)
{
    int option;

    while ((option = getopt(argc, argv, "e:n:slru2")) != -1) {
        if (option == 'e')
            event = event_named(optarg);
        else if (option == 'n')
            every = atoi(optarg);
        else if (strchr("slru", option))
            mode = option;
        else if (option == '2')
            rivals = 1;
        else
            event = 0;
    }
    if (!event || every <= 0 || optind == argc)
        errx(2, "usage: cutter [-e call|fault|tick] [-n N] [-s|-l|-r|-u] [-2] PROGRAM [ARG...]");
    program = argv + optind;
    mkdir("/cut");
    if (mode != 'r')
        unlink(image);
    unlink(other_image);
    pid_t echo = start_echo();
    int expected = run_uncut();
    if (mode == 's')
        run_singles(expected);
    else if (mode == 'l')
        run_until_cut();
    else if (mode == 'r')
        run_rest(expected);
    else
        run_chain(expected);
    close(echo_to[1]);
    waitpid(echo, NULL, 0);
    printf("ok");
    for (int k = 0; program[k]; k++)
        printf(" %s", program[k]);
    printf(": %d cuts, status %d\n", cuts, WIFEXITED(expected) ? WEXITSTATUS(expected) : -WTERMSIG(expected));
    return 0;
}
