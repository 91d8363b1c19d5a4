// ckpt: look into checkpoint images, verify, compare, debug and repack them. Its subcommands are tools/ckpt/NAME.c.
#include <argp.h>
#include <ckpt/ckpt.h>
#include <lib/tool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Options. Those without a letter have a number.
enum { KEY_JSON = 'j', KEY_TABLE = 256, KEY_PLAIN, KEY_RESCUE };

#define OPTION_EPOCH                                                                                                   \
    {                                                                                                                  \
        "epoch", 'e', "N", 0, "Epoch N instead of the newest (also IMAGE@N)", 0                                        \
    }
#define OPTION_PID                                                                                                     \
    {                                                                                                                  \
        "pid", 'p', "PID", 0, "Only this process", 0                                                                   \
    }
#define OPTION_SYMBOLS                                                                                                 \
    {                                                                                                                  \
        "symbols", 's', "PROG", 0, "Names out of the program PROG's symbol table", 0                                   \
    }
#define OPTION_FORCE                                                                                                   \
    {                                                                                                                  \
        "force", 'f', NULL, 0, "Replace a file that exists", 0                                                         \
    }
#define OPTION_KEEP                                                                                                    \
    {                                                                                                                  \
        "keep", 'k', "N", 0, "Only the newest N epochs", 0                                                             \
    }
#define OPTION_QUIET                                                                                                   \
    {                                                                                                                  \
        "quiet", 'q', NULL, 0, "Say nothing when all is well", 0                                                       \
    }
#define OPTION_RESCUE                                                                                                  \
    {                                                                                                                  \
        "rescue", KEY_RESCUE, NULL, 0, "As it was before its newest epoch, whose records are damaged", 0               \
    }
#define OPTION_JSON                                                                                                    \
    {                                                                                                                  \
        "json", KEY_JSON, NULL, 0, "JSON", 0                                                                           \
    }
#define OPTIONS_VIEW                                                                                                   \
    OPTION_JSON, { "table", KEY_TABLE, NULL, 0, "A table also when the output isn't a terminal", 0 },                  \
    {                                                                                                                  \
        "plain", KEY_PLAIN, NULL, 0, "Plain text also on a terminal", 0                                                \
    }

static const struct argp_option view_options[] = { OPTION_EPOCH, OPTION_RESCUE, OPTIONS_VIEW, {} };
static const struct argp_option log_options[] = { OPTION_RESCUE, OPTIONS_VIEW, {} };
static const struct argp_option ps_options[] = { OPTION_EPOCH, OPTION_SYMBOLS, OPTION_RESCUE, OPTIONS_VIEW, {} };
static const struct argp_option fds_options[] = { OPTION_EPOCH, OPTION_PID, OPTION_RESCUE, OPTIONS_VIEW, {} };
static const struct argp_option dump_options[] = { OPTION_EPOCH, OPTION_PID, OPTION_SYMBOLS, OPTION_RESCUE, {} };
static const struct argp_option verify_options[] = { OPTION_EPOCH, OPTION_RESCUE, OPTION_JSON, OPTION_QUIET, {} };
static const struct argp_option diff_options[] = {
    OPTION_PID,  OPTION_SYMBOLS, { "all", 'a', NULL, 0, "All lines of pages that differ much", 0 },
    OPTION_JSON, OPTION_QUIET,   {}
};
static const struct argp_option core_options[] = { OPTION_EPOCH,
                                                   OPTION_PID,
                                                   { "output", 'o', "FILE", 0, "Write to FILE instead of core.PID", 0 },
                                                   OPTION_FORCE,
                                                   OPTION_QUIET,
                                                   OPTION_RESCUE,
                                                   {} };
static const struct argp_option gdb_options[] = { OPTION_EPOCH, OPTION_PID, OPTION_RESCUE, {} };
static const struct argp_option pack_options[] = { OPTION_EPOCH, OPTION_KEEP,  OPTION_RESCUE,
                                                   OPTION_FORCE, OPTION_QUIET, {} };
static const struct argp_option compact_options[] = { OPTION_EPOCH, OPTION_KEEP, OPTION_QUIET, {} };
static const struct argp_option import_options[] = { OPTION_FORCE, OPTION_QUIET, {} };

