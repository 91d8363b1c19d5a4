# Amber: build, run, test. `make help` lists the targets. All output goes to build/.

ARCH  ?= i386
override BUILD := $(or $(BUILD),build)
CPUS  ?= 2
MEM   ?= 512

ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc)
endif
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:

all: image ## build everything: kernel, programs, host tools, disk image

include mk/modules.mk
include mk/toolchain.mk
include mk/kernel.mk
include mk/user.mk
include mk/host.mk
include mk/image.mk
include mk/run.mk
include mk/lint.mk
include mk/unit.mk
include mk/hosttests.mk
include mk/fuzz.mk
include mk/test.mk
include mk/crash.mk
include mk/bench.mk
include mk/peers.mk
include mk/model.mk

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' Makefile mk/*.mk

clean: ## remove build/
	rm -rf $(BUILD)

.PHONY: all help clean
