// The checkpoint image: the one description that the kernel, the host's tools, the guest's programs and the tests
// share.
//
// docs/formats/checkpoint.md tells it in words. Nothing here allocates, waits, or does I/O: the reader takes bytes from
// a source, the writer puts records, nodes and headers into its caller's buffers. Decoding checks: what a function here
// has accepted is in range and refers only to what exists, whatever the bytes were. But a correct image may still be a
// lie as a whole: see section 6 of the document.
#pragma once

#include <base/types.h>

#define CKPT_MAGIC         0x54504b4352424d41ull  // "AMBRCKPT"
#define CKPT_XV6_ID        0xDEADBEEFu
#define CKPT_VERSION       1
#define CKPT_BLOCK_SIZE    4096
#define CKPT_SLOTS         2    // header slots: blocks 0 and 1
#define CKPT_FANOUT        512  // entries of a tree node
#define CKPT_FANOUT_BITS   9
#define CKPT_HEIGHT_MAX    5
#define CKPT_RECORD_HEADER 24
#define CKPT_PAYLOAD_MAX   16512  // of the types known here
#define CKPT_PIPE_MAX      16384  // bytes in a pipe
#define CKPT_CONTENTS_MAX  1024   // of one epoch, as are the next two
#define CKPT_PIPES_MAX     4096
#define CKPT_PROCESSES_MAX 1024
#define CKPT_RECORD_MAX    (CKPT_RECORD_HEADER + CKPT_PAYLOAD_MAX)
#define CKPT_REGIONS_MAX   500
#define CKPT_FDS_MAX       1000
#define CKPT_PATH_MAX      1023
#define CKPT_NAME_SIZE     16  // with its final NUL
#define CKPT_IDENTITY_SIZE 16

// Why bytes were refused; ckpt_error_text() says it in words.
enum ckpt_error {
    CKPT_OK = 0,
    CKPT_READ_FAILED,   // the source couldn't give the bytes; it knows why
    CKPT_WRITE_FAILED,  // emit() couldn't take a node; it knows why
    CKPT_NO_EPOCH,      // the file doesn't keep the epoch that was asked for
    CKPT_NOT_IMAGE,
    CKPT_BAD_VERSION,
    CKPT_BAD_FEATURE,
    CKPT_BAD_MACHINE,
    CKPT_BAD_PAGE_SIZE,
    CKPT_BAD_CHECKSUM,
    CKPT_TRUNCATED,  // the file is shorter than its header says
    CKPT_BAD_HEADER,
    CKPT_BAD_RECORD,      // a record's length, flags or padding
    CKPT_UNKNOWN_RECORD,  // a required record that this reader doesn't know
    CKPT_BAD_ORDER,       // a record in a place where it can't be, or too few or too many of them
    CKPT_BAD_REFERENCE,   // an ordinal that names nothing
    CKPT_BAD_FILE,
    CKPT_BAD_REGION,
    CKPT_BAD_HEAP,
    CKPT_BAD_PROCESS,
    CKPT_BAD_DESCRIPTOR,
    CKPT_BAD_TEXT,
    CKPT_BAD_BLOCK,  // a pointer to a block that can't be meant
    CKPT_BAD_TREE,   // a page tree's shape or figures
};
const char *ckpt_error_text(enum ckpt_error e);

/* Text from an image, for a person: what isn't UTF-8 and control characters become '?', cut to size and terminated.
 * Returns `to`. */
char *ckpt_text(char *to, size_t size, const char *text, size_t length);

// What is known of a machine whose processes images hold.
#define CKPT_MACHINE_I386    1
#define CKPT_MACHINE_RISCV64 2

struct ckpt_machine {
    u32 id;
    const char *name;
    u64 user_end;  // end of user space
    u32 registers_size, fpu_size;
    u32 register_width;  // bytes of one
    u32 pc, sp;          // their places in register_names
    const char *const *register_names;
};
const struct ckpt_machine *ckpt_machine(u32 id);  // NULL: not known

// ---- the header

// What an image may need a reader to know: bits of its header's features.
#define CKPT_FEATURE_SUMS 1u                 // pages have page sums for checksums; without it CRC-32C
#define CKPT_FEATURES     CKPT_FEATURE_SUMS  // all that are known here: a new image has them

