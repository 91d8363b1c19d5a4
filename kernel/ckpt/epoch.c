// Epoch: pages, trees, and the order in which everything is written.
//
// The processes have long been running again, unless they are to end or stop. First come the pages in ascending order,
// with the nodes of their tree among them; then the records, which say where the trees are; then the header, which says
// where the records are. Of memory that the file has from an earlier epoch only what changed is looked at: the tree's
// nodes above it are written anew, and share the rest with the old tree.
#include "epoch.h"
#include "machine.h"
#include <base/string.h>
#include <kern/printk.h>
#include <kern/time.h>
#include <mm/kmalloc.h>
#include <uapi/errno.h>

#define TREE_HEIGHT  3   // pages below 2^27: more than any 32-bit machine has; files to 512 GiB
#define RECORD_SLACK 16  // blocks, enough for most record areas
#define WALK_PAGES   32  // looked for in a space at a time
#define SMALL_PAGES  64

_Static_assert((u64)USER_END / PAGE_SIZE <= 1ull << (TREE_HEIGHT * CKPT_FANOUT_BITS), "the tree reaches all pages");

int epoch_create(struct store *store, _Atomic u32 *looked_at, _Atomic bool *cancelled, struct epoch **out)
{
    struct epoch *x = kmalloc(sizeof(*x));

    if (!x)
        return -ENOMEM;
    memset(x, 0, offsetof(struct epoch, pages));
    x->store = store;
    x->looked_at = looked_at;
    x->cancelled = cancelled;
    *out = x;
    return 0;
}

void epoch_destroy(struct epoch *x)
{
    for (u32 i = 0; i < x->area.count; i++)
        frame_put(x->area.frames[i]);
    kfree(x->area.frames);
    base_destroy(x->base);
    kfree(x->trees);
    kfree(x->contents);
    kfree(x->kin);
    kfree(x);
}

// ---- trees

static int emit_node(void *ctx, const u8 *node, u32 *block)
{
    struct epoch *x = ctx;

    x->err = output_block(&x->store->output, node, block);
    return x->err;
}

// What the builder says is about the earlier epoch, if it isn't emit()'s.
static int builder_error(struct epoch *x, enum ckpt_error error)
{
    if (!error)
        return 0;
    return error == CKPT_WRITE_FAILED ? x->err : image_refuse(&x->store->image, error, x->builder.failed_at);
}

static void note_replaced(void *ctx, u32 first, u32 count)
{
    struct epoch *x = ctx;

    store_replaced(x->store, first, count);
}

// The trees of several spaces share pages: what one doesn't have any more another one may have.
void epoch_tree_begin(struct epoch *x, const struct ckpt_tree *base)
{
    ckpt_builder_init(&x->builder, TREE_HEIGHT, base ? &x->base->bounds : NULL, base, emit_node, x);
    x->builder.replaced = x->space_count == 1 ? note_replaced : NULL;
}

int epoch_tree_end(struct epoch *x, struct ckpt_tree *tree)
{
    int err = builder_error(x, ckpt_builder_finish(&x->builder));

    *tree = x->builder.tree;
    x->e.blocks_written += x->builder.written;
    return err;
}

int epoch_placed_pages(struct epoch *x, u64 index, u32 count, const u32 *block, const u32 *crc)
{
    return builder_error(x, ckpt_builder_set_run(&x->builder, index, count, block, crc));
}

int epoch_no_page(struct epoch *x, u64 index)
{
    return x->builder.base.root ? epoch_placed_pages(x, index, 1, &(u32){ 0 }, &(u32){ 0 }) : 0;
}

int epoch_pages(struct epoch *x, u64 index, u32 count, struct frame *const *frames, const u32 *crc)
{
    u32 block[CHUNK_PAGES];
    int err = output_frames(&x->store->output, frames, count, block);

    if (err)
        return err;
    x->e.pages_written += count;
    x->e.blocks_written += count;
    return epoch_placed_pages(x, index, count, block, crc);
}

static int read_written(void *ctx, u64 offset, void *buf, size_t n)
{
    struct epoch *x = ctx;
    struct piece piece = { .data = buf, .size = (u32)n };
    size_t done = 0;
    int err = inode_read(x->store->output.inode, offset, &piece, 1, &done);

    x->kin->read_error = err || done == n ? err : -EIO;
    return x->kin->read_error;
}

static int refuse_kin(struct epoch *x, enum ckpt_error error)
{
    if (error == CKPT_READ_FAILED)
        return x->kin->read_error;
    return image_refuse(&x->store->image, error, x->kin->lookup.failed_at);
}

