# One toolchain for every target and the host: clang and lld.

CC      := clang
LD      := ld.lld
NM      := llvm-nm
OBJCOPY := llvm-objcopy

WARN := -Wall -Wextra -Werror -Wmissing-prototypes -Wstrict-prototypes -Wvla -Wno-unused-parameter
BASE_CFLAGS := -std=gnu17 -O2 -g $(WARN) -MMD -MP

# What the machine's code is compiled with: freestanding, no headers but the compiler's own.
TARGET.i386    := --target=i386-unknown-none-elf
FREE_CFLAGS    := $(BASE_CFLAGS) $(TARGET.$(ARCH)) -ffreestanding -nostdlibinc -fno-pic -fno-stack-protector -fno-omit-frame-pointer

KERNEL_MACHINE.i386 := -march=i686 -mno-mmx -mno-sse -msoft-float
USER_MACHINE.i386   := -march=pentium4

KERNEL_CFLAGS := $(FREE_CFLAGS) $(KERNEL_MACHINE.$(ARCH)) -DAMBER_KERNEL -DMACHINE_NAME=\"$(ARCH)\" -Wthread-safety -Werror=noderef $(if $(CHECKED),-DCHECKED)
USER_CFLAGS   := $(FREE_CFLAGS) $(USER_MACHINE.$(ARCH))
HOST_CFLAGS   := $(BASE_CFLAGS)
