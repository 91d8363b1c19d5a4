#include "epoch.h"

#include <base/byteorder.h>
#include <lib/tool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NS_PER_S 1000000000ull

static void *copy(const void *bytes, size_t n)
{
    void *to = tool_alloc(n + 1, 1);

    return n ? memcpy(to, bytes, n) : to;
}

// One more item at the end of a list, zeroed.
static void *add(void **items, size_t *room, size_t *count, size_t size)
{
    tool_grow(items, room, *count + 1, size);
    return memset((u8 *)*items + (*count)++ * size, 0, size);
}

struct epoch_content *epoch_add_content(struct epoch *e)
{
    return add((void **)&e->content, &e->room[0], &e->contents, sizeof *e->content);
}

struct epoch_pipe *epoch_add_pipe(struct epoch *e)
{
    return add((void **)&e->pipe, &e->room[1], &e->pipes, sizeof *e->pipe);
}

struct epoch_file *epoch_add_file(struct epoch *e)
{
    return add((void **)&e->file, &e->room[2], &e->files, sizeof *e->file);
}

struct epoch_space *epoch_add_space(struct epoch *e)
{
    return add((void **)&e->space, &e->room[3], &e->spaces, sizeof *e->space);
}

struct epoch_process *epoch_add_process(struct epoch *e)
{
    return add((void **)&e->process, &e->room[4], &e->processes, sizeof *e->process);
}

void pages_add(struct pages *p, u64 index, u32 block, u32 crc)
{
    tool_grow((void **)&p->list, &p->room, p->count + 1, sizeof *p->list);
    p->list[p->count++] = (struct ckpt_page){ .index = index, .block = block, .crc = crc };
}

static enum ckpt_error load_pages(struct epoch *e, const struct ckpt_reader *r, struct pages *p)
{
    struct ckpt_walk *walk = tool_alloc(1, sizeof *walk);
    struct ckpt_page page = { .block = 1 };
    enum ckpt_error err = ckpt_walk_begin(walk, r, &p->tree);

    while (!err && page.block) {
        err = ckpt_walk_next(walk, &page);
        if (!err && page.block)
            pages_add(p, page.index, page.block, page.crc);
    }
    if (err)
        e->failed_at = walk->failed_at;
    free(walk);
    return err;
}

static void load_space(struct epoch *e, const struct ckpt_space *from)
{
    struct epoch_space *s = epoch_add_space(e);

    s->space = *from;
    s->space.encoded = NULL;
    s->regions = tool_alloc(from->regions, sizeof *s->regions);
    for (u32 i = 0; i < from->regions; i++)
        ckpt_space_region(from, i, &s->regions[i]);
}

// A TREE belongs to the last content until there is a space.
static struct pages *current_pages(struct epoch *e)
{
    return e->spaces ? &e->space[e->spaces - 1].pages : &e->content[e->contents - 1].pages;
}

static void load_state(struct ckpt_state *to, const struct ckpt_state *from)
{
    *to = *from;
    to->bytes = copy(from->bytes, from->size);
}

static void load_descriptors(struct epoch_process *p, const struct ckpt_descriptors *d)
{
    p->fds = d->count;
    p->fd = tool_alloc(d->count, sizeof *p->fd);
    for (u32 i = 0; i < d->count; i++)
        ckpt_descriptor(d, i, &p->fd[i]);
}

static void load_file(struct epoch *e, const struct ckpt_file *from)
{
    struct ckpt_file *f = &epoch_add_file(e)->file;

    *f = *from;
    f->path = copy(from->path, from->path_length);
}

static void load_pipe(struct epoch *e, const struct ckpt_pipe *from)
{
    struct ckpt_pipe *p = &epoch_add_pipe(e)->pipe;

    *p = *from;
    p->bytes = copy(from->bytes, from->size);
}

// The records of a living process.
static void load_of_process(struct epoch_process *p, const struct ckpt_item *item)
{
    switch (item->type) {
    case CKPT_REGISTERS:
        load_state(&p->registers, &item->state);
        break;
    case CKPT_FPU:
        load_state(&p->fpu, &item->state);
        break;
    case CKPT_RESTART:
        p->restart = item->restart;
        break;
    case CKPT_CWD:
        p->cwd = item->cwd;
        p->cwd.path = copy(item->cwd.path, item->cwd.path_length);
        break;
    case CKPT_DESCRIPTORS:
        load_descriptors(p, &item->descriptors);
        break;
    default:
        break;
    }
}

