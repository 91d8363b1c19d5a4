// Collect: everything there is to know of a family, at one instant.
#pragma once

#include "store.h"
#include <fs/file.h>
#include <proc/freezer.h>
#include <uapi/checkpoint.h>

struct member {
    struct x_proc state;
    int parent;                      // its place; -1: outside
    struct vmspace *space;           // a clone that nobody writes to; NULL: it has ended
    bool related;                    // it was saved to the store's file before, or restored from it:
    struct mark_label base;          // the last time, which `changed` counts from
    const struct page_set *changed;  // NULL: all may have changed
    struct snapshot_mark *mark;
    u32 fd_file[OPEN_MAX];  // for each descriptor: 1 + the place in files; 0: closed
    struct inode *cwd;      // a reference
    char cwd_text[PATH_LEN];
};

// An open file, once, however many refer to it.
struct open_file {
    struct file *file;    // a reference; NULL when all is known of a pipe
    struct x_file state;  // at the instant
    u32 holders;          // descriptors of members
    int pid, fd;          // one of them, for messages
    u32 pipe;             // the ordinal in the image; 0: it isn't one
    u32 content;          // the ordinal of the content carried for it; 0: none
};

struct open_pipe {
    u64 id;
    struct open_file *reader, *writer;  // NULL: not among the members
    struct x_pipe *state;               // NULL: it leads outside
};

struct snapshot {
    struct family *family;  // until it is thawed
    u32 member_count;
    struct member **members;  // parents before children
    u32 file_count, file_room;
    struct open_file **files;
    u32 pipe_count;  // all that are met; those that are carried first
    u32 pipes_carried;
    struct open_pipe **pipes;
    u64 start_ns, frozen_ns;  // when the freeze began and was complete
    u64 taken_ns, wall_ns;    // when: uptime of the machine, and the calendar
    u64 pause_ns;             // how long they stood still; set by collect_thaw()
};

/*
 * Stop the processes and take their state. The calling process's saved registers say that its call returned 1. They
 * stand still until collect_thaw(). Memory that was saved to the store's file before is told from what changed since.
 * -ESRCH, -ETIMEDOUT, -EINTR, -ENOMEM, -ENOTSUP.
 */
MUST_CHECK int collect(const struct ckpt_save_args *args, struct store *store, struct snapshot **out);

/* Let them run on. */
void collect_thaw(struct snapshot *snap, bool stopped);

/* Releases it all; thaws if that hasn't been done. Marks that are still there are dropped. */
void collect_release(struct snapshot *snap);
