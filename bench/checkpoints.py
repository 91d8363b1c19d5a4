"""Measure checkpoints and restores: the pause, what an epoch costs, how soon a restored process runs, how many a second.

measure() returns figures, name by name; table() and document() make text of them.
"""
import os
import tempfile

import machine as machines
from storage import about_the_machine, boot_with_raw, cell, figure, heading, row, run, without_holes

MEMORY_MIB = 1500
PAUSES_MIB = (1, 16, 64, 256, 1024)
WRITES_MIB = (1, 16, 64, 256)
RESTORES_MIB = (1, 16, 64, 256)
RAW_MIB = 256
RAW_ROUNDS = 7


def make_disk(path):
    folder = os.path.join(machines.PROGRAMS, "user/bin")
    programs = [os.path.join(folder, f) for f in sorted(os.listdir(folder)) if "." not in f]
    bench = [os.path.join(machines.PROGRAMS, "bench", name) for name in ("storage", "checkpoints", "original_way")]
    machines.run_tool("mkfs", "-f", "-s", "3G", path, *programs, *bench)
    return path


def measure():
    results = {}

    def add(names, samples):
        for name, values in samples.items():
            unit = "bytes" if name.endswith("_bytes") else "pages" if name.endswith("_pages") else "per s" if name == "rate" else "us"
            results[f"{name}_{names}"] = figure(values, unit)

    with tempfile.TemporaryDirectory() as folder:
        disk = without_holes(make_disk(os.path.join(folder, "root.img")))
        raw = os.path.join(folder, "raw.img")
        with open(raw, "wb") as f:
            f.truncate((RAW_MIB + 4) << 20)
        without_holes(raw)
        m = boot_with_raw(disk, raw, MEMORY_MIB)
        for _ in range(RAW_ROUNDS):
            for what in ("write", "read"):
                samples = run(m, f"storage raw-{what} 1 {RAW_MIB} 1024")
                results.setdefault(f"raw_{what}", []).append(samples[f"raw_{what}"][0])
        for what in ("write", "read"):
            results[f"raw_{what}"] = figure(results[f"raw_{what}"], "MB/s")
        for mib in PAUSES_MIB:
            add(f"{mib}MiB", run(m, f"checkpoints pause {mib}"))
        for mib in WRITES_MIB:
            add(f"{mib}MiB", run(m, f"checkpoints write {mib}"))
        for mib in RESTORES_MIB:
            add(f"{mib}MiB", run(m, f"checkpoints restore {mib}"))
        add("1MiB", run(m, "checkpoints rate"))
        m.power_off()
        machines.assert_fs_clean(disk)
    return results


def share_of_raw(results, mib, name, raw):
    """Medians: so many MiB in that time, as a part of what the raw disk reaches."""
    rate = mib * 1.048576 / (results[f"{name}_{mib}MiB"]["median"] / 1e6)
    return rate, rate / results[raw]["median"]


def pause_rows(results):
    rows = heading("memory", "longest gap that the process saw, us", "the same without a checkpoint", "pause as the kernel tells it", "of it until it stood still")
    for mib in PAUSES_MIB:
        rows.append(row(f"{mib} MiB", *(cell(results[f"{name}_{mib}MiB"]) for name in ("pause", "noise", "pause_told", "freeze_told"))))
    return rows


def write_rows(results):
    rows = heading("memory", "all of it, ms", "MB/s", "of raw", "nothing changed, ms", "KiB", "1 % changed, ms", "KiB")
    for mib in WRITES_MIB:
        rate, share = share_of_raw(results, mib, "full_us", "raw_write")
        ms = lambda name: f"{results[f'{name}_us_{mib}MiB']['median'] / 1000:.1f}"  # noqa: E731
        kib = lambda name: f"{results[f'{name}_bytes_{mib}MiB']['median'] / 1024:.0f}"  # noqa: E731
        rows.append(row(f"{mib} MiB", ms("full"), f"{rate:.0f}", f"{share:.2f}", ms("idle"), kib("idle"), ms("changed"), kib("changed")))
    return rows


def restore_rows(results):
    rows = heading("memory", "first instruction, us", "all pages touched, us", "MB/s", "of raw", "everything read first (-a), us")
    for mib in RESTORES_MIB:
        rate, share = share_of_raw(results, mib, "all", "raw_read")
        rows.append(row(f"{mib} MiB", cell(results[f"first_{mib}MiB"]), cell(results[f"all_{mib}MiB"]), f"{rate:.0f}", f"{share:.2f}",
                        cell(results[f"eager_first_{mib}MiB"])))
    return rows


def table(results):
    raw = " and ".join(f"{what} {cell(results[f'raw_{what}'])} MB/s" for what in ("write", "read"))
    return "\n".join([
        f"Medians (least–most) of 7. MB are 10^6 bytes. The raw disk in 1 MiB requests, same kernel, same boot: {raw}. Images are in the host's memory.", "",
        "**The pause**, seen by a process that looks at the clock all the time and changes 5 % of its memory a second.", "", *pause_rows(results), "",
        "**An epoch**, durable: a process saves itself.", "", *write_rows(results), "",
        "**A restore**, from the call.", "", *restore_rows(results), "",
        f"**Durable checkpoints back to back**, 1 MiB, 10 pages changed each time: {cell(results['rate_1MiB'])} a second; each {results['flushes_1MiB']['median']:.1f} flushes "
        f"and {results['writes_1MiB']['median']:.1f} write requests.", ""])


def document(results):
    """The text of docs/bench/checkpoints.md."""
    return "\n".join(["# Checkpoints, measured", "", "Made by `bench/run.py docs/bench`; `make bench` prints the same.", "", about_the_machine(), "", table(results)])


def headline(results):
    """The names that later comparisons use."""
    def ratio(value):
        return figure([value], "ratio")

    named = {f"pause_us_{n}": results[f"pause_{mib}MiB"] for n, mib in (("1MiB", 1), ("256MiB", 256), ("1GiB", 1024))}
    named["save_over_raw_256MiB"] = ratio(share_of_raw(results, 256, "full_us", "raw_write")[1])
    named["incremental_idle_bytes_256MiB"] = results["idle_bytes_256MiB"]
    named["incremental_over_changed_1pct"] = ratio(results["changed_bytes_256MiB"]["median"] / (4096.0 * results["changed_pages_256MiB"]["median"]))
    named["restore_first_us_1MiB"], named["restore_first_us_256MiB"] = results["first_1MiB"], results["first_256MiB"]
    named["restore_all_over_raw_256MiB"] = ratio(share_of_raw(results, 256, "all", "raw_read")[1])
    named["durable_per_s"] = results["rate_1MiB"]
    return named
