// Directories and names.
#include "check.h"
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>

static int create(const char *path)
{
    int fd = open(path, O_CREATE | O_RDWR);

    CHECK(fd >= 0, "cannot create %s", path);
    return fd;
}

static void touch(const char *path)
{
    close(create(path));
}

static void names_are_cut_to_14_characters(void)
{
    struct stat st;

    CHECK(mkdir("12345678901234") == 0, "14 characters");
    CHECK(mkdir("12345678901234/123456789012345") == 0, "15 in a directory of 14");
    touch("123456789012345/123456789012345/123456789012345");
    CHECK(stat("12345678901234/12345678901234/12345678901234", &st) == 0, "the long names are the short ones");
    CHECK(mkdir("12345678901234/12345678901234") == -1 && errno == EEXIST, "it's there");
    CHECK(mkdir("123456789012345/12345678901234") == -1 && errno == EEXIST, "by its long name, too");
    CHECK(unlink("123456789012345/12345678901234/12345678901234567") == 0, "unlink cuts, too");
    CHECK(unlink("12345678901234/12345678901234") == 0 && unlink("12345678901234") == 0, "clean up");
}

static void slashes_and_dots_collapse(void)
{
    struct stat a, b;

    CHECK(mkdir("dd") == 0 && mkdir("dd/ee") == 0, "mkdir");
    touch("dd//ee/.//ff");
    CHECK(stat("dd/ee/ff", &a) == 0 && stat("./dd/./ee//../../dd/ee/ff", &b) == 0 && a.ino == b.ino, "one file");
    CHECK(unlink("dd/ee/ff") == 0 && unlink("dd/ee") == 0 && unlink("dd") == 0, "clean up");
}

static void dots_are_not_unlinked(void)
{
    CHECK(mkdir("dots") == 0 && chdir("dots") == 0, "mkdir");
    CHECK(unlink(".") == -1 && unlink("..") == -1, "from inside");
    CHECK(chdir("/") == 0, "chdir");
    CHECK(unlink("dots/.") == -1 && unlink("dots/..") == -1, "from outside");
    CHECK(unlink("/") == -1, "the root");
    CHECK(unlink("dots") == 0, "clean up");
}

static void full_directory_is_not_removed(void)
{
    CHECK(mkdir("full") == 0, "mkdir");
    touch("full/file");
    CHECK(unlink("full") == -1 && errno == ENOTEMPTY, "unlink");
    CHECK(unlink("full/file") == 0 && unlink("full") == 0, "empty, it goes");
}

static void a_file_is_not_a_directory(void)
{
    touch("plain");
    CHECK(chdir("plain") == -1 && errno == ENOTDIR, "chdir");
    CHECK(open("plain/x", O_RDONLY) == -1, "open");
    CHECK(open("plain/x", O_CREATE | O_RDWR) == -1, "create");
    CHECK(mkdir("plain/x") == -1, "mkdir");
    CHECK(unlink("plain/x") == -1, "unlink");
    CHECK(link("/sh", "plain/x") == -1, "link");
    CHECK(rename("plain", "plain/x") == -1, "rename");
    CHECK(unlink("plain") == 0, "clean up");
}

static void directories_are_not_written(void)
{
    CHECK(open(".", O_RDWR) == -1 && errno == EISDIR, "O_RDWR");
    CHECK(open(".", O_WRONLY) == -1, "O_WRONLY");
    int fd = open(".", O_RDONLY);
    CHECK(fd >= 0 && write(fd, "x", 1) == -1, "write");
    close(fd);
}

static void empty_names_are_refused(void)
{
    for (int i = 0; i < 50; i++) {
        CHECK(mkdir("iref") == 0 && chdir("iref") == 0, "level %d", i);
        CHECK(mkdir("") == -1, "mkdir");
        CHECK(link("/sh", "") == -1, "link");
        CHECK(open("", O_CREATE | O_RDWR) == -1, "create");
        CHECK(open("", O_RDONLY) == -1, "open");
        touch("xx");
        CHECK(unlink("xx") == 0, "unlink");
    }
    for (int i = 0; i < 50; i++)
        CHECK(chdir("..") == 0 && unlink("iref") == 0, "level %d", i);
}

