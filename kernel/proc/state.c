// A process as plain state, out of a frozen process and into the calling one.
#include "process.h"
#include <base/string.h>
#include <fs/file.h>
#include <fs/inode.h>
#include <kern/time.h>
#include <proc/freezer.h>

// Times are saved as what is left of them: the clock of the machine that restores is another.
static void restart_export(const struct restart *r, struct restart *out)
{
    u64 now = time_ns();

    *out = (struct restart){ 0 };
    if (!r->call)
        return;
    *out = *r;
    out->deadline = r->deadline > now ? r->deadline - now : 0;
}

static void restart_import(const struct restart *saved, struct restart *out)
{
    u64 now = time_ns();

    *out = *saved;
    out->unused = 0;
    if (__builtin_add_overflow(saved->deadline, now, &out->deadline))
        out->deadline = NEVER;
}

void proc_export(struct proc *p, struct x_proc *out)
{
    *out = (struct x_proc){ .pid = p->pid, .ppid = proc_parent_pid(p), .pgid = p->pgid, .uptime = proc_clock(p) };
    proc_copy_name(p, out->name);
    out->regs = *proc_regs(p);
    // The calling process is in a call that will end as usual; only a frozen one may have been cut off.
    if (p == proc_self())
        fpu_sync(&p->fpu);
    else
        restart_export(&p->restart, &out->restart);
    fpu_export(&p->fpu, out->fpu);
}

struct file *proc_file(struct proc *p, int fd)
{
    spin_lock(&p->fds.lock);
    struct file *f = fd >= 0 && fd < OPEN_MAX ? p->fds.files[fd] : NULL;
    if (f)
        file_get(f);
    spin_unlock(&p->fds.lock);
    return f;
}

static void name_import(struct proc *p, const char saved[NAME_MAX_])
{
    char name[NAME_MAX_];

    memcpy(name, saved, sizeof(name));
    name[sizeof(name) - 1] = '\0';
    proc_set_name(p, name);
}

void proc_import(const struct x_proc *state, struct vmspace *space, struct file **files, struct inode *cwd,
                 const char *cwd_text)
{
    struct proc *self = proc_self();

    proc_replace_space(self, space);
    fds_replace_all(self, files);
    proc_set_cwd(self, cwd, cwd_text);
    name_import(self, state->name);
    restart_import(&state->restart, &self->restart);
    self->clock_offset = state->uptime - time_ns();
    self->job = self->pid;

    *proc_regs(self) = state->regs;
    uregs_sanitize(proc_regs(self));
    fpu_import(&self->fpu, state->fpu);
}