struct ckpt_header {
    u32 machine, features;
    u8 identity[CKPT_IDENTITY_SIZE];
    u64 epoch, parent;
    u64 wall_ns;
    u64 blocks;  // every block in use is below
    u64 records_block, records_size;
    u32 digest;
    s32 pid;  // for xv6's imginfo only, as are the next two
    u32 memory;
    char name[CKPT_NAME_SIZE];
};
void ckpt_header_encode(const struct ckpt_header *h, u8 block[CKPT_BLOCK_SIZE]);
/* file_size: the whole file's, in bytes. CKPT_NOT_IMAGE when the block doesn't have the magic. */
MUST_CHECK enum ckpt_error ckpt_header_decode(const u8 block[CKPT_BLOCK_SIZE], u64 file_size, struct ckpt_header *out);

/* Does the file that begins with these bytes look like an image? For telling kinds of files apart: promises nothing. */
#define CKPT_PROBE_SIZE 136
bool ckpt_probe(const u8 *bytes, size_t n);

/* The checksum of a page, in an image with these features. Nodes and records have CRC-32C in all. */
u32 ckpt_page_checksum(u32 features, const u8 page[CKPT_BLOCK_SIZE]);

/* What a page sum is made of: the sum of the page's words, and the sum of what that was after each word. */
void ckpt_page_sums(const u8 page[CKPT_BLOCK_SIZE], u64 *sum, u64 *weighted);

// ---- the records

enum ckpt_type {
    CKPT_END = 0,  // not a record: there are no more
    CKPT_EPOCH = 1,
    CKPT_PIPE = 2,
    CKPT_CONTENT = 3,
    CKPT_FILE = 4,
    CKPT_SPACE = 5,
    CKPT_TREE = 6,
    CKPT_PROCESS = 7,
    CKPT_REGISTERS = 8,
    CKPT_FPU = 9,
    CKPT_RESTART = 10,
    CKPT_CWD = 11,
    CKPT_DESCRIPTORS = 12,
};
const char *ckpt_type_name(u32 type);  // "record" if it isn't known

struct ckpt_epoch {
    u64 epoch, parent, wall_ns;
    u64 uptime_ns, pause_ns;
    u64 pages_written, blocks_written;
    u64 previous, previous_block, previous_size;
    u32 previous_digest, kept;
    u32 contents, pipes, files, spaces, processes;
};

// A pipe between processes of the image. Its ends are FILEs: at most one for reading and one for writing.
struct ckpt_pipe {
    u32 size;
    const u8 *bytes;  // the oldest first; decoded: valid until the reader's next step
};

// The contents of a file that travels in the image; its pages are the TREE that follows, by offset.
struct ckpt_content {
    u64 size;  // bytes
};

enum ckpt_file_kind { CKPT_FILE_INODE = 1, CKPT_FILE_DEVICE, CKPT_FILE_PIPE_READ, CKPT_FILE_PIPE_WRITE };
#define CKPT_FILE_FLAGS 0x803u  // all that a file's flags may hold

enum ckpt_inode_type { CKPT_INODE_DIR = 1, CKPT_INODE_FILE, CKPT_INODE_DEV };

struct ckpt_file {
    u32 kind, flags;
    u64 offset;
    u64 ino, generation, size, changes;
    u32 type, nlink, major, minor;
    u64 pipe, content;
    const char *path;  // not terminated; decoded: valid until the reader's next step
    u32 path_length;
};

enum ckpt_region_kind { CKPT_REGION_DATA = 1, CKPT_REGION_HEAP, CKPT_REGION_STACK };
#define CKPT_REGION_PROT     7u
#define CKPT_REGION_PROMISED 1u

struct ckpt_region {
    u64 start, end;
    u32 prot, kind, flags;
};

struct ckpt_space {
    u64 heap_start, heap_end, heap_limit;
    u32 regions;
    const u8 *encoded;  // decoded only: for ckpt_space_region(); valid until the reader's next step
};
void ckpt_space_region(const struct ckpt_space *s, u32 i, struct ckpt_region *out);

struct ckpt_tree {
    u64 pages, nodes;
    u32 root, crc, height;
};

enum ckpt_process_state { CKPT_ALIVE = 1, CKPT_ENDED };

struct ckpt_process {
    s32 pid, ppid, pgid;
    u32 state;
    s32 status;
    u64 space, parent;
    u64 uptime_ns;
    char name[CKPT_NAME_SIZE];
};

