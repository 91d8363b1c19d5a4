// Files: contents, offsets, links, and files that several processes use at once.
#include "check.h"
#include <fcntl.h>
#include <sys/stat.h>

static char buf[16384];

static int create(const char *path)
{
    int fd = open(path, O_CREATE | O_RDWR);

    CHECK(fd >= 0, "cannot create %s", path);
    return fd;
}

static void create_with(const char *path, const char *text)
{
    int fd = create(path);

    CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text), "write to %s", path);
    close(fd);
}

static void small_file_is_read_back(void)
{
    int fd = create("small");

    for (int i = 0; i < 100; i++) {
        CHECK(write(fd, "aaaaaaaaaa", 10) == 10, "write %d", i);
        CHECK(write(fd, "bbbbbbbbbb", 10) == 10, "write %d", i);
    }
    close(fd);
    fd = open("small", O_RDONLY);
    CHECK(fd >= 0 && read(fd, buf, 2000) == 2000, "read");
    CHECK(memcmp(buf, "aaaaaaaaaabbbbbbbbbbaaaaaaaaaa", 30) == 0, "contents");
    CHECK(read(fd, buf, 1) == 0, "end of file");
    close(fd);
    CHECK(unlink("small") == 0, "unlink");
}

static void file_of_71680_bytes_in_512_byte_pieces(void)
{
    int fd = create("big");

    for (int i = 0; i < 140; i++) {
        memset(buf, 0, 512);
        memcpy(buf, &i, sizeof(i));
        CHECK(write(fd, buf, 512) == 512, "piece %d", i);
    }
    close(fd);
    fd = open("big", O_RDONLY);
    for (int i = 0; i < 140; i++) {
        int number;
        CHECK(read(fd, buf, 512) == 512, "piece %d", i);
        memcpy(&number, buf, sizeof(number));
        CHECK(number == i, "piece %d says %d", i, number);
    }
    CHECK(read(fd, buf, 512) == 0, "end of file");
    close(fd);
    CHECK(unlink("big") == 0, "unlink");
}

static void hundred_files_come_and_go(void)
{
    char name[3] = "a0";

    for (int i = 0; i < 100; i++) {
        name[0] = (char)('a' + i / 10);
        name[1] = (char)('0' + i % 10);
        close(create(name));
    }
    for (int i = 0; i < 100; i++) {
        name[0] = (char)('a' + i / 10);
        name[1] = (char)('0' + i % 10);
        CHECK(unlink(name) == 0, "%s", name);
    }
}

static void two_processes_share_an_offset(void)
{
    enum { ROUNDS = 1000, SIZE = 10 };
    int fd = create("shared"), c = 0, p = 0;

    pid_t pid = fork();
    memset(buf, pid == 0 ? 'c' : 'p', SIZE);
    for (int i = 0; i < ROUNDS; i++)
        CHECK(write(fd, buf, SIZE) == SIZE, "write %d", i);
    if (pid == 0)
        _exit(0);
    CHECK(wait_for(pid) == 0, "child");
    close(fd);
    fd = open("shared", O_RDONLY);
    for (ssize_t n; (n = read(fd, buf, sizeof(buf))) > 0;)
        for (ssize_t i = 0; i < n; i++) {
            c += buf[i] == 'c';
            p += buf[i] == 'p';
        }
    CHECK(c == ROUNDS * SIZE && p == ROUNDS * SIZE, "%d of the child's bytes, %d of the parent's", c, p);
    close(fd);
    CHECK(unlink("shared") == 0, "unlink");
}

static void four_processes_write_four_files(void)
{
    const char *names[] = { "f0", "f1", "f2", "f3" };
    pid_t pids[4];

    fflush(stdout);
    for (int i = 0; i < 4; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            int fd = create(names[i]);
            memset(buf, '0' + i, 512);
            for (int round = 0; round < 12; round++)
                CHECK(write(fd, buf, 500) == 500, "%s", names[i]);
            exit(0);
        }
    }
    for (int i = 0; i < 4; i++)
        CHECK(wait_for(pids[i]) == 0, "writer %d", i);
    for (int i = 0; i < 4; i++) {
        int fd = open(names[i], O_RDONLY), total = 0;
        for (ssize_t n; (n = read(fd, buf, sizeof(buf))) > 0; total += (int)n)
            for (ssize_t at = 0; at < n; at++)
                CHECK(buf[at] == '0' + i, "%s has %c", names[i], buf[at]);
        CHECK(total == 12 * 500, "%s has %d bytes", names[i], total);
        close(fd);
        CHECK(unlink(names[i]) == 0, "unlink");
    }
}

