// The first serial line: a 16550 at COM1's ports ("PC16550D Universal Asynchronous Receiver/Transmitter with FIFOs",
// chapter 8), or nothing. terminal.h's serial_write() is here too.
#pragma once

/* Detect and set up (115200 8N1), and pass what arrives to console_input(). */
void uart_init(void);
