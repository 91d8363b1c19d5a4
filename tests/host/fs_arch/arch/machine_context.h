// A thread's context, for fs on the host: tests/host/fs_host.c keeps its own.
#pragma once

struct context {
    void *unused;
};

struct fpu_state {
    char unused;
};
