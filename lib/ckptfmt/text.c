// Names and words for people.

#include <ckptfmt/ckptfmt.h>

const char *ckpt_error_text(enum ckpt_error e)
{
    static const char *const texts[] = {
        [CKPT_OK] = "no error",
        [CKPT_READ_FAILED] = "can't be read",
        [CKPT_WRITE_FAILED] = "can't be written",
        [CKPT_NO_EPOCH] = "the epoch is not kept in this image",
        [CKPT_NOT_IMAGE] = "not a checkpoint image",
        [CKPT_BAD_VERSION] = "written in a newer format",
        [CKPT_BAD_FEATURE] = "needs a feature that is not known here",
        [CKPT_BAD_MACHINE] = "for another machine",
        [CKPT_BAD_PAGE_SIZE] = "for another page size",
        [CKPT_BAD_CHECKSUM] = "damaged: a checksum does not match",
        [CKPT_TRUNCATED] = "cut short",
        [CKPT_BAD_HEADER] = "nonsense in the header",
        [CKPT_BAD_RECORD] = "malformed record",
        [CKPT_UNKNOWN_RECORD] = "a required record of an unknown type or version",
        [CKPT_BAD_ORDER] = "records missing, too many or out of order",
        [CKPT_BAD_REFERENCE] = "a reference to something that isn't there",
        [CKPT_BAD_FILE] = "nonsense about an open file",
        [CKPT_BAD_REGION] = "nonsense about a memory region",
        [CKPT_BAD_HEAP] = "nonsense about the heap",
        [CKPT_BAD_PROCESS] = "nonsense about a process",
        [CKPT_BAD_DESCRIPTOR] = "nonsense about a descriptor",
        [CKPT_BAD_TEXT] = "a text that is too long or not a text",
        [CKPT_BAD_BLOCK] = "a pointer to a block outside",
        [CKPT_BAD_TREE] = "a page tree of the wrong shape",
    };
    return (size_t)e < ARRAY_SIZE(texts) && texts[e] ? texts[e] : "unknown error";
}

const char *ckpt_type_name(u32 type)
{
    static const char *const names[] = {
        [CKPT_EPOCH] = "EPOCH",     [CKPT_PIPE] = "PIPE",
        [CKPT_CONTENT] = "CONTENT", [CKPT_FILE] = "FILE",
        [CKPT_SPACE] = "SPACE",     [CKPT_TREE] = "TREE",
        [CKPT_PROCESS] = "PROCESS", [CKPT_REGISTERS] = "REGISTERS",
        [CKPT_FPU] = "FPU",         [CKPT_RESTART] = "RESTART",
        [CKPT_CWD] = "CWD",         [CKPT_DESCRIPTORS] = "DESCRIPTORS",
    };
    return type < ARRAY_SIZE(names) && names[type] ? names[type] : "record";
}

// How many bytes of UTF-8 that begins with `lead`; 0: none does.
static size_t sequence_length(u8 lead)
{
    if (lead < 0x80)
        return 1;
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

static bool is_control(u32 c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

// The length of the printable character at `text`, of which there are `left` bytes; 0: there is none. Terminals obey
// control characters also where they come as two bytes.
static size_t printable_length(const u8 *text, size_t left)
{
    static const u32 least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t n = sequence_length(text[0]);
    u32 c = n > 1 ? text[0] & (0x7fu >> n) : text[0];

    if (n == 0 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if (text[i] >> 6 != 2)
            return 0;
        c = c << 6 | (text[i] & 0x3f);
    }
    return is_control(c) || c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : n;
}

char *ckpt_text(char *to, size_t size, const char *text, size_t length)
{
    size_t end = MIN(length, size - 1);

    for (size_t i = 0; i < end;) {
        size_t n = printable_length((const u8 *)text + i, end - i);

        if (n == 0)
            to[i++] = '?';
        for (; n > 0; n--, i++)
            to[i] = text[i];
    }
    to[end] = 0;
    return to;
}

static const char *const i386_registers[] = { "edi", "esi", "ebp", "ebx", "edx", "ecx", "eax", "eip", "eflags", "esp" };

const struct ckpt_machine *ckpt_machine(u32 id)
{
    static const struct ckpt_machine machine = {
        .id = CKPT_MACHINE_I386,
        .name = "i386",
        .user_end = 0x80000000,
        .registers_size = 40,
        .fpu_size = 512,
        .register_width = 4,
        .pc = 7,
        .sp = 9,
        .register_names = i386_registers,
    };
    return id == CKPT_MACHINE_I386 ? &machine : NULL;
}
