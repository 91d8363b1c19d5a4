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

# PROGRAM:SEED:HOW-MUCH. What is not named here runs with its own defaults.
HOST_STATES ?= 40000
HALF_STATES := $(shell expr $(HOST_STATES) / 2)
HOSTTEST_RUNS := fs_model_test:1:40000 fs_race_test:1:150 fs_hostile_test:1:4000 \
	fs_crash_test:1:$(HALF_STATES) fs_crash_test:2:$(HALF_STATES)
HOSTTEST_RUNS += $(filter-out $(foreach r,$(HOSTTEST_RUNS),$(firstword $(subst :, ,$r))),$(HOSTTESTS))

# $(call host_run,number,words): the first word is the program. ASan's remark about fibers says nothing about these.
define host_run
host-test-$1: $(HOSTTEST_DIR)/$(firstword $2)
	@timeout 3600 $$< $(wordlist 2,9,$2) 2>$(HOSTTEST_DIR)/$1.err || \
	{ grep -v 'WARNING: ASan' $(HOSTTEST_DIR)/$1.err >&2; echo "host-tests: $2 failed" >&2; exit 1; }
host-tests: host-test-$1
.PHONY: host-test-$1
endef

HOSTTEST_NUMBERS := $(shell seq $(words $(HOSTTEST_RUNS)))
$(foreach n,$(HOSTTEST_NUMBERS),$(eval $(call host_run,$n,$(subst :, ,$(word $n,$(HOSTTEST_RUNS))))))

host-tests: ## build and run the tests of the file system on the host: model, races, faults, hostile disks, crashes (HOST_STATES=40000)
host-crash: ## a million crash states of the file system on the host
	+@$(MAKE) --no-print-directory host-tests HOST_STATES=1000000
.PHONY: host-tests host-crash
