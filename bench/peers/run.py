#!/usr/bin/env python3
"""Measure Amber beside other ways to save a process, in one run, and print their figures side by side.

usage: bench/peers/run.py [-o FOLDER]      -o: write FOLDER/peers.md, too

XV6 in the environment names a tree of the original, DMTCP the folder that DMTCP is installed in. What can't be measured here
is left out, and the reason is told. The figures also go to build/bench/peers.json.
"""
import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
import common  # noqa: E402
import debian  # noqa: E402
import xv6  # noqa: E402
from common import machines  # noqa: E402
from debian import PEERS, Skip  # noqa: E402

SIZES_MIB = (1, 16, 64, 256)
ROUNDS = 5
TIMEOUT = 600
AMBER_DISK = "3G"
PEER = os.path.join(PEERS, "peer")

FIGURES = {
    "stop": "The process stands still, ms",
    "gap": "The longest gap that it saw from the call until the image was durable, ms",
    "durable": "From the call to a durable image, ms",
    "first": "From the call to the restored process's first instruction, ms",
    "all": "From the call until it has touched all of its pages, ms",
}
# What bench/checkpoints.c calls the same: its mode, and its name.
AMBER = {"stop": ("pause", "pause"), "gap": ("pause", "worst"), "durable": ("save", "full_time"), "first": ("restore", "first"), "all": ("restore", "all")}

# What may keep a system from being measured.
PROBLEMS = (Skip, AssertionError, OSError, subprocess.SubprocessError)


def version_of(text):
    return text.split("\n")[0].replace("Version:", "").strip()


class Bench:
    """One run: what was measured, and why the rest was not. Machines stay up until `stack` is closed."""

    def __init__(self, stack):
        self.stack, self.debian = stack, None
        self.figures, self.skipped, self.versions = {}, {}, {}
        # In each of them: open what is needed, and return measure(mib), which returns {figure: microseconds}.
        self.systems = {
            "Amber": self.open_amber,
            "CRIU, emulated": lambda: self.open_emulated("criu", "criu"),
            "DMTCP, emulated": lambda: self.open_emulated("dmtcp", "/programs/dmtcp", dmtcp),
            "fork + write, emulated": lambda: self.open_emulated("fork", ""),
            "CRIU, native": self.open_native_criu,
            "DMTCP, native": lambda: native("dmtcp", [dmtcp()]),
            "fork + write, native": lambda: native("fork", []),
        }

    def folder(self):
        return self.stack.enter_context(tempfile.TemporaryDirectory(dir=PEERS))

    def attempt(self, system, work, *arguments):
        """What work(*arguments) returns; None when it can't be done, and the reason is kept."""
        begin = time.monotonic()
        try:
            return work(*arguments)
        except PROBLEMS as problem:
            self.skipped[system] = " ".join(str(problem).split())[:300]
            return None
        finally:
            print(f"{' '.join([system, *map(str, arguments)])}: {self.skipped.get(system, 'done')} ({time.monotonic() - begin:.0f} s)", flush=True)

    def measure(self):
        """Size after size, and of each size all systems one after the other: so what else the machine does weighs on all alike."""
        opened = {system: self.attempt(system, opening) for system, opening in self.systems.items()}
        for mib in SIZES_MIB:
            for system, measure in opened.items():
                samples = None if system in self.skipped else self.attempt(system, measure, mib)
                for name in FIGURES if samples else ():
                    if name in samples:
                        figure = common.figure([us / 1000 for us in samples[name]], "ms")
                        self.figures.setdefault(system, {}).setdefault(name, {})[mib] = figure

    def open_amber(self):
        folder = self.folder()
        disk, raw = common.make_disk(os.path.join(folder, "root.img"), AMBER_DISK), common.make_raw(os.path.join(folder, "raw.img"))
        m = common.boot_with_raw(disk, raw, debian.MEMORY_MIB)
        self.stack.callback(m.kill)

        def measure(mib):
            told = {mode: common.run(m, f"checkpoints {mode} {mib * 1024}", TIMEOUT) for mode in ("pause", "save", "restore")}
            return {name: told[mode][theirs] for name, (mode, theirs) in AMBER.items() if theirs in told[mode]}
        return measure

    def guest(self):
        """The Debian in the emulator, booted when it is first wanted."""
        if not self.debian:
            programs = self.folder()
            shutil.copy(PEER, programs)
            if has_dmtcp():
                shutil.copytree(dmtcp(), os.path.join(programs, "dmtcp"), symlinks=True)
            self.debian = debian.boot(self.folder(), programs)
            self.stack.callback(self.debian.kill)
            self.versions["emulated Debian"] = "Linux " + self.debian.check("uname -r").strip()
            self.versions["CRIU, emulated"] = version_of(self.debian.check("criu --version"))
        return self.debian

    def open_emulated(self, kind, command, first=lambda: None):
        first()
        guest = self.guest()
        return lambda mib: common.run(guest, f"/programs/peer {kind} {mib} {ROUNDS} /images {command}", TIMEOUT)

    def open_native_criu(self):
        command = criu_natively()
        self.versions["CRIU, native"] = version_of(subprocess.run([*command, "--version"], capture_output=True, text=True).stdout)
        return native("criu", command)


