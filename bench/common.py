"""What the pages of measurements share: disks and machines, running a program of the guest, figures and tables.

A page is a module with measure() -> figures by name, table(figures) -> text, document(figures) -> its file in docs/bench, and headline(figures) -> those
that later comparisons use by name.
"""
import datetime
import glob
import os
import platform
import re
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests"))
import machine as machines  # noqa: E402

RAW_MIB = 1028


def figure(values, unit=None):
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "n": len(values), "unit": unit or values.unit}


class Values(list):
    """What a program measured, in its unit."""

    def __init__(self, unit):
        super().__init__()
        self.unit = unit


def samples_of(text):
    """What a program measured: {name: Values}, of lines "name value unit"."""
    samples = {}
    for name, value, unit in re.findall(r"^(\w+) (-?[\d.]+) (\S+)$", text, re.M):
        samples.setdefault(name, Values(unit)).append(float(value))
    return samples


def run(machine, command, timeout=600):
    """The same, of a program of the guest."""
    return samples_of(machine.check(command, timeout=timeout))


def ratio(over, under):
    """Of what was measured right after each other."""
    return figure([a / b for a, b in zip(over, under)], "ratio")


def scaled(f, factor, unit):
    return {**f, **{k: f[k] * factor for k in ("median", "min", "max")}, "unit": unit}


def rate(size, times):
    """MB/s, of times in microseconds."""
    return figure([size / us for us in times], "MB/s")


def make_disk(path, size, *options):
    programs = [f for f in sorted(glob.glob(machines.PROGRAMS + "/user/bin/*") + glob.glob(machines.PROGRAMS + "/bench/*")) if "." not in os.path.basename(f)]
    machines.run_tool("mkfs", "-f", "-s", size, *options, path, *programs)
    return without_holes(path)


def make_raw(path):
    with open(path, "wb") as f:
        f.truncate(RAW_MIB << 20)
    return without_holes(path)


def without_holes(path):
    """The host's file system has place for every block of the image, so that nobody pays for finding it."""
    subprocess.run(["cp", "--sparse=never", path, path + ".full"], check=True)
    os.replace(path + ".full", path)
    return path


def boot_with_raw(disk, raw, memory=768, cpus=2):
    """The raw disk is the second one of the same kind, on the same host file system."""
    drive = f"file={raw},if=none,id=raw,format=raw,cache=writeback"
    return machines.Machine(disk, cpus=cpus, memory=memory, extra=("-drive", drive, "-device", "virtio-blk-pci,drive=raw,addr=0x10"))


# ---- text

def cell(f, digits=0):
    return f"{f['median']:.{digits}f} ({f['min']:.{digits}f}–{f['max']:.{digits}f})"


def row(*cells):
    return "| " + " | ".join(map(str, cells)) + " |"


def heading(*cells):
    return [row(*cells), row(*["---"] * len(cells))]


def memory(kib, space=" "):
    return f"{kib}{space}KiB" if kib < 1024 else f"{kib // 1024}{space}MiB" if kib < 1 << 20 else f"{kib >> 20}{space}GiB"


def about_the_machine():
    qemu = subprocess.run(["qemu-system-i386", "--version"], capture_output=True, text=True).stdout.splitlines()[0]
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        cpu = re.search(r"model name\s*: (.*)", f.read())
    return (f"{datetime.date.today()}, {platform.system()} {platform.release()}, {os.cpu_count()} CPUs ({cpu.group(1) if cpu else '?'}), {qemu}, "
            f"{machines.accelerator()}, load {os.getloadavg()[0]:.1f} at the end. virtio-blk over raw files, cache=writeback; guest with 2 CPUs.")


def document(title, text):
    """A page of docs/bench."""
    return "\n".join([f"# {title}", "", "Made by `make bench-pages`; `make bench` prints the same.", "", about_the_machine(), "", text])
