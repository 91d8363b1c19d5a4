#include "image_input.h"
#include "seal.h"
#include <base/string.h>
#include <stdlib.h>

// The contract of a source: what is asked for lies inside.
static int read_input(void *ctx, u64 offset, void *buf, size_t n)
{
    struct input *input = ctx;

    EXPECT(offset <= input->size && n <= input->size - offset);
    if (input->reads_left-- == 0)
        return -1;
    memcpy(buf, input->bytes + offset, n);
    return 0;
}

// The bytes are in a piece of memory of just their size: whoever goes beyond is seen.
void input_open(struct input *input, const u8 *data, size_t size, struct ckpt_source *source)
{
    static u8 whole[INPUT_BLOCKS * CKPT_BLOCK_SIZE];
    size_t end;

    memset(whole, 0, sizeof(whole));
    end = ROUND_UP(sparse_expand(data, size, whole, sizeof(whole)), (size_t)CKPT_BLOCK_SIZE);
    image_seal(whole, end, size > 0 ? data[0] : 0);
    end -= MIN(end, size > 1 ? (size_t)data[1] * 512 : 0);
    input->size = end;
    input->bytes = malloc(end + 1);
    memcpy(input->bytes, whole, end);
    input->reads_left = ~0u;
    *source = (struct ckpt_source){ .read = read_input, .ctx = input, .size = end };
}

void input_close(struct input *input)
{
    free(input->bytes);
}