static void unlinked_file_stays_readable(void)
{
    create_with("gone", "hello");
    int fd = open("gone", O_RDWR);
    CHECK(unlink("gone") == 0, "unlink");
    int other = create("gone");
    CHECK(write(other, "yyy", 3) == 3, "write to the new one");
    close(other);
    CHECK(read(fd, buf, sizeof(buf)) == 5 && buf[0] == 'h', "the old contents");
    CHECK(write(fd, buf, 10) == 10, "it's still writable");
    close(fd);
    CHECK(unlink("gone") == 0, "unlink");
}

static void links_share_the_file(void)
{
    struct stat st;

    unlink("lf1");
    unlink("lf2");
    create_with("lf1", "hello");
    CHECK(link("lf1", "lf2") == 0, "link");
    CHECK(stat("lf2", &st) == 0 && st.nlink == 2, "two links");
    CHECK(unlink("lf1") == 0 && open("lf1", O_RDONLY) < 0, "the first is gone");
    int fd = open("lf2", O_RDONLY);
    CHECK(fd >= 0 && read(fd, buf, sizeof(buf)) == 5, "the second has it");
    close(fd);
    CHECK(link("lf2", "lf2") < 0, "a link to itself");
    CHECK(unlink("lf2") == 0, "unlink");
    CHECK(link("lf2", "lf1") < 0, "a link to nothing");
    CHECK(link(".", "lf1") < 0, "a link to a directory");
}

static void writes_of_every_odd_size(void)
{
    for (int size = 499; size < 12 * 1024; size += 471) {
        int fd = create("odd");
        for (int i = 0; i < 2; i++)
            CHECK(write(fd, buf, (size_t)size) == size, "size %d", size);
        close(fd);
        fd = open("odd", O_RDONLY);
        int total = 0;
        for (ssize_t n; (n = read(fd, buf, 8192)) > 0;)
            total += (int)n;
        CHECK(total == 2 * size, "%d of %d bytes", total, 2 * size);
        close(fd);
        CHECK(unlink("odd") == 0, "unlink");
    }
}

static void lseek_moves_and_leaves_holes(void)
{
    int fd = create("holes");

    CHECK(lseek(fd, 100000, SEEK_SET) == 100000, "past the end");
    CHECK(write(fd, "end", 3) == 3, "write");
    CHECK(lseek(fd, 0, SEEK_END) == 100003, "the end");
    CHECK(lseek(fd, 50000, SEEK_SET) == 50000 && read(fd, buf, 100) == 100, "read in the hole");
    for (int i = 0; i < 100; i++)
        CHECK(buf[i] == 0, "a hole is zeros");
    CHECK(lseek(fd, -1, SEEK_SET) == -1 && errno == EINVAL, "before the beginning");
    CHECK(lseek(fd, -3, SEEK_CUR) == 50097, "backwards");
    close(fd);
    CHECK(unlink("holes") == 0, "unlink");
}

static void truncate_gives_up_and_zero_fills(void)
{
    int fd = create("cut");

    memset(buf, 'x', sizeof(buf));
    CHECK(write(fd, buf, 10000) == 10000, "write");
    CHECK(ftruncate(fd, 5000) == 0 && lseek(fd, 0, SEEK_END) == 5000, "shorter");
    CHECK(ftruncate(fd, 9000) == 0 && lseek(fd, 4999, SEEK_SET) == 4999, "longer");
    CHECK(read(fd, buf, 4001) == 4001 && buf[0] == 'x', "what was kept");
    for (int i = 1; i < 4001; i++)
        CHECK(buf[i] == 0, "byte %d comes back from the dead", 5000 + i);
    close(fd);
    fd = open("cut", O_RDWR | O_TRUNC);
    CHECK(lseek(fd, 0, SEEK_END) == 0, "O_TRUNC");
    close(fd);
    CHECK(unlink("cut") == 0, "unlink");
}

static void append_writes_at_the_end(void)
{
    create_with("log", "one\n");
    int fd = open("log", O_WRONLY | O_APPEND);
    CHECK(write(fd, "two\n", 4) == 4, "write");
    close(fd);
    fd = open("log", O_RDONLY);
    CHECK(read(fd, buf, 100) == 8 && memcmp(buf, "one\ntwo\n", 8) == 0, "contents");
    close(fd);
    CHECK(unlink("log") == 0, "unlink");
}

static void rename_replaces(void)
{
    create_with("from", "new");
    create_with("to", "old");
    CHECK(rename("from", "to") == 0, "rename");
    int fd = open("to", O_RDONLY);
    CHECK(read(fd, buf, 100) == 3 && memcmp(buf, "new", 3) == 0, "contents");
    close(fd);
    CHECK(open("from", O_RDONLY) < 0 && errno == ENOENT, "the old name is gone");
    CHECK(rename("nothing", "to") == -1 && errno == ENOENT, "nothing to rename");
    CHECK(rename("to", "to") == 0, "to itself");
    CHECK(unlink("to") == 0, "unlink");
}

