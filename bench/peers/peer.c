// peer KIND MIB ROUNDS FOLDER [COMMAND...]: what a checkpointing system of Linux costs, measured from inside, on the
// work that bench/checkpoints.c gives to Amber.
//
//     peer fork ...                    fork(), and the child writes the memory to a file, with fdatasync()
//     peer criu ... PROGRAM...         CRIU; PROGRAM is how it is called
//     peer dmtcp ... PREFIX            DMTCP, without compression; PREFIX/bin has its programs
//
// In each round a process with so much memory is saved into the empty FOLDER while it runs on, then killed, then
// restored. Lines are "name value unit"; what fails is told on the error output, and the exit status is 1.
//
// The process (`peer work MIB`) and the one that measures it share a page, which is a file in the host's memory: it is
// mapped again by a restore. The clock is the wall's, the only one that is the same for both: CRIU gives a restored
// process a monotonic clock that goes on from when it was saved.
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE         4096u
#define MIB          (1024u * 1024)
#define SECOND       1000000000ull
#define PATIENCE     (180 * SECOND)
#define LIFETIME     (3 * PATIENCE)
#define ARGUMENTS    32
#define SHARED       "/dev/shm/amber-peer"
#define PORT         "7817"
#define FORKED_IMAGE "image"

enum order { NOTHING, TOUCH_ALL, FORK_AND_WRITE, END };

// All fields are zero at the beginning. The measuring process writes `order` and `asked`, the measured one the rest; it
// sets `order` back to NOTHING when it is done.
struct shared {
    pid_t pid;  // not 0: the memory is filled, and the process looks at the clock
    enum order order;
    uint32_t asked;  // asked != answered: it shall tell the longest gap since the last answer
    uint32_t answered;
    uint64_t longest_ns;  // that answer
    uint64_t first_ns;    // when TOUCH_ALL was seen,
    uint64_t all_ns;      // and when it was done
    uint64_t begun_ns;    // when the fork was begun,
    uint64_t forked_ns;   // when it returned,
    uint64_t durable_ns;  // and when the child had written all
};

static volatile struct shared *shared;
static const char *folder;
static char **command;  // the rest of the command line: who checkpoints
static uint32_t mib;

static uint64_t clock_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static void sleep_ms(unsigned ms)
{
    usleep(ms * 1000);
}

static void shared_map(int flags)
{
    int fd = open(SHARED, O_RDWR | flags, 0600);

    if (fd < 0 || ftruncate(fd, PAGE) < 0)
        err(1, "%s", SHARED);
    shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (shared == MAP_FAILED)
        err(1, "%s", SHARED);
    close(fd);
}

// ---- the process that is measured

static uint32_t *memory;
static uint32_t pages;

