# The guest's programs: user/bin, and those of the tests and benchmarks. One file is one program; the shell has a folder.

U := $(BUILD)/$(ARCH)/user
USER_INCLUDE := -Iuser/libc/include -Iuser/libc/$(ARCH)/include -Iuapi/include -Iuapi/$(ARCH) -Ilib/base/include -Ilib/ckptfmt/include
USER_CFLAGS += -ffunction-sections -fdata-sections
USER_LINK = $(LD) -m elf_$(ARCH) --gc-sections -z max-page-size=4096 -T user/libc/$(ARCH)/user.ld

LIBC_SOURCES := $(wildcard user/libc/*.c user/libc/$(ARCH)/*.c user/libc/$(ARCH)/*.S) $(call SOURCES.lib,base) $(call SOURCES.lib,ckptfmt)
LIBC_OBJECTS := $(LIBC_SOURCES:%=$(U)/%.o)
LIBC := $(U)/libc.a

PROGRAM_SOURCES := $(wildcard user/bin/*.c tests/guest/*.c bench/*.c)
SHELL_OBJECTS := $(patsubst %,$(U)/%.o,$(wildcard user/sh/*.c))
SINGLE_PROGRAMS := $(PROGRAM_SOURCES:%.c=$(U)/%)
PROGRAMS := $(SINGLE_PROGRAMS) $(U)/user/bin/sh

$(U)/%.o: %
	@mkdir -p $(@D)
	$(CC) $(USER_CFLAGS) $(USER_INCLUDE) -c -o $@ $<

$(LIBC): $(LIBC_OBJECTS)
	rm -f $@
	llvm-ar rcs $@ $^

$(SINGLE_PROGRAMS): $(U)/%: $(U)/%.c.o $(LIBC) user/libc/$(ARCH)/user.ld
	$(USER_LINK) -o $@ $< $(LIBC)

$(U)/user/bin/sh: $(SHELL_OBJECTS) $(LIBC) user/libc/$(ARCH)/user.ld
	@mkdir -p $(@D)
	$(USER_LINK) -o $@ $(SHELL_OBJECTS) $(LIBC)

-include $(LIBC_OBJECTS:.o=.d) $(SHELL_OBJECTS:.o=.d) $(SINGLE_PROGRAMS:%=%.c.d)

user: $(PROGRAMS)
.PHONY: user
