# The guest's programs: user/bin, and those of the tests and benchmarks. One file is one program.

U := $(BUILD)/$(ARCH)/user
USER_INCLUDE := -Iuser/libc/include -Iuser/libc/$(ARCH)/include -Iuapi/include -Iuapi/$(ARCH) -Ilib/base/include

LIBC_SOURCES := $(wildcard user/libc/*.c user/libc/$(ARCH)/*.c user/libc/$(ARCH)/*.S) $(call SOURCES.lib,base)
LIBC_OBJECTS := $(LIBC_SOURCES:%=$(U)/%.o)
LIBC := $(U)/libc.a

PROGRAM_SOURCES := $(wildcard user/bin/*.c tests/guest/*.c bench/*.c)
PROGRAMS := $(PROGRAM_SOURCES:%.c=$(U)/%)

$(U)/%.o: %
	@mkdir -p $(@D)
	$(CC) $(USER_CFLAGS) $(USER_INCLUDE) -c -o $@ $<

$(LIBC): $(LIBC_OBJECTS)
	rm -f $@
	llvm-ar rcs $@ $^

$(PROGRAMS): $(U)/%: $(U)/%.c.o $(LIBC) user/libc/$(ARCH)/user.ld
	$(LD) -m elf_$(ARCH) -z separate-code -T user/libc/$(ARCH)/user.ld -o $@ $< $(LIBC)

-include $(LIBC_OBJECTS:.o=.d) $(PROGRAMS:%=%.c.d)

user: $(PROGRAMS)
.PHONY: user
