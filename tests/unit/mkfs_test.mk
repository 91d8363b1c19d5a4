DISK_SOURCES := tests/unit/disk/disk.c $(wildcard tools/lib/*.c tools/mkfs/*.c tools/fsck/*.c)
UNIT_SOURCES.mkfs_test := $(DISK_SOURCES)
UNIT_INCLUDE.mkfs_test := -Itests/unit
UNIT_SOURCES.fsck_test := $(DISK_SOURCES)
UNIT_INCLUDE.fsck_test := -Itests/unit
