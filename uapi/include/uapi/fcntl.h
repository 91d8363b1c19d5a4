// Flags of open(2), positions of lseek(2), and the limits that programs may rely on.
#pragma once

#define O_RDONLY  0x000
#define O_WRONLY  0x001
#define O_RDWR    0x002
#define O_CREATE  0x200
#define O_TRUNC   0x400
#define O_APPEND  0x800

#define SEEK_SET  0
#define SEEK_CUR  1
#define SEEK_END  2

#define NAME_LEN  14    // a file name's length; longer names are cut, as in xv6
#define PATH_LEN  1024  // a path's length with its final NUL
#define OPEN_MAX  64    // descriptors a process
#define ARG_COUNT 32    // arguments of exec
#define ARG_BYTES 4096  // exec's arguments together: strings, pointers, and the frame of main()
