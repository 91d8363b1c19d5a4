// Families: freezing them while they live, jobs and their numbers.
#include "check.h"
#include <amber.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>

#define LIST_MAX 512

static struct proc_info list[LIST_MAX];

// The image is at its place or isn't: what is in it is of no interest to most of these tests.
static int save(pid_t pid, const char *path, unsigned flags)
{
    struct ckpt_save_args args = { .path = (uintptr_t)path, .pid = pid, .flags = flags | CKPT_SAVE_EXTERNAL };

    args.history = 1;
    return ckpt_save(&args, NULL);
}

// Become what is in the image; whatever leads out of it is what the caller has there.
static void revive(const char *path)
{
    struct ckpt_restore_args args = { .path = (uintptr_t)path, .flags = CKPT_RESTORE_ACCEPT };

    for (int fd = 0; fd < OPEN_MAX && args.inherits < CKPT_INHERIT_MAX; fd++) {
        int copy = dup(fd);
        if (copy < 0)
            continue;
        close(copy);
        args.inherit[args.inherits].saved = args.inherit[args.inherits].theirs = fd;
        args.inherits++;
    }
    (void)ckpt_restore(&args);
}

static const struct proc_info *find(pid_t pid)
{
    int n = proc_list(list, LIST_MAX);

    for (int i = 0; i < n && i < LIST_MAX; i++)
        if (list[i].pid == pid)
            return &list[i];
    return NULL;
}

static bool is_stopped(pid_t pid)
{
    const struct proc_info *p = find(pid);

    return p && p->state == PS_STOPPED;
}

_Noreturn static void sleep_for_ever(void)
{
    for (;;)
        sleep_ticks(1000);
}

static void grandchildren(int round)
{
    if (fork() == 0) {
        if (round & 1)
            sleep_ticks(1);
        _exit(0);
    }
    if (round % 2)
        wait(NULL);
}

// Fork, exit, wait, sleep and pipe for ever, and look whether each child is who it should be.
_Noreturn static void live_fast(void)
{
    for (int round = 0;; round++) {
        int fds[2], status;
        char byte;

        CHECK(pipe(fds) == 0, "pipe");
        pid_t pid = fork();
        CHECK(pid >= 0, "fork");
        if (pid == 0) {
            if (round % 3 == 0)
                grandchildren(round);
            write(fds[1], "x", 1);
            _exit(round & 127);
        }
        CHECK(read(fds[0], &byte, 1) == 1, "read");
        close(fds[0]);
        close(fds[1]);
        CHECK(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == (round & 127), "round %d", round);
        if (round % 5 == 0)
            sleep_ticks(1);
    }
}

static void a_family_in_full_swing_can_be_saved(void)
{
    pid_t root = fork();

    if (root == 0) {
        for (int i = 0; i < 3; i++)
            if (fork() == 0)
                live_fast();
        live_fast();
    }
    for (int i = 0; i < 40; i++)
        CHECK(save(root, "swing", CKPT_SAVE_TREE) == 0, "round %d", i);
    CHECK(save(root, "swing", CKPT_SAVE_TREE | CKPT_SAVE_STOP) == 0 && is_stopped(root), "stop");
    CHECK(save(root, "swing", CKPT_SAVE_TREE) == 0 && is_stopped(root), "what is stopped stays so");
    CHECK(cont(root) == 0 && !is_stopped(root), "cont");
    CHECK(save(root, "swing", CKPT_SAVE_TREE | CKPT_SAVE_KILL) == 0, "kill");
    CHECK(WTERMSIG(wait_for(root)) == SIGKILL, "killed");
    CHECK(save(root, "swing", CKPT_SAVE_TREE) == -1 && errno == ESRCH, "it is gone");
    unlink("swing");
}

// Child i of four saves its siblings, and all of the family that it is in itself.
static void save_others(int i, const pid_t pids[4])
{
    char name[16];

    snprintf(name, sizeof(name), "each%d", i);
    for (int round = 0; round < 15; round++) {
        pid_t target = round % 5 ? pids[(i + 1 + round % 3) % 4] : getppid();
        if (save(target, name, round & 1 ? CKPT_SAVE_TREE : 0))
            CHECK(errno == ESRCH, "process %d", target);
    }
    unlink(name);
}