static void fill(void)
{
    pages = mib * (MIB / PAGE);
    memory = mmap(NULL, (size_t)mib * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        err(1, "memory");
    for (uint32_t i = 0; i < pages; i++)
        for (uint32_t w = 0; w < PAGE / 4; w += 16)
            memory[i * (PAGE / 4) + w] = i * 2654435761u ^ w ^ 1;
}

static void change_next_page(void)
{
    static uint32_t at;

    memory[at * (PAGE / 4)]++;
    at = (at + 1) % pages;
}

static void touch_all(void)
{
    shared->first_ns = clock_ns();
    for (uint32_t i = 0; i < pages; i++)
        (void)*(volatile uint32_t *)&memory[i * (PAGE / 4)];
    shared->all_ns = clock_ns();
}

static void write_memory(void)
{
    size_t size = (size_t)mib * MIB;
    int fd = open(FORKED_IMAGE, O_CREAT | O_EXCL | O_WRONLY, 0600);

    if (fd < 0)
        err(1, FORKED_IMAGE);
    for (size_t done = 0; done < size;) {
        ssize_t n = write(fd, (char *)memory + done, size - done);
        if (n < 0)
            err(1, FORKED_IMAGE);
        done += (size_t)n;
    }
    if (fdatasync(fd) < 0)
        err(1, FORKED_IMAGE);
}

static void fork_and_write(void)
{
    shared->begun_ns = clock_ns();
    pid_t child = fork();
    if (child < 0)
        err(1, "fork");
    if (child == 0) {
        write_memory();
        shared->durable_ns = clock_ns();
        _exit(0);
    }
    shared->forked_ns = clock_ns();
}

// Look at the clock all the time, and keep the longest gap. A twentieth of the memory changes each second. Who is
// forgotten ends by itself.
static void watch(void)
{
    uint64_t last = clock_ns(), begin = last, longest = 0, changed = 0;

    while (shared->order != END && last - begin < LIFETIME) {
        uint64_t now = clock_ns();
        if (now - last > longest)
            longest = now - last;
        last = now;
        if (shared->asked != shared->answered) {
            shared->longest_ns = longest;
            longest = 0;
            shared->answered = shared->asked;
        }
        if (shared->order == TOUCH_ALL) {
            touch_all();
            shared->order = NOTHING;
        } else if (shared->order == FORK_AND_WRITE) {
            shared->order = NOTHING;
            fork_and_write();
        }
        if (changed < (now - begin) * pages / 20 / SECOND) {
            change_next_page();
            changed++;
        }
    }
}

static int work(void)
{
    signal(SIGCHLD, SIG_IGN);
    shared_map(0);
    fill();
    shared->pid = getpid();
    watch();
    return 0;
}

// ---- programs that are run

// Appends `more` to the command line `line`, both ended by NULL.
static void append(char **line, char *const *more)
{
    size_t n = 0;

    while (line[n])
        n++;
    for (; *more; more++) {
        if (n + 1 == ARGUMENTS)
            errx(1, "too many arguments");
        line[n++] = *more;
    }
    line[n] = NULL;
}

// The child has a session of its own, and no file that this program was given: such things could be missing at a
// restore.
static pid_t start(char *const *line)
{
    pid_t child = fork();

    if (child < 0)
        err(1, "fork");
    if (child > 0)
        return child;
    setsid();
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; fd++)
        dup2(null, fd);
    close_range(3, ~0u, 0);
    execvp(line[0], line);
    _exit(127);
}

// Returns the exit status; a signal counts as a failure.
static int finish(pid_t child)
{
    int status;

    if (waitpid(child, &status, 0) < 0)
        err(1, "wait");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

// waitpid() for each process that is left. Restored ones are ours, too: PR_SET_CHILD_SUBREAPER.
static void reap_all(void)
{
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        ;
}

static void wait_until(bool (*done)(void), const char *what)
{
    for (uint64_t end = clock_ns() + PATIENCE; !done(); sleep_ms(1))
        if (clock_ns() > end)
            errx(1, "%s: nothing happened for %llu s", what, PATIENCE / SECOND);
}

// ---- the folder of images

// Calls visit() for each file in it.
static void each_file(void (*visit)(const char *name))
{
    DIR *d = opendir(".");

    if (!d)
        err(1, "%s", folder);
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_type == DT_REG)
            visit(e->d_name);
    closedir(d);
}

static void file_remove(const char *name)
{
    unlink(name);
}

static void file_make_durable(const char *name)
{
    int fd = open(name, O_RDONLY);

    if (fd < 0 || fsync(fd) < 0)
        err(1, "%s", name);
    close(fd);
}

static void folder_make_durable(void)
{
    each_file(file_make_durable);
    file_make_durable(".");
}

static uint64_t bytes_seen;

static void file_count(const char *name)
{
    struct stat st;

    if (stat(name, &st) == 0)
        bytes_seen += (uint64_t)st.st_size;
}

static uint64_t folder_bytes(void)
{
    bytes_seen = 0;
    each_file(file_count);
    return bytes_seen;
}