def peer_natively(kind, mib, rounds, command):
    with tempfile.TemporaryDirectory(dir=PEERS) as folder:
        result = subprocess.run([PEER, kind, str(mib), str(rounds), folder, *command], capture_output=True, text=True, timeout=TIMEOUT)
    if result.returncode:
        raise Skip(result.stderr.strip())
    return common.samples_of(result.stdout)


def native(kind, command):
    return lambda mib: peer_natively(kind, mib, ROUNDS, command)


def why_not(command):
    """Why CRIU, called so, does not work on this kernel; None: it does."""
    try:
        peer_natively("criu", 1, 1, command)
    except Skip as problem:
        return str(problem)
    return None


def criu_natively():
    """How a CRIU is called that works here: the host's, or else that of Debian's newest."""
    if os.geteuid() != 0:
        raise Skip("CRIU needs root")
    own = shutil.which("criu")
    if own and not why_not([own]):
        return [own]
    command = debian.program_of(debian.tree(debian.NATIVE_SUITE, ("criu",)), "criu")
    reason = why_not(command)
    if reason:
        raise Skip(f"Debian {debian.NATIVE_SUITE}'s CRIU: {reason}")
    return command


def has_dmtcp():
    return os.path.exists(os.path.join(os.environ.get("DMTCP", ""), "bin/dmtcp_launch"))


def dmtcp():
    """The folder that DMTCP is installed in."""
    if not os.environ.get("DMTCP"):
        raise Skip("Debian has no package of it; DMTCP=FOLDER names one that is installed there")
    if not has_dmtcp():
        raise Skip(f"{os.environ['DMTCP']}/bin/dmtcp_launch is missing")
    return os.path.abspath(os.environ["DMTCP"])


# ---- text

