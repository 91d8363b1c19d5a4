// exec: which kind of program a file is, and the step by which the calling process becomes another.
#include "process.h"
#include <base/string.h>
#include <fs/inode.h>
#include <fs/path.h>
#include <proc/exec.h>
#include <uapi/errno.h>

static struct exec_format *formats;  // changed while the kernel starts, before there are processes

void exec_register(struct exec_format *format)
{
    struct exec_format **end = &formats;

    while (*end)
        end = &(*end)->next;
    format->next = NULL;
    *end = format;
}

static int load(struct inode *program, const char *path, const struct exec_args *args)
{
    if (inode_type(program) == T_DIR)
        return -EISDIR;
    if (inode_type(program) != T_FILE)
        return -ENOEXEC;
    for (struct exec_format *f = formats; f; f = f->next) {
        int err = f->load(program, path, args);
        if (err != -ENOEXEC)
            return err;
    }
    return -ENOEXEC;
}

int proc_exec(const char *path, const struct exec_args *args)
{
    struct inode *program;

    int err = path_lookup(proc_self()->cwd, path, &program);
    if (err)
        return err;
    err = load(program, path, args);
    inode_put(program);
    return err;
}

void proc_become(const struct new_image *image)
{
    struct proc *self = proc_self();

    proc_replace_space(self, image->space);
    proc_set_name(self, image->name);
    self->restart = (struct restart){ 0 };
    *proc_regs(self) = image->regs;
    uregs_sanitize(proc_regs(self));
    fpu_reset(&self->fpu);
}