static void directory_of_500_entries(void)
{
    char name[10] = "x00";

    touch("bd");
    for (int i = 0; i < 500; i++) {
        name[1] = (char)('0' + i / 64);
        name[2] = (char)('0' + i % 64);
        CHECK(link("bd", name) == 0, "%s", name);
    }
    CHECK(unlink("bd") == 0, "unlink");
    for (int i = 0; i < 500; i++) {
        name[1] = (char)('0' + i / 64);
        name[2] = (char)('0' + i % 64);
        CHECK(unlink(name) == 0, "%s", name);
    }
}

static void removed_cwd_stays_usable(void)
{
    CHECK(mkdir("doomed") == 0 && chdir("doomed") == 0, "mkdir");
    CHECK(unlink("../doomed") == 0, "unlink");
    CHECK(open("x", O_CREATE | O_RDWR) == -1 && errno == ENOENT, "create in it");
    CHECK(mkdir("x") == -1, "mkdir in it");
    CHECK(open("x", O_RDONLY) == -1, "open in it");
    int fd = open("/sh", O_RDONLY);
    CHECK(fd >= 0, "absolute names go on");
    close(fd);
    CHECK(chdir("/") == 0, "chdir");
}

static void chdir_in_a_removed_directory_and_exit(void)
{
    CHECK(mkdir("exitdir") == 0 && chdir("exitdir") == 0, "mkdir");
    CHECK(unlink("../exitdir") == 0, "unlink");
}

static void subdirectories(void)
{
    char buf[16];

    CHECK(mkdir("ss") == 0 && mkdir("/ss") == -1, "mkdir");
    int fd = create("ss/ff");
    CHECK(write(fd, "ff", 2) == 2, "write");
    close(fd);
    CHECK(unlink("ss") == -1, "it's not empty");
    CHECK(mkdir("/ss/ss") == 0, "mkdir");
    fd = create("ss/ss/ff");
    CHECK(write(fd, "FF", 2) == 2, "write");
    close(fd);
    fd = open("ss/ss/../ff", O_RDONLY);
    CHECK(fd >= 0 && read(fd, buf, sizeof(buf)) == 2 && buf[0] == 'f', "through ..");
    close(fd);
    CHECK(link("ss/ss/ff", "ss/ss/ffff") == 0 && unlink("ss/ss/ff") == 0, "link");
    CHECK(open("ss/ss/ff", O_RDONLY) == -1, "the old name");
    CHECK(chdir("ss") == 0 && chdir("ss/../../ss") == 0 && chdir("../ss/./ss") == 0, "chdir");
    fd = open("ffff", O_RDONLY);
    CHECK(fd >= 0 && read(fd, buf, sizeof(buf)) == 2 && buf[0] == 'F', "relative to cwd");
    close(fd);
    CHECK(chdir("/") == 0, "chdir");
    CHECK(open("ss/ss/ff/xx", O_CREATE | O_RDWR) == -1 && open("ss/xx/ff", O_CREATE | O_RDWR) == -1,
          "no such directory");
    CHECK(link("ss/ff/xx", "ss/yy") == -1 && link("ss/ss/ffff", "ss/ff/xx") == -1, "a file in the middle");
    CHECK(mkdir("ss/ff/xx") == -1 && mkdir("ss/xx/ff") == -1 && mkdir("ss/ss/ffff") == -1, "mkdir");
    CHECK(chdir("ss/ff") == -1 && chdir("ss/xx") == -1, "chdir");
    CHECK(unlink("ss/ss/ffff") == 0 && unlink("ss/ff") == 0, "unlink");
    CHECK(unlink("ss") == -1, "a directory is in it");
    CHECK(unlink("ss/ss") == 0 && unlink("ss") == 0, "clean up");
}

