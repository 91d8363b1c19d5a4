// What the calls share: paths out of the program's memory, the restart record.
#include "call.h"
#include <mm/kmalloc.h>
#include <mm/usercopy.h>
#include <uapi/errno.h>

int call_path(const struct call *c, u32 n, char **out)
{
    char *path = kmalloc(PATH_LEN);

    if (!path)
        return -ENOMEM;
    int err = copy_string_from_user(path, PATH_LEN, call_pointer(c, n));
    if (err) {
        kfree(path);
        return err;
    }
    *out = path;
    return 0;
}

struct restart *call_restart(const struct call *c)
{
    return proc_restart(c->self);
}