// From now on pages are looked for with the parent of member i.
static void meet_kin(struct epoch *x, u32 i)
{
    int parent = x->snap->members[i]->parent;
    struct output *o = &x->store->output;

    if (!x->kin)
        return;
    x->kin->readable = false;
    x->kin->space = parent >= 0 && x->trees[parent].root ? x->snap->members[parent]->space : NULL;
    if (!x->kin->space)
        return;
    x->kin->source = (struct ckpt_source){ .read = read_written, .ctx = x };
    struct ckpt_bounds all = { .source = &x->kin->source, .blocks = o->blocks };
    ckpt_lookup_init(&x->kin->lookup, &all, &x->trees[parent]);
}

// The parent's tree is of this epoch's blocks and of earlier ones', which may be under way, too.
static int make_readable(struct epoch *x)
{
    if (x->kin->readable)
        return 0;
    int err = output_flush(&x->store->output);
    if (err)
        return err;
    if (x->store->continues)
        commit_await_blocks(x->store->image.commit);
    x->kin->readable = true;
    return 0;
}

// Is the page in the parent's tree? One reference is that of the table that has it: then nobody else has it.
static int find_with_kin(struct epoch *x, uaddr_t va, struct frame *frame, struct ckpt_page *page)
{
    struct kin *kin = x->kin;

    *page = (struct ckpt_page){ 0 };
    if (!kin || !kin->space || frame->refs == 1 || vmspace_present(kin->space, va) != frame)
        return 0;
    int err = make_readable(x);
    if (err)
        return err;
    enum ckpt_error error = ckpt_lookup(&kin->lookup, va / PAGE_SIZE, false, page);
    return error ? refuse_kin(x, error) : 0;
}

static int write_page(struct epoch *x, uaddr_t va, struct frame *frame)
{
    struct ckpt_page shared;
    int err = find_with_kin(x, va, frame, &shared);

    if (err)
        return err;
    return pages_add(x, va / PAGE_SIZE, shared.block ? NULL : frame, shared.block, shared.crc);
}

// A page that a backing would supply only now. Nobody has the right to see it: it isn't saved.
static int write_supplied(struct epoch *x, struct vmspace *space, uaddr_t va)
{
    struct frame *frame;
    int err = vmspace_pin(space, va, FAULT_READS, &frame);

    if (err)
        return err == -EFAULT ? 0 : err;
    frame_put(frame);  // from now on it is present, and so the snapshot's
    return write_page(x, va, frame);
}

static int write_some(struct epoch *x, struct vmspace *space, const struct space_page *pages, u32 count)
{
    int err = 0;

    for (u32 i = 0; !err && i < count; i++)
        err = pages[i].frame ? write_page(x, pages[i].va, pages[i].frame) : write_supplied(x, space, pages[i].va);
    return err;
}

static int write_all(struct epoch *x, struct vmspace *space)
{
    struct space_page pages[WALK_PAGES];
    uaddr_t va = 0;
    u32 count;
    int err;

    while (!(err = vmspace_next_pages(space, &va, pages, WALK_PAGES, &count))) {
        err = write_some(x, space, pages, count);
        if (err)
            return err;
    }
    return err == -ENOENT ? 0 : err;
}

// What isn't present was given back, or is as its backing has it, as ever.
static int write_changed(struct epoch *x, struct vmspace *space, const struct page_set *changed)
{
    struct space_page pages[WALK_PAGES];
    uaddr_t va = 0;
    u32 count;
    int err = 0;

    while (!err && (count = vmspace_next_of_set(space, changed, &va, pages, WALK_PAGES)))
        for (u32 i = 0; !err && i < count; i++)
            if (pages[i].frame)
                err = write_page(x, pages[i].va, pages[i].frame);
            else if (!vmspace_supplied(space, pages[i].va))
                err = pages_add(x, pages[i].va / PAGE_SIZE, NULL, 0, 0);
    return err;
}

// Is it of the epoch that the mark is of?
static bool is_of(const struct base *b, const struct mark_label *label)
{
    return b && b->epoch == label->word[2] && b->digest == label->word[3];
}

static const struct ckpt_tree *base_tree(const struct epoch *x, const struct member *m)
{
    const struct base *b = x->base;
    bool same = m->changed && is_of(b, &m->base);
    u64 ordinal = m->base.word[4];

    return same && ordinal >= 1 && ordinal <= b->space_count ? &b->spaces[ordinal - 1] : NULL;
}

