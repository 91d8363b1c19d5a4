# Unit tests on the host: each tests/unit/NAME_test.c is one cmocka program, built with AddressSanitizer and UBSan against lib/.
#
# A test that needs more says so in a tests/unit/NAME_test.mk of its own:
#   UNIT_SOURCES.NAME_test := kernel/mm/frame.c ...     further sources, compiled for this test only
#   UNIT_INCLUDE.NAME_test := -Ikernel/mm/include ...   flags for the test and those sources, before all other -I
#   UNIT_FLAGS.path/of/source.c := ...                  further flags for one source
#
# `make unit UNIT="base_test fsfmt_test"` runs only those.

UNIT_DIR := $(BUILD)/unit
UNIT_ALL := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/*_test.c))
UNIT     ?= $(UNIT_ALL)

SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
UNIT_CFLAGS := $(BASE_CFLAGS) -O1 $(SANITIZE) $(HOST_DEFINES) $(HOST_INCLUDE)

-include $(wildcard tests/unit/*_test.mk)

UNIT_LIB := $(UNIT_DIR)/lib.a
UNIT_LIB_OBJECTS := $(HOST_LIB_SOURCES:%=$(UNIT_DIR)/lib/%.o)

$(UNIT_LIB_OBJECTS): $(UNIT_DIR)/lib/%.o: %
	@mkdir -p $(@D)
	$(CC) $(UNIT_CFLAGS) -c -o $@ $<

$(UNIT_LIB): $(UNIT_LIB_OBJECTS)
	rm -f $@
	llvm-ar rcs $@ $^

# $(call unit_test,name,sources)
define unit_test
UNIT_OBJECTS.$1 := $(2:%=$(UNIT_DIR)/$1.d/%.o)
$$(UNIT_OBJECTS.$1): $(UNIT_DIR)/$1.d/%.o: %
	@mkdir -p $$(@D)
	$(CC) $$(UNIT_INCLUDE.$1) $$(UNIT_CFLAGS) $$(UNIT_FLAGS.$$<) -c -o $$@ $$<
$(UNIT_DIR)/$1: $$(UNIT_OBJECTS.$1) $(UNIT_LIB)
	$(CC) -fuse-ld=lld $(SANITIZE) -o $$@ $$^ -lcmocka $$(UNIT_LIBS.$1)
-include $$(UNIT_OBJECTS.$1:.o=.d)
endef

$(foreach t,$(UNIT_ALL),$(eval $(call unit_test,$t,tests/unit/$t.c $(UNIT_SOURCES.$t))))
-include $(UNIT_LIB_OBJECTS:.o=.d)

unit: $(UNIT:%=$(UNIT_DIR)/%) ## build and run the unit tests (UNIT="base_test ..." for some of them)
	@failed=; \
	for t in $(UNIT); do \
	    echo "# $$t"; \
	    timeout 120 $(UNIT_DIR)/$$t 2>&1 || failed="$$failed $$t"; \
	done; \
	if [ -n "$$failed" ]; then echo "unit: FAILED:$$failed"; exit 1; fi; \
	echo "unit: all passed"
.PHONY: unit
