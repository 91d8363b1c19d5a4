#!/usr/bin/env python3
"""Count what the kernel's main paths cost in executed instructions: exact whatever else the machine does.

count.py                 print the table, write build/bench/count.json
count.py check           the same, and fail if a figure is above its budget (bench/budgets.json)
count.py budgets         the same, and make the figures the new budgets
count.py profile PATH [FUNCTION]   where the instructions of a path are, by the kernel's functions (paths: see
                         bench/paths.c); or who calls a function there, and how often

QEMU runs one CPU with -icount, so that timer ticks come after so many instructions, with a plugin (bench/plugin) that
counts what is executed between marks of the guest program `paths`. Waiting for the disk costs nothing here.
"""
import bisect
import json
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests"))
import machine as machines  # noqa: E402

PLUGIN = os.path.join(machines.HOST, "count.so")
BUDGETS = os.path.join(machines.ROOT, "bench", "budgets.json")
RESULTS = os.path.join(machines.BUILD, "bench", "count.json")

# What is told, in which order: name -> what it is.
FIGURES = {
    "system_call": "system call (getpid), with the program's loop",
    "context_switch": "switch to another process: a byte through a pipe, read and written",
    "fault_zero": "page fault: zeros",
    "fault_copy": "page fault: copy on write",
    "fault_file": "page of a program's file touched, from the cache",
    "fork_exit_wait": "fork, exit, wait",
    "fork_exec_wait": "fork, exec, exit, wait",
    "pipe_KiB": "pipe, a KiB written and read",
    "write_KiB": "new file, a KiB written",
    "overwrite_KiB": "file, a KiB overwritten",
    "read_KiB": "file, a KiB read from the cache",
    "create_unlink": "file created and removed",
    "remove_MiB": "file removed, a MiB of it",
    "pause_1MiB": "pause of a checkpoint, 1 MiB",
    "pause_MiB": "pause for each MiB more, all of it changed",
    "pause_again_MiB": "pause for each MiB more, none of it changed since the last checkpoint",
    "pause_descriptor": "pause for each descriptor more",
    "pause_process": "pause for each process more",
    "checkpoint_1MiB": "checkpoint of a process of 1 MiB, all of it",
    "checkpoint_idle": "checkpoint of the same, nothing changed",
    "checkpoint_10_pages": "checkpoint of the same, 10 pages changed",
    "restore_first_small": "restore of 16 KiB until the first instruction",
    "restore_first": "restore of 4 MiB until the first instruction",
    "restore_page": "page of the image touched after that",
    "restore_eager_page": "restore -a of 4 MiB until the first instruction, for each page",
}

# A budget is so much above what was counted. The second kind meets the disk's interrupts, which come as the host likes: its
# figures differ by up to 1 % from run to run.
MARGIN = 1.05
MARGIN_DISK = 1.08
MEETS_DISK = {"checkpoint_1MiB", "checkpoint_idle", "checkpoint_10_pages", "restore_first_small", "restore_first", "restore_page",
              "restore_eager_page", "write_KiB", "overwrite_KiB"}

# For each MiB more: so small a difference of two pauses that 2 % of one is allowed to it instead.
PER_MIB = {"pause_MiB", "pause_again_MiB"}


def make_disk(folder):
    """No more programs than are needed: the length of the root directory is part of what is counted."""
    programs = [os.path.join(machines.PROGRAMS, name) for name in ("user/bin/init", "user/bin/sh", "user/bin/echo", "user/bin/true", "user/bin/poweroff", "bench/paths")]
    disk = os.path.join(folder, "count.img")
    machines.run_tool("mkfs", "-f", "-s", "256M", disk, *programs)
    return disk


def plugin_works():
    """Does this QEMU take the plugin? One of another version may not."""
    result = subprocess.run(["qemu-system-i386", "-M", "none", "-display", "none", "-plugin", f"{PLUGIN},out=/dev/null", "-S", "-monitor", "stdio"],
                            input="quit\n", capture_output=True, text=True, timeout=30, check=False)
    return result.returncode == 0 and "plugin" not in result.stderr.lower(), result.stderr.strip()


def go(paths):
    """Run the guest program; returns the lines that it told, and what the plugin wrote."""
    with tempfile.TemporaryDirectory() as folder:
        counts = os.path.join(folder, "counts")
        machines.accelerator = lambda: "tcg"
        m = machines.Machine(make_disk(folder), cpus=1, memory=256, extra=["-icount", "shift=0", "-plugin", f"{PLUGIN},out={counts}"])
        told = m.check(" ".join(["paths", *paths]), timeout=300)
        m.power_off()
        return told.splitlines(), open(counts, encoding="ascii").read()


def samples(told, counts):
    """name -> what each round cost, for one operation."""
    spans = [int(kernel) + int(user) for kernel, user in re.findall(r"^span (\d+) (\d+)$", counts, re.M)]
    out = {}
    at = 0
    for line in told:
        name, value, *unit = line.split()
        if unit:
            out.setdefault(name, []).append(int(value))
        else:
            out.setdefault(name, []).append(spans[at] / int(value))
            at += 1
    assert at == len(spans), f"{at} lines for {len(spans)} spans"
    return out


