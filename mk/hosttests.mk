# kernel/fs as a host program: compiled with the sanitizers, over a simulated kernel and disk (tests/host/fs_*.c).

HOSTTEST_DIR := $(BUILD)/hosttests
HOSTTESTS    := $(patsubst tests/host/%.c,%,$(wildcard tests/host/fs_*_test.c))

HOSTTEST_SOURCES := $(wildcard kernel/fs/*.c) tests/host/fs_host.c tests/host/fs_disk.c $(wildcard tools/fsck/*.c) $(TOOL_LIB_SOURCES) \
	$(HOST_LIB_SOURCES)
HOSTTEST_CFLAGS  := $(BASE_CFLAGS) -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer $(HOST_DEFINES) \
	$(HOST_INCLUDE) -Itests/host/fs_arch $(foreach m,arch kern sched mm dev fs,-Ikernel/$m/include)
HOSTTEST_OBJECTS := $(HOSTTEST_SOURCES:%=$(HOSTTEST_DIR)/%.o)

$(HOSTTEST_OBJECTS) $(HOSTTESTS:%=$(HOSTTEST_DIR)/tests/host/%.c.o): $(HOSTTEST_DIR)/%.o: %
	@mkdir -p $(@D)
	$(CC) $(HOSTTEST_CFLAGS) $(if $(filter tools/%,$<),$(HOSTTEST_TOOLS)) -c -o $@ $<

# The tools' names that kernel/fs has, too.
HOSTTEST_TOOLS := -Dinode_load=tool_inode_load -Dinode_store=tool_inode_store

$(HOSTTESTS:%=$(HOSTTEST_DIR)/%): $(HOSTTEST_DIR)/%: $(HOSTTEST_DIR)/tests/host/%.c.o $(HOSTTEST_OBJECTS)
	$(CC) -fuse-ld=lld -fsanitize=address,undefined -o $@ $^

-include $(HOSTTEST_OBJECTS:.o=.d) $(HOSTTESTS:%=$(HOSTTEST_DIR)/tests/host/%.c.d)

host-tests: $(HOSTTESTS:%=$(HOSTTEST_DIR)/%) ## build and run the tests of the file system on the host: model, crashes, faults, races
	@for t in $(HOSTTESTS); do $(HOSTTEST_DIR)/$$t || exit 1; done
.PHONY: host-tests
