# Other checkpointing systems on the same work, and the original xv6. What this needs beside the tests' packages is named when
# it is missing: debootstrap (as root), qemu-system-x86, and gcc for the original.

PEERS := $(BUILD)/peers

$(PEERS)/peer: bench/peers/peer.c
	@mkdir -p $(@D)
	$(CC) $(HOST_CFLAGS) $(HOST_DEFINES) -fuse-ld=lld -o $@ $<

# Built as xv6 builds its programs: one segment at 0, and nothing but the kernel's calls.
$(PEERS)/measure: bench/peers/measure.c
	@mkdir -p $(@D)
	$(CC) $(filter-out -MMD -MP,$(FREE_CFLAGS)) $(KERNEL_MACHINE.$(ARCH)) -c -o $@.o $<
	$(LD) -m elf_$(ARCH) -N -e main -Ttext 0 -o $@ $@.o

PEERS_NEEDS := $(KERNEL) $(PROGRAMS) $(H)/mkfs $(PEERS)/peer $(PEERS)/measure
MEASURE_PEERS = BUILD=$(BUILD) CHECKED= XV6=$(XV6) DMTCP=$(DMTCP) /usr/bin/python3 bench/peers/run.py

bench-peers: $(PEERS_NEEDS) ## measure CRIU, DMTCP, fork and write, and xv6 beside Amber (XV6=TREE, DMTCP=FOLDER name those two)
	$(MEASURE_PEERS)

bench-peers-page: $(PEERS_NEEDS) ## the same, and write docs/bench/peers.md
	$(MEASURE_PEERS) -o docs/bench

.PHONY: bench-peers bench-peers-page
