// assert(), always on: says where, and aborts.
#pragma once

_Noreturn void assert_failed(const char *what, const char *file, int line);

#define assert(condition) ((condition) ? (void)0 : assert_failed(#condition, __FILE__, __LINE__))