static const struct command {
    const char *name;
    int (*run)(const struct options *o);
    const struct argp_option *options;
    int min, max;  // arguments; max 0: any number
    const char *args, *doc;
} commands[] = {
    { "show", cmd_show, view_options, 1, 0, "IMAGE...", "What is in an image" },
    { "log", cmd_log, log_options, 1, 0, "IMAGE...", "All epochs that it keeps, newest first" },
    { "ps", cmd_ps, ps_options, 1, 0, "IMAGE...", "Its processes, as a tree" },
    { "fds", cmd_fds, fds_options, 1, 0, "IMAGE...", "Open descriptors and the files behind them" },
    { "mem", cmd_mem, view_options, 1, 0, "IMAGE...", "Memory: regions, pages in the image, zeros, what is shared" },
    { "dump", cmd_dump, dump_options, 2, 0, "IMAGE RANGE...",
      "Memory as hexadecimal and text\v"
      "RANGE is START, START+LENGTH or START..END: numbers, or with -s names of symbols." },
    { "verify", cmd_verify, verify_options, 1, 0, "IMAGE...",
      "Check everything, with all pages\v"
      "Exit status: 0 sound, 1 not an image or damaged, 2 can't be read." },
    { "diff", cmd_diff, diff_options, 2, 2, "IMAGE[@N] IMAGE[@N]",
      "What differs: processes, registers, descriptors, regions, memory\v"
      "Exit status: 0 nothing differs, 1 something does, 2 trouble." },
    { "core", cmd_core, core_options, 1, 0, "IMAGE...", "Write an ELF core file for each living process" },
    { "gdb", cmd_gdb, gdb_options, 2, 0, "IMAGE PROG [-- ARG...]",
      "Start gdb with a process of an image; ARG...: gdb's own" },
    { "pack", cmd_pack, pack_options, 2, 2, "IMAGE NEW", "A new image without unused blocks; -k, -e: fewer epochs" },
    { "compact", cmd_compact, compact_options, 1, 0, "IMAGE...", "The same in place" },
    { "export", cmd_export, pack_options, 2, 2, "IMAGE ARCHIVE", "Write it as a tar archive compressed with zstd" },
    { "import", cmd_import, import_options, 2, 2, "ARCHIVE IMAGE", "Make an image from such an archive" },
};

static void usage(FILE *out)
{
    fputs("usage: ckpt COMMAND [OPTION...] ARGUMENT...\n"
          "Look into Amber's checkpoint images, without a running machine.\n\n",
          out);
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        fprintf(out, "  %-8s %-24s %.*s\n", commands[i].name, commands[i].args, (int)strcspn(commands[i].doc, "\v"),
                commands[i].doc);
    fputs("\nIMAGE@N is epoch N of IMAGE. `ckpt COMMAND --help` tells a command's options, ckpt(1) all.\n"
          "Exit status: 0 done, 1 not an image or damaged, 2 can't be done.\n",
          out);
}

struct parsing {
    const struct command *command;
    struct options *options;
};

static void parse_u64(struct argp_state *state, const char *text, u64 *out)
{
    if (!parse_number(text, out) || !*out)
        argp_error(state, "'%s' is not a number above 0", text);
}

static void parse_pid(struct argp_state *state, const char *text, s32 *pid)
{
    u64 value;

    parse_u64(state, text, &value);
    if (value > INT32_MAX)
        argp_error(state, "'%s' is no pid", text);
    *pid = (s32)value;
}

static void check_count(const struct command *c, struct argp_state *state, const struct options *o)
{
    if (o->count < c->min || (c->max && o->count > c->max))
        argp_usage(state);
}

static bool parse_flag(int key, struct options *o)
{
    switch (key) {
    case 'a':
        o->all = true;
        return true;
    case 'f':
        o->force = true;
        return true;
    case 'q':
        o->quiet = true;
        return true;
    case KEY_RESCUE:
        o->rescue = true;
        return true;
    case KEY_JSON:
        o->view = VIEW_JSON;
        return true;
    case KEY_TABLE:
        o->view = VIEW_TABLE;
        return true;
    case KEY_PLAIN:
        o->view = VIEW_PLAIN;
        return true;
    default:
        return false;
    }
}

static bool parse_value(int key, char *arg, struct argp_state *state, struct options *o)
{
    switch (key) {
    case 'e':
        parse_u64(state, arg, &o->epoch);
        return true;
    case 'k':
        parse_u64(state, arg, &o->keep);
        return true;
    case 'p':
        parse_pid(state, arg, &o->pid);
        return true;
    case 's':
        o->symbols = arg;
        return true;
    case 'o':
        o->output = arg;
        return true;
    default:
        return false;
    }
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct parsing *p = state->input;
    struct options *o = p->options;

    switch (key) {
    case ARGP_KEY_ARGS:
        o->args = state->argv + state->next;
        o->count = state->argc - state->next;
        return 0;
    case ARGP_KEY_END:
        check_count(p->command, state, o);
        return 0;
    default:
        return parse_flag(key, o) || parse_value(key, arg, state, o) ? 0 : ARGP_ERR_UNKNOWN;
    }
}

static int run(const struct command *command, int argc, char **argv)
{
    struct options o = {};
    struct parsing p = { command, &o };
    struct argp argp = { .options = command->options, .parser = parse, .args_doc = command->args, .doc = command->doc };
    char name[64];

    snprintf(name, sizeof name, "ckpt %s", command->name);
    argv[0] = name;
    argp_err_exit_status = EXIT_TROUBLE;
    argp_parse(&argp, argc, argv, 0, NULL, &p);
    if (o.view == VIEW_AUTO)
        o.view = isatty(STDOUT_FILENO) ? VIEW_TABLE : VIEW_PLAIN;
    int status = command->run(&o);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        tool_error("standard output can't be written");
        return EXIT_TROUBLE;
    }
    return status;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";

    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return run(&commands[i], argc - 1, argv + 1);
    if (*name && *name != '-' && strcmp(name, "help") != 0) {
        tool_error("there is no command %s; `ckpt --help` lists them", name);
        return EXIT_TROUBLE;
    }
    bool help = strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0;
    usage(help ? stdout : stderr);
    return help ? EXIT_GOOD : EXIT_TROUBLE;
}
