#!/usr/bin/python3
"""Few inputs out of what the fuzzers have found so far, which reach much of what all of them reach: into tests/fuzz/corpus.

usage: distil.py FOLDER BYTES FUZZER...     (BYTES: at most so many more for each fuzzer)

libFuzzer's merge notes what each input reaches. The best input is the one that reaches most places anew for its size, again and again.
"""
import hashlib
import heapq
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
COUNTERS = 8  # features that a place may have: how often it was reached, in steps
OVERHEAD = 1000  # bytes: few files rather than small ones
LEAST = 4  # places that an input must reach anew
CANDIDATES = 500  # the smallest


def reached(program, inputs):
    """What each input reaches: by its path, a set of places."""
    with tempfile.TemporaryDirectory() as folder:
        notes, merged, taken = (os.path.join(folder, n) for n in ("notes", "merged", "taken"))
        os.mkdir(merged)
        os.mkdir(taken)
        for n, path in enumerate(inputs):
            os.symlink(path, os.path.join(taken, str(n)))
        subprocess.run([program, "-set_cover_merge=1", f"-merge_control_file={notes}", "-max_len=8192", merged, taken], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, check=True)
        with open(notes, encoding="utf-8") as f:
            count = int(f.readline())
            f.readline()
            paths = [f.readline().strip() for _ in range(count)]
            found = {}
            for words in map(str.split, f):
                if words[0] == "FT":
                    found[os.path.realpath(paths[int(words[1])])] = {int(feature) // COUNTERS for feature in words[2:]}
    return found


def choose(found, known, budget):
    """Returns the paths; what they reach is known then."""
    def gain(path):
        return len(found[path] - known) / (os.path.getsize(path) + OVERHEAD)

    # What an input gains only falls, so the first whose gain is still what it was is the best.
    heap = [(-gain(path), path) for path in found]
    heapq.heapify(heap)
    chosen = []
    while heap:
        before, path = heapq.heappop(heap)
        now = -gain(path)
        size = os.path.getsize(path)
        if now > before:
            heapq.heappush(heap, (now, path))
        elif size <= budget and len(found[path] - known) >= LEAST:
            budget -= size
            known |= found[path]
            chosen.append(path)
    return chosen


def main():
    folder, budget, *names = sys.argv[1:]
    for name in names:
        seeds, grown = os.path.join(HERE, "corpus", name), os.path.join(folder, "corpus", name)
        smallest = sorted(os.scandir(grown), key=lambda f: f.stat().st_size)[:CANDIDATES]
        found = reached(os.path.join(folder, name), [*os.scandir(seeds), *smallest])
        known = set().union(*(places for path, places in found.items() if path.startswith(seeds)))
        every = set().union(*found.values())
        before, chosen = len(known), choose({p: s for p, s in found.items() if not p.startswith(seeds)}, known, int(budget))
        for path in chosen:
            with open(path, "rb") as f:
                digest = hashlib.sha256(f.read()).hexdigest()
            shutil.copy(path, os.path.join(seeds, "grown-" + digest[:12]))
        print(f"{name}: {before} of {len(every)} places before, {len(known)} with {len(chosen)} inputs more")


main()