// REGISTERS and FPU.
struct ckpt_state {
    u32 machine, size;
    const u8 *bytes;  // decoded: valid until the reader's next step
};

struct ckpt_restart {
    u32 call;
    u64 done, left_ns;
};

#define CKPT_CWD_REMOVED 0

struct ckpt_cwd {
    u64 ino, generation;  // ino CKPT_CWD_REMOVED: a directory that had been removed
    const char *path;     // as in struct ckpt_file
    u32 path_length;
};

struct ckpt_descriptor {
    u32 fd;
    u64 file;  // ordinal
};

struct ckpt_descriptors {
    u32 count;
    const u8 *encoded;  // as in struct ckpt_space
};
void ckpt_descriptor(const struct ckpt_descriptors *d, u32 i, struct ckpt_descriptor *out);

/*
 * Put one whole record, header, payload and padding, at `at`, where there is room for CKPT_RECORD_MAX bytes. Returns
 * its size. The caller keeps to the order and the limits of the format.
 */
size_t ckpt_put_epoch(u8 *at, const struct ckpt_epoch *e);
size_t ckpt_put_pipe(u8 *at, u64 ordinal, const struct ckpt_pipe *p);
size_t ckpt_put_content(u8 *at, u64 ordinal, const struct ckpt_content *c);
size_t ckpt_put_file(u8 *at, u64 ordinal, const struct ckpt_file *f);
size_t ckpt_put_space(u8 *at, u64 ordinal, const struct ckpt_space *s, const struct ckpt_region *regions);
size_t ckpt_put_tree(u8 *at, u64 ordinal, const struct ckpt_tree *t);
size_t ckpt_put_process(u8 *at, u64 ordinal, const struct ckpt_process *p);
size_t ckpt_put_state(u8 *at, enum ckpt_type type, u64 ordinal, const struct ckpt_state *s);
size_t ckpt_put_restart(u8 *at, u64 ordinal, const struct ckpt_restart *r);
size_t ckpt_put_cwd(u8 *at, u64 ordinal, const struct ckpt_cwd *c);
size_t ckpt_put_descriptors(u8 *at, u64 ordinal, u32 count, const struct ckpt_descriptor *d);

// ---- reading

// Where an image's bytes come from. read() gives exactly n bytes, which lie inside `size`, or returns nonzero. known()
// gives a header slot or a node whose checksum needn't be checked, as who writes the image has it in memory from making
// it; false: it has to be read. NULL: none is known.
struct ckpt_source {
    int (*read)(void *ctx, u64 offset, void *buf, size_t n);
    void *ctx;
    u64 size;
    bool (*known)(void *ctx, u64 offset, u8 block[CKPT_BLOCK_SIZE]);
};

struct ckpt_item {
    u32 type;    // enum ckpt_type
    u64 object;  // its ordinal
    union {
        struct ckpt_epoch epoch;
        struct ckpt_pipe pipe;
        struct ckpt_content content;
        struct ckpt_file file;
        struct ckpt_space space;
        struct ckpt_tree tree;
        struct ckpt_process process;
        struct ckpt_state state;
        struct ckpt_restart restart;
        struct ckpt_cwd cwd;
        struct ckpt_descriptors descriptors;
    };
};

// The records of one epoch, in order. About 31 KiB.
struct ckpt_reader {
    const struct ckpt_source *source;
    struct ckpt_header header;
    u32 slot;  // where the newest header is
    const struct ckpt_machine *machine;
    u64 failed_at;   // the offset in the file at which the last error was found
    u32 steps_left;  // so many older epochs are kept; known once the EPOCH record was read
    bool older;      // this is not the newest epoch

    // From here on: of this epoch.
    u64 position;                                   // of the next record in the area
    u32 digest;                                     // of the area up to position
    u32 last;                                       // type of the last record
    bool last_ended;                                // the last process is not alive
    struct ckpt_epoch epoch;                        // the first record, once it was read
    u64 contents, pipes, files, spaces, processes;  // met so far
    u32 contents_named, pipes_named, spaces_named;  // by a FILE or a PROCESS
    u64 content_size[CKPT_CONTENTS_MAX];
    s32 pid[CKPT_PROCESSES_MAX];
    u32 content_is_named[CKPT_CONTENTS_MAX / 32];  // these are sets of ordinals
    u32 pipe_is_read[CKPT_PIPES_MAX / 32];
    u32 pipe_is_written[CKPT_PIPES_MAX / 32];
    u32 space_is_named[CKPT_PROCESSES_MAX / 32];
    u32 process_ended[CKPT_PROCESSES_MAX / 32];
    u8 buffer[CKPT_RECORD_MAX];
};

