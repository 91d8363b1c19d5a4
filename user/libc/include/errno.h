// Why the last failing system call or library function failed. Numbers: uapi/errno.h.
#pragma once

#include <uapi/errno.h>

extern int errno;
