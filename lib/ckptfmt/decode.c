// Reading: a record's payload, checked field by field.

#include "layout.h"

static u64 user_end(const struct ckpt_reader *r)
{
    return r->machine->user_end;
}

static decode_payload decode_epoch, decode_pipe, decode_content, decode_file, decode_space, decode_tree, decode_process,
    decode_state, decode_restart, decode_cwd, decode_descriptors;

// The newest epoch says in its header what it is; of an older one that header knows nothing but the number.
static bool epoch_is_the_header(const struct ckpt_reader *r, const struct ckpt_epoch *e)
{
    if (e->epoch != r->header.epoch)
        return false;
    return r->older || (e->parent == r->header.parent && e->wall_ns == r->header.wall_ns);
}

// An older epoch is known to keep at least what the newer one has counted on.
static bool history_is_sound(const struct ckpt_reader *r, const struct ckpt_epoch *e)
{
    if (e->parent >= e->epoch || e->previous >= e->epoch || (e->kept && !e->previous))
        return false;
    if (r->older && e->kept < r->steps_left)
        return false;
    return e->previous || !(e->previous_block || e->previous_size || e->previous_digest);
}

// Each content and each pipe has a FILE, and each space a process.
static bool counts_are_sound(const struct ckpt_epoch *e)
{
    return e->processes >= 1 && e->processes <= CKPT_PROCESSES_MAX && e->spaces <= e->processes &&
           e->contents <= CKPT_CONTENTS_MAX && e->contents <= e->files && e->pipes <= CKPT_PIPES_MAX &&
           e->pipes <= e->files;
}

static enum ckpt_error decode_epoch(const struct ckpt_reader *r, const u8 *at, size_t length, struct ckpt_item *item)
{
    struct ckpt_epoch *e = &item->epoch;

    if (length != EPOCH_SIZE)
        return CKPT_BAD_RECORD;
    e->epoch = le64(at + EPOCH_NUMBER);
    e->parent = le64(at + EPOCH_PARENT);
    e->wall_ns = le64(at + EPOCH_WALL);
    e->uptime_ns = le64(at + EPOCH_UPTIME);
    e->pause_ns = le64(at + EPOCH_PAUSE);
    e->pages_written = le64(at + EPOCH_PAGES);
    e->blocks_written = le64(at + EPOCH_BLOCKS);
    e->previous = le64(at + EPOCH_PREVIOUS);
    e->previous_block = le64(at + EPOCH_PREVIOUS_BLOCK);
    e->previous_size = le64(at + EPOCH_PREVIOUS_SIZE);
    e->previous_digest = le32(at + EPOCH_PREVIOUS_DIGEST);
    e->kept = le32(at + EPOCH_KEPT);
    e->contents = le32(at + EPOCH_CONTENTS);
    e->pipes = le32(at + EPOCH_PIPES);
    e->files = le32(at + EPOCH_FILES);
    e->spaces = le32(at + EPOCH_SPACES);
    e->processes = le32(at + EPOCH_PROCESSES);
    if (!epoch_is_the_header(r, e) || !history_is_sound(r, e))
        return CKPT_BAD_HEADER;
    return counts_are_sound(e) ? CKPT_OK : CKPT_BAD_ORDER;
}

static enum ckpt_error decode_pipe(const struct ckpt_reader *r, const u8 *at, size_t length, struct ckpt_item *item)
{
    struct ckpt_pipe *p = &item->pipe;

    if (length < PIPE_SIZE)
        return CKPT_BAD_RECORD;
    p->size = le32(at + PIPE_BYTES);
    p->bytes = at + PIPE_SIZE;
    return p->size <= CKPT_PIPE_MAX && length == PIPE_SIZE + p->size ? CKPT_OK : CKPT_BAD_RECORD;
}

static enum ckpt_error decode_content(const struct ckpt_reader *r, const u8 *at, size_t length, struct ckpt_item *item)
{
    if (length != CONTENT_SIZE)
        return CKPT_BAD_RECORD;
    item->content.size = le64(at + CONTENT_LENGTH);
    return item->content.size <= INT64_MAX ? CKPT_OK : CKPT_BAD_RECORD;
}

// A text of `size` bytes that ends the payload: no NUL, not too long.
static enum ckpt_error decode_path(const u8 *at, size_t left, u32 size, const char **path)
{
    if (size != left)
        return CKPT_BAD_RECORD;
    if (size > CKPT_PATH_MAX || memchr(at, 0, size))
        return CKPT_BAD_TEXT;
    *path = (const char *)at;
    return CKPT_OK;
}