/* Start with an epoch that the file keeps; 0: the newest valid one. r->header and r->machine can be used afterwards:
 * epoch, records and digest in the header are then that epoch's, the rest the newest's. The source stays the caller's
 * and must outlive *r. CKPT_NO_EPOCH. */
MUST_CHECK enum ckpt_error ckpt_open(struct ckpt_reader *r, const struct ckpt_source *source, u64 epoch);

/* Start with the epoch that *r stands in once more. */
void ckpt_open_again(struct ckpt_reader *r);

/*
 * Start with the epoch before the one that *r stands in, at any time after its EPOCH record was read. CKPT_NO_EPOCH:
 * none is kept. So a loop passes all kept epochs, from the newest to the oldest.
 */
MUST_CHECK enum ckpt_error ckpt_open_previous(struct ckpt_reader *r);

/*
 * The next record, decoded and checked; unknown optional ones are skipped. CKPT_END comes after the last, once the root
 * digest was found right: before it nothing may be changed for the image's sake.
 */
MUST_CHECK enum ckpt_error ckpt_next(struct ckpt_reader *r, struct ckpt_item *item);

// What a tree's pointers may name, taken from the reader that the tree came from.
struct ckpt_bounds {
    const struct ckpt_source *source;
    u64 blocks, records_first, records_end;
    u32 features;
};
void ckpt_bounds(struct ckpt_bounds *bounds, const struct ckpt_reader *r);

// A walk over a tree's pages in ascending order. About 20 KiB.
struct ckpt_walk {
    struct ckpt_bounds bounds;
    u64 pages_left, nodes_left;
    u64 failed_at;
    u32 height, level;           // level == height: at the end
    u32 place[CKPT_HEIGHT_MAX];  // in each level's node: the next entry
    u8 node[CKPT_HEIGHT_MAX][CKPT_BLOCK_SIZE];
};

struct ckpt_page {
    u64 index;  // page number
    u32 block;  // 0: there are no more
    u32 crc;    // that the block must have
};

/* r: the reader that `tree` came from; not needed afterwards. */
MUST_CHECK enum ckpt_error ckpt_walk_begin(struct ckpt_walk *w, const struct ckpt_reader *r,
                                           const struct ckpt_tree *tree);

/* The next page. Nodes are read and checked here; the page itself is not. */
MUST_CHECK enum ckpt_error ckpt_walk_next(struct ckpt_walk *w, struct ckpt_page *page);

// Finds pages in a tree, in any order; quick where one is near the last. About 20 KiB. One user at a time.
struct ckpt_lookup {
    struct ckpt_bounds bounds;
    struct ckpt_tree tree;
    u64 failed_at;
    u64 leaf;                    // pages from leaf * CKPT_FANOUT on are in node[0], if that is there
    u32 block[CKPT_HEIGHT_MAX];  // which node is there; 0: none
    u32 crc[CKPT_HEIGHT_MAX];    // what it was checked against
    u8 node[CKPT_HEIGHT_MAX][CKPT_BLOCK_SIZE];
};
void ckpt_lookup_init(struct ckpt_lookup *l, const struct ckpt_bounds *bounds, const struct ckpt_tree *tree);
/* The page with that number, or, with `next`, the first one from there on. page->block 0: zeros, or none. The nodes on
 * the way are checked; the page itself is not. */
MUST_CHECK enum ckpt_error ckpt_lookup(struct ckpt_lookup *l, u64 index, bool next, struct ckpt_page *page);
/* How many of the pages after the one that was found last stand in the blocks after its own, as far as can be told at
 * once: at most `most`; what checksums they must have. There may be more. */
u32 ckpt_lookup_more(const struct ckpt_lookup *l, const struct ckpt_page *page, u32 most, u32 *crc);

/*
 * Tell which blocks the epoch of *r (just opened) uses: records, and every tree's nodes and pages. use() is told each
 * run of blocks; for a node, before what lies below: when it returns false, that is passed over (it was told before).
 * Leaves *r at its end. l: working storage.
 */