static void access_modes_hold(void)
{
    create_with("mode", "text");
    int fd = open("mode", O_RDONLY);
    CHECK(write(fd, "x", 1) == -1 && errno == EBADF, "read-only");
    close(fd);
    fd = open("mode", O_WRONLY);
    CHECK(read(fd, buf, 1) == -1 && errno == EBADF, "write-only");
    close(fd);
    CHECK(unlink("mode") == 0, "unlink");
}

static void exitwait_with_files(void)
{
    for (int i = 0; i < 50; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            int fd = open("/sh", O_RDONLY);
            _exit(fd >= 0 ? 0 : 1);
        }
        CHECK(wait_for(pid) == 0, "round %d", i);
    }
}

static void large_file_keeps_every_byte(void)
{
    enum { CHUNKS = 512 };  // 8 MiB
    int fd = create("large");

    for (unsigned i = 0; i < CHUNKS; i++) {
        for (unsigned at = 0; at < sizeof(buf); at += 4)
            memcpy(buf + at, &(unsigned){ i * 4099 + at }, 4);
        CHECK(write(fd, buf, sizeof(buf)) == sizeof(buf), "chunk %u", i);
    }
    CHECK(fsync(fd) == 0, "fsync");
    CHECK(lseek(fd, 0, SEEK_SET) == 0, "rewind");
    for (unsigned i = 0; i < CHUNKS; i++) {
        CHECK(read(fd, buf, sizeof(buf)) == sizeof(buf), "chunk %u", i);
        for (unsigned at = 0; at < sizeof(buf); at += 4) {
            unsigned value;
            memcpy(&value, buf + at, 4);
            CHECK(value == i * 4099 + at, "chunk %u at %u", i, at);
        }
    }
    close(fd);
    CHECK(unlink("large") == 0, "unlink");
}

#define PAGE  4096
#define LARGE (5 << 20)

static char *page_aligned(size_t size)
{
    char *p = malloc(size + 2 * PAGE);

    CHECK(p, "memory");
    return p + (PAGE - (size_t)p % PAGE);
}

static void fill_words(char *to, size_t n, unsigned first)
{
    for (size_t at = 0; at + 4 <= n; at += 4)
        memcpy(to + at, &(unsigned){ first + at * 2654435761u }, 4);
}

// Large calls go straight between the disk and the program's pages, where both are at page boundaries.
static void large_calls_move_every_byte(void)
{
    static const struct {
        size_t skew, offset, size;
    } cases[] = {
        { 0, 0, LARGE },  { 0, PAGE, 1 << 20 }, { 100, PAGE + 100, (2 << 20) + 5 },
        { 1, 0, 300000 }, { 0, 7, 300000 },     { 100, 100, 70000 },
    };
    char *memory = page_aligned(LARGE), *expected = page_aligned(LARGE);
    int fd = create("calls");

    for (unsigned k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
        size_t skew = cases[k].skew, offset = cases[k].offset, size = cases[k].size;
        fill_words(memory + skew, size, k);
        memcpy(expected + offset, memory + skew, size);
        CHECK(lseek(fd, (off_t)offset, SEEK_SET) == (off_t)offset, "seek");
        CHECK(write(fd, memory + skew, size) == (ssize_t)size, "write %u", k);
        // A little of it through the cache, too.
        memcpy(expected + offset + 50000, "changed", 7);
        CHECK(lseek(fd, (off_t)offset + 50000, SEEK_SET) > 0 && write(fd, "changed", 7) == 7, "small write %u", k);
        CHECK(lseek(fd, 0, SEEK_SET) == 0, "rewind");
        memset(memory, 0xee, LARGE);
        CHECK(read(fd, memory, LARGE) == LARGE, "read %u", k);
        CHECK(memcmp(memory, expected, LARGE) == 0, "contents after %u", k);
        CHECK(lseek(fd, 333, SEEK_SET) == 333 && read(fd, memory + 333, LARGE) == LARGE - 333, "read to the end %u", k);
        CHECK(memcmp(memory + 333, expected + 333, LARGE - 333) == 0, "contents from 333 after %u", k);
    }
    close(fd);
    CHECK(unlink("calls") == 0, "unlink");
}

