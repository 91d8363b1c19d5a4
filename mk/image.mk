# The disk image. EXTRA=DIR adds the files of a folder; one of them takes the place of a program of the same name.
#
# A disk that is there keeps what was saved on it: only programs that changed, and EXTRA's files, are put in their
# places. `rm build/i386/amber.img` begins anew.

DISK      := $(BUILD)/$(ARCH)/amber.img
DISK_SIZE ?= 256M

image: $(KERNEL) $(DISK) ## build the kernel and the disk image (EXTRA=DIR adds that folder's files)

EXTRA_FILES := $(if $(EXTRA),$(wildcard $(EXTRA)/*))
IMAGE_PROGRAMS := $(filter $(U)/user/bin/% $(U)/bench/%,$(PROGRAMS))
IMAGE_FILES := $(foreach p,$(IMAGE_PROGRAMS),$(if $(filter $(notdir $p),$(notdir $(EXTRA_FILES))),,$p)) $(EXTRA_FILES)

# Holds the name of the folder that this image was made with; others may be made meanwhile.
EXTRA_STAMP := $(DISK).extra
$(EXTRA_STAMP): always
	@mkdir -p $(@D)
	@echo '$(EXTRA)' | cmp -s - $@ || echo '$(EXTRA)' > $@

# With another EXTRA all files go in again, since a name may mean another one now.
IMAGE_CHANGED = $(if $(filter $(EXTRA_STAMP),$?),$(IMAGE_FILES),$(filter $?,$(IMAGE_FILES)))

$(DISK): $(HOST_TOOLS) $(IMAGE_PROGRAMS) $(EXTRA_STAMP) $(EXTRA_FILES)
	$(if $(wildcard $@),$(if $(IMAGE_CHANGED),$(H)/amberfs cp $@ $(IMAGE_CHANGED) :/ && )touch $@,$(H)/mkfs -f -s $(DISK_SIZE) $@ $(IMAGE_FILES))

always:
.PHONY: image always
