// The keyboard of the PC, behind the 8042 controller, or nothing.
#pragma once

/* Keys arrive as bytes in console_input(), as a serial terminal would send them. */
void ps2_init(void);
