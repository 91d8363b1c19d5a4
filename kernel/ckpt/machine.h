// The machine's part: its registers as bytes of an image. Supplied by the machine's own folder.
#pragma once

#include <base/types.h>
#include <uapi/uregs.h>

#define REGISTERS_MAX 256

/* The machine's number in the format. */
extern const u32 machine_id;

/* As many bytes as the format says for this machine: ckpt_machine(machine_id)->registers_size, at most REGISTERS_MAX.
 */
void machine_encode(const struct uregs *regs, u8 *to);
void machine_decode(const u8 *from, struct uregs *regs);
