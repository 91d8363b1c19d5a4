// Collect: freeze, clone, export.
#include "collect.h"
#include <base/string.h>
#include <kern/printk.h>
#include <kern/time.h>
#include <mm/kmalloc.h>
#include <uapi/errno.h>

#define FREEZE_DEADLINE_NS (5 * NS_PER_SECOND)
#define RESULT_AWAKENED    1
#define FILES_ROOM         16  // at first

// ---- open files

// Where f is in files, or is to be: they are kept in the order of their addresses. Returns whether it is there.
static bool file_search(const struct snapshot *snap, const struct file *f, u32 *place)
{
    u32 low = 0, high = snap->file_count;

    while (low < high) {
        u32 middle = (low + high) / 2;
        if (snap->files[middle]->file < f)
            low = middle + 1;
        else
            high = middle;
    }
    *place = low;
    return low < snap->file_count && snap->files[low]->file == f;
}

static int files_grow(struct snapshot *snap)
{
    u32 room = snap->file_room ? 2 * snap->file_room : FILES_ROOM;
    struct open_file **more = kmalloc(room * sizeof(struct open_file *));

    if (!more)
        return -ENOMEM;
    memcpy(more, snap->files, snap->file_count * sizeof(struct open_file *));
    kfree(snap->files);
    snap->files = more;
    snap->file_room = room;
    return 0;
}

// Takes the reference.
static int file_add(struct snapshot *snap, struct file *f, u32 place)
{
    int err = snap->file_count < snap->file_room ? 0 : files_grow(snap);
    struct open_file *o = err ? NULL : kzalloc(sizeof(*o));

    if (!o) {
        file_put(f);
        return -ENOMEM;
    }
    o->file = f;
    memmove(snap->files + place + 1, snap->files + place, (snap->file_count - place) * sizeof(struct open_file *));
    snap->files[place] = o;
    snap->file_count++;
    return 0;
}

// Takes the reference.
static int note_file(struct snapshot *snap, const struct member *m, int fd, struct file *f)
{
    u32 place;
    int err = 0;

    if (file_search(snap, f, &place))
        file_put(f);
    else
        err = file_add(snap, f, place);
    if (err)
        return err;
    struct open_file *o = snap->files[place];
    if (o->holders++ == 0) {
        o->pid = m->state.pid;
        o->fd = fd;
    }
    return 0;
}

static int note_files(struct snapshot *snap, struct proc *p, const struct member *m)
{
    struct file *files[OPEN_MAX];
    int err = 0;

    proc_files(p, files);
    for (int fd = 0; fd < OPEN_MAX; fd++) {
        if (!files[fd])
            continue;
        if (err)
            file_put(files[fd]);
        else
            err = note_file(snap, m, fd, files[fd]);
    }
    return err;
}

// When all files are known, their places don't change any more.
static void number_files(struct snapshot *snap, struct proc *p, struct member *m)
{
    struct file *files[OPEN_MAX];

    proc_files(p, files);
    for (int fd = 0; fd < OPEN_MAX; fd++) {
        u32 place;

        if (!files[fd])
            continue;
        if (file_search(snap, files[fd], &place))
            m->fd_file[fd] = 1 + place;
        file_put(files[fd]);
    }
}

// ---- pipes

static bool is_pipe(const struct open_file *o)
{
    return o->state.kind == FILE_PIPE_READ || o->state.kind == FILE_PIPE_WRITE;
}

static int pipe_of(struct snapshot *snap, struct open_file *o, struct open_pipe **out)
{
    for (u32 i = 0; i < snap->pipe_count; i++)
        if (snap->pipes[i]->id == o->state.pipe_id) {
            *out = snap->pipes[i];
            return 0;
        }
    *out = kzalloc(sizeof(**out));
    if (!*out)
        return -ENOMEM;
    (*out)->id = o->state.pipe_id;
    snap->pipes[snap->pipe_count++] = *out;
    return 0;
}

static int find_pipes(struct snapshot *snap)
{
    snap->pipes = kzalloc(snap->file_count * sizeof(struct open_pipe *));
    if (!snap->pipes)
        return -ENOMEM;
    for (u32 i = 0; i < snap->file_count; i++) {
        struct open_file *o = snap->files[i];
        struct open_pipe *p;

        if (!is_pipe(o))
            continue;
        int err = pipe_of(snap, o, &p);
        if (err)
            return err;
        *(o->state.kind == FILE_PIPE_READ ? &p->reader : &p->writer) = o;
    }
    return 0;
}

// Does somebody else hold it, too? One reference is the snapshot's own.
static bool is_shared_outside(const struct open_file *o)
{
    return o && o->state.refs > o->holders + 1;
}

static bool leads_outside(const struct open_pipe *p)
{
    return (p->state->has_reader && !p->reader) || (p->state->has_writer && !p->writer) ||
           is_shared_outside(p->reader) || is_shared_outside(p->writer);
}

static int refuse_pipe(const struct open_pipe *p)
{
    const struct open_file *o = p->reader ? p->reader : p->writer;

    printk("checkpoint: fd %d of process %d is a pipe that leads outside: save the whole family (-t), or let it be "
           "handed over at the restore (-x)\n",
           o->fd, o->pid);
    return -ENOTSUP;
}