// ---- who checkpoints

// Each function ends this program when it fails.
struct peer {
    const char *name;
    void (*prepare)(void);   // once, before all rounds; may be NULL
    void (*launch)(void);    // start the process that is to be measured
    uint64_t (*save)(void);  // save it, durable, while it runs on; returns how long that took
    void (*kill)(void);      // end it
    void (*restore)(void);   // NULL: it can't. Returns when the process may run, or before
};

static char *work_line[4];

static bool is_ready(void)
{
    return shared->pid != 0;
}

static void launch_directly(void)
{
    start(work_line);
}

static void kill_directly(void)
{
    kill(shared->pid, SIGKILL);
    reap_all();
}

static bool is_forked_durable(void)
{
    return shared->durable_ns != 0;
}

static uint64_t fork_save(void)
{
    shared->durable_ns = 0;
    shared->order = FORK_AND_WRITE;
    wait_until(is_forked_durable, "fork and write");
    return shared->durable_ns - shared->begun_ns;
}

// What CRIU says of it in its log, which is named like what it did.
static void criu_failed(const char *what, int status)
{
    char name[32], text[256];

    snprintf(name, sizeof(name), "%s.log", what);
    FILE *f = fopen(name, "r");
    fprintf(stderr, "%s: exit status %d\n", what, status);
    while (f && fgets(text, sizeof(text), f))
        if (strstr(text, "Error"))
            fputs(text, stderr);
    exit(1);
}

static void criu_run(char *const *options)
{
    char *line[ARGUMENTS] = { NULL };

    append(line, command);
    append(line, options);
    int status = finish(start(line));
    if (status != 0)
        criu_failed(options[0], status);
}

// CRIU keeps what it has found out about the kernel in /run, if that lies in memory; else each call would find out
// again.
static void criu_prepare(void)
{
    struct statfs fs;
    char *line[ARGUMENTS] = { NULL };

    if (statfs("/run", &fs) < 0)
        err(1, "/run");
    if (fs.f_type != TMPFS_MAGIC &&
        (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
         mount("run", "/run", "tmpfs", 0, NULL) < 0))
        err(1, "/run in memory");
    append(line, command);
    append(line, (char *[]){ "check", NULL });
    finish(start(line));
}

static uint64_t criu_save(void)
{
    char pid[16];

    snprintf(pid, sizeof(pid), "%d", shared->pid);
    uint64_t begin = clock_ns();
    criu_run((char *[]){ "dump", "-v1", "-o", "dump.log", "--leave-running", "-t", pid, NULL });
    folder_make_durable();
    return clock_ns() - begin;
}

static void criu_restore(void)
{
    criu_run((char *[]){ "restore", "-v1", "-o", "restore.log", "-d", NULL });
}

// DMTCP's programs lie in PREFIX/bin; a coordinator of our own listens at PORT.
static pid_t dmtcp_start(const char *program, char *const *arguments)
{
    char path[512], *line[ARGUMENTS] = { path, "--coord-port", PORT, NULL };

    snprintf(path, sizeof(path), "%s/bin/%s", command[0], program);
    append(line, arguments);
    return start(line);
}

static void dmtcp_command(char *what)
{
    int status = finish(dmtcp_start("dmtcp_command", (char *[]){ what, NULL }));

    if (status != 0)
        errx(1, "dmtcp_command %s: exit status %d", what, status);
}

static void dmtcp_launch(void)
{
    char *line[ARGUMENTS] = { "--new-coordinator", "--no-gzip", "--ckptdir", ".", NULL };

    append(line, work_line);
    dmtcp_start("dmtcp_launch", line);
}

static uint64_t dmtcp_save(void)
{
    uint64_t begin = clock_ns();

    dmtcp_command("--bcheckpoint");
    folder_make_durable();
    return clock_ns() - begin;
}

static void dmtcp_kill(void)
{
    dmtcp_command("--quit");
    reap_all();
}

