// The console: serial line, VGA text and keyboard as one terminal, with a line discipline.
//
// Cooked: echo; Backspace and DEL rub out, ^U the line, ^W a word; Enter gives the line to a reader, ^D what there is
// (nothing: end of file); ^C interrupts the foreground group; ^P is xv6's process listing. Raw: every byte as it comes,
// no echo; ^C is a byte like any other.
#pragma once

#include <base/types.h>

void console_init(void);

/* A byte typed: from a driver, in interrupt context. */
void console_input(u8 byte);

/* The modes of uapi/sys.h. Returns the one before, or -EINVAL. */
int console_set_mode(int mode);

/*
 * The group that ^C goes to, and that may read; 0: none, then everyone may read and ^C does nothing. Readers of other
 * groups wait.
 */
void console_set_foreground(int pgid);
int console_foreground(void);

/* The upward edge: proc says what ^C and ^P do, and which group the reader is in. */
struct console_ops {
    void (*interrupt)(int pgid);  // interrupt context
    void (*list)(void);           // interrupt context
    int (*reader_group)(void);
};
void console_set_ops(const struct console_ops *ops);