static bool file_type_fits(const struct ckpt_file *f)
{
    switch (f->kind) {
    case CKPT_FILE_INODE:
        return f->type == CKPT_INODE_DIR || f->type == CKPT_INODE_FILE;
    case CKPT_FILE_DEVICE:
        return f->type == CKPT_INODE_DEV;
    default:
        return file_is_pipe(f);
    }
}

static enum ckpt_error check_content(const struct ckpt_reader *r, const struct ckpt_file *f)
{
    if (f->content > r->epoch.contents)
        return CKPT_BAD_REFERENCE;
    if (f->kind != CKPT_FILE_INODE || f->type != CKPT_INODE_FILE || f->size != r->content_size[f->content - 1])
        return CKPT_BAD_FILE;
    return CKPT_OK;
}

static enum ckpt_error check_file(const struct ckpt_reader *r, const struct ckpt_file *f)
{
    if (!file_type_fits(f) || (f->flags & ~CKPT_FILE_FLAGS) || (f->flags & 3) == 3 || f->offset > INT64_MAX)
        return CKPT_BAD_FILE;
    if (file_is_pipe(f) != (f->pipe != 0))
        return CKPT_BAD_FILE;
    if (file_is_carried_end(r, f) &&
        set_has(f->kind == CKPT_FILE_PIPE_READ ? r->pipe_is_read : r->pipe_is_written, f->pipe))
        return CKPT_BAD_FILE;
    return f->content ? check_content(r, f) : CKPT_OK;
}

static enum ckpt_error decode_file(const struct ckpt_reader *r, const u8 *at, size_t length, struct ckpt_item *item)
{
    struct ckpt_file *f = &item->file;
    enum ckpt_error err;

    if (length < FILE_SIZE)
        return CKPT_BAD_RECORD;
    f->kind = le32(at + FILE_KIND);
    f->flags = le32(at + FILE_FLAGS);
    f->offset = le64(at + FILE_OFFSET);
    f->ino = le64(at + FILE_INO);
    f->generation = le64(at + FILE_GENERATION);
    f->size = le64(at + FILE_LENGTH);
    f->changes = le64(at + FILE_CHANGES);
    f->type = le32(at + FILE_TYPE);
    f->nlink = le32(at + FILE_NLINK);
    f->major = le32(at + FILE_MAJOR);
    f->minor = le32(at + FILE_MINOR);
    f->pipe = le64(at + FILE_PIPE);
    f->content = le64(at + FILE_CONTENT);
    f->path_length = le32(at + FILE_PATH_LENGTH);
    err = decode_path(at + FILE_SIZE, length - FILE_SIZE, f->path_length, &f->path);
    return err ? err : check_file(r, f);
}

void ckpt_space_region(const struct ckpt_space *s, u32 i, struct ckpt_region *out)
{
    const u8 *at = s->encoded + (size_t)i * SPACE_REGION_SIZE;

    out->start = le64(at + REGION_START);
    out->end = le64(at + REGION_END);
    out->prot = le32(at + REGION_PROT);
    out->kind = le32(at + REGION_KIND);
    out->flags = le32(at + REGION_FLAGS);
}

// Is this a region that can follow one that ends at `after`?
static bool region_is_sound(const struct ckpt_region *g, u64 after, u64 limit)
{
    if ((g->start | g->end) % CKPT_BLOCK_SIZE || g->start < after || g->start >= g->end || g->end > limit)
        return false;
    return g->kind >= CKPT_REGION_DATA && g->kind <= CKPT_REGION_STACK && !(g->prot & ~CKPT_REGION_PROT) &&
           !(g->flags & ~CKPT_REGION_PROMISED);
}

static bool heap_is_sound(const struct ckpt_space *s, u64 limit)
{
    return s->heap_start % CKPT_BLOCK_SIZE == 0 && s->heap_start <= s->heap_end && s->heap_end <= s->heap_limit &&
           s->heap_limit <= limit;
}

// A region of the heap is the heap; any other lies outside of where the heap may grow.
static bool region_respects_heap(const struct ckpt_region *g, const struct ckpt_space *s)
{
    if (g->kind == CKPT_REGION_HEAP)
        return g->start == s->heap_start && g->end == ROUND_UP(s->heap_end, CKPT_BLOCK_SIZE);
    return g->end <= s->heap_start || g->start >= s->heap_limit;
}

static enum ckpt_error check_regions(const struct ckpt_space *s, u64 limit)
{
    bool heap_seen = s->heap_end == s->heap_start;
    u64 after = 0;
    struct ckpt_region g;