static enum ckpt_error load_item(struct epoch *e, struct ckpt_reader *r, const struct ckpt_item *item, bool with_pages)
{
    switch (item->type) {
    case CKPT_EPOCH:
        e->info = item->epoch;
        break;
    case CKPT_CONTENT:
        epoch_add_content(e)->content = item->content;
        break;
    case CKPT_PIPE:
        load_pipe(e, &item->pipe);
        break;
    case CKPT_FILE:
        load_file(e, &item->file);
        break;
    case CKPT_SPACE:
        load_space(e, &item->space);
        break;
    case CKPT_TREE:
        current_pages(e)->tree = item->tree;
        return with_pages ? load_pages(e, r, current_pages(e)) : CKPT_OK;
    case CKPT_PROCESS:
        epoch_add_process(e)->process = item->process;
        break;
    default:
        if (e->processes)
            load_of_process(&e->process[e->processes - 1], item);
    }
    return CKPT_OK;
}

// The epoch that *r has just been opened with.
static enum ckpt_error load_records(struct epoch *e, struct input *in, struct ckpt_reader *r, bool with_pages)
{
    struct ckpt_item item = { .type = CKPT_EPOCH };
    enum ckpt_error err = CKPT_OK;

    *e = (struct epoch){ .input = in };
    while (!err && item.type != CKPT_END) {
        err = ckpt_next(r, &item);
        e->failed_at = r->failed_at;
        if (!err)
            err = load_item(e, r, &item, with_pages);
    }
    e->header = r->header;
    e->machine = r->machine;
    e->newest = !r->older;
    e->older = r->steps_left;
    ckpt_bounds(&e->bounds, r);
    if (err)
        epoch_release(e);
    return err;
}

enum ckpt_error epoch_load(struct epoch *e, struct input *in, u64 epoch, bool with_pages)
{
    struct ckpt_reader *r = tool_alloc(1, sizeof *r);
    enum ckpt_error err = ckpt_open(r, &in->source, epoch);

    *e = (struct epoch){ .input = in, .failed_at = r->failed_at };
    if (!err)
        err = load_records(e, in, r, with_pages);
    free(r);
    return err;
}

bool epoch_open(struct epoch *e, struct input *in, bool with_pages, int *status)
{
    enum ckpt_error err = epoch_load(e, in, in->epoch, with_pages);

    if (err)
        *status = input_complain(in, err, e->failed_at);
    return !err;
}

static void reverse(struct epoch *epochs, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        struct epoch other = epochs[i];
        epochs[i] = epochs[count - 1 - i];
        epochs[count - 1 - i] = other;
    }
}

enum ckpt_error epochs_load(struct input *in, u64 keep, bool with_pages, struct epoch **epochs, size_t *count,
                            u64 *failed_at)
{
    struct ckpt_reader *r = tool_alloc(1, sizeof *r);
    enum ckpt_error err = ckpt_open(r, &in->source, 0);
    size_t room = 0;

    *epochs = NULL;
    *count = 0;
    *failed_at = r->failed_at;
    while (!err) {
        tool_grow((void **)epochs, &room, *count + 1, sizeof **epochs);
        err = load_records(&(*epochs)[*count], in, r, with_pages);
        *failed_at = (*epochs)[*count].failed_at;
        if (err)
            break;
        err = ++*count == keep ? CKPT_NO_EPOCH : ckpt_open_previous(r);
        if (err)
            *failed_at = r->failed_at;
    }
    free(r);
    // The newest epoch may have dropped some of those that the one before it kept: who is rescued has those before
    // them.
    if ((err == CKPT_NO_EPOCH || in->rescue) && err != CKPT_READ_FAILED && *count) {
        reverse(*epochs, *count);
        return CKPT_OK;
    }
    epochs_release(*epochs, *count);
    return err;
}

void epoch_release(struct epoch *e)
{
    for (size_t i = 0; i < e->contents; i++)
        free(e->content[i].pages.list);
    for (size_t i = 0; i < e->pipes; i++)
        free((void *)e->pipe[i].pipe.bytes);
    for (size_t i = 0; i < e->files; i++)
        free((void *)e->file[i].file.path);
    for (size_t i = 0; i < e->spaces; i++) {
        free(e->space[i].regions);
        free(e->space[i].pages.list);
    }
    for (size_t i = 0; i < e->processes; i++) {
        free((void *)e->process[i].registers.bytes);
        free((void *)e->process[i].fpu.bytes);
        free((void *)e->process[i].cwd.path);
        free(e->process[i].fd);
    }
    free(e->content);
    free(e->pipe);
    free(e->file);
    free(e->space);
    free(e->process);
    *e = (struct epoch){ .failed_at = e->failed_at };
}

