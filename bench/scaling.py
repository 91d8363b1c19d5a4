"""Measure how the costs of checkpoints and restores grow: with memory, processes, descriptors, the history's length, CPUs."""
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


def rows_against(results, what, counts, title, show=str):
    rows = heading(title, *COSTS.values())
    for n in counts:
        figures = [results[f"{what}_{n}_{name}"] for name in COSTS]
        rows.append(row(show(n), *(cell(f) if name.endswith("pause") else cost(f) for name, f in zip(COSTS, figures))))
    first, last = counts[0], counts[-1]
    grown = [results[f"{what}_{last}_{name}"]["median"] / results[f"{what}_{first}_{name}"]["median"] for name in COSTS]
    rows.append(row(f"times {last / first:.3g}", *(f"times {g:.2g}" for g in grown)))
    return rows


def history_rows(results):
    rows = heading("epochs kept", "epoch with 1 % of 16 MiB changed, ms", "bytes written, KiB", "pause, us", "idle epoch, ms", "file, MiB",
                   "newest restored to the first instruction, ms", "oldest, ms")
    for n in LENGTHS:
        get = lambda name: results[f"kept_{n}_{name}"]  # noqa: E731,B023
        rows.append(row(n, cost(get("time")), f"{get('bytes')['median'] / 1024:.0f}", cell(get("pause")), cost(get("idle")), f"{get('file')['median'] / 2**20:.1f}",
                        cost(get("first")), cost(get("first_of_oldest"))))
    return rows


def table(results):
    return "\n".join([
        "Medians (least–most) of 5; epochs of the history: of 50. The pause is the kernel's own figure: from the call's freeze to the thaw. "
        "The last line of a table says how much more the last one is than the first.", "",
        "**Memory.** One process.", "", *rows_against(results, "size", SIZES, "memory", memory), "",
        "**Processes.** A family, each with 16 KiB of its own, that waits for a pipe.", "", *rows_against(results, "family", FAMILIES, "processes"), "",
        "**Descriptors.** A process with so many, four of them pipes' ends and the console, the others files.", "",
        *rows_against(results, "descriptors", DESCRIPTORS, "descriptors"), "",
        "**History.** What the file keeps; the next epoch drops the oldest.", "", *history_rows(results), "",
        f"**CPUs.** One process of {memory(CPUS_KIB)}. The host has {os.cpu_count()}.", "", *rows_against(results, "cpus", CPUS, "CPUs"), ""])


def headline(results):
    return {}
