"""Each kind of state that a checkpoint keeps: the guest programs `kinds` (the state) and `cycle` (what happens to it)."""
import os
import re

import pytest

import machine as machines

GUEST = os.path.join(machines.ROOT, "tests/guest")
PROGRAMS = ("kinds", "cycle")
MEMORY = 256
DISK_SIZE = "256M"

KINDS = re.findall(r'^    \{ "(\w+)", \w+ \},$', open(os.path.join(GUEST, "kinds.c"), encoding="utf-8").read(), re.M)

# How often it is checkpointed; see cycle.c.
HOWS = {
    "plain": "plain",                          # not at all: proves the test itself
    "once": "1",                               # checkpoint, killed, restored
    "iterated": "5",                           # each restored one again, into the same file
    "running": "live 4",                       # only what changed; the last one is restored
}


class Verdicts(dict):
    """What `cycle` said of each kind: "ok", or the reason."""

    def __init__(self, machine, how):
        super().__init__()
        self.output = machine.run(f"cycle {how} all", timeout=300).output
        for match in re.finditer(r"^(ok|FAILED) (\w+)((?:.|\n(?!ok |FAILED ))*)", self.output, re.M):
            self[match.group(2)] = "ok" if match.group(1) == "ok" else match.group(0)

    def __missing__(self, kind):
        return f"{kind} was not reached:\n{self.output[-1000:]}"


@pytest.fixture(scope="module", params=HOWS.values(), ids=HOWS.keys())
def verdicts(machine, request):
    return Verdicts(machine, request.param)


@pytest.mark.parametrize("kind", KINDS)
def test_kind(verdicts, kind):
    assert verdicts[kind] == "ok"


def test_across_a_reboot(tmp_path):
    disk = machines.make_disk(str(tmp_path / "disk.img"), [machines.guest_program(p) for p in PROGRAMS], DISK_SIZE)
    for how in ("save", "resume"):
        machine = machines.Machine(disk, memory=MEMORY)
        verdicts = Verdicts(machine, how)
        failed = [verdicts[kind] for kind in KINDS if verdicts[kind] != "ok"]
        assert not failed, "\n".join(failed)
        machine.power_off()
        machines.assert_fs_clean(disk)
