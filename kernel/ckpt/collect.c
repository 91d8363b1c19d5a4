// Collect: freeze, clone, export, thaw.
#include "collect.h"
#include <base/string.h>
#include <kern/time.h>
#include <mm/kmalloc.h>
#include <mm/vmspace.h>
#include <uapi/errno.h>

#define FREEZE_DEADLINE_NS (5 * NS_PER_SECOND)
#define RESULT_AWAKENED    1

// Another's freeze of the same process takes milliseconds: wait for it rather than fail.
static int freeze(int pid, struct proc **out)
{
    u64 deadline = time_ns() + FREEZE_DEADLINE_NS;
    int err = proc_freeze(pid, deadline, out);

    while (err == -EBUSY && time_ns() < deadline) {
        err = thread_sleep_until(time_ns() + NS_PER_TICK);
        if (!err)
            err = proc_freeze(pid, deadline, out);
    }
    return err;
}

// The place of f in snap->files, where it is put if it's new.
static u32 file_place(struct snapshot *snap, struct file *f)
{
    for (u32 i = 0; i < snap->file_count; i++)
        if (snap->files[i] == f)
            return i;
    snap->files[snap->file_count] = file_get(f);
    file_export(f, &snap->states[snap->file_count]);
    return snap->file_count++;
}

static void collect_files(struct proc *p, struct snapshot *snap)
{
    for (int fd = 0; fd < OPEN_MAX; fd++) {
        struct file *f = proc_file(p, fd);
        if (!f)
            continue;
        snap->fd_file[fd] = 1 + file_place(snap, f);
        file_put(f);
    }
}

// p: frozen, or the calling process.
static int take(struct proc *p, struct snapshot *snap)
{
    int err = vmspace_clone(proc_space(p), false, &snap->space);

    if (err)
        return err;
    proc_export(p, &snap->proc);
    collect_files(p, snap);
    snap->cwd = inode_get(proc_cwd(p));
    text_copy(snap->cwd_text, proc_cwd_text(p), sizeof(snap->cwd_text));
    return 0;
}

static int take_self(struct snapshot *snap)
{
    int err = take(proc_self(), snap);

    snap->proc.restart = (struct restart){ 0 };
    uregs_set_result(&snap->proc.regs, RESULT_AWAKENED);
    return err;
}

static int take_other(int pid, struct snapshot *snap)
{
    struct proc *p;
    int err = freeze(pid, &p);

    if (err)
        return err;
    err = take(p, snap);
    proc_thaw(p);
    return err;
}

int collect(int pid, struct snapshot **out)
{
    struct snapshot *snap = kzalloc(sizeof(*snap));
    u64 start = time_ns();
    int err;

    if (!snap)
        return -ENOMEM;
    err = pid == proc_pid(proc_self()) ? take_self(snap) : take_other(pid, snap);
    if (err) {
        collect_release(snap);
        return err;
    }
    snap->taken_ns = time_ns();
    snap->wall_ns = time_wall_ns();
    snap->pause_ns = snap->taken_ns - start;
    *out = snap;
    return 0;
}

void collect_release(struct snapshot *snap)
{
    for (u32 i = 0; i < snap->file_count; i++)
        file_put(snap->files[i]);
    if (snap->cwd)
        inode_put(snap->cwd);
    vmspace_destroy(snap->space);
    kfree(snap);
}
