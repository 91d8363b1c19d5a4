#!/usr/bin/env python3
"""Run all tests, phase after phase, and close with one line: N passed, N failed, N skipped.

usage: tests/run.py [PHASE...]        (without arguments: all)

What a phase printed is kept in build/test/PHASE.log, and shown when something failed.
"""
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
LOGS = os.path.join(BUILD, "test")
# Each fuzzer; `make fuzz` goes on for an hour.
FUZZ_SECONDS = 20


def count_as_one(log, status, _phase):
    """A phase without an inner count is one test."""
    return (1, 0, 0) if status == 0 else (0, 1, 0)


def count_cmocka(log, status, _phase):
    """cmocka writes a line for each test."""
    passed = len(re.findall(r"^\[       OK \] ", log, re.M))
    failed = len(re.findall(r"^\[  (?:FAILED|ERROR)  *\] \w+", log, re.M)) // 2
    skipped = len(re.findall(r"^\[  SKIPPED \] \w+", log, re.M)) // 2
    return passed, max(failed, int(status != 0)), skipped


def count_host(log, status, _phase):
    """Each program of tests/host says in one line what it did."""
    passed = len(re.findall(r"^fs_\w+: seed", log, re.M))
    return passed, int(status != 0), 0


def count_fuzz(log, status, _phase):
    """Each fuzzer says in one line what it did."""
    return len(re.findall(r"^fuzz \w+: .*: nothing found$", log, re.M)), int(status != 0), 0


def count_model(log, status, _phase):
    """spin searches each model, and each mutant of it."""
    return len(re.findall(r"^model: .*: (?:\d+ states: all is well|found wrong as it should be)$", log, re.M)), int(status != 0), 0


def count_budgets(log, status, _phase):
    """bench/count.py prints a line for each figure; those above their budget say so."""
    if re.search(r"^skipped: ", log, re.M):
        return 0, 0, 1
    figures = re.findall(r"^ +[\d.]+ +\S+ \w+: .*$", log, re.M)
    over = sum(line.endswith("OVER BUDGET") for line in figures)
    return len(figures) - over, max(over, int(status != 0)), 0


def count_junit(_log, status, phase):
    """pytest writes a file."""
    try:
        suite = ElementTree.parse(os.path.join(LOGS, phase + ".xml")).getroot().find("testsuite")
    except (OSError, ElementTree.ParseError):
        return 0, 1, 0
    total, skipped = int(suite.get("tests")), int(suite.get("skipped"))
    failed = int(suite.get("failures")) + int(suite.get("errors"))
    return total - failed - skipped, max(failed, int(status != 0)), skipped


def pytest(phase, *paths, cpus=None, checked=False):
    command = ["/usr/bin/python3", "-m", "pytest", "-p", "no:cacheprovider", "-q", "--tb=short", "-rfEs",
               f"--junit-xml={LOGS}/{phase}.xml", *paths]
    environment = {"AMBER_CPUS": str(cpus)} if cpus else {}
    if checked:
        environment["CHECKED"] = "1"
    return phase, command, environment, count_junit


def ckpt_tests(hostile):
    """The files of tests/ckpt: those about what fails or lies and about the engine, or the others. Both take about as long."""
    folder = os.path.join(ROOT, "tests/ckpt")
    about = re.compile("test_(hostile|crafted|failures|gdb|engine)")
    return [os.path.join(folder, f) for f in sorted(os.listdir(folder)) if f.startswith("test_") and bool(about.match(f)) == hostile]


def make(phase, *targets, count=count_as_one):
    return phase, ["make", "--no-print-directory", *targets], {}, count


# Phases of one line run at the same time: those that mostly wait for a machine's answers.
PHASES = [
    [make("build", "all", "tests")],
    [make("lint", "lint")],
    [make("unit", "unit", count=count_cmocka)],
    [make("host", "host-tests", count=count_host)],
    [make("model", "model", count=count_model), make("count", "bench-count", count=count_budgets)],
    [make("fuzz", "fuzz", f"SECONDS={FUZZ_SECONDS}", count=count_fuzz)],
    [pytest("guest-1cpu", "tests/guest", cpus=1, checked=True), pytest("guest-2cpu", "tests/guest", cpus=2)],
    [pytest("guest-4cpu", "tests/guest", cpus=4, checked=True), pytest("tools", "tests/tool")],
    [pytest("ckpt", *ckpt_tests(hostile=False)), pytest("hostile", *ckpt_tests(hostile=True))],
    [pytest("crash", "tests/crash")],
]


def run(phase, command, environment, count):
    """Run one phase; returns passed, failed, skipped."""
    print(f"== {phase} ...", flush=True)
    path = os.path.join(LOGS, phase + ".log")
    begin = time.monotonic()
    with open(path, "w", encoding="utf-8") as log:
        status = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stdout=log,
                                stderr=subprocess.STDOUT, check=False).returncode
    text = open(path, encoding="utf-8", errors="replace").read()
    passed, failed, skipped = count(text, status, phase)
    if failed:
        print(text[-12000:])
    print(f"   {phase}: {passed} passed, {failed} failed, {skipped} skipped in {time.monotonic() - begin:.0f} s", flush=True)
    return passed, failed, skipped


def main():
    os.makedirs(LOGS, exist_ok=True)
    wanted = sys.argv[1:]
    names = [phase[0] for line in PHASES for phase in line]
    unknown = set(wanted) - set(names)
    if unknown:
        sys.exit(f"tests/run.py: there is no phase {', '.join(unknown)}; there are: {' '.join(names)}")
    totals = [0, 0, 0]
    for line in PHASES:
        chosen = [phase for phase in line if not wanted or phase[0] in wanted]
        with ThreadPoolExecutor(max_workers=len(line)) as pool:
            for counts in pool.map(lambda phase: run(*phase), chosen):
                totals = [a + b for a, b in zip(totals, counts)]
        if totals[1] and line[0][0] == "build":
            break
    print("verdict: " + ("all is well" if not totals[1] else f"something is broken; look into {LOGS}"))
    print(f"{totals[0]} passed, {totals[1]} failed, {totals[2]} skipped")
    sys.exit(1 if totals[1] else 0)


main()