// A parent's pages are read into while its child shares them.
static void large_read_leaves_a_childs_copy_alone(void)
{
    char *memory = page_aligned(1 << 20);
    int fd = create("shared"), go[2];
    char byte;

    fill_words(memory, 1 << 20, 1);
    CHECK(write(fd, memory, 1 << 20) == 1 << 20 && lseek(fd, 0, SEEK_SET) == 0 && pipe(go) == 0, "prepare");
    memset(memory, 'p', 1 << 20);
    pid_t pid = fork();
    if (pid == 0) {
        CHECK(read(go[0], &byte, 1) == 1, "wait");
        for (size_t at = 0; at < 1 << 20; at++)
            CHECK(memory[at] == 'p', "byte %u", (unsigned)at);
        _exit(0);
    }
    CHECK(read(fd, memory, 1 << 20) == 1 << 20, "read");
    CHECK(write(go[1], "g", 1) == 1 && wait_for(pid) == 0, "the child's copy");
    close(fd);
    CHECK(unlink("shared") == 0, "unlink");
}

static void disk_device_takes_whole_blocks_only(void)
{
    char *memory = page_aligned(4 * PAGE);

    CHECK(mknod("rawdisk", 2, 0) == 0 && mknod("nodisk", 2, 77) == 0, "mknod");
    int fd = open("rawdisk", O_RDWR), none = open("nodisk", O_RDWR);
    CHECK(fd >= 0 && none >= 0, "open");
    CHECK(read(fd, memory, 4 * PAGE) == 4 * PAGE, "read four blocks");
    CHECK(lseek(fd, 0, SEEK_CUR) == 4 * PAGE, "offset");
    CHECK(read(fd, memory, 100) == -1 && errno == EINVAL, "a part of a block");
    CHECK(read(fd, memory + 1, PAGE) == -1 && errno == EINVAL, "a block across pages");
    CHECK(lseek(fd, 100, SEEK_SET) == 100 && read(fd, memory, PAGE) == -1 && errno == EINVAL, "between blocks");
    CHECK(lseek(fd, 0, SEEK_END) > 0 && read(fd, memory, PAGE) == 0, "the end");
    CHECK(lseek(fd, 0, SEEK_SET) == 0 && write(fd, memory, PAGE) == -1 && errno == EBUSY,
          "the mounted disk is not written");
    CHECK(read(none, memory, PAGE) == -1 && errno == ENODEV, "a disk that is not there");
    close(fd);
    close(none);
    CHECK(unlink("rawdisk") == 0 && unlink("nodisk") == 0, "unlink");
}

static void full_disk_is_an_error_and_space_comes_back(void)
{
    int fd = create("filler");
    ssize_t n;

    memset(buf, 'f', sizeof(buf));
    while ((n = write(fd, buf, sizeof(buf))) == sizeof(buf))
        ;
    CHECK(n == -1 ? errno == ENOSPC : n >= 0, "the end of the disk");
    CHECK(write(fd, buf, sizeof(buf)) <= 0 && errno == ENOSPC, "and again");
    close(fd);
    CHECK(unlink("filler") == 0, "unlink");
    sync();
    create_with("after", "there is room again");
    CHECK(unlink("after") == 0, "unlink");
}

static void full_inode_table_is_an_error(void)
{
    char name[16];
    int n = 0;

    CHECK(mkdir("many") == 0 && chdir("many") == 0, "mkdir");
    for (;; n++) {
        snprintf(name, sizeof(name), "i%d", n);
        int fd = open(name, O_CREATE | O_RDWR);
        if (fd < 0)
            break;
        close(fd);
    }
    CHECK(errno == ENOSPC && n > 100, "after %d files", n);
    while (n-- > 0) {
        snprintf(name, sizeof(name), "i%d", n);
        CHECK(unlink(name) == 0, "%s", name);
    }
    CHECK(chdir("..") == 0 && unlink("many") == 0, "clean up");
}

static const struct test tests[] = {
    TEST(small_file_is_read_back),
    TEST(file_of_71680_bytes_in_512_byte_pieces),
    TEST(hundred_files_come_and_go),
    TEST(two_processes_share_an_offset),
    TEST(four_processes_write_four_files),
    TEST(unlinked_file_stays_readable),
    TEST(links_share_the_file),
    TEST(writes_of_every_odd_size),
    TEST(lseek_moves_and_leaves_holes),
    TEST(truncate_gives_up_and_zero_fills),
    TEST(append_writes_at_the_end),
    TEST(rename_replaces),
    TEST(access_modes_hold),
    TEST(exitwait_with_files),
    TEST(large_file_keeps_every_byte),
    TEST(large_calls_move_every_byte),
    TEST(large_read_leaves_a_childs_copy_alone),
    TEST(disk_device_takes_whole_blocks_only),
    TEST(full_disk_is_an_error_and_space_comes_back),
    TEST(full_inode_table_is_an_error),
};
RUN_TESTS(tests)
