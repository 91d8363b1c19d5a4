#!/usr/bin/python3
"""How much of lib is reached, by line: by the fuzzers, with their seeds and what they have found so far; or by them, the unit tests and
the host tests together.

usage: coverage.py fuzz FUZZ_FOLDER FUZZER...
       coverage.py all FUZZ_FOLDER TESTS_FOLDER FUZZER...     (the tests were built for coverage in TESTS_FOLDER, and run)
"""
import glob
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
LIBRARIES = ("base", "ckptfmt", "fsfmt")


def corpus(folder, name):
    for place in (os.path.join(HERE, "fuzz/corpus", name), os.path.join(folder, "corpus", name)):
        if os.path.isdir(place):
            yield place


def run_fuzzers(folder, names):
    """Each over its corpus. Returns programs and profiles."""
    programs = [os.path.join(folder, "covered", name) for name in names]
    for name, program in zip(names, programs):
        subprocess.run([program, "-runs=0", *corpus(folder, name)], env={**os.environ, "LLVM_PROFILE_FILE": program + ".profraw"},
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return programs, [p + ".profraw" for p in programs]


def report(programs, profiles, out):
    merged = os.path.join(out, "all.profdata")
    subprocess.run(["llvm-profdata", "merge", "-o", merged, *profiles], check=True)

    def cov(what, *more):
        objects = [programs[0], *(a for p in programs[1:] for a in ("-object", p))]
        return subprocess.run(["llvm-cov", what, f"-instr-profile={merged}", *objects, *more], capture_output=True, text=True, check=True).stdout

    totals = [0, 0]
    for library in LIBRARIES:
        lines = json.loads(cov("export", "-summary-only", f"lib/{library}"))["data"][0]["totals"]["lines"]
        totals = [totals[0] + lines["count"], totals[1] + lines["covered"]]
        print(f"lib/{library:8} {lines['covered']:5} of {lines['count']:5} lines   {100 * lines['covered'] / lines['count']:6.2f} %")
    print(f"lib          {totals[1]:5} of {totals[0]:5} lines   {100 * totals[1] / totals[0]:6.2f} %")
    shown = os.path.join(out, "lines.txt")
    with open(shown, "w", encoding="utf-8") as f:
        f.write(cov("show", "lib"))
    print(f"line by line: {shown}")


def main():
    what, folder, *rest = sys.argv[1:]
    tests = rest.pop(0) if what == "all" else None
    programs, profiles = run_fuzzers(folder, rest)
    if tests:
        programs += sorted(glob.glob(os.path.join(tests, "unit/*_test")) + glob.glob(os.path.join(tests, "hosttests/*_test")))
        profiles += glob.glob(os.path.join(tests, "profiles/*.profraw"))
    report(programs, profiles, tests or os.path.join(folder, "covered"))


main()