    for (u32 i = 0; i < s->regions; i++, after = g.end) {
        ckpt_space_region(s, i, &g);
        if (!region_is_sound(&g, after, limit))
            return CKPT_BAD_REGION;
        if (!region_respects_heap(&g, s))
            return CKPT_BAD_HEAP;
        if (g.kind == CKPT_REGION_HEAP)
            heap_seen = true;
    }
    return heap_seen ? CKPT_OK : CKPT_BAD_HEAP;
}

static enum ckpt_error decode_space(const struct ckpt_reader *r, const u8 *at, size_t length, struct ckpt_item *item)
{
    struct ckpt_space *s = &item->space;

    if (length < SPACE_SIZE)
        return CKPT_BAD_RECORD;
    s->heap_start = le64(at + SPACE_HEAP_START);
    s->heap_end = le64(at + SPACE_HEAP_END);
    s->heap_limit = le64(at + SPACE_HEAP_LIMIT);
    s->regions = le32(at + SPACE_REGIONS);
    s->encoded = at + SPACE_SIZE;
    if (s->regions > CKPT_REGIONS_MAX)
        return CKPT_BAD_REGION;
    if (length != SPACE_SIZE + s->regions * SPACE_REGION_SIZE)
        return CKPT_BAD_RECORD;
    if (!heap_is_sound(s, user_end(r)))
        return CKPT_BAD_HEAP;
    return check_regions(s, user_end(r));
}

static enum ckpt_error decode_tree(const struct ckpt_reader *r, const u8 *at, size_t length, struct ckpt_item *item)
{
    struct ckpt_tree *t = &item->tree;

    if (length != TREE_SIZE)
        return CKPT_BAD_RECORD;
    t->pages = le64(at + TREE_PAGES);
    t->nodes = le64(at + TREE_NODES);
    t->root = le32(at + TREE_ROOT);
    t->crc = le32(at + TREE_CRC);
    t->height = le32(at + TREE_HEIGHT);
    if (t->height < 1 || t->height > CKPT_HEIGHT_MAX)
        return CKPT_BAD_TREE;
    if (t->root == 0)
        return t->pages || t->nodes || t->crc ? CKPT_BAD_TREE : CKPT_OK;
    if (t->pages > r->header.blocks || t->nodes > r->header.blocks - t->pages || t->nodes < t->height)
        return CKPT_BAD_TREE;
    return CKPT_OK;
}

static bool pid_is_taken(const struct ckpt_reader *r, s32 pid)
{
    for (u64 i = 0; i < r->processes; i++)
        if (r->pid[i] == pid)
            return true;
    return false;
}

// The first process's parent is outside; that of any other is in the image, before it and alive.
static enum ckpt_error check_parent(const struct ckpt_reader *r, const struct ckpt_process *p, u64 ordinal)
{
    if (p->parent >= ordinal || (p->parent == 0) != (ordinal == 1))
        return CKPT_BAD_REFERENCE;
    if (p->parent == 0)
        return p->state == CKPT_ALIVE ? CKPT_OK : CKPT_BAD_PROCESS;
    return set_has(r->process_ended, p->parent) || p->ppid != r->pid[p->parent - 1] ? CKPT_BAD_PROCESS : CKPT_OK;
}

static enum ckpt_error check_process(const struct ckpt_reader *r, const struct ckpt_process *p, u64 ordinal)
{
    bool alive = p->state == CKPT_ALIVE;

    if (p->pid <= 0 || p->ppid < 0 || p->pgid < 0 || (!alive && p->state != CKPT_ENDED) || (alive && p->status))
        return CKPT_BAD_PROCESS;
    if (pid_is_taken(r, p->pid))
        return CKPT_BAD_PROCESS;
    if (strnlen(p->name, CKPT_NAME_SIZE) == CKPT_NAME_SIZE)
        return CKPT_BAD_TEXT;
    if (alive != (p->space != 0) || p->space > r->epoch.spaces)
        return CKPT_BAD_REFERENCE;
    if (alive && set_has(r->space_is_named, p->space))
        return CKPT_BAD_REFERENCE;
    return check_parent(r, p, ordinal);
}

static enum ckpt_error decode_process(const struct ckpt_reader *r, const u8 *at, size_t length, struct ckpt_item *item)
{
    struct ckpt_process *p = &item->process;