void epochs_release(struct epoch *epochs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        epoch_release(&epochs[i]);
    free(epochs);
}

u64 process_register(const struct epoch *e, const struct epoch_process *p, u32 number)
{
    u32 width = e->machine->register_width;

    if (!p->registers.bytes || (number + 1) * width > p->registers.size)
        return 0;
    const u8 *at = p->registers.bytes + (size_t)number * width;
    return width == 8 ? le64(at) : le32(at);
}

const struct epoch_process *epoch_find(const struct epoch *e, s32 pid)
{
    for (size_t i = 0; i < e->processes; i++)
        if (!pid || e->process[i].process.pid == pid)
            return &e->process[i];
    return NULL;
}

const struct epoch_space *epoch_space_of(const struct epoch *e, const struct epoch_process *p)
{
    return p->process.space ? &e->space[p->process.space - 1] : NULL;
}

enum ckpt_error epoch_page(struct epoch *e, const struct ckpt_page *page, u8 out[CKPT_BLOCK_SIZE])
{
    const struct ckpt_source *source = &e->input->source;

    e->failed_at = (u64)page->block * CKPT_BLOCK_SIZE;
    if (source->read(source->ctx, e->failed_at, out, CKPT_BLOCK_SIZE))
        return CKPT_READ_FAILED;
    return ckpt_page_checksum(e->bounds.features, out) == page->crc ? CKPT_OK : CKPT_BAD_CHECKSUM;
}

const struct ckpt_page *pages_find(const struct pages *p, u64 index)
{
    size_t low = 0, high = p->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (p->list[middle].index < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low < p->count && p->list[low].index == index ? &p->list[low] : NULL;
}

enum ckpt_error epoch_memory(struct epoch *e, const struct pages *p, u64 address, u8 *out, size_t n)
{
    u8 bytes[CKPT_BLOCK_SIZE];

    while (n) {
        u64 within = address % CKPT_BLOCK_SIZE;
        size_t part = MIN(n, CKPT_BLOCK_SIZE - within);
        const struct ckpt_page *page = pages_find(p, address / CKPT_BLOCK_SIZE);
        enum ckpt_error err = page ? epoch_page(e, page, bytes) : CKPT_OK;

        if (err)
            return err;
        if (page)
            memcpy(out, bytes + within, part);
        else
            memset(out, 0, part);
        out += part;
        address += part;
        n -= part;
    }
    return CKPT_OK;
}

const struct ckpt_region *space_region(const struct epoch_space *s, u64 address)
{
    for (u32 i = 0; i < s->space.regions; i++)
        if (address >= s->regions[i].start && address < s->regions[i].end)
            return &s->regions[i];
    return NULL;
}

const char *date_text(u64 wall_ns, char *to, size_t size)
{
    time_t seconds = (time_t)(wall_ns / NS_PER_S);
    struct tm tm;

    if (!gmtime_r(&seconds, &tm) || !strftime(to, size, "%Y-%m-%d %H:%M:%S", &tm))
        snprintf(to, size, "?");
    return to;
}

const char *file_kind_text(const struct ckpt_file *f)
{
    switch (f->kind) {
    case CKPT_FILE_DEVICE:
        return "device";
    case CKPT_FILE_PIPE_READ:
        return "pipe-read";
    case CKPT_FILE_PIPE_WRITE:
        return "pipe-write";
    default:
        return f->type == CKPT_INODE_DIR ? "directory" : "file";
    }
}

const char *file_access_text(u32 flags)
{
    static const char *const texts[] = { "read", "write", "read-write", "?" };

    return texts[flags & 3];
}

const char *region_kind_text(u32 kind)
{
    static const char *const texts[] = { "?", "data", "heap", "stack" };

    return texts[kind < ARRAY_SIZE(texts) ? kind : 0];
}

void region_protection_text(u32 protection, char out[4])
{
    out[0] = protection & 1 ? 'r' : '-';
    out[1] = protection & 2 ? 'w' : '-';
    out[2] = protection & 4 ? 'x' : '-';
    out[3] = 0;
}
