// The status word of waitpid(2), as POSIX has it: exit status in bits 8-15, or the reason of a violent end in bits 0-6.
#pragma once

#define WNOHANG             1

#define WEXITED(code)       (((code)&0xff) << 8)
#define WIFEXITED(status)   (((status)&0x7f) == 0)
#define WEXITSTATUS(status) (((status) >> 8) & 0xff)
#define WTERMSIG(status)    ((status)&0x7f)

// Reasons of a violent end, numbered as POSIX numbers the signals.
#define SIGINT  2   // ^C at the console
#define SIGILL  4   // an instruction that does not exist or is not allowed
#define SIGFPE  8   // division by zero, or an unmasked floating-point exception
#define SIGKILL 9   // kill(2), or no memory left
#define SIGSEGV 11  // an address that is not the process's
