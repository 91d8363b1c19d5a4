// Structures of the checkpoint calls. Fixed-size fields only.
#pragma once

#include <stdint.h>

// ckpt_save: flags.
#define CKPT_SAVE_TREE       0x01  // with all its descendants
#define CKPT_SAVE_STOP       0x02  // they stay stopped
#define CKPT_SAVE_KILL       0x04  // they end when the image is durable
#define CKPT_SAVE_NOWAIT     0x08  // return when the state is taken; ckpt_wait() tells the rest
#define CKPT_SAVE_CONTENTS   0x10  // carry the contents of files that are open for writing
#define CKPT_SAVE_EXTERNAL   0x20  // pipes may lead outside: somebody hands them over at the restore
#define CKPT_SAVE_FLAGS      0x3f

#define CKPT_HISTORY_DEFAULT 8
#define CKPT_HISTORY_ALL     0

struct ckpt_save_args {
    uint64_t path;  // pointer to the image's path
    int32_t pid;
    uint32_t flags;
    uint32_t history;  // epochs that the file keeps, this one included; CKPT_HISTORY_ALL: all
    uint32_t unused;   // 0
};

// What a checkpoint did. Grows while it is being written.
struct ckpt_figures {
    uint64_t id;             // for ckpt_wait()
    uint64_t epoch, parent;  // 0: none
    uint64_t pause_ns;       // they stood still for so long
    uint64_t freeze_ns;      // of it: until all stood still
    uint64_t total_ns;       // from the call to the end
    uint64_t pages;          // that the epoch holds
    uint64_t pages_written;
    uint64_t bytes_written;
    uint64_t pages_due;  // to be looked at; of them looked_at so far: for a progress bar
    uint64_t looked_at;
    uint32_t processes;
    uint32_t ended;
    int32_t error;  // errno, once it has ended
    uint32_t unused;
};

// ckpt_restore: flags.
#define CKPT_RESTORE_EAGER    0x01  // read and check everything first
#define CKPT_RESTORE_ACCEPT   0x02  // files that changed since: open them as they are
#define CKPT_RESTORE_ROLLBACK 0x04  // files carried in the image: give them back their contents
#define CKPT_RESTORE_FLAGS    0x07

#define CKPT_INHERIT_MAX      16

struct ckpt_restore_args {
    uint64_t path;   // pointer to the image's path
    uint64_t epoch;  // 0: the newest
    uint32_t flags;
    uint32_t inherits;  // how many of these count:
    struct {
        int32_t saved;   // a descriptor of the image's first process
        int32_t theirs;  // the caller's descriptor whose file takes the place of that one's, everywhere
    } inherit[CKPT_INHERIT_MAX];
};
