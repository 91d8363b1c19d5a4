#include "writer.h"

#include <base/crc32c.h>
#include <errno.h>
#include <fcntl.h>
#include <lib/tool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_BLOCKS 64
#define HEIGHT_SPACE  3  // reaches all pages of an i386 process

struct known_node {
    u32 block, crc;
};

struct writer {
    const char *path;
    char *temporary;
    int fd;
    bool force, finished;
    u64 blocks;  // written, with those that are still in the buffer
    u8 *buffer;
    u32 buffered;
    u32 *crc;  // of each block, but for record areas
    size_t crc_room;
    struct known_node *nodes;  // hash table by checksum; block 0: free
    size_t node_room, node_count;
    struct ckpt_header header;
    struct ckpt_epoch last;  // the epoch before, and where its records are
    u64 last_block, last_size;
    u32 last_digest, epochs;
};

static bool fail(const struct writer *w, int err)
{
    tool_error("%s: %s", w->path, strerror(err));
    return false;
}

static bool write_at(struct writer *w, const u8 *bytes, size_t n, u64 offset)
{
    while (n) {
        ssize_t done = pwrite(w->fd, bytes, n, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return fail(w, done ? errno : EIO);
        bytes += done;
        offset += (u64)done;
        n -= (size_t)done;
    }
    return true;
}

static bool flush(struct writer *w)
{
    u64 first = w->blocks - w->buffered;
    size_t n = (size_t)w->buffered * CKPT_BLOCK_SIZE;

    w->buffered = 0;
    return write_at(w, w->buffer, n, first * CKPT_BLOCK_SIZE);
}

// The next block, which has that checksum.
static bool append(struct writer *w, const u8 *bytes, u32 crc, u32 *block)
{
    if (w->blocks >= UINT32_MAX)
        return fail(w, EFBIG);
    if (w->buffered == BUFFER_BLOCKS && !flush(w))
        return false;
    memcpy(w->buffer + (size_t)w->buffered++ * CKPT_BLOCK_SIZE, bytes, CKPT_BLOCK_SIZE);
    tool_grow((void **)&w->crc, &w->crc_room, (size_t)w->blocks + 1, sizeof *w->crc);
    *block = (u32)w->blocks++;
    w->crc[*block] = crc;
    return true;
}

struct writer *writer_create(const char *path, bool force)
{
    struct writer *w = tool_alloc(1, sizeof *w);

    w->path = path;
    w->force = force;
    w->blocks = CKPT_SLOTS;
    w->buffer = tool_alloc(BUFFER_BLOCKS, CKPT_BLOCK_SIZE);
    w->fd = -1;
    if (!force && access(path, F_OK) == 0) {
        tool_error("%s: exists; -f replaces it", path);
    } else if (asprintf(&w->temporary, "%s.new-%d", path, (int)getpid()) < 0) {
        w->temporary = NULL;
        fail(w, ENOMEM);
    } else if ((w->fd = open(w->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) < 0) {
        fail(w, errno);
    }
    if (w->fd >= 0)
        return w;
    free(w->temporary);
    w->temporary = NULL;
    writer_release(w);
    return NULL;
}

void writer_release(struct writer *w)
{
    if (w->temporary && !w->finished)
        unlink(w->temporary);
    if (w->fd >= 0)
        close(w->fd);
    free(w->temporary);
    free(w->buffer);
    free(w->crc);
    free(w->nodes);
    free(w);
}

bool writer_page(struct writer *w, const u8 bytes[CKPT_BLOCK_SIZE], u32 *block)
{
    return append(w, bytes, ckpt_page_checksum(CKPT_FEATURES, bytes), block);
}

// Nodes that were written, by checksum. At most half full.

static size_t node_place(const struct writer *w, u32 crc)
{
    return crc & (w->node_room - 1);
}

static void node_remember(struct writer *w, u32 block, u32 crc)
{
    if (2 * (w->node_count + 1) > w->node_room) {
        struct known_node *old = w->nodes;
        size_t room = w->node_room;

        w->node_room = room ? 2 * room : 1024;
        w->nodes = tool_alloc(w->node_room, sizeof *w->nodes);
        w->node_count = 0;
        for (size_t i = 0; i < room; i++)
            if (old[i].block)
                node_remember(w, old[i].block, old[i].crc);
        free(old);
    }
    size_t at = node_place(w, crc);
    while (w->nodes[at].block)
        at = (at + 1) & (w->node_room - 1);
    w->nodes[at] = (struct known_node){ block, crc };
    w->node_count++;
}

static bool block_is(struct writer *w, u32 block, const u8 *bytes)
{
    u8 other[CKPT_BLOCK_SIZE];

    if (w->buffered && !flush(w))
        return false;
    return pread(w->fd, other, sizeof other, (off_t)block * CKPT_BLOCK_SIZE) == sizeof other &&
           memcmp(other, bytes, sizeof other) == 0;
}

static int emit(void *ctx, const u8 node[CKPT_BLOCK_SIZE], u32 *block)
{
    struct writer *w = ctx;
    u32 crc = crc32c(0, node, CKPT_BLOCK_SIZE);

    for (size_t at = node_place(w, crc); w->node_room && w->nodes[at].block; at = (at + 1) & (w->node_room - 1))
        if (w->nodes[at].crc == crc && block_is(w, w->nodes[at].block, node)) {
            *block = w->nodes[at].block;
            return 0;
        }
    if (!append(w, node, crc, block))
        return -1;
    node_remember(w, *block, crc);
    return 0;
}

// The tree's height stays what it was, so that the next epoch's writer finds what it expects.
static bool tree_write(struct writer *w, const struct pages *p, u32 usual_height, const u32 *place,
                       struct ckpt_tree *out)
{
    struct ckpt_builder *b = tool_alloc(1, sizeof *b);
    u32 height = p->tree.height ? p->tree.height : usual_height;
    enum ckpt_error err = CKPT_OK;

    ckpt_builder_init(b, height, NULL, NULL, emit, w);
    for (size_t i = 0; i < p->count && !err; i++) {
        u32 block = place[p->list[i].block];
        err = ckpt_builder_set(b, p->list[i].index, block, w->crc[block]);
    }
    if (!err)
        err = ckpt_builder_finish(b);
    *out = b->tree;
    free(b);
    if (err && err != CKPT_WRITE_FAILED)
        tool_error("%s: %s", w->path, ckpt_error_text(err));
    return !err;
}

// The record area, which grows.
struct area {
    u8 *bytes;
    size_t size, room;
};

static u8 *area_room(struct area *a)
{
    tool_grow((void **)&a->bytes, &a->room, a->size + CKPT_RECORD_MAX + CKPT_BLOCK_SIZE, 1);
    return a->bytes + a->size;
}

static void put_process(struct area *a, const struct epoch_process *p, u64 ordinal)
{
    a->size += ckpt_put_process(area_room(a), ordinal, &p->process);
    if (p->process.state != CKPT_ALIVE)
        return;
    a->size += ckpt_put_state(area_room(a), CKPT_REGISTERS, ordinal, &p->registers);
    a->size += ckpt_put_state(area_room(a), CKPT_FPU, ordinal, &p->fpu);
    a->size += ckpt_put_restart(area_room(a), ordinal, &p->restart);
    a->size += ckpt_put_cwd(area_room(a), ordinal, &p->cwd);
    a->size += ckpt_put_descriptors(area_room(a), ordinal, p->fds, p->fd);
}

static void put_head(struct writer *w, struct area *a, const struct epoch *e)
{
    struct ckpt_epoch info = e->info;

    info.previous = w->epochs ? w->last.epoch : 0;
    info.previous_block = w->last_block;
    info.previous_size = w->last_size;
    info.previous_digest = w->last_digest;
    info.kept = w->epochs;
    info.contents = (u32)e->contents;
    info.pipes = (u32)e->pipes;
    info.files = (u32)e->files;
    info.spaces = (u32)e->spaces;
    info.processes = (u32)e->processes;
    a->size += ckpt_put_epoch(area_room(a), &info);
}

static bool put_contents(struct writer *w, struct area *a, const struct epoch *e, const u32 *place)
{
    struct ckpt_tree tree;

    for (size_t i = 0; i < e->contents; i++) {
        if (!tree_write(w, &e->content[i].pages, 1, place, &tree))
            return false;
        a->size += ckpt_put_content(area_room(a), i + 1, &e->content[i].content);
        a->size += ckpt_put_tree(area_room(a), i + 1, &tree);
    }
    return true;
}

static bool put_spaces(struct writer *w, struct area *a, const struct epoch *e, const u32 *place)
{
    struct ckpt_tree tree;

    for (size_t i = 0; i < e->spaces; i++) {
        if (!tree_write(w, &e->space[i].pages, HEIGHT_SPACE, place, &tree))
            return false;
        a->size += ckpt_put_space(area_room(a), i + 1, &e->space[i].space, e->space[i].regions);
        a->size += ckpt_put_tree(area_room(a), i + 1, &tree);
    }
    return true;
}

static bool put_records(struct writer *w, struct area *a, const struct epoch *e, const u32 *place)
{
    put_head(w, a, e);
    if (!put_contents(w, a, e, place))
        return false;
    for (size_t i = 0; i < e->pipes; i++)
        a->size += ckpt_put_pipe(area_room(a), i + 1, &e->pipe[i].pipe);
    for (size_t i = 0; i < e->files; i++)
        a->size += ckpt_put_file(area_room(a), i + 1, &e->file[i].file);
    if (!put_spaces(w, a, e, place))
        return false;
    for (size_t i = 0; i < e->processes; i++)
        put_process(a, &e->process[i], i + 1);
    return true;
}

static bool area_write(struct writer *w, struct area *a)
{
    u32 block;

    memset(area_room(a), 0, CKPT_BLOCK_SIZE);
    w->last_block = w->blocks;
    w->last_size = a->size;
    w->last_digest = crc32c(0, a->bytes, a->size);
    for (size_t at = 0; at < a->size; at += CKPT_BLOCK_SIZE)
        if (!append(w, a->bytes + at, 0, &block))
            return false;
    return true;
}

// What the next header says, if this epoch is the newest.
static void header_fill(struct writer *w, const struct epoch *e)
{
    const struct epoch_process *first = &e->process[0];
    const struct epoch_space *s = epoch_space_of(e, first);
    u64 memory = (s ? s->pages.count : 0) * CKPT_BLOCK_SIZE;

    w->header = (struct ckpt_header){
        .machine = e->machine->id,
        .features = CKPT_FEATURES,
        .epoch = e->info.epoch,
        .parent = e->info.parent,
        .wall_ns = e->info.wall_ns,
        .records_block = w->last_block,
        .records_size = w->last_size,
        .digest = w->last_digest,
        .pid = first->process.pid,
        .memory = (u32)MIN(memory, UINT32_MAX),
    };
    memcpy(w->header.identity, e->header.identity, CKPT_IDENTITY_SIZE);
    memcpy(w->header.name, first->process.name, CKPT_NAME_SIZE);
}

bool writer_epoch(struct writer *w, const struct epoch *e, const u32 *place)
{
    struct area a = {};
    bool ok = e->processes > 0 && put_records(w, &a, e, place) && area_write(w, &a);

    free(a.bytes);
    if (!ok)
        return false;
    header_fill(w, e);
    w->last = e->info;
    w->epochs++;
    return true;
}

static bool verify(const struct writer *w)
{
    struct ckpt_verifier *v = tool_alloc(1, sizeof *v);
    struct input in;
    enum ckpt_error err = CKPT_READ_FAILED;

    if (input_open(&in, w->temporary, false)) {
        err = ckpt_verify(v, &in.source, 0);
        while (!err)
            err = ckpt_verify_previous(v);
        input_close(&in);
    }
    free(v);
    if (err == CKPT_NO_EPOCH)
        return true;
    tool_error("%s: what would be written isn't sound: %s", w->path, ckpt_error_text(err));
    return false;
}

static bool publish(struct writer *w)
{
    mode_t mask = umask(0);

    umask(mask);
    if (fchmod(w->fd, 0666 & ~mask) != 0 || fsync(w->fd) != 0 || rename(w->temporary, w->path) != 0)
        return fail(w, errno);
    w->finished = true;
    return true;
}

bool writer_finish(struct writer *w)
{
    u8 block[CKPT_BLOCK_SIZE];

    if (!w->epochs) {
        tool_error("%s: there is no epoch to write", w->path);
        return false;
    }
    w->header.blocks = w->blocks;
    ckpt_header_encode(&w->header, block);
    return flush(w) && write_at(w, block, sizeof block, 0) && verify(w) && publish(w);
}
