// One epoch of an image in memory: all records, decoded and checked, and on request the places of all pages.
//
// What is here refers only to what exists, and its counts are within the format's limits; see ckptfmt.h.
#pragma once

#include <ckpt/input.h>

// What is in a page tree.
struct pages {
    struct ckpt_tree tree;
    struct ckpt_page *list;  // in ascending order; only if asked for
    size_t count, room;
};

struct epoch_content {
    struct ckpt_content content;
    struct pages pages;
};

struct epoch_pipe {
    struct ckpt_pipe pipe;
};

struct epoch_file {
    struct ckpt_file file;
};

struct epoch_space {
    struct ckpt_space space;  // without `encoded`
    struct ckpt_region *regions;
    struct pages pages;
};

struct epoch_process {
    struct ckpt_process process;
    struct ckpt_state registers, fpu;
    struct ckpt_restart restart;
    struct ckpt_cwd cwd;
    u32 fds;
    struct ckpt_descriptor *fd;
};

struct epoch {
    struct input *input;  // NULL: made from an archive
    struct ckpt_header header;
    const struct ckpt_machine *machine;
    struct ckpt_epoch info;
    struct ckpt_bounds bounds;
    bool newest;    // of its image
    u32 older;      // so many older epochs are kept
    u64 failed_at;  // offset in the file at which the last error was found
    struct epoch_content *content;
    struct epoch_pipe *pipe;
    struct epoch_file *file;
    struct epoch_space *space;
    struct epoch_process *process;
    size_t contents, pipes, files, spaces, processes;  // so many there are; the first has ordinal 1
    size_t room[5];
};

/* Read an epoch (0: the newest). *e need not be released after an error, but knows failed_at. */
MUST_CHECK enum ckpt_error epoch_load(struct epoch *e, struct input *in, u64 epoch, bool with_pages);

/* The same, for a command: the epoch that *in was opened for. False: a message was printed, and *status set. */
MUST_CHECK bool epoch_open(struct epoch *e, struct input *in, bool with_pages, int *status);

/* The newest `keep` epochs (0: all that are kept), oldest first. The array and all in it are the caller's. */
MUST_CHECK enum ckpt_error epochs_load(struct input *in, u64 keep, bool with_pages, struct epoch **epochs,
                                       size_t *count, u64 *failed_at);
void epoch_release(struct epoch *e);
void epochs_release(struct epoch *epochs, size_t count);

/* Room for one more of each kind; zeroed. */
struct epoch_content *epoch_add_content(struct epoch *e);
struct epoch_pipe *epoch_add_pipe(struct epoch *e);
struct epoch_file *epoch_add_file(struct epoch *e);
struct epoch_space *epoch_add_space(struct epoch *e);
struct epoch_process *epoch_add_process(struct epoch *e);
void pages_add(struct pages *p, u64 index, u32 block, u32 crc);

u64 process_register(const struct epoch *e, const struct epoch_process *p, u32 number);

/* The process of that pid; 0: the first one. NULL: there is none. */
const struct epoch_process *epoch_find(const struct epoch *e, s32 pid);

/* The space of a living process; NULL if it has ended. */
const struct epoch_space *epoch_space_of(const struct epoch *e, const struct epoch_process *p);

/* One page's bytes, checked against its checksum. */
MUST_CHECK enum ckpt_error epoch_page(struct epoch *e, const struct ckpt_page *page, u8 out[CKPT_BLOCK_SIZE]);

/* The page of that number among pages that were loaded; NULL: zeros, or none. */
const struct ckpt_page *pages_find(const struct pages *p, u64 index);

/* Copy memory from anywhere; what has no page reads as zeros. The pages were loaded. */
MUST_CHECK enum ckpt_error epoch_memory(struct epoch *e, const struct pages *p, u64 address, u8 *out, size_t n);

/* The region that an address lies in; NULL: none. */
const struct ckpt_region *space_region(const struct epoch_space *s, u64 address);

// Words that all views use.
const char *date_text(u64 wall_ns, char *to, size_t size);  // "2023-11-14 23:13:20", UTC; returns `to`
const char *file_kind_text(const struct ckpt_file *f);      // "file", "directory", "device", "pipe-read", "pipe-write"
const char *file_access_text(u32 flags);                    // "read", "write", "read-write"
const char *region_kind_text(u32 kind);                     // "data", "heap", "stack"
void region_protection_text(u32 protection, char out[4]);