static void concurrent_create_and_unlink_leave_the_right_names(void)
{
    enum { N = 40 };
    char name[4] = "C0", seen[N] = { 0 };
    struct {
        uint16_t inum;
        char name[14];
    } entry;

    CHECK(mkdir("conc") == 0 && chdir("conc") == 0, "mkdir");
    for (int i = 0; i < N; i++) {
        name[1] = (char)('0' + i);
        unlink(name);
        pid_t pid = fork();
        if (pid && i % 3 == 1)
            link("C0", name);
        else if (pid == 0 && i % 5 == 1)
            link("C0", name);
        else
            touch(name);
        if (pid == 0)
            _exit(0);
        wait_for(pid);
    }
    int fd = open(".", O_RDONLY), n = 0;
    while (read(fd, &entry, sizeof(entry)) == sizeof(entry)) {
        if (!entry.inum || entry.name[0] != 'C' || entry.name[2])
            continue;
        int i = entry.name[1] - '0';
        CHECK(i >= 0 && i < N && !seen[i]++, "%s is there twice, or was never made", entry.name);
        n++;
    }
    close(fd);
    CHECK(n == N, "%d of %d names", n, N);
    for (int i = 0; i < N; i++) {
        name[1] = (char)('0' + i);
        pid_t pid = fork();
        if (pid == 0 ? i % 3 == 0 : i % 3 != 0)
            for (int k = 0; k < 4; k++)
                close(open(name, O_RDONLY));
        else
            for (int k = 0; k < 4; k++)
                unlink(name);
        if (pid == 0)
            _exit(0);
        wait_for(pid);
    }
    for (int i = 0; i < N; i++) {
        name[1] = (char)('0' + i);
        unlink(name);
    }
    CHECK(chdir("/") == 0 && unlink("conc") == 0, "clean up");
}

static void four_processes_create_and_delete(void)
{
    pid_t pids[4];
    char name[4];

    fflush(stdout);
    for (int p = 0; p < 4; p++) {
        pids[p] = fork();
        if (pids[p] == 0) {
            name[0] = (char)('p' + p);
            name[2] = 0;
            for (int i = 0; i < 20; i++) {
                name[1] = (char)('0' + i);
                touch(name);
                if (i > 0 && i % 2 == 0) {
                    name[1] = (char)('0' + i / 2);
                    CHECK(unlink(name) == 0, "%s", name);
                }
            }
            exit(0);
        }
    }
    for (int p = 0; p < 4; p++)
        CHECK(wait_for(pids[p]) == 0, "process %d", p);
    for (int i = 0; i < 20; i++)
        for (int p = 0; p < 4; p++) {
            name[0] = (char)('p' + p);
            name[1] = (char)('0' + i);
            name[2] = 0;
            int there = unlink(name) == 0;
            CHECK(there == (i == 0 || i > 9), "%s", name);
        }
}

static void link_and_unlink_race(void)
{
    unsigned x = 1;

    unlink("race");
    pid_t pid = fork();
    x = pid ? 1 : 97;
    for (int i = 0; i < 100; i++) {
        x = x * 1103515245 + 12345;
        if (x % 3 == 0)
            close(open("race", O_RDWR | O_CREATE));
        else if (x % 3 == 1)
            link("/cat", "race");
        else
            unlink("race");
    }
    if (pid == 0)
        _exit(0);
    CHECK(wait_for(pid) == 0, "child");
    unlink("race");
}

static void rename_of_directories(void)
{
    struct stat st;

    CHECK(mkdir("ra") == 0 && mkdir("ra/sub") == 0 && mkdir("rb") == 0, "mkdir");
    touch("ra/sub/file");
    CHECK(rename("ra/sub", "rb/sub") == 0, "rename");
    CHECK(stat("rb/sub/file", &st) == 0, "what is in it came along");
    CHECK(chdir("rb/sub") == 0 && stat("../../ra", &st) == 0, ".. is the new parent");
    CHECK(chdir("/") == 0, "chdir");
    CHECK(rename("rb", "rb/sub/x") == -1 && errno == EINVAL, "into itself");
    CHECK(rename("ra", "rb") == -1 && errno == ENOTEMPTY, "over a full one");
    CHECK(rename("rb/sub/file", "ra") == -1 && errno == EISDIR, "a file over a directory");
    CHECK(unlink("rb/sub/file") == 0 && unlink("rb/sub") == 0 && rename("ra", "rb") == 0, "over an empty one");
    CHECK(unlink("rb") == 0 && stat("ra", &st) == -1, "clean up");
}

static const struct test tests[] = {
    TEST(names_are_cut_to_14_characters),
    TEST(slashes_and_dots_collapse),
    TEST(dots_are_not_unlinked),
    TEST(full_directory_is_not_removed),
    TEST(a_file_is_not_a_directory),
    TEST(directories_are_not_written),
    TEST(empty_names_are_refused),
    TEST(directory_of_500_entries),
    TEST(removed_cwd_stays_usable),
    TEST(chdir_in_a_removed_directory_and_exit),
    TEST(subdirectories),
    TEST(concurrent_create_and_unlink_leave_the_right_names),
    TEST(four_processes_create_and_delete),
    TEST(link_and_unlink_race),
    TEST(rename_of_directories),
};
RUN_TESTS(tests)
