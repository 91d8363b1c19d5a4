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
    fputs("\n  -h, --help   this text; after a command: its line\n\n"
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

// A command's own lines; there may be several.
static void command_usage(const char *name, FILE *out)
{
    const char *lead = "usage:";

    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (strcmp(commands[i].name, name) != 0)
            continue;
        fprintf(out, "%6s amberfs %-6s %-26s %s\n", lead, name, commands[i].args, commands[i].doc);
        lead = "";
    }
}

static bool asks_for_help(const char *arg)
{
    return strcmp(arg, "-h") == 0 || strcmp(arg, "--help") == 0;
}

// A command has one option at most: its lines begin with it, in brackets.
static bool has_option(const char *name, const char *option)
{
    size_t length = strlen(option);

    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        const char *args = commands[i].args;
        if (strcmp(commands[i].name, name) == 0 && args[0] == '[' && strncmp(args + 1, option, length) == 0 &&
            args[1 + length] == ']')
            return true;
    }
    return false;
}

static int run(const struct command *command, int argc, char **argv)
{
    int status = EXIT_USAGE;

    if (argc > 1 && asks_for_help(argv[1])) {
        command_usage(command->name, stdout);
        return EXIT_OK;
    }
    if (argc > 1 && argv[1][0] == '-' && !has_option(command->name, argv[1]))
        tool_error("%s has no option %s", command->name, argv[1]);
    else if (argc > command->min && (!command->max || argc - 1 <= command->max))
        status = command->run(argc, argv);
    if (status == EXIT_USAGE)
        command_usage(command->name, stderr);
    return status;
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
    if (argc < 2) {
        usage(stderr);
        return EXIT_USAGE;
    }
    if (asks_for_help(argv[1])) {
        usage(stdout);
        return EXIT_OK;
    }
    const struct command *command = find(argv[1]);
    if (!command) {
        tool_error("there is no command %s; `amberfs --help` lists them", argv[1]);
        return EXIT_USAGE;
    }
    if (!command->run)
        return run_sibling(argv[1], argv + 1);
    int status = run(command, argc - 1, argv + 1);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        tool_error("standard output can't be written");
        status = EXIT_FAILED;
    }
    return status;
}
