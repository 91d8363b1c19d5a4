# The host's tools, from the same lib/ as the kernel.

H := $(BUILD)/host
HOST_INCLUDE := -Ilib/base/include -Ilib/fsfmt/include -Ilib/ckptfmt/include -Iuapi/include -Iuapi/$(ARCH)

HOST_LIB_SOURCES := $(foreach l,$(LIBS),$(wildcard lib/$l/*.c))
HOST_LIB := $(H)/lib.a
$(HOST_LIB): $(HOST_LIB_SOURCES:%=$(H)/%.o)
	rm -f $@
	llvm-ar rcs $@ $^

$(H)/%.o: %
	@mkdir -p $(@D)
	$(CC) $(HOST_CFLAGS) $(HOST_INCLUDE) -c -o $@ $<

HOST_TOOLS := $(patsubst tools/%.c,$(H)/%,$(wildcard tools/*.c))
$(HOST_TOOLS): $(H)/%: $(H)/tools/%.c.o $(HOST_LIB)
	$(CC) -fuse-ld=lld -o $@ $^

-include $(HOST_LIB_SOURCES:%=$(H)/%.d) $(HOST_TOOLS:$(H)/%=$(H)/tools/%.c.d)

tools: $(HOST_TOOLS)
.PHONY: tools