static int take_pipe(const struct ckpt_save_args *args, struct open_pipe *p)
{
    p->state = kmalloc(sizeof(*p->state));
    if (!p->state)
        return -ENOMEM;
    pipe_export(p->reader ? p->reader->file : p->writer->file, p->state);
    if (!leads_outside(p))
        return 0;
    kfree(p->state);
    p->state = NULL;
    return args->flags & CKPT_SAVE_EXTERNAL ? 0 : refuse_pipe(p);
}

// Those that are carried get the first numbers.
static void number_pipes(struct snapshot *snap)
{
    u32 carried = 0;

    for (u32 i = 0; i < snap->pipe_count; i++) {
        struct open_pipe *p = snap->pipes[i];
        if (!p->state)
            continue;
        snap->pipes[i] = snap->pipes[carried];
        snap->pipes[carried++] = p;
    }
    snap->pipes_carried = carried;
    for (u32 i = 0; i < snap->pipe_count; i++) {
        if (snap->pipes[i]->reader)
            snap->pipes[i]->reader->pipe = i + 1;
        if (snap->pipes[i]->writer)
            snap->pipes[i]->writer->pipe = i + 1;
    }
}

// When the processes run again, an end that they close is to be closed at once.
static void let_go_of_pipes(struct snapshot *snap)
{
    for (u32 i = 0; i < snap->file_count; i++) {
        struct open_file *o = snap->files[i];

        if (!is_pipe(o))
            continue;
        file_put(o->file);
        o->file = NULL;
    }
}

static int take_pipes(const struct ckpt_save_args *args, struct snapshot *snap)
{
    int err = find_pipes(snap);

    for (u32 i = 0; !err && i < snap->pipe_count; i++)
        err = take_pipe(args, snap->pipes[i]);
    if (err)
        return err;
    number_pipes(snap);
    let_go_of_pipes(snap);
    return 0;
}

// ---- processes

static int take_space(struct store *store, struct proc *p, struct member *m)
{
    struct vmspace *space = proc_space(p);
    const struct inode_identity *id = &store->image.id;

    m->related = store->use && vmspace_find_mark(space, id->ino, id->generation, &m->base);
    bool kept = m->related && store_keeps(store, m->base.word[2], (u32)m->base.word[3]);
    return vmspace_snapshot(space, kept ? &m->base : NULL, &m->space, &m->changed, &m->mark);
}

static int take_member(struct store *store, struct snapshot *snap, u32 i)
{
    struct proc *p = snap->family->members[i];
    struct member *m = kzalloc(sizeof(*m));

    if (!m)
        return -ENOMEM;
    snap->members[snap->member_count++] = m;
    proc_export(p, &m->state);
    m->parent = family_parent(snap->family, i);
    if (m->state.ended)
        return 0;
    if (p == proc_self()) {
        m->state.restart = (struct restart){ 0 };
        uregs_set_result(&m->state.regs, RESULT_AWAKENED);
    }
    m->cwd = inode_get(proc_cwd(p));
    text_copy(m->cwd_text, proc_cwd_text(p), sizeof(m->cwd_text));
    int err = take_space(store, p, m);
    return err ? err : note_files(snap, p, m);
}

static int take(const struct ckpt_save_args *args, struct store *store, struct snapshot *snap)
{
    int err = 0;

    snap->members = kzalloc(snap->family->count * sizeof(struct member *));
    if (!snap->members)
        return -ENOMEM;
    for (u32 i = 0; !err && i < snap->family->count; i++)
        err = take_member(store, snap, i);
    if (err)
        return err;
    for (u32 i = 0; i < snap->member_count; i++)
        if (!snap->members[i]->state.ended)
            number_files(snap, snap->family->members[i], snap->members[i]);
    for (u32 i = 0; i < snap->file_count; i++)
        file_export(snap->files[i]->file, &snap->files[i]->state);
    return take_pipes(args, snap);
}

int collect(const struct ckpt_save_args *args, struct store *store, struct snapshot **out)
{
    struct snapshot *snap = kzalloc(sizeof(*snap));
    int err;

    if (!snap)
        return -ENOMEM;
    snap->start_ns = time_ns();
    err = family_freeze(args->pid, args->flags & CKPT_SAVE_TREE, snap->start_ns + FREEZE_DEADLINE_NS, &snap->family);
    snap->frozen_ns = time_ns();
    if (!err)
        err = take(args, store, snap);
    if (err) {
        collect_release(snap);
        return err;
    }
    snap->taken_ns = time_ns();
    snap->wall_ns = time_wall_ns();
    *out = snap;
    return 0;
}

void collect_thaw(struct snapshot *snap, bool stopped)
{
    if (!snap->family)
        return;
    family_thaw(snap->family, stopped);
    snap->family = NULL;
    snap->pause_ns = time_ns() - snap->start_ns;
}

static void member_release(struct member *m)
{
    if (m->mark)
        snapshot_mark_drop(m->mark);
    vmspace_destroy(m->space);
    if (m->cwd)
        inode_put(m->cwd);
    kfree(m);
}

void collect_release(struct snapshot *snap)
{
    collect_thaw(snap, false);
    for (u32 i = 0; i < snap->member_count; i++)
        member_release(snap->members[i]);
    for (u32 i = 0; i < snap->file_count; i++) {
        if (snap->files[i]->file)
            file_put(snap->files[i]->file);
        kfree(snap->files[i]);
    }
    for (u32 i = 0; i < snap->pipe_count; i++) {
        kfree(snap->pipes[i]->state);
        kfree(snap->pipes[i]);
    }
    kfree(snap->pipes);
    kfree(snap->files);
    kfree(snap->members);
    kfree(snap);
}
