"""The disk fails: one request, or all from a certain one on. Programs hear of it, the kernel lives, and fsck makes the disk good again."""
import os
import re

import pytest

import machine as machines
from crashing import assert_contents, crash_program, sizes, workspace

PROGRAMS = ("sh", "init", "ls", "sync", "rm", "cat", "checkpoint", "poweroff", "echo")

# Each reports what it could not do. After all of them the journal has had a reason to write.
WORK = ("storm log 1 6", "storm replace 1 4", "holder 1 &", "checkpoint $! p.img", "storm names 1 30", "sync", "storm overwrite 1 1", "sync",
        "rm /w/r0 /w/a0", "storm log 2 4", "cat /w/o0 > /copy", "sync")

READ_ONLY = "read-only from now on"
EVENTS = {"read": "read_aio", "write": "write_aio", "flush": "flush_to_disk"}


@pytest.fixture(scope="module")
def folder():
    with workspace() as path:
        yield path


@pytest.fixture(scope="module")
def fresh(folder):
    programs = [os.path.join(machines.PROGRAMS, "user/bin", p) for p in PROGRAMS]
    path = os.path.join(folder, "fresh.img")
    machines.run_tool("mkfs", "-f", "-s", "8M", path, *programs, crash_program("storm"), crash_program("holder"),
                      machines.guest_program("counters"))
    return path


def rules(path, kind, number, once):
    """Tell blkdebug to fail the request of that number, which is counted by its states, or all from there on."""
    with open(path, "w", encoding="utf-8") as out:
        for k in range(1, number):
            out.write(f'[set-state]\nevent = "{EVENTS[kind]}"\nstate = "{k}"\nnew_state = "{k + 1}"\n')
        out.write(f'[inject-error]\nevent = "{EVENTS[kind]}"\niotype = "{kind}"\nstate = "{number}"\nerrno = "5"\n'
                  f'once = "{"on" if once else "off"}"\nimmediately = "off"\n')
    return path


def boot(disk, config=None):
    debug = f",file.config={config}" if config else ""
    drive = f"driver=raw,node-name=d0,file.driver=blkdebug,file.image.driver=file,file.image.filename={disk}{debug}"
    m = machines.Machine(None, memory=64,
                         extra=["-blockdev", drive, "-device", "virtio-blk-pci,drive=d0,werror=report,rerror=report"], behind=disk)
    m.check("echo in memory")  # by which run() learns a command's status
    return m


def work(m):
    """Runs the work; returns the commands that failed, with what they printed."""
    failed = []
    for command in WORK:
        if command.endswith("&"):
            m.start(command)
            m.wait_for_prompt()
            continue
        result = m.run(command, timeout=60)
        if result.status:
            failed.append((command, result.output))
    return failed


@pytest.fixture(scope="module")
def durable(folder, fresh):
    """What the work's first command makes durable."""
    m = boot(machines.copy_disk(fresh, os.path.join(folder, "durable.img")))
    m.check(WORK[0])
    expected = [[0, 0, "size", f"/w/{name}", size] for name, size in sizes(m).items() if name != "a0"]  # that one is removed in the end
    m.kill()
    return expected


def requests(m):
    counters = m.counters()
    return {"read": counters["disk_reads"], "write": counters["disk_writes"], "flush": counters["disk_flushes"]}


@pytest.fixture(scope="module")
def spans(folder, fresh):
    """How many requests of each kind there are before the work begins, and when it has ended."""
    m = boot(machines.copy_disk(fresh, os.path.join(folder, "spans.img")))
    before = requests(m)
    assert not work(m)
    after = requests(m)
    m.kill()
    return {kind: (before[kind] + 1, after[kind]) for kind in EVENTS}


def work_failing(folder, fresh, disk, kind, number, once):
    m = boot(machines.copy_disk(fresh, disk), rules(os.path.join(folder, "rules"), kind, number, once))
    return m, work(m)


@pytest.mark.parametrize("once", [True, False], ids=["once", "for-good"])
@pytest.mark.parametrize("kind", EVENTS)
def test_disk_fails(folder, fresh, durable, spans, kind, once):
    first, last = spans[kind]
    heard, places = 0, 14 if kind == "read" and once else 4  # most of what is read ahead isn't missed
    for part in range(places):
        number = first + (last - first) * part // places
        disk = os.path.join(folder, f"{kind}.img")
        m, failed = work_failing(folder, fresh, disk, kind, number, once)
        # How many flushes there are depends on how long it all takes.
        while kind == "flush" and READ_ONLY not in m.console() and requests(m)["flush"] < number:
            m.kill()
            number = first + (number - first) // 2
            m, failed = work_failing(folder, fresh, disk, kind, number, once)
        console = m.console()
        m.kill()
        place = f"{kind} {number}: {failed}\n{console[-2000:]}"
        assert "panic on CPU" not in console, place
        heard += any(re.search("input/output error|read-only|cannot be read", output) for _, output in failed)
        if kind == "flush":
            assert READ_ONLY in console, f"the journal cannot go on without flushes: {place}"
        machines.run_tool("fsck", "-y", disk, statuses=(0, 1))
        promised = WORK[0] not in (command for command, _ in failed)
        assert_contents(folder, disk, durable if promised else [])
    print(f"  {kind}: {places} places among {last - first + 1} requests, {heard} with an error heard by a program")
    assert heard, "at least one of these errors must have been in somebody's way"


def test_first_errors_after_which_all_is_well_again(folder, fresh):
    """A disk that failed for a while is mended by fsck, and the next boot works."""
    disk = machines.copy_disk(fresh, os.path.join(folder, "mended.img"))
    m = boot(disk, rules(os.path.join(folder, "rules"), "write", 12, once=False))
    assert work(m)
    m.kill()
    machines.run_tool("fsck", "-y", disk, statuses=(0, 1))
    m = machines.Machine(disk, memory=64)
    assert not work(m)
    m.run("kill %1")
    m.power_off()
    machines.assert_fs_clean(disk)
