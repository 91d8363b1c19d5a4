"""Measure storage: whole-frame I/O against the raw disk, checkpoints against the original's way, costs against sizes.

measure() returns figures, name by name; table() and document() make text of them.
"""
import datetime
import os
import platform
import re
import statistics
import subprocess
import tempfile

import machine as machines

ROUNDS = 5
PAIRS = 11  # of raw and file: their ratio is wanted, and the host's other work weighs on each of them alone
SIZE_MIB = 256
CALLS_KIB = (1024, 4096)
CHECKPOINTS_KIB = (64, 1024, 64 * 1024, 256 * 1024)
ORIGINAL_KIB = 64
ORIGINAL_BEST = 0.69  # MB/s: the best that the real original was seen to reach on such a machine
COUNTS = (100, 1000, 10000, 100000)
SETTLE = 7  # seconds after which the journal has written home what it has and rests
OPERATIONS = ("look_up", "look_up_missing", "append", "create", "delete")


def figure(values, unit):
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "n": len(values), "unit": unit}


def run(machine, command, timeout=600):
    """What the program measured: {name: values}."""
    samples = {}
    for name, value in re.findall(r"^(\w+) (-?[\d.]+) \S+$", machine.check(command, timeout=timeout), re.M):
        samples.setdefault(name, []).append(float(value))
    return samples


def make_disk(path, size, *options):
    folder = os.path.join(machines.PROGRAMS, "user/bin")
    programs = [os.path.join(folder, f) for f in sorted(os.listdir(folder)) if "." not in f]
    bench = [os.path.join(machines.PROGRAMS, "bench", name) for name in ("storage", "original_way")]
    machines.run_tool("mkfs", "-f", "-s", size, *options, path, *programs, *bench)
    return path


def without_holes(path):
    """The host's file system has place for every block of the image, so that nobody pays for finding it."""
    subprocess.run(["cp", "--sparse=never", path, path + ".full"], check=True)
    os.replace(path + ".full", path)
    return path


def boot_with_raw(disk, raw, memory=768):
    """The raw disk is the second one of the same kind, on the same host file system."""
    drive = f"file={raw},if=none,id=raw,format=raw,cache=writeback"
    return machines.Machine(disk, memory=memory, extra=("-drive", drive, "-device", "virtio-blk-pci,drive=raw,addr=0x10"))


def measure_throughput(disk, raw, add):
    """In each round raw and file, one right after the other; the file is read after a fresh boot, so nothing of it is in memory."""
    for kib in CALLS_KIB:
        rounds = []
        for k in range(PAIRS):
            samples = {}
            for what, commands in (("write", (f"raw-write 1 {SIZE_MIB} {kib}", f"file-write /big {SIZE_MIB} {kib}")),
                                   ("read", (f"raw-read 1 {SIZE_MIB} {kib}", f"file-read /big {kib}"))):
                m = boot_with_raw(disk, raw)
                for command in commands if k % 2 else reversed(commands):
                    samples.update(run(m, f"storage {command}"))
                if what == "read":
                    m.check("rm /big; sync")
                m.power_off()
            rounds.append({name: values[0] for name, values in samples.items()})
        for what in ("write", "read"):
            for kind in ("raw", "file"):
                add(f"{kind}_{what}_{kib}k", [r[f"{kind}_{what}"] for r in rounds], "MB/s")
            add(f"{what}_ratio_{kib}k", [r[f"file_{what}"] / r[f"raw_{what}"] for r in rounds], "of raw")
            add(f"{what}_requests_{kib}k", [r[f"{what}_requests"] for r in rounds], "requests")
        add(f"metadata_{kib}k", [r["metadata"] for r in rounds], "%")


def measure_checkpoints(disk, raw, add):
    m = boot_with_raw(disk, raw)
    original = run(m, f"original_way {ORIGINAL_KIB} {ROUNDS + 1}")["original_way"]
    add("original_way", original, "MB/s")
    for kib in CHECKPOINTS_KIB:
        rates = run(m, f"storage checkpoint {kib}")["checkpoint"]
        add(f"checkpoint_{kib}k", rates, "MB/s")
        add(f"checkpoint_{kib}k_ratio", [r / statistics.median(original) for r in rates], "of original's way")
    m.power_off()


def measure_costs(disk, add):
    """Against files in a directory; then, with a thousand, against cached blocks."""
    before = 0
    for count in COUNTS:
        m = machines.Machine(disk, memory=1024)
        m.check(f"storage populate {before} {count}; sleep {SETTLE}", timeout=600)
        before = count
        for name, values in run(m, f"storage costs {count}").items():
            add(f"{name}_files_{count}", values, "us" if name in OPERATIONS else "blocks")
        m.power_off()
    for count in COUNTS:
        m = machines.Machine(disk, memory=1024)
        m.check(f"storage fill /filler {count}; sleep {SETTLE}", timeout=600)
        for name, values in run(m, "storage costs 1000").items():
            add(f"{name}_cached_{count}", values, "us" if name in OPERATIONS else "blocks")
        m.power_off()
    machines.assert_fs_clean(disk)


