// The types of POSIX's calls.
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef intptr_t ssize_t;
typedef int64_t off_t;
typedef int64_t time_t;
typedef int pid_t;
