# Crashes of the real kernel (tests/crash): guest programs that make work for the disk, and a host program that looks at what is left.

CRASH_PROGRAMS := $(patsubst %.c,$(U)/%,tests/crash/storm.c tests/crash/holder.c tests/crash/repeat.c)
CRASH_TOOL     := $(H)/tests/crash/states
CRASH_SOURCES  := tests/crash/states.c tests/crash/contents.c tests/crash/saved.c $(wildcard tools/fsck/*.c)
IMAGES_TOOL    := $(H)/tests/crash/images
IMAGES_SOURCES := tests/crash/images.c tests/crash/saved.c

$(CRASH_PROGRAMS): $(U)/%: $(U)/%.c.o $(LIBC) user/libc/$(ARCH)/user.ld
	$(USER_LINK) -o $@ $< $(LIBC)

$(CRASH_TOOL): $(CRASH_SOURCES:%=$(H)/%.o) $(TOOL_LIB) $(HOST_LIB)
	$(CC) -fuse-ld=lld -o $@ $^ -lisal

$(IMAGES_TOOL): $(IMAGES_SOURCES:%=$(H)/%.o) $(TOOL_LIB) $(HOST_LIB)
	$(CC) -fuse-ld=lld -o $@ $^ -lisal

-include $(CRASH_SOURCES:%=$(H)/%.d) $(IMAGES_SOURCES:%=$(H)/%.d) $(CRASH_PROGRAMS:%=%.c.d)

tests: $(CRASH_PROGRAMS) $(CRASH_TOOL) $(IMAGES_TOOL)

# Crash states of each scenario, about.
STATES ?= 20000
# How long the soak takes.
MINUTES ?= 10

CRASH_PYTEST = BUILD=$(BUILD) /usr/bin/python3 -m pytest -p no:cacheprovider -q -s --tb=short

crash: all tests host-crash ## try many more crash states than the tests do (a million on the host; STATES=20000 of each scenario)
	AMBER_STATES=$(STATES) $(CRASH_PYTEST) tests/crash/test_crash.py tests/crash/test_io_errors.py

soak: all tests ## run everything at once on 4 CPUs for a while, with all checks (MINUTES=10), and see that nothing was lost
	CHECKED=1 AMBER_SOAK_MINUTES=$(MINUTES) $(CRASH_PYTEST) tests/crash/soak.py
.PHONY: crash soak
