// Marks: an instruction that does nothing, in a form that no compiler makes. The counting plugin looks for it.
#pragma once

#define MARK_BYTES           0x0f, 0x1f, 0x84, 0x00, 'c', 'n', 't'  // and one more: which mark
#define MARK_BEGIN           1
#define MARK_END             2

#define MARK_OPERANDS(which) "i"(0x0f), "i"(0x1f), "i"(0x84), "i"(0x00), "i"('c'), "i"('n'), "i"('t'), "i"(which)
