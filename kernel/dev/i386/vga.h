// The display: VGA text, 80 columns by 25 rows, or nothing. terminal.h's display_write() is here too.
#pragma once

void vga_init(void);