static int write_space(struct epoch *x, u32 i)
{
    struct member *m = x->snap->members[i];
    const struct ckpt_tree *base = base_tree(x, m);

    meet_kin(x, i);
    epoch_tree_begin(x, base);
    pages_begin(&x->pages, x->header.features);
    int err = base ? write_changed(x, m->space, m->changed) : write_all(x, m->space);
    if (!err)
        err = pages_finish(x);
    pages_drop(&x->pages);
    return err ? err : epoch_tree_end(x, &x->trees[i]);
}

static int write_spaces(struct epoch *x)
{
    int err = 0;

    for (u32 i = 0; !err && i < x->snap->member_count; i++)
        if (x->snap->members[i]->space)
            err = write_space(x, i);
    return err;
}

// ---- the base

// The root's mark says which epoch the family goes on from. That of the one that was written last is remembered.
static int load_base(struct epoch *x, const struct mark_label *label)
{
    struct image *image = &x->store->image;
    struct memo *memo = x->store->memo;
    int err = 0;

    if (image->reader.header.epoch == label->word[2] && memo && is_of(memo->base, label)) {
        x->base = memo->base;
        memo->base = NULL;
    } else {
        err = base_read(image, label->word[2], (u32)label->word[3], &x->base);
    }
    if (!err)
        ckpt_bounds(&x->base->bounds, &image->reader);
    return err;
}

// For the next epoch. Without memory that one reads it.
static void leave_base(struct epoch *x)
{
    struct base *b = base_create(x->header.epoch, x->header.digest, x->space_count, x->content_count);
    u32 spaces = 0;

    if (!b)
        return;
    for (u32 i = 0; i < x->snap->member_count; i++)
        if (x->snap->members[i]->space)
            b->spaces[spaces++] = x->trees[i];
    for (u32 i = 0; i < x->content_count; i++) {
        const struct content *c = &x->contents[i];
        const struct inode_identity *id = &x->snap->files[c->file]->state.inode;
        b->contents[i] = (struct base_content){ id->ino, id->generation, id->changes, c->size, c->tree };
    }
    base_destroy(x->store->memo->base);
    x->store->memo->base = b;
}

// ---- the whole

static u32 pages_of(const struct member *m)
{
    u64 size, resident;
    u32 regions;

    if (m->changed)
        return page_set_count(m->changed);
    vmspace_figures(m->space, &regions, &size, &resident);
    return (u32)(resident / PAGE_SIZE);
}

static void estimate(struct epoch *x)
{
    x->rest_due = RECORD_SLACK;
    for (u32 i = 0; i < x->snap->member_count; i++) {
        if (!x->snap->members[i]->space)
            continue;
        u32 pages = pages_of(x->snap->members[i]);
        x->pages_due += pages;
        x->space_count++;
        x->rest_due += pages / CKPT_FANOUT + TREE_HEIGHT + 1;
    }
}

static bool is_carried(const struct open_file *o, u32 flags)
{
    bool is_file = o->state.kind == FILE_INODE && o->state.inode.type == T_FILE;
    bool wanted = flags & CKPT_SAVE_CONTENTS && o->state.flags & (O_WRONLY | O_RDWR);

    return is_file && (o->state.inode.nlink == 0 || wanted);
}

bool epoch_carries(const struct snapshot *snap, u32 flags)
{
    for (u32 i = 0; i < snap->file_count; i++)
        if (is_carried(snap->files[i], flags))
            return true;
    return false;
}

// Two descriptions of one file share its contents.
static u32 content_of(const struct epoch *x, const struct open_file *o)
{
    for (u32 i = 0; i < x->content_count; i++) {
        const struct inode_identity *id = &x->snap->files[x->contents[i].file]->state.inode;
        if (id->ino == o->state.inode.ino)
            return i + 1;
    }
    return 0;
}

static int refuse_contents(void)
{
    printk("checkpoint: more than %d open files would have to travel in the image\n", CKPT_CONTENTS_MAX);
    return -ENOTSUP;
}

static int write_contents(struct epoch *x, u32 flags)
{
    int err = 0;

    for (u32 i = 0; !err && i < x->snap->file_count; i++) {
        struct open_file *o = x->snap->files[i];

        if (!is_carried(o, flags))
            continue;
        o->content = content_of(x, o);
        if (o->content)
            continue;
        err = x->content_count < CKPT_CONTENTS_MAX ? epoch_content(x, i) : refuse_contents();
        o->content = x->content_count;
    }
    return err;
}