def figures(of):
    """What is told of the samples: the least of each, and differences."""
    least = {name: min(values) for name, values in of.items()}
    least["pause_MiB"] = (least["pause_65MiB"] - least["pause_1MiB"]) / 64
    least["pause_again_MiB"] = (least["pause_65MiB_again"] - least["pause_1MiB_again"]) / 64
    least["pause_descriptor"] = (least["pause_40_descriptors"] - least["pause_1MiB"]) / 40
    least["pause_process"] = (least["pause_16_children"] - least["pause_1MiB"]) / 16
    return {name: round(least[name], 1) for name in FIGURES}


def budgets():
    with open(BUDGETS, encoding="utf-8") as f:
        return json.load(f)


def table(found, allowed):
    print(f"{'instructions':>12} {'budget':>12}")
    for name, what in FIGURES.items():
        limit = allowed.get(name, {}).get("max")
        print(f"{found[name]:12.1f} {limit if limit else '-':>12} {name}: {what}" + ("  OVER BUDGET" if limit and found[name] > limit else ""))


def budget(name, found):
    if name in PER_MIB:
        return round(max(found[name], 0) + 0.02 * found["pause_1MiB"] / 64, 1)
    return round(found[name] * (MARGIN_DISK if name in MEETS_DISK else MARGIN), 1)


def write_budgets(found):
    lines = [f'  "{name}": {{"value": {value}, "max": {budget(name, found)}}}' for name, value in found.items()]
    with open(BUDGETS, "w", encoding="utf-8") as f:
        f.write("{\n" + ",\n".join(lines) + "\n}\n")


def count(action):
    found = figures(samples(*go([])))
    allowed = budgets() if os.path.exists(BUDGETS) else {}
    os.makedirs(os.path.dirname(RESULTS), exist_ok=True)
    with open(RESULTS, "w", encoding="utf-8") as f:
        json.dump({name: {"value": value, "max": allowed.get(name, {}).get("max"), "unit": "instructions"} for name, value in found.items()}, f, indent=1)
    table(found, allowed)
    print(f"written to {os.path.relpath(RESULTS)}")
    if action == "budgets":
        write_budgets(found)
    if action != "check":
        return
    over = [name for name in FIGURES if name not in allowed or found[name] > allowed[name]["max"]]
    if over:
        sys.exit(f"over budget: {', '.join(over)}. Look where with: make profile WHAT=...; if it is worth it, raise the budget "
                 "on purpose, in the same commit: make bench-budgets")


def tool(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def symbols():
    """Start addresses of the kernel's functions, ascending, and their names."""
    return [(int(address, 16), name) for address, name in re.findall(r"^([0-9a-f]+) [Tt] (\S+)$", tool("llvm-nm", "-n", machines.KERNEL), re.M)]


def callers(function, executed, name_of):
    """(times, caller), for all calls of the function."""
    listing = tool("llvm-objdump", "-d", "--no-show-raw-insn", machines.KERNEL)
    out = {}
    for address in re.findall(rf"^([0-9a-f]+):\s+(?:call|jmp)\w*\s.*<{function}>$", listing, re.M):
        times = executed.get(int(address, 16), 0)
        out[name_of(int(address, 16))] = out.get(name_of(int(address, 16)), 0) + times
    return sorted(((times, caller) for caller, times in out.items() if times), reverse=True)


def profile(path, function=None, most=25):
    """Where a path spends its instructions; or who calls a function in it."""
    _, counts = go([path])
    names = symbols()
    starts = [address for address, _ in names]
    executed = {int(a, 16): int(n) for a, n in re.findall(r"^at ([0-9a-f]+) (\d+)$", counts, re.M)}

    def name_of(address):
        return names[bisect.bisect(starts, address) - 1][1]

    if function:
        for times, caller in callers(function, executed, name_of):
            print(f"{times:12}  {caller}")
        return
    of = {"(programs)": sum(int(n) for n in re.findall(r"^span \d+ (\d+)$", counts, re.M))}
    for address, n in executed.items():
        of[name_of(address)] = of.get(name_of(address), 0) + n
    total = sum(of.values())
    calls = {name: executed.get(address, 0) for address, name in names}
    print(f"{'share':>7} {'instructions':>13} {'entered':>9}  of {total}, path {path}")
    for name, n in sorted(of.items(), key=lambda item: -item[1])[:most]:
        print(f"{100 * n / total:6.1f} % {n:12} {calls.get(name, ''):>9}  {name}")


def main():
    works, why = plugin_works()
    if not works:
        print(f"skipped: this QEMU does not take the plugin: {why}")
        return
    action = sys.argv[1] if len(sys.argv) > 1 else "table"
    if action == "profile":
        profile(*sys.argv[2:4])
    else:
        count(action)


main()
