# What a compiler alone does not check.

SOURCE_FILES = $(shell git ls-files '*.c' '*.h')

lint: kernel tools user lint-modules lint-headers lint-machine lint-user-pointers lint-text ## check the order of modules, headers, and the rules of the house

lint-modules: $(foreach m,$(LIBS) $(MODULES),$(K)/$m.o)
	@python3 tests/lint/modules.py $(NM) $(K) mk/modules.mk

# Each public header compiles alone, with no more in sight than its module may see.
HEADERS.lib    = $(wildcard lib/$1/include/$1/*.h)
HEADERS.kernel = $(wildcard kernel/$1/include/$1/*.h kernel/$1/$(ARCH)/include/$1/*.h)
lint-headers:
	@set -e; $(foreach m,$(LIBS) $(MODULES),for header in $(call HEADERS.lib,$m) $(call HEADERS.kernel,$m); do \
		$(CC) $(filter-out -MMD -MP,$(KERNEL_CFLAGS)) $(FLAGS.$m) -Wno-unused-function -Wno-pragma-once-outside-header -fsyntax-only -x c $$header || { echo "lint: $$header does not compile alone" >&2; exit 1; }; done;) \
	echo "lint: every public header compiles alone"

lint-machine:
	@if grep -nE '^ *# *(if|elif).*(__i386|__x86_64|__riscv|__aarch64|ARCH_)' $$(git ls-files 'kernel/*' 'lib/*' 'user/*' | grep -v '/$(ARCH)/'); then \
		echo 'lint: machine conditionals belong into a directory of that machine' >&2; exit 1; fi
	@echo "lint: no machine conditionals"

lint-user-pointers:
	@if $(CC) $(filter-out -MMD -MP,$(KERNEL_CFLAGS)) -Ilib/base/include -fsyntax-only tests/lint/dereferences_user_pointer.c 2>/dev/null; then \
		echo 'lint: the compiler accepts a dereferenced __user pointer' >&2; exit 1; fi
	@if grep -rln '__user' kernel --include='*.[ch]' | grep -vE '^kernel/(sys|mm|arch)/'; then \
		echo 'lint: __user pointers are met only in sys, mm and arch' >&2; exit 1; fi
	@echo "lint: user pointers stay at the border"

lint-text:
	@if grep -nE '.{121,}' $(SOURCE_FILES); then echo 'lint: lines end at column 120' >&2; exit 1; fi
	@if grep -nE '[[:space:]]$$' $(SOURCE_FILES); then echo 'lint: white space at the end of a line' >&2; exit 1; fi
	@if grep -nE 'TODO|FIXME|XXX' $(SOURCE_FILES); then echo 'lint: unfinished business' >&2; exit 1; fi
	@echo "lint: the text is tidy"

format: ## format the sources with clang-format
	clang-format -i $(SOURCE_FILES)

.PHONY: lint lint-modules lint-headers lint-machine lint-user-pointers lint-text format
