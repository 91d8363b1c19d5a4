// A bar on standard error for work that takes long: shown on a terminal only, and not in the first half second.
#pragma once

#include <base/types.h>

struct progress {
    const char *what;
    u64 whole, begun_ns, shown_ns;
    bool wanted, shown;
};

void progress_begin(struct progress *p, const char *what, u64 whole, bool quiet);
void progress_set(struct progress *p, u64 done);
void progress_end(struct progress *p);
