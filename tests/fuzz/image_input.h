// An image out of a fuzzer's input. Control: byte 0 says which checksums stay wrong, byte 1 cuts off so many times 512
// bytes.
#pragma once

#include "fuzz.h"
#include <ckptfmt/ckptfmt.h>

#define INPUT_BLOCKS 80

struct input {
    u8 *bytes;
    size_t size;
    u32 reads_left;  // then reading fails; at first: never
};
void input_open(struct input *input, const u8 *data, size_t size, struct ckpt_source *source);
void input_close(struct input *input);
