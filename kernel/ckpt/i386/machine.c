// i386: the registers in an image, in the order of the format's document.
#include "../machine.h"
#include <base/byteorder.h>
#include <ckptfmt/ckptfmt.h>

const u32 machine_id = CKPT_MACHINE_I386;

enum { EDI = 0, ESI = 4, EBP = 8, EBX = 12, EDX = 16, ECX = 20, EAX = 24, EIP = 28, EFLAGS = 32, ESP = 36 };

void machine_encode(const struct uregs *regs, u8 *to)
{
    put_le32(to + EDI, regs->edi);
    put_le32(to + ESI, regs->esi);
    put_le32(to + EBP, regs->ebp);
    put_le32(to + EBX, regs->ebx);
    put_le32(to + EDX, regs->edx);
    put_le32(to + ECX, regs->ecx);
    put_le32(to + EAX, regs->eax);
    put_le32(to + EIP, regs->eip);
    put_le32(to + EFLAGS, regs->eflags);
    put_le32(to + ESP, regs->esp);
}

void machine_decode(const u8 *from, struct uregs *regs)
{
    regs->edi = le32(from + EDI);
    regs->esi = le32(from + ESI);
    regs->ebp = le32(from + EBP);
    regs->ebx = le32(from + EBX);
    regs->edx = le32(from + EDX);
    regs->ecx = le32(from + ECX);
    regs->eax = le32(from + EAX);
    regs->eip = le32(from + EIP);
    regs->eflags = le32(from + EFLAGS);
    regs->esp = le32(from + ESP);
}
