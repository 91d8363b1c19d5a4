// For unit tests on the host: nothing is ever switched to.
#pragma once

struct context {
    void *stack_top;
};

struct fpu_state {
    char unused;
};
