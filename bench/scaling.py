"""Measure how the costs of checkpoints and restores grow: with memory, processes, descriptors, the history's length, CPUs."""
import math
import os
import tempfile

from common import boot_with_raw, cell, figure, heading, machines, make_disk, make_raw, memory, row, run

TITLE = "Scaling, measured"
PICTURES = {"history": "The history"}
MEMORY_MIB = 1500
SIZES = tuple(n * 1024 for n in (1, 4, 16, 64, 256, 1024))  # KiB
FAMILIES = (1, 4, 16, 64, 256)
DESCRIPTORS = (7, 16, 32, 64)
LENGTHS = (1, 3, 10, 30, 100, 300, 1000)
CPUS = (1, 2, 3, 4)
CPUS_KIB = 64 * 1024
COSTS = {"full_pause": "pause, us", "idle_pause": "next pause, us", "full_time": "full epoch, ms", "idle_time": "idle epoch, ms", "first": "restored to the first instruction, ms"}


def measure():
    results = {}

    def add(m, command, prefix=""):
        results.update((prefix + name, figure(values)) for name, values in run(m, f"scaling {command}").items())

    with tempfile.TemporaryDirectory() as folder:
        disk, raw = make_disk(os.path.join(folder, "root.img"), "3G"), make_raw(os.path.join(folder, "raw.img"))
        for cpus in CPUS:
            m = boot_with_raw(disk, raw, MEMORY_MIB, cpus)
            add(m, f"size {CPUS_KIB}", f"cpus_{cpus}_")
            if cpus == 2:
                for what, counts in (("size", SIZES), ("family", FAMILIES), ("descriptors", DESCRIPTORS)):
                    for n in counts:
                        add(m, f"{what} {n}", f"{what}_{n}_")
                add(m, f"history {LENGTHS[-1]}")
            m.power_off()
        machines.assert_fs_clean(disk)
    return results


def cost(f):
    """Milliseconds where that is what it takes."""
    return cell({k: f[k] / 1000 for k in ("median", "min", "max")}, 1)


def growth(first, last, more):
    """In words: how a cost grew when something became so many times more."""
    power = math.log(last / first) / math.log(more)
    kind = "constant" if power < 0.2 else "less than linear" if power < 0.8 else "linear" if power < 1.2 else "more than linear"
    return f"times {last / first:.2g}: {kind}"


def growth_rows(counts, columns, one, scale=1):
    """The last two rows of a table, of the least figures: those that the host's other work spoilt least."""
    first, last = counts[0], counts[-1]
    pairs = [(column[0]["min"], column[-1]["min"]) for column in columns]
    return [row(f"each {one} more", *(f"{(b - a) / (last - first) * scale:.2g} us" for a, b in pairs)), row(f"{last / first:.0f} times more", *(growth(a, b, last / first) for a, b in pairs))]


def rows_against(results, what, counts, title, one, show=str, scale=1):
    rows = heading(title, *COSTS.values())
    columns = [[results[f"{what}_{n}_{name}"] for n in counts] for name in COSTS]
    for i, n in enumerate(counts):
        rows.append(row(show(n), *(cell(c[i]) if name.endswith("pause") else cost(c[i]) for name, c in zip(COSTS, columns))))
    return rows + growth_rows(counts, columns, one, scale)


def history_rows(results):
    rows = heading("epochs kept", "epoch with 1 % of 16 MiB changed, ms", "pause, us", "idle epoch, ms", "newest restored to the first instruction, ms", "oldest, ms", "written, KiB",
                   "file, MiB")
    names = ("time", "pause", "idle", "first", "first_of_oldest")
    columns = [[results[f"kept_{n}_{name}"] for n in LENGTHS] for name in names]
    for i, n in enumerate(LENGTHS):
        written, size = (results[f"kept_{n}_{name}"]["median"] for name in ("bytes", "file"))
        rows.append(row(n, *(cell(c[i]) if name == "pause" else cost(c[i]) for name, c in zip(names, columns)), f"{written / 1024:.0f}", f"{size / 2**20:.1f}"))
    return rows + growth_rows(LENGTHS, columns, "epoch")


def table(results):
    return "\n".join([
        "Medians (least–most) of 5; epochs of the history: of 50. The pause is the kernel's own figure: from the call's freeze to the thaw. The last lines of a table "
        "compare its ends, by the least figures; *less than linear* is a fixed cost and so much for each one more.", "",
        "**Memory.** One process. A full epoch writes every page.", "", *rows_against(results, "size", SIZES, "memory", "MiB", memory, 1024), "",
        "**Processes.** A family, each with 16 KiB of its own, that waits for a pipe: each is stopped, cloned and written, and built again. The first one's first instruction "
        "competes with those of the others.", "", *rows_against(results, "family", FAMILIES, "processes", "process"), "",
        "**Descriptors.** A process with so many: the console, pipes, files.", "", *rows_against(results, "descriptors", DESCRIPTORS, "descriptors", "descriptor"), "",
        "**History.** The next epoch drops the oldest one that is kept. Now and then an epoch looks for the blocks that dropped ones left, by the trees of all that are kept: that is "
        "the longest time. An older epoch is found by going back from the newest, one by one.", "", *history_rows(results), "",
        f"**CPUs.** One process of {memory(CPUS_KIB)}. The host has {os.cpu_count()}.", "", *rows_against(results, "cpus", CPUS, "CPUs", "CPU"), ""])


def headline(results):
    return {}
