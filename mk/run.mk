# Running the machine. CPUS=2 MEM=512 (MiB) ARGS='kernel options' QEMU_EXTRA='more QEMU options'.

QEMU.i386 := qemu-system-i386
# KVM when it works here (it may be there and yet never run a guest: mk/kvm-works tries it, once), else emulation.
ACCEL = $(shell tests/tools/accel $(BUILD))
QEMU_COMMON = $(QEMU.$(ARCH)) -M pc -accel $(ACCEL) -smp $(CPUS),sockets=$(CPUS) -m $(MEM) -kernel $(KERNEL) \
	-append '$(ARGS)' -drive file=$(DISK),if=virtio,format=raw,cache=writeback -no-reboot \
	-device isa-debug-exit,iobase=0xf4,iosize=4 $(QEMU_EXTRA)

run: image ## boot it with the console in this terminal (leave with ^A x)
	$(QEMU_COMMON) -nographic

run-vga: image ## boot it in a window with a keyboard
	$(QEMU_COMMON) -serial stdio

gdb: image ## boot it stopped, and attach gdb with tools/gdb/amber.py (`help amber`); console: telnet localhost 4321
	@$(QEMU_COMMON) -display none -serial telnet:localhost:4321,server,nowait -s -S & qemu=$$!; \
	AMBER_PROGRAMS=$(U)/user/bin:$(U)/tests/guest gdb -q $(KERNEL) -ex 'set confirm off' -x tools/gdb/amber.py \
	-ex 'target remote localhost:1234' $(if $(PROG),-ex 'amber program $(U)/$(PROG)') -ex 'echo Stopped before its first instruction. \
	Console: telnet localhost 4321. Try: break upcall_boot, continue, amber ps\n'; kill $$qemu 2>/dev/null || true

doctor: ## say what is installed, and what is missing
	@tests/tools/doctor

compile_commands.json: ## what clangd and other tools need
	@$(MAKE) -nwkB --no-print-directory all unit 2>/dev/null | python3 tests/tools/compile_commands > $@

.PHONY: run run-vga gdb doctor compile_commands.json