def number(value):
    """Three digits, or so."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def spread(f):
    return f"{number(f['median'])} ({number(f['min'])}–{number(f['max'])})"


def cell(bench, system, name, mib):
    f = bench.figures[system].get(name, {}).get(mib)
    if not f:
        return "–"
    text = spread(f)
    if name == "durable":
        text += f", {number(mib * 1048.576 / f['median'])} MB/s"
    amber = bench.figures.get("Amber", {}).get(name, {}).get(mib)
    return text if system == "Amber" or not amber else f"{text}; **{number(f['median'] / amber['median'])}**"


def figure_rows(bench, name):
    rows = common.heading("", *(f"{mib} MiB" for mib in SIZES_MIB))
    for system, figures in bench.figures.items():
        if name in figures:
            rows.append(common.row(system, *(cell(bench, system, name, mib) for mib in SIZES_MIB)))
    return rows


def times_better(ours, originals):
    """How many times the speed of the better original that is."""
    times = [ours["median"] / f["median"] if f["unit"] == "MB/s" else f["median"] / ours["median"] for f in originals]
    return number(min(times))


def xv6_rows(kernels):
    columns = [(kernel, way) for kernel, ways in kernels.items() for way in ways]
    rows = common.heading("", *(f"{kernel}, {way}" for kernel, way in columns), *(f"times better: {way}" for way in kernels["Amber"]))
    for key, (title, unit, _) in xv6.FIGURES.items():
        originals = [figures[key] for figures in kernels["xv6"].values()]
        rows.append(common.row(f"{title}, {unit}", *(spread(kernels[kernel][way][key]) for kernel, way in columns),
                               *(times_better(figures[key], originals) for figures in kernels["Amber"].values())))
    return rows


def counts(bench):
    """How many samples the figures are medians of."""
    return ", ".join(f"{system} {next(iter(figures['durable'].values()))['n']}" for system, figures in bench.figures.items())


def text_of(bench, kernels, load):
    lines = [
        "; ".join([f"Load {load:.1f} at the beginning", *(f"{name}: {version}" for name, version in bench.versions.items())]) + ".", "",
        f"Medians (least–most); samples: {counts(bench)}. In bold: how many times Amber's. MB are 10^6 bytes, of the process's memory.", "",
        "The process has so much memory, in pages that differ; it looks at the clock all the time and changes 5 % of its pages a second. What is emulated runs in the same QEMU as "
        f"Amber, with the same options: 2 CPUs, {debian.MEMORY_MIB} MiB, virtio-blk. What is native runs on the host itself, beside no emulator, and on its disk.", "",
        "It stands still until its state has been taken: that is Amber's longest gap meanwhile, the time of `fork()`, and the whole gap of who stops it for the whole save.", "",
        "The others save it from outside while it runs, with `fsync` of all that they wrote, and restore from the files' cache; fork + write: the child writes its memory into a file, "
        "with `fdatasync`. Amber's stop and gap are of such a save, too; its durable image is that of a process that saves itself, and its restores read the disk, which the host may "
        "have in memory.", ""]
    for name, title in FIGURES.items():
        lines += [f"**{title}.**", "", *figure_rows(bench, name), ""]
    if kernels:
        lines += ["**Beside the original xv6.** One program on both, which uses xv6's calls only; booted by `-kernel`, with the same options. The original's writes are in its log on "
                  "the disk when they return, Amber's within a second. The original's idle CPUs look for work all the time, which takes the host's from who works: so it is also measured with "
                  "one. Times better: than the better of both.", "",
                  *xv6_rows(kernels), ""]
    if bench.skipped:
        lines += ["**Not measured.**", "", *(f"- {system}: {reason}" for system, reason in bench.skipped.items()), ""]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-o", dest="folder", help="write FOLDER/peers.md, too")
    arguments = parser.parse_args()
    os.makedirs(PEERS, exist_ok=True)
    os.makedirs(os.path.join(machines.BUILD, "bench"), exist_ok=True)
    load = os.getloadavg()[0]
    with contextlib.ExitStack() as stack:
        bench = Bench(stack)
        bench.measure()
    kernels = bench.attempt("the original xv6", lambda: xv6.measure(os.environ.get("XV6"))) or {}
    text = text_of(bench, kernels, load)
    print("\n" + text)
    if arguments.folder:
        with open(os.path.join(arguments.folder, "peers.md"), "w", encoding="utf-8") as f:
            f.write("\n".join(["# Beside others, measured", "", "Made by `make bench-peers-page`; `make bench-peers` prints the same.", "", common.about_the_machine(), "", text]))
    path = os.path.join(machines.BUILD, "bench", "peers.json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"figures": bench.figures, "xv6": kernels, "versions": bench.versions, "skipped": bench.skipped}, f, indent=1)
    print(f"written to {os.path.relpath(path)}")


main()
