// Waiting for children. Status words: uapi/wait.h.
#pragma once

#include <sys/types.h>
#include <uapi/wait.h>

#define WIFSIGNALED(status) (!WIFEXITED(status))

/* Both: the pid of a child that has ended, its status word in *status unless that is NULL; -1: ECHILD. */
pid_t wait(int *status);
pid_t waitpid(pid_t pid, int *status, int options);  // pid -1: any; 0 with WNOHANG when none has ended
