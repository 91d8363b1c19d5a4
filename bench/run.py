#!/usr/bin/env python3
"""Measure the system and print its tables; the figures also go to build/bench/results.json. run.py FOLDER: those of storage and checkpoints also to pages there.

Absolute times on a shared machine wander by a factor of two: the ratios within one run are what counts.
"""
import json
import os
import re
import statistics
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests"))
import checkpoints  # noqa: E402
import machine as machines  # noqa: E402
import storage  # noqa: E402

RUNS = 5


def boot_ms(disk):
    """From starting QEMU to the shell's prompt."""
    begin = time.monotonic()
    m = machines.Machine(disk)
    elapsed = (time.monotonic() - begin) * 1000
    m.power_off()
    return elapsed


def main():
    results = {}

    def add(name, values, unit):
        results[name] = {"median": statistics.median(values), "min": min(values), "max": max(values), "n": len(values), "unit": unit}

    with tempfile.TemporaryDirectory() as folder:
        programs = os.path.join(machines.PROGRAMS, "bench/basics")
        disk = machines.make_disk(os.path.join(folder, "bench.img"), [programs], "128M")
        add("boot", [boot_ms(disk) for _ in range(RUNS)], "ms")
        m = machines.Machine(disk)
        samples = {}
        for _ in range(RUNS):
            for name, value, unit in re.findall(r"^(\w+) ([\d.]+) (\S+)$", m.check("basics", timeout=300), re.M):
                samples.setdefault((name, unit), []).append(float(value))
        m.power_off()
    for (name, unit), values in samples.items():
        add(name, values, unit)

    syscall, memcpy = results["syscall"]["median"], results["memcpy"]["median"]
    print(f"{'':18} {'median':>10} {'min':>10} {'max':>10} {'unit':6} ratio")
    for name, r in results.items():
        ratio = {"us": f"{r['median'] / syscall:8.1f} system calls", "MB/s": f"{r['median'] / memcpy:8.3f} of memcpy"}.get(r["unit"], "")
        print(f"{name:18} {r['median']:10.2f} {r['min']:10.2f} {r['max']:10.2f} {r['unit']:6} {ratio}")
    # The names that later comparisons use.
    results["boot_ms"], results["forkexec_us"], results["pipe_MBps"] = results.pop("boot"), results.pop("fork_exec_wait"), results.pop("pipe")
    for module in (storage, checkpoints):
        figures = results[module.__name__] = module.measure()
        print("\n" + module.table(figures))
        if len(sys.argv) > 1:
            with open(os.path.join(sys.argv[1], module.__name__ + ".md"), "w", encoding="utf-8") as f:
                f.write(module.document(figures))
    results.update(checkpoints.headline(results["checkpoints"]))
    path = os.path.join(machines.BUILD, "bench", "results.json")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        json.dump(results, f, indent=1)
    print(f"written to {os.path.relpath(path)}")


main()