def measure():
    results = {}

    def add(name, values, unit):
        results[name] = figure(values, unit)

    with tempfile.TemporaryDirectory() as folder:
        disk = without_holes(make_disk(os.path.join(folder, "root.img"), "1024M"))
        raw = os.path.join(folder, "raw.img")
        with open(raw, "wb") as f:
            f.truncate((SIZE_MIB + 4) << 20)
        measure_throughput(disk, without_holes(raw), add)
        measure_checkpoints(disk, raw, add)
        measure_costs(make_disk(os.path.join(folder, "files.img"), "1024M", "-i", "120000"), add)
    return results


def cell(f, digits=0):
    return f"{f['median']:.{digits}f} ({f['min']:.{digits}f}–{f['max']:.{digits}f})"


def row(*cells):
    return "| " + " | ".join(map(str, cells)) + " |"


def heading(*cells):
    return [row(*cells), row(*["---"] * len(cells))]


def throughput_rows(results):
    rows = heading("bytes a call", "", "raw disk, MB/s", "file, MB/s", "file of raw", "requests")
    for kib in CALLS_KIB:
        for what in ("write", "read"):
            get = lambda name: results[f"{name}_{kib}k"]  # noqa: E731
            rows.append(row(f"{kib} KiB", what, cell(get(f"raw_{what}")), cell(get(f"file_{what}")),
                            cell(get(f"{what}_ratio"), 2), f"{get(f'{what}_requests')['median']:.0f}"))
    return rows


def checkpoint_rows(results):
    rows = heading("process", "durable, MB/s", "times the original's way here", "times the original's best")
    for kib in CHECKPOINTS_KIB:
        rate = results[f"checkpoint_{kib}k"]
        rows.append(row(f"{kib} KiB" if kib < 1024 else f"{kib // 1024} MiB", cell(rate, 1),
                        cell(results[f"checkpoint_{kib}k_ratio"]), f"{rate['median'] / ORIGINAL_BEST:.0f}"))
    return rows


def cost_rows(results, kind, title):
    rows = heading(title, *(o.replace("_", " ") for o in OPERATIONS))
    for count in COUNTS:
        cached = results[f"cached_{kind}_{count}"]["median"]
        rows.append(row(round(cached) if kind == "cached" else count,
                        *(cell(results[f"{o}_{kind}_{count}"], 1) for o in OPERATIONS)))
    return rows


def table(results):
    share = max(results[f"metadata_{kib}k"]["max"] for kib in CALLS_KIB)
    return "\n".join([
        f"Medians (least–most) of {ROUNDS}, of the first table {PAIRS}. MB are 10^6 bytes, times microseconds.", "",
        f"**{SIZE_MIB} MiB in large calls, made durable; read after a fresh boot.** Raw and file alternate who is first; before each, four calls elsewhere "
        f"that don't count, as an emulator translates code when it first runs. The host may have the image in memory. Metadata: {share:.3f} % of the data.", "",
        *throughput_rows(results), "",
        f"**Checkpoint of a process, all of it, durable.** The original's way (1 KiB a transaction, {ORIGINAL_KIB} KiB), "
        f"here: {cell(results['original_way'], 2)} MB/s. The real original's best: {ORIGINAL_BEST} MB/s.", "",
        *checkpoint_rows(results), "",
        "**An operation's cost against the files in its directory.** Append: 17 bytes to one of a hundred files all over it, opened and closed.", "",
        *cost_rows(results, "files", "files"), "",
        "**The same in a directory of 1,000 files against cached blocks.**", "",
        *cost_rows(results, "cached", "blocks"), ""])


def about_the_machine():
    qemu = subprocess.run(["qemu-system-i386", "--version"], capture_output=True, text=True).stdout.splitlines()[0]
    cpu = re.search(r"model name\s*: (.*)", open("/proc/cpuinfo", encoding="utf-8").read())
    return (f"{datetime.date.today()}, {platform.system()} {platform.release()}, {os.cpu_count()} CPUs ({cpu.group(1) if cpu else '?'}), {qemu}, "
            f"{machines.accelerator()}, load {os.getloadavg()[0]:.1f} at the end. virtio-blk over raw files, cache=writeback; guest with 2 CPUs.")


def document(results):
    """The text of docs/bench/storage.md."""
    return "\n".join(["# Storage, measured", "", "Made by `bench/run.py docs/bench`; `make bench` prints the same.", "", about_the_machine(), "",
                      table(results)])