static void processes_can_save_each_other_at_once(void)
{
    pid_t pids[4];
    int fds[2];

    CHECK(pipe(fds) == 0, "pipe");
    for (int i = 0; i < 4; i++) {
        pids[i] = fork();
        if (pids[i])
            continue;
        CHECK(read(fds[0], pids, sizeof(pids)) == sizeof(pids), "read");
        save_others(i, pids);
        _exit(0);
    }
    for (int i = 0; i < 4; i++)
        CHECK(write(fds[1], pids, sizeof(pids)) == sizeof(pids), "write");
    for (int i = 0; i < 4; i++)
        CHECK(wait_for(pids[i]) == 0, "child %d", i);
}

// What a family of three (leader, child, grandchild) finds in a job of its own.
static void look_around_in_job(pid_t child)
{
    CHECK(proc_list(list, LIST_MAX) == 3, "strangers in the job");
    for (int i = 0; i < 3; i++)
        CHECK(list[i].pgid == (list[i].pid == getpid() ? getpid() : child), "group %d of %d", list[i].pgid,
              list[i].pid);
    CHECK(kill(1) == -1 && errno == ESRCH && kill(getppid()) == -1 && errno == ESRCH, "outside");
    CHECK(setpgid(0, child) == 0 && setpgid(0, 12345) == -1 && setpgid(0, 0) == 0, "groups");

    CHECK(kill(child) == 0 && WTERMSIG(wait_for(child)) == SIGKILL, "the child");
    CHECK(proc_list(list, LIST_MAX) == 2, "the grandchild is left");
    const struct proc_info *orphan = list[0].pid == getpid() ? &list[1] : &list[0];
    CHECK(orphan->ppid == 1, "the orphan's parent is %d", orphan->ppid);
    CHECK(kill(orphan->pid) == 0, "the orphan");

    pid_t next = fork();
    if (next == 0)
        _exit(7);
    CHECK(next > 1 && next != getpid() && next != getppid() && next != child, "number %d", next);
    CHECK(WEXITSTATUS(wait_for(next)) == 7, "the new one");
}

static void numbers_in_a_job_are_its_own(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        setpgid(0, 0);
        pid_t self = getpid(), outside = getppid(), child = fork();
        if (child == 0) {
            setpgid(0, 0);
            (void)fork();
            sleep_for_ever();
        }
        while (proc_list(list, LIST_MAX), !find(child) || find(child)->pgid != child)
            sleep_ticks(1);
        sleep_ticks(2);
        int result = save(self, "job", CKPT_SAVE_TREE);
        CHECK(result >= 0 && getpid() == self && getppid() == outside, "numbers");
        if (result == 0)
            save(self, "job.killed", CKPT_SAVE_TREE | CKPT_SAVE_KILL);
        else
            look_around_in_job(child);
        _exit(0);
    }
    CHECK(wait_for(pid) == 0, "the first life");
    for (int i = 0; i < 2; i++) {
        pid_t again = fork();
        if (again == 0) {
            revive("job");
            _exit(1);
        }
        CHECK(wait_for(again) == 0, "life %d", i + 2);
    }
    unlink("job");
    unlink("job.killed");
}

static void a_family_with_a_job_in_it_is_refused(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        if (save(getpid(), "one", 0) == 0)
            _exit(0);
        sleep_for_ever();
    }
    wait_for(pid);
    pid_t outer = fork();
    if (outer == 0) {
        if (fork() == 0) {
            revive("one");
            _exit(1);
        }
        sleep_for_ever();
    }
    const struct proc_info *inner = NULL;
    for (int tries = 0; !inner && tries < 500; tries++, sleep_ticks(1)) {
        int n = proc_list(list, LIST_MAX);
        for (int i = 0; i < n && i < LIST_MAX; i++)
            if (list[i].ppid == outer && list[i].job)
                inner = &list[i];
    }
    CHECK(inner, "the job");
    pid_t in_job = inner->pid;
    CHECK(save(outer, "two", CKPT_SAVE_TREE) == -1 && errno == ENOTSUP, "both");
    kill(in_job);
    kill(outer);
    wait_for(outer);
    unlink("one");
}

static const struct test tests[] = {
    TEST(a_family_in_full_swing_can_be_saved),
    TEST(processes_can_save_each_other_at_once),
    TEST(numbers_in_a_job_are_its_own),
    TEST(a_family_with_a_job_in_it_is_refused),
};
RUN_TESTS(tests)