static char *dmtcp_image;

static void dmtcp_note_image(const char *name)
{
    size_t length = strlen(name);

    if (length > 6 && !strcmp(name + length - 6, ".dmtcp")) {
        free(dmtcp_image);
        dmtcp_image = strdup(name);
    }
}

static void dmtcp_restore(void)
{
    each_file(dmtcp_note_image);
    if (!dmtcp_image)
        errx(1, "dmtcp left no image");
    dmtcp_start("dmtcp_restart", (char *[]){ "--new-coordinator", dmtcp_image, NULL });
}

static const struct peer peers[] = {
    { "fork", NULL, launch_directly, fork_save, kill_directly, NULL },
    { "criu", criu_prepare, launch_directly, criu_save, kill_directly, criu_restore },
    { "dmtcp", NULL, dmtcp_launch, dmtcp_save, dmtcp_kill, dmtcp_restore },
};

// ---- measuring

static void show_us(const char *name, uint64_t ns)
{
    printf("%s %.1f us\n", name, (double)ns / 1000);
    fflush(stdout);
}

static bool has_answered(void)
{
    return shared->answered == shared->asked;
}

// Since the last call. The process must run for an answer, so a gap that has begun is over.
static uint64_t longest_gap(void)
{
    shared->asked++;
    wait_until(has_answered, "the process");
    return shared->longest_ns;
}

// What comes back from an image has the page's contents of now, or those of when it was saved: so the order is given
// anew until it is carried out.
static bool has_touched_all(void)
{
    if (shared->all_ns)
        return true;
    shared->order = TOUCH_ALL;
    return false;
}

static void end_process(void)
{
    if (shared)
        shared->order = END;
    unlink(SHARED);
}

static void measure_restore(const struct peer *peer)
{
    shared->order = TOUCH_ALL;
    uint64_t begin = clock_ns();
    peer->restore();
    wait_until(has_touched_all, "restore");
    show_us("first", shared->first_ns - begin);
    show_us("all", shared->all_ns - begin);
    peer->kill();
}

static void measure(const struct peer *peer)
{
    each_file(file_remove);
    folder_make_durable();
    shared_map(O_CREAT | O_TRUNC);
    peer->launch();
    wait_until(is_ready, "launch");
    sleep_ms(200);
    longest_gap();
    uint64_t took = peer->save();
    uint64_t gap = longest_gap();
    show_us("gap", gap);
    show_us("stop", shared->forked_ns ? shared->forked_ns - shared->begun_ns : gap);
    show_us("durable", took);
    printf("image %llu bytes\n", (unsigned long long)folder_bytes());
    peer->kill();
    if (peer->restore)
        measure_restore(peer);
    munmap((void *)shared, PAGE);
    shared = NULL;
}

static const struct peer *peer_named(const char *name)
{
    for (size_t i = 0; i < sizeof(peers) / sizeof(peers[0]); i++)
        if (!strcmp(peers[i].name, name))
            return &peers[i];
    errx(1, "%s: is neither fork, criu nor dmtcp", name);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        errx(1, "usage: peer KIND MIB ROUNDS FOLDER [COMMAND...]");
    mib = (uint32_t)atoi(argv[2]);
    if (!strcmp(argv[1], "work"))
        return work();
    if (argc < 5)
        errx(1, "usage: peer KIND MIB ROUNDS FOLDER [COMMAND...]");
    const struct peer *peer = peer_named(argv[1]);
    char *program = realpath("/proc/self/exe", NULL);
    memcpy(work_line, (char *[]){ program, "work", argv[2], NULL }, sizeof(work_line));
    folder = argv[4];
    command = argv + 5;
    if (chdir(folder) < 0)
        err(1, "%s", folder);
    atexit(end_process);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    if (peer->prepare)
        peer->prepare();
    for (int rounds = atoi(argv[3]); rounds > 0; rounds--)
        measure(peer);
    return 0;
}
