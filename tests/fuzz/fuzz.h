// What the fuzzers share: files told in few bytes, and a mutator that knows how they are told.
//
// An image or a disk is mostly nothing. An input is therefore a *sparse* file: some bytes of control, whose meaning is
// the target's, and then pieces, each a word of 4 bytes (low 24 bits: where, in units of 8 bytes; high 8 bits: how many
// bytes) and its bytes. The target lays the pieces over zeros or over a good disk, and then makes the checksums right,
// unless control says not to: so the fuzzer gets past them.
#pragma once

#include <base/types.h>

/* The two that libFuzzer calls, and the one of its own that it offers. */
int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerMutate(u8 *data, size_t size, size_t max_size);

/* Why the program ends. */
#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            fuzz_fail(__FILE__, __LINE__, #condition);                                                                 \
    } while (0)
_Noreturn void fuzz_fail(const char *file, int line, const char *what);

#define SPARSE_HEAD 4  // bytes of control before the pieces

struct sparse {
    const u8 *at, *end;
};
struct sparse_piece {
    u64 offset;
    const u8 *bytes;
    u32 size;
};
void sparse_begin(struct sparse *s, const u8 *data, size_t size);
bool sparse_next(struct sparse *s, struct sparse_piece *piece);  // false: there are no more

/* Lay the pieces over `to`, as far as they lie in `room`. Returns where the last one ends. */
size_t sparse_expand(const u8 *data, size_t size, u8 *to, size_t room);