static int make_room(struct epoch *x)
{
    x->trees = kzalloc(x->snap->member_count * sizeof(*x->trees));
    x->contents = kzalloc(MIN(x->snap->file_count, CKPT_CONTENTS_MAX) * sizeof(*x->contents));
    if (x->space_count > 1)
        x->kin = kzalloc(sizeof(*x->kin));
    return x->trees && x->contents ? 0 : -ENOMEM;
}

static void settle(struct snapshot *snap)
{
    for (u32 i = 0; i < snap->member_count; i++) {
        struct member *m = snap->members[i];
        if (m->mark && !snapshot_mark_settle(m->mark))
            m->changed = NULL;
    }
}

void epoch_describe(struct epoch *x, struct snapshot *snap)
{
    settle(snap);
    x->snap = snap;
    estimate(x);
}

int epoch_begin(struct epoch *x, const struct ckpt_save_args *args)
{
    const struct member *root = x->snap->members[0];

    x->history = args->history;
    if (root->related)
        x->e.parent = store_parent(x->store, root->base.word[2], (u32)root->base.word[3]);
    int err = make_room(x);
    if (!err && root->changed)
        err = load_base(x, &root->base);
    if (!err)
        err = store_begin(x->store, root->related, args->history, x->pages_due, x->rest_due, x->cancelled);
    x->header.features = store_features(x->store);
    return err ? err : write_contents(x, args->flags);
}

// What xv6's imginfo shows of the first process.
static void introduce(struct epoch *x)
{
    const struct member *root = x->snap->members[0];
    u64 size, resident;
    u32 regions;

    vmspace_figures(root->space, &regions, &size, &resident);
    x->header.machine = machine_id;
    x->header.pid = root->state.pid;
    x->header.memory = (u32)MIN(resident, UINT32_MAX);
    text_copy(x->header.name, root->state.name, sizeof(x->header.name));
}

static int write_area(struct epoch *x)
{
    struct area *a = &x->area;
    u32 first;
    int err = output_run(&x->store->output, a->frames, a->count, &first);

    x->header.records_block = first;
    x->header.records_size = a->size;
    x->header.digest = a->digest;
    return err;
}

static int number(struct epoch *x)
{
    struct ckpt_epoch *e = &x->e;

    e->wall_ns = x->snap->wall_ns;
    e->uptime_ns = x->snap->taken_ns;
    e->pause_ns = x->snap->pause_ns ? x->snap->pause_ns : time_ns() - x->snap->start_ns;
    e->contents = x->content_count;
    e->pipes = x->snap->pipes_carried;
    e->files = x->snap->file_count;
    e->spaces = x->space_count;
    e->processes = x->snap->member_count;
    return store_number(x->store, x->history, &x->header, e);
}

// From now on what changes is counted from this epoch.
static void keep_marks(struct epoch *x)
{
    struct inode_identity id;
    u32 ordinal = 0;

    store_identify(x->store, &id);
    for (u32 i = 0; i < x->snap->member_count; i++) {
        struct member *m = x->snap->members[i];
        if (!m->mark)
            continue;
        struct mark_label label = { { id.ino, id.generation, x->header.epoch, x->header.digest, ++ordinal, 0 } };
        snapshot_mark_keep(m->mark, &label);
        m->mark = NULL;
    }
}

static bool is_written_file(const struct open_file *o)
{
    bool is_named = o->state.inode.type == T_FILE && o->state.inode.nlink > 0;

    return o->state.kind == FILE_INODE && is_named && o->state.flags & (O_WRONLY | O_RDWR);
}

// Who is restored expects the files that he writes as they were at the instant: an epoch that is durable mustn't be
// ahead of them.
static int sync_files(struct epoch *x)
{
    int err = 0;

    for (u32 i = 0; !err && i < x->snap->file_count; i++)
        if (is_written_file(x->snap->files[i]))
            err = inode_sync(file_inode(x->snap->files[i]->file));
    return err;
}

bool epoch_is_small(const struct epoch *x)
{
    for (u32 i = 0; i < x->snap->file_count; i++)
        if (is_written_file(x->snap->files[i]))
            return false;
    return x->snap->members[0]->related && x->pages_due <= SMALL_PAGES;
}

int epoch_write(struct epoch *x, bool waits)
{
    int err = write_spaces(x);

    introduce(x);
    if (!err)
        err = number(x);
    if (!err)
        err = epoch_records(x);
    if (!err)
        err = write_area(x);
    if (!err)
        err = sync_files(x);
    if (err)
        return err;
    leave_base(x);
    return store_finish(x->store, &x->header, waits);
}

void epoch_leave(struct epoch *x)
{
    keep_marks(x);
    store_leave(x->store);
}
