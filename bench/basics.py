"""Measure boot, system calls, processes, pipes and files."""
import os
import tempfile
import time

import common
from common import cell, figure, heading, machines, row

RUNS = 5
TITLE = "Basics, measured"


def boot_ms(disk):
    """From starting QEMU to the shell's prompt."""
    begin = time.monotonic()
    m = machines.Machine(disk)
    elapsed = (time.monotonic() - begin) * 1000
    m.power_off()
    return elapsed


def measure():
    with tempfile.TemporaryDirectory() as folder:
        disk = common.make_disk(os.path.join(folder, "bench.img"), "128M")
        results = {"boot": figure([boot_ms(disk) for _ in range(RUNS)], "ms")}
        m = machines.Machine(disk)
        samples = {}
        for _ in range(RUNS):
            for name, values in common.run(m, "basics").items():
                samples.setdefault(name, common.Values(values.unit)).extend(values)
        m.power_off()
    results.update((name, figure(values)) for name, values in samples.items())
    return results


def table(results):
    ratios = {"us": ("syscall", "system calls", 1), "MB/s": ("memcpy", "of memory copy", 3)}
    rows = heading("", f"median (least–most) of {RUNS}, each the best of five", "", "")
    for name, f in results.items():
        base, what, digits = ratios.get(f["unit"], (name, "", 0))
        rows.append(row(name.replace("_", " "), cell(f, 2), f["unit"], f"{f['median'] / results[base]['median']:.{digits}f} {what}" if what else ""))
    return "\n".join([*rows, ""])


def headline(results):
    return {"boot_ms": results["boot"], "forkexec_us": results["fork_exec_wait"], "pipe_MBps": results["pipe"]}