    if (length != PROCESS_SIZE)
        return CKPT_BAD_RECORD;
    p->pid = (s32)le32(at + PROCESS_PID);
    p->ppid = (s32)le32(at + PROCESS_PPID);
    p->pgid = (s32)le32(at + PROCESS_PGID);
    p->state = le32(at + PROCESS_STATE);
    p->status = (s32)le32(at + PROCESS_STATUS);
    p->space = le64(at + PROCESS_SPACE);
    p->uptime_ns = le64(at + PROCESS_UPTIME);
    memcpy(p->name, at + PROCESS_NAME, CKPT_NAME_SIZE);
    p->parent = le64(at + PROCESS_PARENT);
    return check_process(r, p, item->object);
}

static enum ckpt_error decode_state(const struct ckpt_reader *r, const u8 *at, size_t length, struct ckpt_item *item)
{
    struct ckpt_state *s = &item->state;
    u32 size = item->type == CKPT_FPU ? r->machine->fpu_size : r->machine->registers_size;

    if (length != STATE_SIZE + size || le32(at + STATE_BYTES) != size)
        return CKPT_BAD_RECORD;
    s->machine = le32(at + STATE_MACHINE);
    s->size = size;
    s->bytes = at + STATE_SIZE;
    return s->machine == r->machine->id ? CKPT_OK : CKPT_BAD_MACHINE;
}

static enum ckpt_error decode_restart(const struct ckpt_reader *r, const u8 *at, size_t length, struct ckpt_item *item)
{
    if (length != RESTART_SIZE)
        return CKPT_BAD_RECORD;
    item->restart.call = le32(at + RESTART_CALL);
    item->restart.done = le64(at + RESTART_DONE);
    item->restart.left_ns = le64(at + RESTART_LEFT);
    return CKPT_OK;
}

static enum ckpt_error decode_cwd(const struct ckpt_reader *r, const u8 *at, size_t length, struct ckpt_item *item)
{
    struct ckpt_cwd *c = &item->cwd;

    if (length < CWD_SIZE)
        return CKPT_BAD_RECORD;
    c->ino = le64(at + CWD_INO);
    c->generation = le64(at + CWD_GENERATION);
    c->path_length = le32(at + CWD_PATH_LENGTH);
    return decode_path(at + CWD_SIZE, length - CWD_SIZE, c->path_length, &c->path);
}

void ckpt_descriptor(const struct ckpt_descriptors *d, u32 i, struct ckpt_descriptor *out)
{
    const u8 *at = d->encoded + (size_t)i * DESCRIPTOR_SIZE;

    out->fd = le32(at + DESCRIPTOR_FD);
    out->file = le64(at + DESCRIPTOR_FILE);
}

static enum ckpt_error decode_descriptors(const struct ckpt_reader *r, const u8 *at, size_t length,
                                          struct ckpt_item *item)
{
    struct ckpt_descriptors *d = &item->descriptors;
    struct ckpt_descriptor one;
    u32 lowest = 0;

    if (length < DESCRIPTORS_SIZE)
        return CKPT_BAD_RECORD;
    d->count = le32(at + DESCRIPTORS_COUNT);
    d->encoded = at + DESCRIPTORS_SIZE;
    if (d->count > CKPT_FDS_MAX)
        return CKPT_BAD_DESCRIPTOR;
    if (length != DESCRIPTORS_SIZE + d->count * DESCRIPTOR_SIZE)
        return CKPT_BAD_RECORD;
    for (u32 i = 0; i < d->count; i++, lowest = one.fd + 1) {
        ckpt_descriptor(d, i, &one);
        if (one.fd < lowest || one.fd >= CKPT_FDS_MAX)
            return CKPT_BAD_DESCRIPTOR;
        if (one.file < 1 || one.file > r->epoch.files)
            return CKPT_BAD_REFERENCE;
    }
    return CKPT_OK;
}

enum ckpt_error ckpt_decode_payload(const struct ckpt_reader *r, const u8 *at, size_t length, struct ckpt_item *item)
{
    static decode_payload *const decoders[] = {
        [CKPT_EPOCH] = decode_epoch,     [CKPT_PIPE] = decode_pipe,       [CKPT_CONTENT] = decode_content,
        [CKPT_FILE] = decode_file,       [CKPT_SPACE] = decode_space,     [CKPT_TREE] = decode_tree,
        [CKPT_PROCESS] = decode_process, [CKPT_REGISTERS] = decode_state, [CKPT_FPU] = decode_state,
        [CKPT_RESTART] = decode_restart, [CKPT_CWD] = decode_cwd,         [CKPT_DESCRIPTORS] = decode_descriptors,
    };

    return decoders[item->type](r, at, length, item);
}
