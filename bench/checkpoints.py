"""Measure checkpoints and restores: the pause, what an epoch costs, how soon a restored process runs, how many a second; beside other ways to do it."""
import os
import tempfile

from common import boot_with_raw, cell, figure, heading, machines, make_disk, make_raw, memory, rate, ratio, row, run

TITLE = "Checkpoints, measured"
PICTURES = {"pause": "The pause", "times": "Checkpoint and restore", "share": "Epochs"}
MEMORY_MIB = 1500
MIB = 1024
PAUSES = tuple(n * MIB for n in (1, 4, 16, 64, 256, 1024))  # all sizes in KiB
SAVES = (64,) + tuple(n * MIB for n in (1, 4, 16, 64, 256))
FORKS = RESTORES = SAVES[1:]
LARGE = 256 * MIB
SMALL = 64
SHARES = (0, 1, 5, 10, 25, 50, 100)
ORIGINAL_ROUNDS = 8
ORIGINAL_BEST = 0.69  # MB/s: the best that the real original was seen to reach on such a machine


def at(name, kib):
    return f"{name}_{memory(kib, '')}"


def measure_saves(m, results, kib):
    size = kib * 1024
    samples = run(m, f"checkpoints save {kib}")
    results[at("raw_write_rate", kib)] = rate(size, samples["raw_write"])
    # The first one has warmed up the raw disk and is nobody's neighbour.
    results[at("save_over_raw", kib)] = ratio(samples["raw_write"][1:], samples["full_time"])
    results[at("save_rate", kib)] = rate(size, samples["full_time"])
    results[at("changed_over_raw", kib)] = ratio(samples["changed_time"], samples["changed_raw"])
    results[at("copy_rate", kib)] = rate(size, run(m, f"checkpoints copy {kib}")["copy"])
    return samples


def measure_restores(m, results, kib):
    samples = run(m, f"checkpoints restore {kib}")
    results[at("all_over_raw", kib)] = ratio(samples["raw_read"], samples["all"])
    results[at("eager_over_raw", kib)] = ratio(samples["raw_read"], samples["eager_all"])
    results[at("all_rate", kib)] = rate(kib * 1024, samples["all"])
    return samples


def measure_all(m, results):
    def add(samples, kib):
        results.update((at(name, kib), figure(values)) for name, values in samples.items())

    for kib in PAUSES:
        add(run(m, f"checkpoints pause {kib}"), kib)
    for kib in SAVES:
        add(measure_saves(m, results, kib), kib)
    for kib in FORKS:
        add(run(m, f"checkpoints fork {kib}"), kib)
        add(measure_restores(m, results, kib), kib)
    add(run(m, f"checkpoints share {LARGE}"), LARGE)
    add(run(m, f"checkpoints rate {MIB}"), MIB)
    add(run(m, f"checkpoints slowdown {LARGE}"), LARGE)
    results["original_rate"] = figure(run(m, f"original_way {SMALL} {ORIGINAL_ROUNDS}")["original_way"])


def measure():
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        disk = make_disk(os.path.join(folder, "root.img"), "3G")
        m = boot_with_raw(disk, make_raw(os.path.join(folder, "raw.img")), MEMORY_MIB)
        measure_all(m, results)
        m.power_off()
        machines.assert_fs_clean(disk)
    return results


def median(results, name, kib, digits=0, factor=1.0):
    return f"{results[at(name, kib)]['median'] * factor:.{digits}f}"


def pause_rows(results):
    columns = {"pause": "pause", "told": "as the kernel tells it", "freeze": "of it until it stood still", "pause_again": "next epoch", "worst": "longest gap until durable",
               "before": "in the half second before", "fork_pause": "fork + write: pause", "fork_worst": "longest gap until durable"}
    rows = heading("memory", *columns.values())
    for kib in PAUSES:
        rows.append(row(memory(kib), *(cell(results[at(name, kib)]) if at(name, kib) in results else "no memory" for name in columns)))
    return rows


def save_rows(results):
    original = results["original_rate"]["median"]
    rows = heading("memory", "ms", "MB/s", "of raw", "of memory copy", "times fork + write", "times the original's way")
    for kib in SAVES:
        mbps, copy = (results[at(name, kib)]["median"] for name in ("save_rate", "copy_rate"))
        fork = f"{results[at('fork_save', kib)]['median'] / results[at('full_time', kib)]['median']:.2f}" if kib in FORKS else ""
        rows.append(row(memory(kib), median(results, "full_time", kib, 1, 1e-3), cell(results[at("save_rate", kib)]), cell(results[at("save_over_raw", kib)], 2),
                        f"{mbps / copy:.2f}", fork, f"{mbps / original:.0f}"))
    return rows


