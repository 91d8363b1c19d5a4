// For the tests of malloc().
#pragma once

#include <stdbool.h>

/* Do the blocks of the newest segment follow each other without a gap, no two free ones side by side, and is each free
 * one in its list? */
bool heap_is_sound(void);
