"""What all guest scenarios share: one machine for each module, and the checks at its end."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import machine as machines  # noqa: E402

# Programs that tests/guest has, besides those that a module asks for.
ALWAYS = ("counters",)

# What must be after a suite as it was before. (Kernel objects are not among them: the caches are made of those.)
LIVE = ("commit_used", "procs_live", "threads_live", "files_live", "inodes_live", "pipes_live", "spaces_live")


def pytest_configure(config):
    config.addinivalue_line("markers", "damages(what, why): the test damages `images` on a disk, or the `disk`, on purpose; they are not looked at after it")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    """After each test the disks that it used are clean, and all images on them are sound."""
    outcome = yield
    if outcome.excinfo:
        return
    damaged = {mark.args[0] for mark in item.iter_markers("damages")}
    assert damaged <= {"images", "disk"}, damaged
    if "disk" in damaged:
        machines.pass_over_disks()
    else:
        machines.look_at_disks(images="images" not in damaged)


def boot(tmp_path_factory, request):
    folder = tmp_path_factory.mktemp("disk")
    programs = (*ALWAYS, *getattr(request.module, "PROGRAMS", ()))
    files = [machines.guest_program(p) for p in programs] + list(getattr(request.module, "FILES", ()))
    disk = machines.make_disk(str(folder / "disk.img"), files, getattr(request.module, "DISK_SIZE", "64M"))
    cpus = int(os.environ.get("AMBER_CPUS", getattr(request.module, "CPUS", 2)))
    return machines.Machine(disk, cpus=cpus, memory=getattr(request.module, "MEMORY", 256))


def leaks(before, after):
    """What there is more of than before, as text; "" when there is nothing."""
    found = [f"{k}: {before[k]}, then {after[k]}" for k in LIVE if after[k] != before[k]]
    # Descriptors of cached blocks, slabs and what is remembered of images settle within a few frames; more is a leak.
    if after["frames_free"] < before["frames_free"] - 64:
        found.append(f"frames_free: {before['frames_free']}, then {after['frames_free']}")
    return "; ".join(found)


def leaks_at_rest(m, before):
    """Look again when the journal has had the time to bring everything home: it does so some seconds after the last change."""
    m.check("sync")
    for _ in range(5):
        found = leaks(before, m.counters())
        if not found:
            break
        m.check("sleep 6")
    return found


@pytest.fixture(scope="module")
def machine(tmp_path_factory, request):
    """A booted machine at its prompt. At the end: nothing leaked, no panic, the file system clean."""
    m = boot(tmp_path_factory, request)
    m.check("counters")  # the first run brings things into memory that stay
    before = m.counters()
    yield m
    if not m.child.isalive():
        pytest.fail("the machine did not live to the end:\n" + m.console()[-3000:])
    found = leaks_at_rest(m, before)
    m.power_off()
    machines.assert_fs_clean(m.disk)
    assert not found, f"leaked: {found}"


@pytest.fixture
def disk(tmp_path):
    """A fresh disk with the test programs, for scenarios that boot by themselves."""
    programs = [machines.guest_program(p) for p in sorted(os.listdir(os.path.join(machines.PROGRAMS, "tests/guest")))
                if "." not in p]
    return machines.make_disk(str(tmp_path / "disk.img"), programs)
