"""The power fails while the kernel works, at any moment: what is on the disk then is consistent, and what was durable is there.

The machine's writes are recorded; `states` tries what the disk may hold (states.c), and knows the rules for the files (contents.c).
"""
import re

import pytest

import machine as machines
from crashing import Recorder, sizes, workspace


@pytest.fixture
def folder():
    with workspace() as path:
        yield path


def start_holder(m, mib):
    return m.start_in_background(f"holder {mib}", "holding", timeout=120)


def test_files_written(folder):
    """Appended, overwritten in place, replaced by rename, shortened and written past holes, all at the same time."""
    r = Recorder(folder)
    for number in range(1, 5):
        r.run(f"storm append {number} 24", f"storm overwrite {number} 2", f"storm replace {number} 8", f"storm stretch {number} 12",
              f"storm log {number} 8")
        r.machine.check("sync")
        r.expect("round", "/w/o0", number)
        r.expect("round", "/w/o1", number)
        for name, size in sizes(r.machine).items():
            r.expect(*(("size", f"/w/{name}", size) if name[0] == "a" else ("exists", f"/w/{name}")))
    r.check_states(seed=1)


def test_fsync_is_durable_at_once(folder):
    """Without a sync: what the program was told is so."""
    r = Recorder(folder)
    for number in range(1, 9):
        r.run(f"storm log {number} 5")
        for name, size in sizes(r.machine).items():
            r.expect("size", f"/w/{name}", size)
    r.check_states(seed=2)


def test_files_of_a_moment(folder):
    """Deleted when the transaction that made them is being committed: until the next one is durable they are there, and whole."""
    r = Recorder(folder)
    for number in range(1, 4):
        r.run(f"storm log {number} 30", f"storm brief {number} 400")
    r.check_states(seed=8)


def test_names(folder):
    """Directories and names come and go; a file that moves is always somewhere."""
    r = Recorder(folder)
    for number in range(1, 7):
        r.run(f"storm names {number} 60", f"storm wander {number} 40")
        r.machine.check("sync")
        r.expect("exists", f"/w/d/k{number}")
        if number == 1:
            r.expect("exists", "/w/n0")[1] = r.entries()
    r.check_states(seed=3)


def test_image_replaced(folder):
    """A process is saved again and again into the same file, while others write, too: the old image or the new one, always whole."""
    r = Recorder(folder, size="24M", memory=128)
    pid = start_holder(r.machine, 2)
    for number in range(1, 9):
        r.run(f"checkpoint {pid} p.img")
        r.expect("image", "/p.img")
        r.run(f"checkpoint {pid} p.img", f"storm append {number} 10", f"storm replace {number} 3")
        if number % 2:
            r.machine.check("sync")
    kept = r.check_states(seed=4, keep=6)
    for state in kept:
        restore(state)


def restore(disk):
    """Boot the disk as the crash left it, and let the process in the image end."""
    m = machines.Machine(disk)
    if "p.img" in m.check("ls"):
        m.check("touch /let-go")
        assert "all pages are right" in m.check("restore p.img")
    m.power_off()
    machines.assert_fs_clean(disk)


def test_large_files_deleted(folder):
    r = Recorder(folder, size="32M")
    for number in range(1, 4):
        r.run(f"storm large {number} 24000")
        r.machine.check("sync")
        there = r.expect("size", "/w/l", 24000 * 512)
        r.until_now(there)
        if number == 2:
            r.run(f"storm large {number} 8000")  # over the old one
        r.run("rm /w/l", f"storm names {number} 20")
        r.machine.check("sync")
        gone = r.expect("absent", "/w/l")
        r.until_now(gone)
    r.check_states(seed=5)


def test_full_disk(folder):
    """Everything fails for want of space, and nothing is lost; what is deleted makes room again."""
    r = Recorder(folder, size="8M")
    pid = start_holder(r.machine, 1)
    r.run(f"checkpoint {pid} p.img")
    r.expect("image", "/p.img")
    r.run("storm append 1 8")
    r.machine.check("sync")
    for number in range(1, 4):
        r.run(f"storm fill {number} 2000", f"storm names {number} 20")
        assert r.machine.run(f"checkpoint {pid} p.img").status != 0, "there is no room for another image"
        r.machine.check("sync")
        r.machine.check("rm /w/f0 /w/f1; sync")
        gone = r.expect("absent", "/w/f0")
        r.until_now(gone)
        r.run("rm -f /w/f2 /w/f3 /w/f4 /w/f5 /w/f6 /w/f7 /w/f8 /w/f9")
        r.run(f"checkpoint {pid} p.img")
        r.expect("image", "/p.img")
    r.check_states(seed=6)


def test_journal_head_torn(folder):
    """A mount writes the head, and each checkpoint of the journal does."""
    r = Recorder(folder, size="8M")
    r.run("storm append 1 4")
    r.machine.power_off()  # all goes home
    r.check_states(seed=7)
