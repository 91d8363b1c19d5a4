#!/usr/bin/env python3
"""Measure Amber beside other ways to save a process, in one run, and print their figures side by side.

usage: bench/peers/run.py [FOLDER]      FOLDER: write FOLDER/peers.md, too

XV6 in the environment names a tree of the original, DMTCP the folder that DMTCP is installed in. What can't be measured here
is left out, and the reason is told. The figures also go to build/bench/peers.json.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), os.path.join(HERE, "../../tests")]
import checkpoints  # noqa: E402
import debian  # noqa: E402
import machine as machines  # noqa: E402
import storage  # noqa: E402
import xv6  # noqa: E402
from debian import PEERS, Skip  # noqa: E402

SIZES_MIB = (1, 16, 64, 256)
ROUNDS = 5
TIMEOUT = 900
PEER = os.path.join(PEERS, "peer")

FIGURES = {
    "pause": "Pause: the longest gap that the process saw, ms",
    "durable": "From the call to a durable image, ms",
    "first": "From the call to the restored process's first instruction, ms",
    "all": "From the call until it has touched all of its pages, ms",
}
# What bench/checkpoints.c calls the same: its mode, and its name.
AMBER = {"pause": ("pause", "pause"), "durable": ("write", "full_us"), "first": ("restore", "first"), "all": ("restore", "all")}


class Table:
    """What was measured, and why the rest was not: systems in the order of their coming."""

    def __init__(self):
        self.figures, self.skipped, self.versions = {}, {}, {}

    def add(self, system, mib, samples):
        """samples: {figure: microseconds}"""
        for name in FIGURES:
            if name in samples:
                self.figures.setdefault(system, {}).setdefault(name, {})[mib] = storage.figure([us / 1000 for us in samples[name]], "ms")

    def attempt(self, system, measure):
        """Let measure() add to the table, and note what stopped it."""
        print(f"{system} ...", flush=True)
        begin = time.monotonic()
        try:
            measure()
        except (Skip, AssertionError, OSError, subprocess.TimeoutExpired) as problem:
            self.skipped[system] = " ".join(str(problem).split())[:300]
        print(f"{system}: {self.skipped.get(system, 'done')} ({time.monotonic() - begin:.0f} s)", flush=True)


def samples_of(text):
    """{name: values} of lines "name value unit"."""
    samples = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3:
            samples.setdefault(words[0], []).append(float(words[1]))
    return samples


# ---- Amber

def measure_amber(table):
    with tempfile.TemporaryDirectory(dir=PEERS) as folder:
        disk = storage.without_holes(checkpoints.make_disk(os.path.join(folder, "root.img")))
        m = machines.Machine(disk, memory=debian.MEMORY_MIB)
        for mib in SIZES_MIB:
            told = {mode: storage.run(m, f"checkpoints {mode} {mib}") for mode in ("pause", "write", "restore")}
            table.add("Amber", mib, {name: told[mode][theirs] for name, (mode, theirs) in AMBER.items()})
        m.power_off()


# ---- natively

def peer_natively(kind, mib, rounds, command):
    with tempfile.TemporaryDirectory(dir=PEERS) as folder:
        result = subprocess.run([PEER, kind, str(mib), str(rounds), folder, *command], capture_output=True, text=True, timeout=TIMEOUT)
    if result.returncode:
        raise Skip(result.stderr.strip())
    return samples_of(result.stdout)


def criu_natively():
    """How CRIU is called that works on this kernel: the host's, or that of Debian's newest."""
    reasons = []

    def trial(name, command):
        try:
            peer_natively("criu", 1, 1, command)
            return command
        except Skip as problem:
            reasons.append(f"{name}: {problem}")
            return None

    if os.geteuid() != 0:
        raise Skip("CRIU needs root")
    own = shutil.which("criu")
    found = own and trial("the host's", [own])
    if not found:
        tree = debian.tree(debian.NATIVE_SUITE, ("criu",))
        found = trial(f"Debian {debian.NATIVE_SUITE}'s", debian.programs_of(tree, "criu"))
    if not found:
        raise Skip("; ".join(reasons))
    return found


def dmtcp_natively():
    prefix = os.environ.get("DMTCP")
    if not prefix:
        raise Skip("Debian has no package of it; DMTCP=FOLDER names one that is installed there")
    if not os.path.exists(os.path.join(prefix, "bin/dmtcp_launch")):
        raise Skip(f"{prefix}/bin/dmtcp_launch is missing")
    return prefix


def measure_natively(table, system, kind, command):
    for mib in SIZES_MIB:
        table.add(system, mib, peer_natively(kind, mib, ROUNDS, command))


def version_of(command):
    return subprocess.run([*command, "--version"], capture_output=True, text=True).stdout.split("\n")[0].replace("Version:", "").strip()


def native_criu(table):
    command = criu_natively()
    table.versions["CRIU, native"] = version_of(command)
    measure_natively(table, "CRIU, native", "criu", command)


# ---- emulated

def measure_emulated(table, guest, system, kind, command=""):
    for mib in SIZES_MIB:
        text = guest.check(f"/programs/peer {kind} {mib} {ROUNDS} /images {command}", TIMEOUT)
        table.add(system, mib, samples_of(text))


def emulated_dmtcp(table, guest):
    dmtcp_natively()
    measure_emulated(table, guest, "DMTCP, emulated", "dmtcp", "/programs/dmtcp")


def guest_programs(folder):
    shutil.copy(PEER, folder)
    if os.environ.get("DMTCP"):
        shutil.copytree(dmtcp_natively(), os.path.join(folder, "dmtcp"), symlinks=True)
    return folder


def measure_guest(table):
    with tempfile.TemporaryDirectory(dir=PEERS) as folder:
        guest = debian.Guest(guest_programs(folder))
    table.versions["emulated Debian"] = "Linux " + guest.check("uname -r", 60).strip()
    table.versions["CRIU, emulated"] = guest.check("criu --version", 60).split("\n")[0].replace("Version:", "").strip()
    table.attempt("CRIU, emulated", lambda: measure_emulated(table, guest, "CRIU, emulated", "criu", "criu"))
    table.attempt("DMTCP, emulated", lambda: emulated_dmtcp(table, guest))
    table.attempt("fork + write, emulated", lambda: measure_emulated(table, guest, "fork + write, emulated", "fork"))
    guest.end()


# ---- text

def number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def cell(table, system, name, mib):
    f = table.figures[system].get(name, {}).get(mib)
    if not f:
        return "–"
    text = f"{number(f['median'])} ({number(f['min'])}–{number(f['max'])})"
    if name == "durable":
        text += f", {number(mib * 1048.576 / f['median'])} MB/s"
    amber = table.figures.get("Amber", {}).get(name, {}).get(mib)
    return text if system == "Amber" or not amber else f"{text}; **{number(f['median'] / amber['median'])}**"


def figure_rows(table, name):
    rows = storage.heading("", *(f"{mib} MiB" for mib in SIZES_MIB))
    for system, figures in table.figures.items():
        if name in figures:
            rows.append(storage.row(system, *(cell(table, system, name, mib) for mib in SIZES_MIB)))
    return rows


def xv6_rows(kernels):
    names = list(kernels)
    rows = storage.heading("", *names, *(f"{name} against the original" for name in names[:-1]))
    for key, (title, unit, _) in xv6.FIGURES.items():
        values = [kernels[name][key] for name in names]
        better = [values[-1]["median"] / v["median"] if unit != "MB/s" else v["median"] / values[-1]["median"] for v in values[:-1]]
        rows.append(storage.row(f"{title}, {unit}", *(storage.cell(v, 1) for v in values), *(f"{number(b)} times as good" for b in better)))
    return rows


def text_of(table, kernels, load):
    lines = [
        f"Medians (least–most) of {ROUNDS}, Amber's of 7; in bold: how many times Amber's. MB are 10^6 bytes, of the process's memory. Load {load:.1f} at the beginning. "
        + "; ".join(f"{k}: {v}" for k, v in table.versions.items()) + ".", "",
        "The process has so much memory, in pages that differ; it looks at the clock all the time and changes 5 % of its pages a second. Amber and what is called "
        f"emulated run in the same QEMU with the same options: 2 CPUs, {debian.MEMORY_MIB} MiB, virtio-blk. Others are saved from outside while they run, with `fsync` of all that was "
        "written, and restored from the files' cache; Amber's pause is of such a save as well, its durable image that of a process that saves itself, its restore reads the disk. "
        "fork + write: the child writes its memory into a file, with `fdatasync`.", ""]
    for name, title in FIGURES.items():
        lines += [f"**{title}.**", "", *figure_rows(table, name), ""]
    if kernels:
        lines += ["**Beside the original xv6**, one program on both, `-kernel` and the same options. A write of the original's has reached its log on the disk when it returns; "
                  "one of Amber's has after `fsync`, or a second.", "", *xv6_rows(kernels), ""]
    if table.skipped:
        lines += ["**Not measured.**", "", *(f"- {system}: {reason}" for system, reason in table.skipped.items()), ""]
    return "\n".join(lines)


def main():
    os.makedirs(PEERS, exist_ok=True)
    os.makedirs(os.path.join(machines.BUILD, "bench"), exist_ok=True)
    table, kernels, load = Table(), {}, os.getloadavg()[0]
    table.attempt("Amber", lambda: measure_amber(table))
    table.attempt("emulated Debian", lambda: measure_guest(table))
    table.attempt("CRIU, native", lambda: native_criu(table))
    table.attempt("DMTCP, native", lambda: measure_natively(table, "DMTCP, native", "dmtcp", [dmtcp_natively()]))
    table.attempt("fork + write, native", lambda: measure_natively(table, "fork + write, native", "fork", []))
    table.attempt("the original xv6", lambda: kernels.update(xv6.measure(os.environ.get("XV6"))))
    text = text_of(table, kernels, load)
    print("\n" + text)
    if len(sys.argv) > 1:
        with open(os.path.join(sys.argv[1], "peers.md"), "w", encoding="utf-8") as f:
            f.write("\n".join(["# Beside others, measured", "", "Made by `make bench-peers`.", "", storage.about_the_machine(), "", text]))
    path = os.path.join(machines.BUILD, "bench", "peers.json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"figures": table.figures, "xv6": kernels, "versions": table.versions, "skipped": table.skipped}, f, indent=1)
    print(f"written to {os.path.relpath(path)}")


main()
