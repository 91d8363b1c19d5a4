# kernel/fs, and kernel/ckpt on top of it, as host programs, over the simulated kernel of tools/hosted and a simulated disk. Each program
# is built twice: with the address and undefined-behaviour sanitizers, and fast, for most of the crash states.

HOSTTEST_DIR  := $(BUILD)/hosttests
HOSTTEST_FAST := $(BUILD)/hosttests-fast
HOSTTESTS     := $(patsubst tests/host/%.c,%,$(wildcard tests/host/fs_*_test.c))

HOSTTEST_SOURCES := $(HOSTED_SOURCES) $(patsubst %,tests/host/fs_%.c,host disk crash sample) $(wildcard tools/fsck/*.c) \
	$(TOOL_LIB_SOURCES) $(HOST_LIB_SOURCES)
HOSTTEST_CFLAGS  := $(BASE_CFLAGS) $(HOST_DEFINES) $(HOST_INCLUDE) $(HOSTED_CFLAGS)
HOSTTEST_SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all

# Tests of kernel/ckpt's writing side over all that: ckpt_people.c stands in for mm and proc. The kernel's memcpy() takes NULL for no
# bytes. So little memory is many chunks of pages, and a large image.
CKPTTESTS        := $(patsubst tests/host/%.c,%,$(wildcard tests/host/ckpt_*_test.c))
CKPTTEST_SOURCES := $(patsubst %,kernel/ckpt/%.c,base collect commit contents epoch image memo output pages recent records run save spare store use work i386/machine) \
	$(patsubst %,tests/host/ckpt_%.c,people book life)
CKPTTEST_CFLAGS  := -iquote kernel/ckpt -Ikernel/ckpt/include -Ikernel/proc/include -Dimage_open=ckpt_image_open -DCHUNK_PAGES=4 -DFLUSH_FRAMES=60

# $(call hosttest_build,folder,flags for compiling,flags for linking)
define hosttest_build
HOSTTEST_OBJECTS.$1 := $(HOSTTEST_SOURCES:%=$1/%.o)
$$(HOSTTEST_OBJECTS.$1) $(HOSTTESTS:%=$1/tests/host/%.c.o): $1/%.o: %
	@mkdir -p $$(@D)
	$(CC) $(HOSTTEST_CFLAGS) $2 -c -o $$@ $$<
$(HOSTTESTS:%=$1/%): $1/%: $1/tests/host/%.c.o $$(HOSTTEST_OBJECTS.$1)
	$(CC) -fuse-ld=lld $3 -o $$@ $$^
CKPTTEST_OBJECTS.$1 := $(CKPTTEST_SOURCES:%=$1/%.o)
$$(CKPTTEST_OBJECTS.$1) $(CKPTTESTS:%=$1/tests/host/%.c.o): $1/%.o: %
	@mkdir -p $$(@D)
	$(CC) $(CKPTTEST_CFLAGS) $(HOSTTEST_CFLAGS) $2 -fno-sanitize=nonnull-attribute -c -o $$@ $$<
$(CKPTTESTS:%=$1/%): $1/%: $1/tests/host/%.c.o $$(CKPTTEST_OBJECTS.$1) $$(HOSTTEST_OBJECTS.$1)
	$(CC) -fuse-ld=lld $3 -o $$@ $$^
-include $$(HOSTTEST_OBJECTS.$1:.o=.d) $(HOSTTESTS:%=$1/tests/host/%.c.d)
-include $$(CKPTTEST_OBJECTS.$1:.o=.d) $(CKPTTESTS:%=$1/tests/host/%.c.d)
endef
$(eval $(call hosttest_build,$(HOSTTEST_DIR),-O1 $(HOSTTEST_SANITIZE),$(HOSTTEST_SANITIZE)))
$(eval $(call hosttest_build,$(HOSTTEST_FAST),,))

# BUILD:PROGRAM:SEED:HOW-MUCH, side by side. What is not named here runs sanitized, with its own defaults. Of the crash states four
# in five are tried by the fast build.
HOST_STATES ?= 100000
percent = $(shell expr $(HOST_STATES) \* $1 / 100)
HOSTTEST_RUNS := sane:fs_crash_test:3:$(call percent,12) sane:fs_epochs_test:2:$(call percent,8) \
	fast:fs_crash_test:1:$(call percent,26) fast:fs_crash_test:2:$(call percent,26) fast:fs_epochs_test:1:$(call percent,20) \
	sane:ckpt_crash_test:2:$(call percent,2) fast:ckpt_crash_test:1:$(call percent,6) \
	sane:fs_model_test:1:40000 sane:fs_race_test:1:150 sane:fs_hostile_test:1:4000
HOSTTEST_RUNS += $(addprefix sane:,$(filter-out $(foreach r,$(HOSTTEST_RUNS),$(word 2,$(subst :, ,$r))),$(HOSTTESTS) $(CKPTTESTS)))

HOSTTEST_FOLDER.sane := $(HOSTTEST_DIR)
HOSTTEST_FOLDER.fast := $(HOSTTEST_FAST)

# $(call host_run,number,words): the build, the program, its arguments. ASan's remark about fibers says nothing about these.
define host_run
host-test-$1: $(HOSTTEST_FOLDER.$(firstword $2))/$(word 2,$2)
	@timeout 3600 $$< $(wordlist 3,9,$2) 2>$(HOSTTEST_DIR)/$1.err || \
	{ grep -v 'WARNING: ASan' $(HOSTTEST_DIR)/$1.err >&2; echo "host-tests: $2 failed" >&2; exit 1; }
host-tests: host-test-$1
.PHONY: host-test-$1
endef

HOSTTEST_NUMBERS := $(shell seq $(words $(HOSTTEST_RUNS)))
$(foreach n,$(HOSTTEST_NUMBERS),$(eval $(call host_run,$n,$(subst :, ,$(word $n,$(HOSTTEST_RUNS))))))

host-tests: ## build and run the tests of the file system and of checkpoints' writing on the host: model, races, faults, hostile disks, crashes (HOST_STATES=100000)
host-crash: ## a million crash states of the file system on the host
	+@$(MAKE) --no-print-directory host-tests HOST_STATES=1000000
.PHONY: host-tests host-crash

mutations: $(HOSTTEST_OBJECTS.$(HOSTTEST_FAST)) $(HOSTTESTS:%=$(HOSTTEST_FAST)/tests/host/%.c.o) ## break the file system on purpose, rule by rule, and see which test notices
	@CC='$(CC)' CFLAGS='$(HOSTTEST_CFLAGS)' FOLDER='$(HOSTTEST_FAST)' OBJECTS='$(HOSTTEST_OBJECTS.$(HOSTTEST_FAST))' JOBS=$(shell nproc) \
		/usr/bin/python3 tests/host/mutations.py $(MUTATIONS)
.PHONY: mutations
