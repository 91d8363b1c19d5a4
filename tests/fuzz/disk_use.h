// Uses a mounted file system, whatever it is: errors are fine.
#pragma once

#include "disk_input.h"

void disk_walk(void);   // look at everything
void disk_write(void);  // change what there is, in every way
