// Running a tree.
#include "sh.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int redirects_apply(const struct redirect *r)
{
    for (; r; r = r->next) {
        const char *target = expand_one(r->target);
        int fd = r->flags < 0 ? dup(atoi(target)) : open(target, r->flags);
        if (fd < 0) {
            warn("%s", target);
            return -1;
        }
        if (fd != r->fd) {
            dup2(fd, r->fd);
            close(fd);
        }
    }
    return 0;
}

static _Noreturn void program_run(char **argv)
{
    execvp(argv[0], argv);
    if (errno == ENOENT && !strchr(argv[0], '/')) {
        warnx("%s: not found", argv[0]);
        exit(127);
    }
    int status = errno == ENOENT ? 127 : 126;
    err(status, "%s", argv[0]);
}

// Assignments at the beginning are carried out; the rest is left in *args.
static void assign(const struct words *raw, struct words *args)
{
    int i = 0;

    for (; i < raw->count && is_assignment(raw->item[i]); i++) {
        const char *equals = strchr(raw->item[i], '=');
        variable_set(raw->item[i], (size_t)(equals - raw->item[i]), expand_one(equals + 1));
    }
    struct words rest = { raw->item + i, raw->count - i, 0 };
    *args = expand(&rest);
}

_Noreturn void child_run(struct node *n)
{
    struct words args;

    if (n->kind == NODE_GROUP)
        exit(redirects_apply(n->redirects) ? 1 : run(n->left));
    if (n->kind != NODE_COMMAND)
        exit(run(n));
    assign(&n->words, &args);
    if (redirects_apply(n->redirects))
        exit(1);
    if (args.count == 0)
        exit(0);
    builtin_fn *builtin = builtin_find(args.item[0]);
    if (builtin)
        exit(builtin(args.count, args.item));
    program_run(args.item);
}

// A command of the shell's own runs in the shell: its redirections are undone afterwards.
static int builtin_run(builtin_fn *builtin, struct words *args, const struct redirect *redirects)
{
    int saved[10], status = 1;
    bool touched[10] = { false };

    fflush(stdout);
    for (const struct redirect *r = redirects; r; r = r->next) {
        if (!touched[r->fd])
            saved[r->fd] = dup(r->fd);
        touched[r->fd] = true;
    }
    if (redirects_apply(redirects) == 0)
        status = builtin ? builtin(args->count, args->item) : 0;
    fflush(stdout);
    for (int fd = 0; fd < 10; fd++) {
        if (!touched[fd])
            continue;
        close(fd);
        if (saved[fd] < 0)
            continue;
        dup2(saved[fd], fd);
        close(saved[fd]);
    }
    return status;
}

static int command_run(struct node *n)
{
    struct words args;
    struct job j = { 0 };

    assign(&n->words, &args);
    builtin_fn *builtin = args.count ? builtin_find(args.item[0]) : NULL;
    if (builtin || args.count == 0)
        return builtin_run(builtin, &args, n->redirects);
    pid_t pid = job_fork(&j, true);
    if (pid == 0) {
        if (redirects_apply(n->redirects))
            exit(1);
        program_run(args.item);
    }
    return pid < 0 ? 126 : job_wait(&j);
}

// Start one process of a pipeline: it reads from `in`, and writes to out[1] if that is not -1.
static int pipe_member(struct job *j, struct node *n, bool foreground, int in, const int out[2])
{
    pid_t pid = job_fork(j, foreground);

    if (pid)
        return pid < 0 ? -1 : 0;
    if (in >= 0) {
        dup2(in, STDIN_FILENO);
        close(in);
    }
    if (out[1] >= 0) {
        dup2(out[1], STDOUT_FILENO);
        close(out[0]);
        close(out[1]);
    }
    child_run(n);
}

// Start a pipeline's processes, from left to right. The reading end for who comes next is *in.
static int pipe_start(struct job *j, struct node *n, bool foreground, bool last, int *in)
{
    int fds[2] = { -1, -1 };

    if (n->kind == NODE_PIPE) {
        if (pipe_start(j, n->left, foreground, false, in))
            return -1;
        n = n->right;
    }
    if (!last && pipe(fds)) {
        warn("pipe");
        return -1;
    }
    int result = pipe_member(j, n, foreground, *in, fds);
    if (*in >= 0)
        close(*in);
    if (fds[1] >= 0)
        close(fds[1]);
    *in = fds[0];
    return result;
}

static int pipeline_run(struct node *n, bool foreground, struct job *j)
{
    int in = -1;
    int result = pipe_start(j, n, foreground, true, &in);

    if (in >= 0)
        close(in);
    return result;
}

static int foreground_run(struct node *n)
{
    struct job j = { 0 };
    int result = pipeline_run(n, true, &j);
    int status = job_wait(&j);

    return result ? 126 : status;
}

static int background_run(struct node *n)
{
    struct job j = { 0 };
    int result = pipeline_run(n->left, false, &j);

    if (j.count)
        job_to_background(&j, n->text, n->length);
    return result ? 126 : 0;
}

static int list_run(struct node *n)
{
    for (; n->kind == NODE_LIST; n = n->right)
        run(n->left);
    return run(n);
}

static int while_run(struct node *n)
{
    int status = 0;

    while (run(n->left) == 0)
        status = run(n->right);
    return status;
}

static int for_run(struct node *n)
{
    const char *name = n->words.item[0];
    struct words raw = { n->words.item + 1, n->words.count - 1, 0 };
    struct words values = expand(&raw);
    int status = 0;

    for (int i = 0; i < values.count; i++) {
        variable_set(name, strlen(name), values.item[i]);
        status = run(n->right);
    }
    return status;
}

static int node_run(struct node *n)
{
    switch (n->kind) {
    case NODE_COMMAND:
        return command_run(n);
    case NODE_PIPE:
    case NODE_GROUP:
        return foreground_run(n);
    case NODE_AND:
        return run(n->left) == 0 ? run(n->right) : last_status;
    case NODE_OR:
        return run(n->left) == 0 ? 0 : run(n->right);
    case NODE_NOT:
        return run(n->left) == 0;
    case NODE_LIST:
        return list_run(n);
    case NODE_BACKGROUND:
        return background_run(n);
    case NODE_IF:
        return run(n->left) == 0 ? run(n->right) : run(n->otherwise);
    case NODE_WHILE:
        return while_run(n);
    default:
        return for_run(n);
    }
}

int run(struct node *n)
{
    if (!n)
        return 0;
    struct arena_mark mark = arena_mark();
    last_status = node_run(n);
    arena_release(mark);
    return last_status;
}

int run_text(const char *text)
{
    struct arena_mark mark = arena_mark();
    struct node *tree;
    enum parse_result result = parse(text, false, &tree);

    if (result == PARSE_INCOMPLETE)
        warnx("syntax error: the text ends too early");
    if (result != PARSE_OK)
        last_status = 2;
    else if (tree)
        run(tree);
    arena_release(mark);
    return last_status;
}
