// amberfs: look into a disk image and change it, without a running machine. Its subcommands are tools/amberfs/NAME.c.
//
// What only reads (ls, cat, cp out, df) leaves the image as it is and replays the journal in memory, so that the disk
// of a machine that was killed reads as its next boot would find it. What changes it mounts it, with the kernel's own
// code.
#include <amberfs/amberfs.h>
#include <errno.h>
#include <lib/tool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    int min, max;  // arguments; max 0: any number
    const char *args, *doc;
} commands[] = {
    { "ls", amberfs_ls, 1, 2, "IMAGE [PATH]", "list a directory: type, inode, links, size, name" },
    { "cat", amberfs_cat, 2, 0, "IMAGE PATH...", "write files to standard output" },
    { "cp", amberfs_cp, 3, 0, "IMAGE PATH... FILE", "copy files out of the image" },
    { "cp", amberfs_cp, 3, 0, "[-r] IMAGE FILE... :PATH", "copy files into it; -r: directories, too" },
    { "rm", amberfs_rm, 2, 0, "[-r] IMAGE PATH...", "remove files; -r: directories, too" },
    { "mkdir", amberfs_mkdir, 2, 0, "IMAGE PATH...", "make directories" },
    { "mv", amberfs_mv, 3, 3, "IMAGE PATH PATH", "rename inside the image" },
    { "df", amberfs_df, 1, 1, "IMAGE", "how much room there is" },
    { "mount", amberfs_mount, 2, 3, "[-f] IMAGE DIR", "mount it at DIR, through FUSE; -f: stay in the foreground" },
    { "mkfs", NULL, 0, 0, "...", "make an image: the program mkfs" },
    { "fsck", NULL, 0, 0, "...", "check one: the program fsck" },
};

static void usage(FILE *out)
{
    fputs("usage: amberfs COMMAND ARGUMENT...\n"
          "Look into an Amber disk image and change it, without a running machine.\n\n",
          out);
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        fprintf(out, "  %-6s %-26s %s\n", commands[i].name, commands[i].args, commands[i].doc);
    fputs("\n  -h, --help   this text\n\n"
          "Exit status: 0 done, 1 not done, 16 wrong usage.\n",
          out);
}

// A program beside this one.
static int run_sibling(const char *name, char **argv)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 16);

    while (n > 0 && path[n - 1] != '/')
        n--;
    if (n > 0) {
        snprintf(path + n, sizeof path - (size_t)n, "%s", name);
        execv(path, argv);
    }
    tool_error("%s: %s", name, strerror(errno));
    return EXIT_FAILED;
}

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    const struct command *command = find(name);
    int status = EXIT_USAGE;

    if (strcmp(name, "-h") == 0 || strcmp(name, "--help") == 0) {
        usage(stdout);
        return EXIT_OK;
    }
    if (command && !command->run)
        return run_sibling(name, argv + 1);
    if (command && argc - 2 >= command->min && (!command->max || argc - 2 <= command->max))
        status = command->run(argc - 1, argv + 1);
    if (status == EXIT_USAGE)
        usage(stderr);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        tool_error("standard output can't be written");
        status = EXIT_FAILED;
    }
    return status;
}
