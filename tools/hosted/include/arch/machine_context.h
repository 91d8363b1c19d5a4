// A thread's context, on the host: who makes threads (threads.c) keeps their own.
#pragma once

struct context {
    void *unused;
};

struct fpu_state {
    char unused;
};
