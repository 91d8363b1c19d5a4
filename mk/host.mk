# The host's tools, from the same lib/ as the kernel. tools/NAME.c is the program NAME; tools/NAME/*.c are its further sources,
# and tools/lib/*.c is shared by all.

H := $(BUILD)/host
HOST_INCLUDE := -Ilib/base/include -Ilib/fsfmt/include -Ilib/ckptfmt/include -Iuapi/include -Iuapi/$(ARCH) -Itools
HOST_DEFINES := -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64

HOST_LIB_SOURCES := $(foreach l,$(LIBS),$(wildcard lib/$l/*.c))
TOOL_LIB_SOURCES := $(wildcard tools/lib/*.c)
# The tools have checksums that are quicker than lib's on a processor like theirs.
HOST_CHECKSUMS := $(wildcard tools/checksum/*.c)
HOST_FAST_SOURCES := $(filter-out lib/base/crc32c.c lib/ckptfmt/sums.c,$(HOST_LIB_SOURCES)) $(HOST_CHECKSUMS)
HOST_LIB := $(H)/lib.a
TOOL_LIB := $(H)/tools.a
$(HOST_LIB): $(HOST_FAST_SOURCES:%=$(H)/%.o)
$(TOOL_LIB): $(TOOL_LIB_SOURCES:%=$(H)/%.o)
$(HOST_LIB) $(TOOL_LIB):
	rm -f $@
	llvm-ar rcs $@ $^

$(H)/%.o: %
	@mkdir -p $(@D)
	$(CC) $(HOST_CFLAGS) $(HOST_DEFINES) $(HOST_INCLUDE) -c -o $@ $<

HOST_TOOLS := $(patsubst tools/%.c,$(H)/%,$(wildcard tools/*.c))

# Libraries that a tool needs beside CRC-32C's.
TOOL_LIBS.ckpt := -ljansson -lelf -larchive
TOOL_LIBS.amberfs := -lfuse3

# kernel/fs as it is, for programs of the host: over a simulated kernel (tools/hosted), without a disk and a wall clock, which its
# users bring. What is compiled with these flags sees what kernel/fs sees.
HOSTED_SOURCES := $(wildcard kernel/fs/*.c) kernel/dev/request.c $(wildcard tools/hosted/*.c)
HOSTED_CFLAGS := -fno-omit-frame-pointer -Itools/hosted/include -iquote kernel/fs $(foreach m,arch kern sched mm dev fs,-Ikernel/$m/include)

# amberfs changes disks with that, over a disk that is a file.
VOLUME_SOURCES := $(HOSTED_SOURCES) tools/amberfs/volume.c tools/amberfs/disk.c
TOOL_MORE.amberfs := $(VOLUME_SOURCES:%=$(H)/volume/%.o)
$(TOOL_MORE.amberfs): $(H)/volume/%.o: %
	@mkdir -p $(@D)
	$(CC) $(HOST_CFLAGS) $(HOST_DEFINES) $(HOST_INCLUDE) $(HOSTED_CFLAGS) -c -o $@ $<
-include $(TOOL_MORE.amberfs:.o=.d)
$(H)/tools/amberfs/operations.c.o $(H)/tools/amberfs/mount.c.o: HOST_INCLUDE += -I/usr/include/fuse3

# $(call host_tool,name,sources)
define host_tool
$(H)/$1: $(2:%=$(H)/%.o) $(TOOL_MORE.$1) $(TOOL_LIB) $(HOST_LIB)
	$(CC) -fuse-ld=lld -o $$@ $$^ $(TOOL_LIBS.$1) -lisal
-include $(2:%=$(H)/%.d)
endef

$(foreach t,$(HOST_TOOLS:$(H)/%=%),$(eval $(call host_tool,$t,tools/$t.c $(filter-out $(VOLUME_SOURCES),$(wildcard tools/$t/*.c)))))
-include $(HOST_FAST_SOURCES:%=$(H)/%.d) $(TOOL_LIB_SOURCES:%=$(H)/%.d)

tools: $(HOST_TOOLS) ## build the host's tools: mkfs, fsck, amberfs, ckpt
.PHONY: tools

# Man pages: docs/man/{host,guest}/NAME.SECTION.scd. Read one with: man -l build/man/host/ckpt.1
MAN_SOURCES := $(wildcard docs/man/*/*.scd)
MAN_PAGES   := $(MAN_SOURCES:docs/man/%.scd=$(BUILD)/man/%)
$(MAN_PAGES): $(BUILD)/man/%: docs/man/%.scd
	@mkdir -p $(@D)
	scdoc < $< > $@

man: $(MAN_PAGES) ## build the man pages, of the host's programs and the guest's
all: man
.PHONY: man
