// What the machine says about the start of a program: which ELF files are its own, and how main() finds its arguments.
#pragma once

#include <base/types.h>

extern const u8 start_elf_class;     // EI_CLASS of its programs
extern const u16 start_elf_machine;  // e_machine

/*
 * Put what main(argc, argv) expects at its stack pointer into `page`, as high as possible below offset `below`, using
 * at most START_FRAME_MAX bytes. Returns the offset where the stack pointer is to be.
 */
#define START_FRAME_MAX 32
size_t start_frame(u8 *page, size_t below, u32 argc, uaddr_t argv);
