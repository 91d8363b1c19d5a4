# The host's tools, from the same lib/ as the kernel. tools/NAME.c is the program NAME; tools/NAME/*.c are its further sources,
# and tools/lib/*.c is shared by all.

H := $(BUILD)/host
HOST_INCLUDE := -Ilib/base/include -Ilib/fsfmt/include -Ilib/ckptfmt/include -Iuapi/include -Iuapi/$(ARCH) -Itools
HOST_DEFINES := -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64

HOST_LIB_SOURCES := $(foreach l,$(LIBS),$(wildcard lib/$l/*.c))
TOOL_LIB_SOURCES := $(wildcard tools/lib/*.c)
HOST_LIB := $(H)/lib.a
TOOL_LIB := $(H)/tools.a
$(HOST_LIB): $(HOST_LIB_SOURCES:%=$(H)/%.o)
$(TOOL_LIB): $(TOOL_LIB_SOURCES:%=$(H)/%.o)
$(HOST_LIB) $(TOOL_LIB):
	rm -f $@
	llvm-ar rcs $@ $^

$(H)/%.o: %
	@mkdir -p $(@D)
	$(CC) $(HOST_CFLAGS) $(HOST_DEFINES) $(HOST_INCLUDE) -c -o $@ $<

HOST_TOOLS := $(patsubst tools/%.c,$(H)/%,$(wildcard tools/*.c))

# $(call host_tool,name,sources)
define host_tool
$(H)/$1: $(2:%=$(H)/%.o) $(TOOL_LIB) $(HOST_LIB)
	$(CC) -fuse-ld=lld -o $$@ $$^
-include $(2:%=$(H)/%.d)
endef

$(foreach t,$(HOST_TOOLS:$(H)/%=%),$(eval $(call host_tool,$t,tools/$t.c $(wildcard tools/$t/*.c))))
-include $(HOST_LIB_SOURCES:%=$(H)/%.d) $(TOOL_LIB_SOURCES:%=$(H)/%.d)

tools: $(HOST_TOOLS) ## build the host's tools: mkfs, fsck, amberfs, ckpt
.PHONY: tools
