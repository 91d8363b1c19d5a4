#!/usr/bin/python3
"""How much of lib/ckptfmt and lib/fsfmt the fuzzers reach, by line: with their seeds and what they have found so far.

usage: coverage.py FOLDER FUZZER...
"""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
LIBRARIES = ("lib/ckptfmt", "lib/fsfmt")


def inputs(folder, name):
    for place in (os.path.join(HERE, "corpus", name), os.path.join(folder, "corpus", name)):
        if os.path.isdir(place):
            yield place


def main():
    folder, names = sys.argv[1], sys.argv[2:]
    covered = os.path.join(folder, "covered")
    for name in names:
        profile = {**os.environ, "LLVM_PROFILE_FILE": os.path.join(covered, name + ".profraw")}
        subprocess.run([os.path.join(covered, name), "-runs=0", *inputs(folder, name)], env=profile, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, check=True)
    merged = os.path.join(covered, "all.profdata")
    subprocess.run(["llvm-profdata", "merge", "-o", merged, *(os.path.join(covered, n + ".profraw") for n in names)], check=True)
    objects = [os.path.join(covered, names[0])] + [a for n in names[1:] for a in ("-object", os.path.join(covered, n))]
    for command in ("report", "show"):
        more = ["-show-line-counts-or-regions"] if command == "show" else []
        result = subprocess.run(["llvm-cov", command, f"-instr-profile={merged}", *more, *objects, *LIBRARIES], capture_output=True,
                                text=True, check=False)
        if command == "report":
            print(result.stdout)
        with open(os.path.join(covered, command + ".txt"), "w", encoding="utf-8") as out:
            out.write(result.stdout)
    print(f"line by line: {os.path.join(covered, 'show.txt')}")


main()
