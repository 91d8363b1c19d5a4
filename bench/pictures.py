"""Draw the pictures of docs/bench with gnuplot, from the figures of the pages."""
import os
import shutil
import subprocess

import checkpoints
import common
import scaling
from checkpoints import at

HEAD = """set terminal svg size 820,{height} font "sans-serif,13" background "white"
set output "{path}"
set encoding utf8
set border 3 lc rgb "#404040"
set tics nomirror out
set grid lc rgb "#e4e4e4" lw 1
set key left top reverse Left samplen 2
set label 1 "{caption}" at screen 0.01,0.05 font ",9" tc rgb "#606060"
set bmargin at screen 0.22
"""
SIZES = """set logscale x 4
set xlabel "memory of the process"
set xtics ({ticks})
"""
COLOURS = ("#1f4e79", "#c0504d", "#6a8f3c", "#7f6084", "#b8860b", "#808080")
WRAP = 150


class Picture:
    """gnuplot's text: blocks of data, settings, and curves that use the blocks."""

    def __init__(self):
        self.data, self.text, self.curves = [], [], []

    def set(self, text):
        self.text.append(text.strip())

    def curve(self, title, points, factor=1.0, style=""):
        """points: (x, figure); least and most are shown as a bar."""
        name = f"$d{len(self.data)}"
        rows = [f"{x} {f['median'] * factor} {f['min'] * factor} {f['max'] * factor}" for x, f in points]
        self.data.append(f"{name} << END\n" + "\n".join(rows) + "\nEND")
        colour = COLOURS[len(self.curves) % len(COLOURS)]
        self.curves.append(f'{name} using 1:2:3:4 with yerrorlines lw 1.5 pt 7 ps 0.5 lc rgb "{colour}" {style} title "{title}"')

    def against_size(self, title, results, name, kib):
        """Each curve a little to the right of the one before, so that their bars don't meet."""
        self.curve(title, [(k * 1.035 ** len(self.curves), results[at(name, k)]) for k in kib], 1e-3)

    def plot(self):
        self.text.append("plot " + ", \\\n  ".join(self.curves))
        self.curves = []

    def script(self, path, caption, height=520):
        return "\n".join(self.data) + "\n" + HEAD.format(path=path, caption=caption, height=height) + "\n".join(self.text) + "\n"


def sizes(picture, kib):
    """The x axis."""
    picture.set(SIZES.format(ticks=", ".join(f'"{common.memory(k)}" {k}' for k in kib)))
    picture.set(f"set xrange [{kib[0] / 1.6}:{kib[-1] * 1.6}]")


def pause(results):
    p = Picture()
    sizes(p, checkpoints.PAUSES)
    p.set('set logscale y\nset ylabel "milliseconds (median, least and most)"\nset title "The pause of a process while a full image of it is made"')
    for title, name, kib in (("checkpoint, seen by the process", "pause", checkpoints.PAUSES), ("checkpoint, as the kernel tells it", "told", checkpoints.PAUSES),
                             ("fork + write by a program: the call of fork", "fork_pause", checkpoints.FORKS)):
        p.against_size(title, results, name, kib)
    p.plot()
    return p


def times(results):
    p = Picture()
    sizes(p, checkpoints.SAVES)
    p.set('set logscale y\nset ylabel "milliseconds (median, least and most)"\nset title "Checkpoint and restore"')
    for title, name, kib in (("full checkpoint, durable", "full_time", checkpoints.SAVES), ("raw disk: the same bytes written", "raw_write", checkpoints.SAVES),
                             ("fork + write, durable", "fork_save", checkpoints.FORKS), ("epoch with 1 % changed, durable", "changed_time", checkpoints.SAVES),
                             ("restore until all pages are touched", "all", checkpoints.RESTORES), ("restore to the first instruction", "first", checkpoints.RESTORES)):
        p.against_size(title, results, name, kib)
    p.plot()
    return p


def side_by_side(picture, left, right):
    """Two plots; each is (title, unit, logarithmic, curves), a curve (title, points, factor)."""
    picture.set("set multiplot layout 1,2 margins 0.1,0.98,0.24,0.9 spacing 0.13,0")
    for title, unit, logarithmic, curves in (left, right):
        picture.set(f'set title "{title}"\nset ylabel "{unit}" offset 1.5\n{"set" if logarithmic else "unset"} logscale y\n' + ("" if logarithmic else "set yrange [0:*]"))
        for curve in curves:
            picture.curve(*curve)
        picture.plot()
        picture.set("unset label 1\nset yrange [*:*]")
    picture.set("unset multiplot")


def share(results):
    def points(name):
        return [(s, results[at(f"share_{s}_{name}", checkpoints.LARGE)]) for s in checkpoints.SHARES]

    p = Picture()
    p.set(f'set xlabel "share of {common.memory(checkpoints.LARGE)} changed since the last epoch, %"\nset xrange [-3:103]')
    side_by_side(p, ("Bytes written by an epoch", "MiB", False, (("written", points("bytes"), 2.0**-20), ("the changed pages alone", points("pages"), 2.0**-8))),
                 ("Time of an epoch, durable", "milliseconds", False, (("epoch", points("time"), 1e-3), ("raw disk: the same pages, two flushes", points("raw"), 1e-3))))
    return p


def history(results):
    def points(name):
        return [(n, results[f"kept_{n}_{name}"]) for n in scaling.LENGTHS]

    p = Picture()
    p.set('set xlabel "epochs that the file keeps"\nset logscale x\nset xrange [0.8:1250]')
    side_by_side(p, ("Time", "milliseconds", True, (("epoch, 1 % of 16 MiB changed", points("time"), 1e-3), ("epoch, nothing changed", points("idle"), 1e-3),
                                                    ("newest restored to the first instruction", points("first"), 1e-3), ("oldest", points("first_of_oldest"), 1e-3))),
                 ("Bytes", "MiB", True, (("file", points("file"), 2.0**-20), ("written by an epoch", points("bytes"), 2.0**-20))))
    return p


PICTURES = {"pause": ("checkpoints", pause), "times": ("checkpoints", times), "share": ("checkpoints", share), "history": ("scaling", history)}


def wrapped(text):
    """Lines for gnuplot's string."""
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) > WRAP:
            lines.append("")
        lines[-1] = (lines[-1] + " " + word).strip()
    return "\\n".join(lines)


def draw(figures, folder):
    if not shutil.which("gnuplot"):
        print("No pictures: gnuplot is missing (Debian: gnuplot-nox).")
        return
    caption = wrapped(common.about_the_machine())
    for name, (page, make) in PICTURES.items():
        if page in figures:
            script = make(figures[page]).script(os.path.join(folder, name + ".svg"), caption)
            subprocess.run(["gnuplot"], input=script, text=True, check=True)
