// What the subcommands of ckpt share: options, exit statuses, and how they are called.
//
// Each subcommand is one file, cmd_NAME(). main() has read its options and looked at the number of its arguments.
#pragma once

#include <base/types.h>

enum { EXIT_GOOD = 0, EXIT_BAD = 1, EXIT_TROUBLE = 2 };

// How a result is written. AUTO: a table on a terminal, plain in a pipe.
enum view { VIEW_AUTO, VIEW_TABLE, VIEW_PLAIN, VIEW_JSON };

struct options {
    u64 epoch;            // 0: the newest, or what the image's name says after @
    u64 keep;             // epochs; 0: as many as there are
    s32 pid;              // 0: all, or the first
    enum view view;       // never AUTO once main() has begun
    bool quiet;           // no progress, no word when all is well
    bool force;           // replace what there is
    bool all;             // cut nothing short
    bool rescue;          // as the image was before its newest epoch
    const char *symbols;  // a program with a symbol table; NULL: none
    const char *output;
    char **args;  // what is left: images and the like
    int count;
};

int cmd_show(const struct options *o);
int cmd_log(const struct options *o);
int cmd_ps(const struct options *o);
int cmd_fds(const struct options *o);
int cmd_mem(const struct options *o);
int cmd_dump(const struct options *o);
int cmd_verify(const struct options *o);
int cmd_diff(const struct options *o);
int cmd_core(const struct options *o);
int cmd_gdb(const struct options *o);
int cmd_pack(const struct options *o);
int cmd_compact(const struct options *o);
int cmd_export(const struct options *o);
int cmd_import(const struct options *o);