MUST_CHECK enum ckpt_error ckpt_blocks(struct ckpt_reader *r, struct ckpt_walk *w,
                                       bool (*use)(void *ctx, u32 first, u32 count), void *ctx);

// ---- writing a tree

// Builds a tree from changes in ascending order: a fresh one, or one that shares with an old one what hasn't changed.
// About 20 KiB.
struct ckpt_builder {
    /* Write a finished node somewhere; *block becomes where. Nonzero on error: then the tree is given up. */
    int (*emit)(void *ctx, const u8 node[CKPT_BLOCK_SIZE], u32 *block);
    /* May be set after ckpt_builder_init(): is told the old tree's blocks that the new one doesn't have, each once, in
     * runs of blocks that lie together. */
    void (*replaced)(void *ctx, u32 first, u32 count);
    void *ctx;
    struct ckpt_tree tree;
    struct ckpt_tree base;  // root 0: none
    struct ckpt_bounds bounds;
    u64 written;    // nodes that were handed out
    u64 last;       // the last change's index
    u64 failed_at;  // offset in the file, if the base is bad
    bool begun;
    bool existed[CKPT_HEIGHT_MAX];  // each level's node is one of the base's
    bool changed[CKPT_HEIGHT_MAX];  // and differs from it
    u8 node[CKPT_HEIGHT_MAX][CKPT_BLOCK_SIZE];
};
/* bounds and base: the old tree; both NULL: none. height: the old tree's if there is one. */
void ckpt_builder_init(struct ckpt_builder *b, u32 height, const struct ckpt_bounds *bounds,
                       const struct ckpt_tree *base, int (*emit)(void *, const u8 *, u32 *), void *ctx);
/*
 * index: greater than the last, below 2^(9 * height). block 0 (crc 0): the page is zeros now. The old tree's nodes on
 * the way are read and checked: errors as in ckpt_lookup(), and CKPT_WRITE_FAILED.
 */
MUST_CHECK enum ckpt_error ckpt_builder_set(struct ckpt_builder *b, u64 index, u32 block, u32 crc);
/* The same with `count` pages, numbered one after the other. */
MUST_CHECK enum ckpt_error ckpt_builder_set_run(struct ckpt_builder *b, u64 index, u32 count, const u32 *block,
                                                const u32 *crc);
/* Afterwards b->tree is complete. A tree without any page has root 0; one that hasn't changed is the old one. */
MUST_CHECK enum ckpt_error ckpt_builder_finish(struct ckpt_builder *b);

// ---- the whole

#define CKPT_RUN_BLOCKS 16

struct ckpt_verifier {
    struct ckpt_reader reader;
    struct ckpt_walk walk;
    struct ckpt_region regions[CKPT_REGIONS_MAX];
    u32 region_count, region;  // the region that the walk is in
    u64 failed_at;             // offset in the file
    u64 pages, nodes;          // all trees together
    u8 run[CKPT_RUN_BLOCKS * CKPT_BLOCK_SIZE];
};

/* Check everything in an epoch (0: the newest), pages too. v: uninitialized working storage. */
MUST_CHECK enum ckpt_error ckpt_verify(struct ckpt_verifier *v, const struct ckpt_source *source, u64 epoch);

/* The same with the epoch before the one that *v has checked last. CKPT_NO_EPOCH: none is kept. */
MUST_CHECK enum ckpt_error ckpt_verify_previous(struct ckpt_verifier *v);

typedef void ckpt_put_text(void *arg, const char *bytes, size_t n);

/* Tell the epoch that *r was opened with, record by record, in lines for a person. The pages are not read. */
MUST_CHECK enum ckpt_error ckpt_describe(struct ckpt_reader *r, ckpt_put_text *put, void *arg);

/* Tell that epoch and all older ones that are kept, a line each. Leaves *r in the oldest. */
MUST_CHECK enum ckpt_error ckpt_describe_log(struct ckpt_reader *r, ckpt_put_text *put, void *arg);

/*
 * Tell the memory of an epoch (0: the newest): of each address space its regions, with their size, the pages in the
 * image and those that are zeros. The nodes are read and checked, the pages are not. v: uninitialized working storage.
 */
MUST_CHECK enum ckpt_error ckpt_describe_memory(struct ckpt_verifier *v, const struct ckpt_source *source, u64 epoch,
                                                ckpt_put_text *put, void *arg);
