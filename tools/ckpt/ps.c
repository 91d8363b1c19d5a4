// ckpt ps: the processes of an epoch, as a tree.
#include "epoch.h"
#include "json.h"
#include "symbols.h"
#include "table.h"

#include <stdio.h>
#include <string.h>
#include <uapi/syscall.h>

static const char *state_text(const struct ckpt_process *p)
{
    return p->state == CKPT_ALIVE ? "alive" : "ended";
}

// The calls that may take long have names.
static void put_call(struct table *t, u32 call)
{
    static const char *const names[] = {
        [SYS_wait] = "wait",   [SYS_read] = "read",       [SYS_sleep] = "sleep",
        [SYS_write] = "write", [SYS_waitpid] = "waitpid", [SYS_ckpt_wait] = "ckpt_wait"
    };

    if (!call)
        table_put(t, "-");
    else if (call < ARRAY_SIZE(names) && names[call])
        table_put(t, "%s", names[call]);
    else
        table_put(t, "call %u", call);
}

static void put_process(struct table *t, const struct epoch *e, const struct epoch_process *p,
                        const struct symbols *symbols, int depth)
{
    u64 pc = process_register(e, p, e->machine->pc);
    char name[CKPT_NAME_SIZE], where[128];

    table_put(t, "%d", p->process.pid);
    table_put(t, "%d", p->process.ppid);
    table_put(t, "%d", p->process.pgid);
    table_put(t, "%s", state_text(&p->process));
    if (p->process.state == CKPT_ALIVE) {
        table_put(t, "%08jx%s", (uintmax_t)pc, symbols_text(symbols, pc, where, sizeof where));
        put_call(t, p->restart.call);
    } else {
        table_put(t, "-");
        table_put(t, "status 0x%x", (unsigned)p->process.status);
    }
    table_put(t, "%*s%s", 2 * depth, "", ckpt_text(name, sizeof name, p->process.name, strlen(p->process.name)));
}

// Those below `parent`, an ordinal; each process's parent stands before it, so this ends.
static void put_children(struct table *t, const struct epoch *e, u64 parent, const struct options *o,
                         const struct symbols *symbols, int depth)
{
    for (size_t i = 0; i < e->processes; i++) {
        if (e->process[i].process.parent != parent)
            continue;
        put_process(t, e, &e->process[i], symbols, o->view == VIEW_TABLE ? depth : 0);
        put_children(t, e, i + 1, o, symbols, depth + 1);
    }
}

static json_t *process_json(const struct epoch *e, u64 ordinal)
{
    const struct epoch_process *p = &e->process[ordinal - 1];
    json_t *j = json_object(), *children = json_array();

    json_put_signed(j, "pid", p->process.pid);
    json_put_signed(j, "ppid", p->process.ppid);
    json_put_signed(j, "pgid", p->process.pgid);
    json_put_text(j, "name", p->process.name, strlen(p->process.name));
    json_object_set_new(j, "state", json_string(state_text(&p->process)));
    if (p->process.state == CKPT_ALIVE) {
        json_put_number(j, "pc", process_register(e, p, e->machine->pc));
        json_put_number(j, "call", p->restart.call);
    } else {
        json_put_signed(j, "status", p->process.status);
    }
    for (size_t i = ordinal; i < e->processes; i++)
        if (e->process[i].process.parent == ordinal)
            json_array_append_new(children, process_json(e, i + 1));
    json_object_set_new(j, "children", children);
    return j;
}

static int ps(const struct options *o, struct input *in)
{
    struct symbols *symbols = NULL;
    struct epoch e;
    int status = EXIT_GOOD;

    if (o->symbols && !(symbols = symbols_load(o->symbols)))
        return EXIT_TROUBLE;
    if (!epoch_open(&e, in, false, &status))
        goto out;
    if (o->view == VIEW_JSON) {
        status = json_print(process_json(&e, 1)) ? EXIT_GOOD : EXIT_TROUBLE;
    } else {
        struct table *t = table_create(">PID >PPID >PGID STATE PC WAITS NAME");
        put_children(t, &e, 0, o, symbols, 0);
        table_end(t, o->view, stdout);
    }
    epoch_release(&e);
out:
    symbols_release(symbols);
    return status;
}

int cmd_ps(const struct options *o)
{
    return input_each(o, ps);
}
