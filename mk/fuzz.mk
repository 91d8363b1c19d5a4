# Fuzzers (tests/fuzz): each NAME_fuzz.c is one, of the code that the kernel runs, with the address and undefined-behaviour sanitizers.
# Each starts from the seeds in tests/fuzz/corpus/NAME, and keeps what it finds in $(BUILD)/fuzz/corpus/NAME.

FUZZ_DIR := $(BUILD)/fuzz
FUZZERS  ?= $(patsubst tests/fuzz/%_fuzz.c,%,$(wildcard tests/fuzz/*_fuzz.c))

# How long each runs, in seconds, so many at a time. The mutator makes inputs of at most so many bytes.
SECONDS_EACH ?= $(if $(SECONDS),$(SECONDS),3600)
FUZZ_JOBS    ?= $(shell nproc)
FUZZ_MAX     ?= 8192

FUZZ_CFLAGS   := $(BASE_CFLAGS) -O1 -fno-omit-frame-pointer $(HOST_DEFINES)
FUZZ_CHECKS   := -fsanitize=address,undefined -fno-sanitize-recover=all
FUZZ_KERNEL   := $(foreach m,arch kern sched mm dev fs proc ckpt,-Ikernel/$m/include)

# What a fuzzer is made of, besides itself: its group's sources and flags.
FUZZ_GROUP.image     := image
FUZZ_GROUP.writer    := image
FUZZ_GROUP.mount     := disk
FUZZ_GROUP.journal   := disk
FUZZ_GROUP.directory := disk
FUZZ_GROUP.exec      := exec
FUZZ_GROUP.restore   := restore
FUZZ_GROUP.calls     := calls

FUZZ_IMAGE_INPUT := tests/fuzz/sparse.c tests/fuzz/image_input.c tests/fuzz/seal.c
# mm is real, over the machine of its unit tests; kmalloc is the host's.
FUZZ_MM := tests/unit/mm/machine.c tools/hosted/objects.c $(filter-out %/kmalloc.c,$(wildcard kernel/mm/*.c)) $(addprefix kernel/kern/,spinlock.c fault.c options.c)
FUZZ_MM_FLAGS := -DCHECKED -Itests/unit/mm -Itests/unit/mm/include -Itools/hosted/include $(FUZZ_KERNEL) $(HOST_INCLUDE) -iquote kernel/mm

FUZZ_SOURCES.image   := $(FUZZ_IMAGE_INPUT) $(HOST_LIB_SOURCES)
FUZZ_FLAGS.image     := $(HOST_INCLUDE)
FUZZ_SOURCES.disk    := tests/fuzz/sparse.c tests/fuzz/disk_input.c $(HOSTED_SOURCES) $(patsubst %,tests/host/fs_%.c,host disk sample) \
	$(wildcard tools/fsck/*.c) $(TOOL_LIB_SOURCES) $(HOST_LIB_SOURCES)
FUZZ_FLAGS.disk      := $(HOST_INCLUDE) $(HOSTED_CFLAGS) -Itests
FUZZ_SOURCES.exec    := tests/fuzz/sparse.c tests/fuzz/kernel.c $(FUZZ_MM) kernel/proc/elf.c kernel/proc/$(ARCH)/start.c $(HOST_LIB_SOURCES)
FUZZ_FLAGS.exec      := $(FUZZ_MM_FLAGS) -iquote kernel/proc
FUZZ_SOURCES.restore := $(FUZZ_IMAGE_INPUT) tests/fuzz/kernel.c $(FUZZ_MM) $(HOST_LIB_SOURCES) kernel/ckpt/$(ARCH)/machine.c \
	$(patsubst %,kernel/ckpt/%.c,base plan image restore reopen lazy ahead work contents run use commit memo recent spare)
FUZZ_FLAGS.restore   := $(FUZZ_MM_FLAGS) -Ikernel/ckpt
FUZZ_SOURCES.calls   := tests/fuzz/kernel.c tests/fuzz/sparse.c $(FUZZ_MM) $(HOST_LIB_SOURCES) $(wildcard kernel/sys/*.c kernel/sys/$(ARCH)/*.c)
FUZZ_FLAGS.calls     := $(FUZZ_MM_FLAGS) -iquote kernel/sys

# The machine of the unit tests prints; the fuzzers' own printk looks at what it's given.
FUZZ_FLAG.tests/unit/mm/machine.c := -Dprintk=machine_printk

# Most of the time goes there, and it is told everything.
FUZZ_FLAG.lib/base/crc32c.c := -O2 -fno-sanitize=all

# $(call fuzz_group,folder,group,flags)
define fuzz_group
FUZZ_OBJECTS.$1.$2 := $(FUZZ_SOURCES.$2:%=$1/objects/$2/%.o)
$$(FUZZ_OBJECTS.$1.$2) $1/objects/$2/tests/fuzz/$2_seeds.c.o $1/objects/$2/tests/fuzz/mutate.c.o: $1/objects/$2/%.o: %
	@mkdir -p $$(@D)
	$(CC) $(FUZZ_CFLAGS) $3 $(FUZZ_FLAGS.$2) $$(FUZZ_FLAG.$$<) -c -o $$@ $$<
-include $$(FUZZ_OBJECTS.$1.$2:.o=.d)
endef

# $(call fuzz_program,folder,name,group,flags)
define fuzz_program
$1/objects/$3/tests/fuzz/$2_fuzz.c.o: $1/objects/$3/%.o: %
	@mkdir -p $$(@D)
	$(CC) $(FUZZ_CFLAGS) $4 $(FUZZ_FLAGS.$3) -c -o $$@ $$<
$1/$2: $1/objects/$3/tests/fuzz/$2_fuzz.c.o $(if $(filter calls,$3),,$1/objects/$3/tests/fuzz/mutate.c.o) $$(FUZZ_OBJECTS.$1.$3)
	$(CC) -fuse-ld=lld $4 -fsanitize=fuzzer -o $$@ $$^
-include $1/objects/$3/tests/fuzz/$2_fuzz.c.d
endef

FUZZ_COVERED := $(FUZZ_DIR)/covered
COVERAGE_FLAGS := -fprofile-instr-generate -fcoverage-mapping
FUZZ_BUILD_FLAGS.$(FUZZ_DIR)     := $(FUZZ_CHECKS) -fsanitize=fuzzer-no-link
FUZZ_BUILD_FLAGS.$(FUZZ_COVERED) := $(COVERAGE_FLAGS)
$(foreach d,$(FUZZ_DIR) $(FUZZ_COVERED),$(foreach g,$(sort $(foreach f,$(FUZZERS),$(FUZZ_GROUP.$f))),\
	$(eval $(call fuzz_group,$d,$g,$(FUZZ_BUILD_FLAGS.$d)))))
$(foreach d,$(FUZZ_DIR) $(FUZZ_COVERED),$(foreach f,$(FUZZERS),$(eval $(call fuzz_program,$d,$f,$(FUZZ_GROUP.$f),$(FUZZ_BUILD_FLAGS.$d)))))

fuzzers: $(FUZZERS:%=$(FUZZ_DIR)/%)

fuzz: fuzzers ## fuzz images, disks, programs and system calls (SECONDS=3600 each; FUZZERS="image mount ..." for some of them)
	@/usr/bin/python3 tests/fuzz/run.py $(FUZZ_DIR) $(SECONDS_EACH) $(FUZZ_JOBS) $(FUZZ_MAX) $(FUZZERS)

fuzz-coverage: $(FUZZERS:%=$(FUZZ_COVERED)/%) ## how much of lib the fuzzers' corpora reach, by line
	@/usr/bin/python3 tests/coverage.py fuzz $(FUZZ_DIR) $(FUZZERS)

# The same of them, the unit tests and the host tests together: those are built once more, for coverage in place of the sanitizers.
COVERAGE_DIR   := $(BUILD)/coverage
coverage: $(FUZZERS:%=$(FUZZ_COVERED)/%) ## how much of lib the unit tests, host tests and fuzzers' corpora reach together, by line
	@rm -rf $(COVERAGE_DIR)/profiles
	@LLVM_PROFILE_FILE=$(abspath $(COVERAGE_DIR))/profiles/%p.profraw $(MAKE) --no-print-directory BUILD=$(COVERAGE_DIR) SANITIZE='$(COVERAGE_FLAGS)' \
		HOSTTEST_SANITIZE='$(COVERAGE_FLAGS)' HOST_STATES=1 unit host-tests >$(FUZZ_COVERED)/tests.log || { tail -n 40 $(FUZZ_COVERED)/tests.log; exit 1; }
	@/usr/bin/python3 tests/coverage.py all $(FUZZ_DIR) $(COVERAGE_DIR) $(FUZZERS)

# Made anew when the formats change: the seeds of tests/fuzz/corpus.
$(FUZZ_DIR)/disk_seeds: $(FUZZ_DIR)/objects/disk/tests/fuzz/disk_seeds.c.o $(FUZZ_OBJECTS.$(FUZZ_DIR).disk)
	$(CC) -fuse-ld=lld $(FUZZ_CHECKS) -o $@ $^
fuzz-seeds: $(FUZZ_DIR)/disk_seeds user
	/usr/bin/python3 tests/fuzz/seeds.py $< $(U)/user/bin

# From time to time, of what has grown: what reaches most, at most so many bytes for each fuzzer.
DISTIL_BYTES ?= 4096
fuzz-distil: fuzzers
	/usr/bin/python3 tests/fuzz/distil.py $(FUZZ_DIR) $(DISTIL_BYTES) $(FUZZERS)
.PHONY: fuzzers fuzz fuzz-coverage coverage fuzz-seeds fuzz-distil
