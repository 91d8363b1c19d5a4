#!/usr/bin/python3
"""Measure the system and print its tables, those figures last that comparisons use by name; all go to build/bench/results.json, pictures beside it.

usage: bench/run.py [-o FOLDER] [PAGE...]        -o: pages and pictures go to FOLDER, too; PAGE: basics, storage, checkpoints, scaling (all)

Absolute times on a shared machine wander by a factor of two: the ratios within one run are what counts.
"""
import argparse
import json
import os
import time

import basics
import checkpoints
import common
import pictures
import scaling
import storage

WANTED = {
    "pause_us_256MiB": "below 1000, and 1.5 times that at 1 MiB",
    "pause_us_1GiB": "at most twice that at 1 MiB",
    "save_over_raw_256MiB": "at least 0.7",
    "incremental_over_changed_1pct": "at most 1.2",
    "restore_first_us_1MiB": "at most 5000",
    "restore_first_us_256MiB": "at most 5000",
    "restore_all_over_raw_256MiB": "at least 0.8",
    "durable_per_s": "at least 100",
    "nondurable_per_s": "at least 1000",
    "slowdown_pct": "at most 5",
}
PAGES = {module.__name__: module for module in (basics, storage, checkpoints, scaling)}


def measure(names):
    figures = {}
    for name in names:
        begin = time.monotonic()
        figures[name] = PAGES[name].measure()
        print(f"**{PAGES[name].TITLE}** in {time.monotonic() - begin:.0f} s\n\n{PAGES[name].table(figures[name])}", flush=True)
    return figures


def headline(figures):
    named = {}
    for name, results in figures.items():
        named.update(PAGES[name].headline(results))
    return named


def number(value):
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.2f}"


def headline_table(named):
    rows = common.heading("", "median", "least", "most", "of", "unit", "wanted")
    for name, f in named.items():
        rows.append(common.row(name, *(number(f[k]) for k in ("median", "min", "max")), f["n"], f["unit"], WANTED.get(name, "")))
    return "\n".join([*rows, ""])


def write(folder, name, text):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
        f.write(text)


def write_pages(folder, figures, named):
    for name, results in figures.items():
        shown = "".join(f"\n![{what}]({picture}.svg)\n" for picture, what in getattr(PAGES[name], "PICTURES", {}).items())
        write(folder, name + ".md", common.document(PAGES[name].TITLE, PAGES[name].table(results) + shown))
    if len(figures) == len(PAGES):
        others = sorted(f[:-3] for f in os.listdir(folder) if f.endswith(".md") and f != "README.md")
        links = ", ".join(f"[{name}]({name}.md)" for name in others)
        write(folder, "README.md", common.document("Amber, measured", f"More: {links}.\n\n{headline_table(named)}"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-o", metavar="FOLDER", dest="folder")
    parser.add_argument("pages", nargs="*", choices=[[], *PAGES], metavar="PAGE")
    args = parser.parse_args()
    figures = measure(args.pages or PAGES)
    named = headline(figures)
    out = os.path.join(common.machines.BUILD, "bench")
    os.makedirs(out, exist_ok=True)
    write(out, "results.json", json.dumps({**named, **figures}, indent=1) + "\n")
    pictures.draw(figures, out)
    if args.folder:
        write_pages(args.folder, figures, named)
        pictures.draw(figures, args.folder)
    print(headline_table(named))
    print(f"written to {os.path.relpath(out)}")


main()