def epoch_rows(results):
    rows = heading("memory", "nothing changed, ms", "KiB", "1 % changed, ms", "KiB", "times the raw disk with two flushes")
    for kib in SAVES:
        rows.append(row(memory(kib), *(median(results, f"{what}_{name}", kib, digits, factor) for what in ("idle", "changed")
                                       for name, digits, factor in (("time", 1, 1e-3), ("bytes", 0, 1 / 1024))), cell(results[at("changed_over_raw", kib)], 2)))
    return rows


def share_rows(results):
    rows = heading("changed", "ms", "raw disk with two flushes, ms", "MiB", "times the changed pages")
    for percent in SHARES:
        pages = results[at(f"share_{percent}_pages", LARGE)]["median"] * 4096
        rows.append(row(f"{percent} %", median(results, f"share_{percent}_time", LARGE, 1, 1e-3), median(results, f"share_{percent}_raw", LARGE, 1, 1e-3),
                        median(results, f"share_{percent}_bytes", LARGE, 2, 2.0**-20), f"{results[at(f'share_{percent}_bytes', LARGE)]['median'] / pages:.3f}"))
    return rows


def restore_rows(results):
    rows = heading("memory", "first instruction, us", "all pages touched, ms", "MB/s", "of raw", "of memory copy", "everything read first (-a), ms", "of raw")
    for kib in RESTORES:
        mbps, copy = (results[at(name, kib)]["median"] for name in ("all_rate", "copy_rate"))
        rows.append(row(memory(kib), cell(results[at("first", kib)]), median(results, "all", kib, 1, 1e-3), cell(results[at("all_rate", kib)]),
                        cell(results[at("all_over_raw", kib)], 2), f"{mbps / copy:.2f}", median(results, "eager_all", kib, 1, 1e-3), cell(results[at("eager_over_raw", kib)], 2)))
    return rows


def rate_lines(results):
    for name, what in (("durable", "each waited for until it is durable"), ("nondurable", "each only until its state is taken")):
        flushes, writes = (median(results, f"{name}_{kind}", MIB, 1) for kind in ("flushes", "writes"))
        yield f"- {what}: {cell(results[at(name, MIB)])} a second; {flushes} flushes and {writes} write requests each."


def table(results):
    return "\n".join([
        f"Medians (least–most) of 7, with 1 GiB of 5. MB are 10^6 bytes. *Raw* is the second disk, written or read by a program in calls of 1 MiB right before, "
        f"flushed as often: {median(results, 'raw_write_rate', LARGE)} MB/s written at {memory(LARGE)}. Images and disks are in the host's memory.", "",
        "**The pause**, in microseconds, seen by a process that looks at the clock all the time and changes 5 % of its memory a second, while another one makes a full "
        "image of it: its longest gap from the call until the state is taken. The next epoch goes into the same image. *fork + write*: the process forks, and the child "
        "writes the memory to a file and fsyncs, as databases do; the pause is the call of fork.", "", *pause_rows(results), "",
        "**A full checkpoint** into a new file, durable: a process saves itself. The original's way (1 KiB a transaction): "
        f"{cell(results['original_rate'], 2)} MB/s here; the real original's best was {ORIGINAL_BEST}.", "", *save_rows(results), "",
        "**An epoch** into an image that is there, durable, after two others like it. The raw disk writes the same pages, flushes, writes one block and flushes.", "", *epoch_rows(results), "",
        f"**An epoch of {memory(LARGE)}** against the pages that changed. Those of 0 % follow others of 100 %: when the file is cut by what these left, that",
        "takes its time once.", "", *share_rows(results), "",
        "**A restore**, from the call.", "", *restore_rows(results), "",
        f"**Checkpoints back to back** into one image, {memory(MIB)}, 10 pages changed each time:", "", *rate_lines(results), "",
        f"**Work done** by a process of {memory(LARGE)} that changes 5 % of it a second falls by {cell(results[at('slowdown', LARGE)], 1)} % while it is checkpointed every second.", ""])


def headline(results):
    named = {f"pause_us_{memory(kib, '')}": results[at("pause", kib)] for kib in (MIB, LARGE, 1024 * MIB)}
    original = results["original_rate"]["median"]
    over_original = {k: results[at("save_rate", SMALL)][k] / original for k in ("median", "min", "max")}
    named["save_over_raw_256MiB"] = results[at("save_over_raw", LARGE)]
    named["save_over_original_64KiB"] = {**results[at("save_rate", SMALL)], **over_original, "unit": "ratio"}
    named["incremental_idle_bytes_256MiB"] = results[at("idle_bytes", LARGE)]
    named["incremental_over_changed_1pct"] = results[at("changed_over_raw", LARGE)]
    named["restore_first_us_1MiB"], named["restore_first_us_256MiB"] = results[at("first", MIB)], results[at("first", LARGE)]
    named["restore_all_over_raw_256MiB"] = results[at("all_over_raw", LARGE)]
    named["durable_per_s"], named["nondurable_per_s"] = results[at("durable", MIB)], results[at("nondurable", MIB)]
    named["slowdown_pct"] = results[at("slowdown", LARGE)]
    return named
