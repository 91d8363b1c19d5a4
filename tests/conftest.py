"""What all guest scenarios share: one machine for each module, and the checks at its end."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import machine as machines  # noqa: E402

# Programs that tests/guest has, besides those that a module asks for.
ALWAYS = ("counters",)

# What may differ between the beginning and the end of a suite: caches and totals.
LIVE = ("kmem_live", "commit_used", "procs_live", "threads_live", "files_live", "inodes_live", "pipes_live", "spaces_live")


def boot(tmp_path_factory, request):
    folder = tmp_path_factory.mktemp("disk")
    programs = (*ALWAYS, *getattr(request.module, "PROGRAMS", ()))
    files = [machines.guest_program(p) for p in programs] + list(getattr(request.module, "FILES", ()))
    disk = machines.make_disk(str(folder / "disk.img"), files, getattr(request.module, "DISK_SIZE", "64M"))
    cpus = int(os.environ.get("AMBER_CPUS", getattr(request.module, "CPUS", 2)))
    return machines.Machine(disk, cpus=cpus, memory=getattr(request.module, "MEMORY", 256))


@pytest.fixture(scope="module")
def machine(tmp_path_factory, request):
    """A booted machine at its prompt. At the end: nothing leaked, no panic, the file system clean."""
    m = boot(tmp_path_factory, request)
    m.check("counters")  # the first run brings things into memory that stay
    before = m.counters()
    frames_before = before["frames_free"]
    yield m
    if not m.child.isalive():
        pytest.fail("the machine did not live to the end:\n" + m.console()[-3000:])
    after = m.counters()
    m.power_off()
    machines.assert_fs_clean(m.disk)
    leaked = {k: (before[k], after[k]) for k in LIVE if k != "kmem_live" and after[k] != before[k]}
    assert not leaked, f"leaked (before, after): {leaked}"
    # Slabs and page tables settle within a few frames; more is a leak.
    assert after["frames_free"] >= frames_before - 64, f"frames leaked: {frames_before} free before, {after['frames_free']} after"


@pytest.fixture
def disk(tmp_path):
    """A fresh disk with the test programs, for scenarios that boot by themselves."""
    programs = [machines.guest_program(p) for p in sorted(os.listdir(os.path.join(machines.PROGRAMS, "tests/guest")))
                if "." not in p]
    return machines.make_disk(str(tmp_path / "disk.img"), programs)
