"""Each kind of state that a checkpoint keeps: the guest programs `kinds` (the state), `cycle` and `fail_kinds` (what happens to it)."""
import os
import random
import re
import time

import pytest

import machine as machines

GUEST = os.path.join(machines.ROOT, "tests/guest")
PROGRAMS = ("kinds", "cycle", "fail_kinds")
MEMORY = 256
DISK_SIZE = "256M"

KINDS = re.findall(r'^    \{ "(\w+)", \w+ \},$', open(os.path.join(GUEST, "kinds.c"), encoding="utf-8").read(), re.M)

# Where `fail_kinds` takes not every place; to be told again when it has found something.
SEED = int(os.environ.get("AMBER_SEED", time.time_ns() % 2**31))

# What is done to it; see cycle.c and fail_kinds.c.
HOWS = {
    "plain": "cycle plain",                    # nothing: proves the test itself
    "once": "cycle 1",                         # checkpoint, killed, restored
    "iterated": "cycle 5",                     # each restored one again, into the same file
    "running": "cycle live 4",                 # only what changed; the last one is restored
    "failing": f"fail_kinds -s {SEED}",        # each allocation fails, and each read and write
}


class Verdicts(dict):
    """What was said of each kind: "ok", or the reason."""

    def __init__(self, machine, how):
        super().__init__()
        self.output = machine.run(f"{how} all", timeout=600).output
        for match in re.finditer(r"^(ok|FAILED) (\w+)((?:.|\n(?!ok |FAILED ))*)", self.output, re.M):
            self[match.group(2)] = "ok" if match.group(1) == "ok" else match.group(0)

    def __missing__(self, kind):
        return f"{kind} was not reached (seed {SEED}):\n{self.output[-1000:]}"


@pytest.fixture(scope="module", params=HOWS.values(), ids=HOWS.keys())
def verdicts(machine, request):
    return Verdicts(machine, request.param)


@pytest.mark.parametrize("kind", KINDS)
def test_kind(verdicts, kind):
    assert verdicts[kind] == "ok"


def objects_at_rest(machine):
    """How many objects the kernel has but for those of its caches, when the journal has brought all home."""
    machine.check("rm -r /t; sync; sleep 7")
    return int(re.search(r"^kmem_live (\d+)", machine.check("counters rest", timeout=120), re.M).group(1))


# Some of each sort.
LEAKING = ("zombie_child", "file_shared", "gone_small")


def test_failures_leave_no_objects_behind(machine):
    """One object would do, in any place. The first run brings in what stays."""
    counts = []
    for _ in range(3):
        output = machine.run(f"fail_kinds -b 1000000 {' '.join(LEAKING)}", timeout=300).output
        assert "FAILED" not in output, output
        counts.append(objects_at_rest(machine))
    assert counts[1] == counts[2], counts


def test_across_a_reboot(tmp_path):
    disk = machines.make_disk(str(tmp_path / "disk.img"), [machines.guest_program(p) for p in PROGRAMS], DISK_SIZE)
    for how in ("cycle save", "cycle resume"):
        machine = machines.Machine(disk, memory=MEMORY)
        verdicts = Verdicts(machine, how)
        failed = [verdicts[kind] for kind in KINDS if verdicts[kind] != "ok"]
        assert not failed, "\n".join(failed)
        machine.power_off()
        machines.assert_fs_clean(disk)


@pytest.mark.parametrize("part", range(4))
def test_the_disk_dies(tmp_path, part):
    """At some write or flush of one of their checkpoints. They run on; the next start restores them from an epoch that was durable."""
    kinds = " ".join(KINDS[part::4])
    how, n = ("write", "flush")[part % 2], random.Random(SEED + part).randint(1, 40)
    disk = machines.make_disk(str(tmp_path / "disk.img"), [machines.guest_program(p) for p in PROGRAMS], DISK_SIZE)
    m = machines.Machine(disk, memory=MEMORY)
    result = m.run(f"fail_kinds -d {how} -n {n} {kinds}", timeout=120)
    assert result.status == 0 and "FAILED" not in result.output, f"{how} {n}: {result}"
    m.kill()
    machines.run_tool("fsck", "-y", disk, statuses=(0, 1))
    machines.assert_disk_sound(disk)
    m = machines.Machine(disk, memory=MEMORY)
    result = m.run(f"cycle resume {kinds}", timeout=120)
    assert result.status == 0, f"{how} {n}: {result}"
    m.power_off()
