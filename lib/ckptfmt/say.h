// Lines for a person, sent off piece by piece.
#pragma once

#include <ckptfmt/ckptfmt.h>

struct listing {
    ckpt_put_text *put;
    void *arg;
};

void ckpt_say(const struct listing *l, const char *format, ...) PRINTF_LIKE(2, 3);
void ckpt_say_seconds(const struct listing *l, const char *what, u64 ns);  // "what1.234 s"
void ckpt_say_date(const struct listing *l, u64 wall_ns);
