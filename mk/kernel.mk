# The kernel: each module is compiled with only its DEPS in sight and linked into one object, then all into the kernel.

K := $(BUILD)/$(ARCH)$(if $(CHECKED),-checked)/kernel
KERNEL := $(K)/amber.elf

# Where a module's public headers are.
INCLUDE.base    := -Ilib/base/include
INCLUDE.fsfmt   := -Ilib/fsfmt/include
INCLUDE.ckptfmt := -Ilib/ckptfmt/include
INCLUDE.uapi    := -Iuapi/include -Iuapi/$(ARCH)
INCLUDE.arch    := -Ikernel/arch/include -Ikernel/arch/$(ARCH)/include
$(foreach m,$(filter-out arch init,$(MODULES)),$(eval INCLUDE.$m := -Ikernel/$m/include))

SOURCES.lib = $(wildcard lib/$1/*.c lib/$1/$(ARCH)/*.c)
SOURCES.kernel = $(wildcard kernel/$1.c kernel/$1/*.c kernel/$1/$(ARCH)/*.c kernel/$1/$(ARCH)/*.S)
# The machine is a module of its own place: kernel/arch/$(ARCH).

# $(call kernel_module,name,sources)
define kernel_module
OBJECTS.$1 := $(addprefix $(K)/,$(addsuffix .o,$2))
FLAGS.$1 := $(foreach d,$1 $(DEPS.$1),$(INCLUDE.$d))
$$(OBJECTS.$1): $(K)/%.o: %
	@mkdir -p $$(@D)
	$(CC) $(KERNEL_CFLAGS) $$(FLAGS.$1) -c -o $$@ $$<
$(K)/$1.o: $$(OBJECTS.$1)
	$(LD) -m elf_$(ARCH) -r -o $$@ $$^
-include $$(OBJECTS.$1:.o=.d)
endef

$(foreach m,$(LIBS),$(eval $(call kernel_module,$m,$(call SOURCES.lib,$m))))
$(foreach m,$(MODULES),$(eval $(call kernel_module,$m,$(call SOURCES.kernel,$m))))

# Its loop needs all registers.
$(K)/lib/ckptfmt/sums.c.o: FLAGS.ckptfmt += -fomit-frame-pointer

$(KERNEL): $(foreach m,$(LIBS) $(MODULES),$(K)/$m.o) kernel/arch/$(ARCH)/kernel.ld
	$(LD) -m elf_$(ARCH) -T kernel/arch/$(ARCH)/kernel.ld -o $@ $(filter %.o,$^)

kernel: $(KERNEL)
.PHONY: kernel
