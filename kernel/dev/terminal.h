// What the console is made of: supplied by the machine's directory.
#pragma once

#include <base/types.h>

/*
 * Find the serial line, the display and the keyboard. Afterwards bytes typed arrive in console_input(). What is absent
 * costs no time.
 */
void terminal_init(void);

/*
 * Send as many of the bytes as the serial line takes at once ("\n" as "\r\n"), and return how many that were; without a
 * line, all. Polled: works in every context. The two functions are called by one CPU at a time.
 */
size_t serial_write(const char *bytes, size_t n);

/* Show the bytes, if there is a display. */
void display_write(const char *bytes, size_t n);
