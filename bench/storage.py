"""Measure storage: whole-frame I/O against the raw disk, operations' costs against sizes."""
import os
import tempfile

from common import boot_with_raw, cell, figure, heading, machines, make_disk, make_raw, row, run

TITLE = "Storage, measured"
ROUNDS = 5
SIZE_MIB = 256
CALLS_KIB = (1024, 4096)
COUNTS = (100, 1000, 10000, 100000)
CACHED = (100, 10000, 100000)
SETTLE = 7  # seconds after which the journal has written home what it has and rests
OPERATIONS = ("look_up", "look_up_missing", "append", "create", "delete")


def measure_throughput(disk, raw, add):
    """In each round raw and file, one right after the other; the file is read after a fresh boot, so nothing of it is in memory."""
    for kib in CALLS_KIB:
        rounds = []
        for k in range(ROUNDS):
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
    for count in CACHED:
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
        measure_throughput(make_disk(os.path.join(folder, "root.img"), "1024M"), make_raw(os.path.join(folder, "raw.img")), add)
        measure_costs(make_disk(os.path.join(folder, "files.img"), "1024M", "-i", "120000"), add)
    return results


def throughput_rows(results):
    rows = heading("bytes a call", "", "raw disk, MB/s", "file, MB/s", "file of raw", "requests")
    for kib in CALLS_KIB:
        for what in ("write", "read"):
            get = lambda name: results[f"{name}_{kib}k"]  # noqa: E731
            rows.append(row(f"{kib} KiB", what, cell(get(f"raw_{what}")), cell(get(f"file_{what}")),
                            cell(get(f"{what}_ratio"), 2), f"{get(f'{what}_requests')['median']:.0f}"))
    return rows


def cost_rows(results, kind, title, counts):
    rows = heading(title, *(o.replace("_", " ") for o in OPERATIONS))
    for count in counts:
        cached = results[f"cached_{kind}_{count}"]["median"]
        rows.append(row(round(cached) if kind == "cached" else count,
                        *(cell(results[f"{o}_{kind}_{count}"], 1) for o in OPERATIONS)))
    return rows


def table(results):
    share = max(results[f"metadata_{kib}k"]["max"] for kib in CALLS_KIB)
    return "\n".join([
        f"Medians (least–most) of {ROUNDS}. MB are 10^6 bytes, times microseconds.", "",
        f"**{SIZE_MIB} MiB in large calls, made durable; read after a fresh boot.** Raw and file alternate who is first; before each, four calls elsewhere "
        f"that don't count, as an emulator translates code when it first runs. The host may have the image in memory. Metadata: {share:.3f} % of the data.", "",
        *throughput_rows(results), "",
        "**An operation's cost against the files in its directory.** Append: 17 bytes to one of a hundred files all over it, opened and closed.", "",
        *cost_rows(results, "files", "files", COUNTS), "",
        "**The same in a directory of 1,000 files against cached blocks.**", "",
        *cost_rows(results, "cached", "blocks", CACHED), ""])


def headline(results):
    return {}
