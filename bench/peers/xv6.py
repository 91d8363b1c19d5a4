"""The original xv6 beside Amber: the same program on both, in the same emulator.

The original's sources come from whoever runs this (XV6=FOLDER, a tree of xv6-public); they are built in a copy, in build/peers.
"""
import glob
import os
import re
import shutil
import subprocess
import tempfile
import time

from common import figure, machines, without_holes
from debian import PEERS, Skip, need, run

BOOTS = 5
SCREEN = ("-vga", "std")  # the original does not start without one; so all get it
MEASURE = os.path.join(PEERS, "measure")
COUNTS = 1024  # of the time-stamp counter, in each unit that `measure` prints

# name -> (title, unit, from microseconds)
FIGURES = {
    "boot": ("start of QEMU to the prompt", "ms", lambda us: us / 1000),
    "fork_exec_wait": ("fork, exec, exit, wait", "us", lambda us: us),
    "pipe": ("1 MiB through a pipe, 4 KiB a call", "MB/s", lambda us: 1048576 / us),
    "create": ("an empty file created and closed", "us", lambda us: us),
    "write": ("64 KiB written to a new file, 4 KiB a call", "MB/s", lambda us: 65536 / us),
}


def build_original(source):
    """A copy of the tree, built; returns (kernel, disk with `measure` on it)."""
    need("gcc", "gcc")
    copy = os.path.join(PEERS, "xv6")
    shutil.rmtree(copy, ignore_errors=True)
    if not os.path.exists(os.path.join(source, "kernel.ld")):
        raise Skip(f"{source} is not a tree of xv6-public")
    shutil.copytree(source, copy)
    # -w: newer compilers warn of more, and the tree takes warnings for errors.
    run("make", "-C", copy, "CC=gcc -w", "kernel", "fs.img")
    shutil.copy(MEASURE, os.path.join(copy, "_measure"))
    programs = sorted(os.path.basename(p) for p in glob.glob(os.path.join(copy, "_*")))
    subprocess.run([os.path.join(copy, "mkfs"), "fs.img", "README", *programs], cwd=copy, check=True, capture_output=True)
    return os.path.join(copy, "kernel"), os.path.join(copy, "fs.img")


def boot_original(kernel, disk, folder, cpus):
    """Its file system is on the second disk; the first one is the boot loader's, which isn't needed."""
    first = os.path.join(folder, "first.img")
    with open(first, "wb") as f:
        f.truncate(1 << 20)
    return machines.Machine(first, cpus=cpus, drive="ide", kernel=kernel, extra=(*SCREEN, "-drive", f"file={disk},if=ide,index=1,format=raw,cache=writeback"))


def run_measure(machine):
    """{name: [microseconds]}; the speed of the time-stamp counter is found with the host's clock."""
    machine.start("measure")
    begin = int(machine.expect(r"begin (\d+)\r*\n").group(1))
    begin_time = time.monotonic()
    end = int(machine.expect(r"end (\d+)\r*\n", timeout=300).group(1))
    us_each = (time.monotonic() - begin_time) * 1e6 / ((end - begin) % 2**32)
    samples = {}
    for name, value in re.findall(r"^(\w+) (\d+)\r*$", machine.child.before, re.M):
        samples.setdefault(name, []).append(int(value) * us_each)
    machine.wait_for_prompt()
    return samples


def measure_kernel(boot):
    """boot() starts a machine and waits for its prompt."""
    samples = {"boot": []}
    for _ in range(BOOTS):
        begin = time.monotonic()
        machine = boot()
        samples["boot"].append((time.monotonic() - begin) * 1e6)
        if len(samples["boot"]) == BOOTS:
            samples.update(run_measure(machine))
        machine.kill()
    return {name: figure([FIGURES[name][2](us) for us in values], FIGURES[name][1]) for name, values in samples.items()}


def measure(source):
    """{"Amber": and "xv6": {how it ran: {figure: …}}}. Raises Skip when there is no tree, or it doesn't build."""
    if not source:
        raise Skip("no tree of xv6 is given: make bench-peers XV6=/path/to/xv6-public")
    kernel, original = build_original(source)
    with tempfile.TemporaryDirectory(dir=PEERS) as folder:
        disk = without_holes(machines.make_disk(os.path.join(folder, "amber.img"), [MEASURE]))
        return {
            "Amber": {"virtio-blk": measure_kernel(lambda: machines.Machine(disk, extra=SCREEN)),
                      "IDE": measure_kernel(lambda: machines.Machine(disk, drive="ide", extra=SCREEN))},
            "xv6": {"IDE": measure_kernel(lambda: boot_original(kernel, original, folder, 2)),
                    "IDE, 1 CPU": measure_kernel(lambda: boot_original(kernel, original, folder, 1))},
        }
