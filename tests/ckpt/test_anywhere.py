"""Checkpoint anywhere: small programs (tests/guest/steps.c), cut at every system call, page fault and tick (cutter.c):
checkpoint, killed, restored, and so on to the end. Output and exit status are those of the uncut run."""
import os
import re

import pytest

import conftest
import machine as machines

GUEST = os.path.join(machines.ROOT, "tests/guest")
PROGRAMS = ("steps", "cutter")
MEMORY = 256
DISK_SIZE = "256M"
CPUS = 1

STEPS = re.findall(r'^    \{ "(\w+)", \w+ \},$', open(os.path.join(GUEST, "steps.c"), encoding="utf-8").read(), re.M)

# With 4 CPUs, and with two checkpointers: those that have most going on at once.
BUSY = ("flood", "flood_child", "pipeline", "ring", "tree", "zombies", "kills", "relay", "shared", "copies", "life", "sleeps")

CUTS = {
    "uncut": "-u",                     # proves the program itself
    "call": "-e call",                 # every system call of every life
    "fault": "-e fault -s",            # one life for every page fault of the whole
    "faults": "-e fault -n 8",         # every 8th page fault of every life, those of the restores included
    "tick": "-e tick -n 3",            # every 3rd tick of every life
}

# How often a program does the same again, so that it lives for some ticks; not those that sleep or become another one.
TIMES = {"tick": {name: 40 for name in STEPS if name not in ("sleeps", "child_sleeps", "executes")}}


def cut(machine, options, name, times=1):
    result = machine.run(f"cutter {options} steps {name} {times}", timeout=300)
    match = re.search(rf"ok steps {name} {times}: (\d+) cuts", result.output)
    assert result.status == 0 and match, result
    return int(match.group(1))


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("kind", CUTS)
def test_steps(machine, kind, name):
    cuts = cut(machine, CUTS[kind], name, TIMES.get(kind, {}).get(name, 1))
    assert cuts > 0 or kind not in ("call", "fault")


@pytest.fixture(scope="module")
def four(tmp_path_factory):
    """A machine with 4 CPUs."""
    disk = machines.make_disk(str(tmp_path_factory.mktemp("four") / "disk.img"),
                              [machines.guest_program(p) for p in (*PROGRAMS, *conftest.ALWAYS)], DISK_SIZE)
    machine = machines.Machine(disk, cpus=4, memory=MEMORY)
    machine.check("counters")
    before = machine.counters()
    yield machine
    found = conftest.leaks_at_rest(machine, before)
    machine.power_off()
    machines.assert_fs_clean(disk)
    assert not found, f"leaked: {found}"


@pytest.mark.parametrize("name", BUSY)
@pytest.mark.parametrize("options, times", [("-e call", 1), ("-e tick -n 3", 10), ("-e call -2", 1)],
                         ids=["call", "tick", "two-checkpointers"])
def test_steps_with_4_cpus(four, options, times, name):
    cut(four, options, name, times if name != "sleeps" else 1)


@pytest.mark.parametrize("name, event", [("flood", 4), ("tree", 2), ("unlinked", 5), ("matrix", 3), ("sleeps", 6), ("relay", 8)])
def test_across_a_reboot(tmp_path, name, event):
    disk = machines.make_disk(str(tmp_path / "disk.img"), [machines.guest_program(p) for p in PROGRAMS], DISK_SIZE)
    for options in (f"-l -e call -n {event}", "-r"):
        machine = machines.Machine(disk, cpus=2, memory=MEMORY)
        cut(machine, options, name)
        machine.power_off()
        machines.assert_fs_clean(disk)
