// How a program starts, i386: as if main(argc, argv) had been called by code at 0xffffffff, where there is none.
#include "../start.h"
#include <base/byteorder.h>

#define ELFCLASS32 1
#define EM_386     3

const u8 start_elf_class = ELFCLASS32;
const u16 start_elf_machine = EM_386;

// The arguments of a function begin at a multiple of 16 (i386 psABI, 2.2.2): compilers rely on it for what they keep
// aligned.
size_t start_frame(u8 *page, size_t below, u32 argc, uaddr_t argv)
{
    size_t arguments = ROUND_DOWN(below - 8, 16);

    put_le32(page + arguments - 4, 0xffffffff);
    put_le32(page + arguments, argc);
    put_le32(page + arguments + 4, argv);
    return arguments - 4;
}
