# The disk image. EXTRA=DIR adds the files of a folder.

DISK      := $(BUILD)/$(ARCH)/amber.img
DISK_SIZE ?= 256M

image: $(KERNEL) $(DISK) ## build the kernel and the disk image (EXTRA=DIR adds that folder's files)

IMAGE_PROGRAMS := $(filter $(U)/user/bin/%,$(PROGRAMS)) $(filter $(U)/bench/%,$(PROGRAMS))
$(DISK): $(HOST_TOOLS) $(IMAGE_PROGRAMS) $(if $(EXTRA),$(wildcard $(EXTRA)/*) always)
	$(H)/mkfs -f -s $(DISK_SIZE) $@ $(IMAGE_PROGRAMS) $(if $(EXTRA),$(wildcard $(EXTRA)/*))

always:
.PHONY: image always
