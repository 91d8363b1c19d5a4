"""Everything at once, for minutes: conformance programs, checkpoints and restores, storms of files, on 4 CPUs with all checks.

`make soak` runs it. At the end the kernel has what it had at the beginning, and the disk is clean.
"""
import os
import re
import time

import conftest
import machine as machines
from crashing import crash_program

MINUTES = float(os.environ.get("AMBER_SOAK_MINUTES", "10"))
CONFORMANCE = ("t_files", "t_directories", "t_process", "t_memory")

# These need all there is of something, and would find others at it: they run alone, when the rest is done.
GREEDY = ("full_disk_is_an_error_and_space_comes_back", "full_inode_table_is_an_error", "fork_fails_before_1000_and_all_are_waited_for",
          "failing_sbrk_is_minus_one", "ten_processes_of_100_mib_and_4_kib_more", "malloc_until_failure_then_go_on")

# A process is saved, killed and restored, and looks at all its memory.
CHECKPOINTS = ("pages 2 8 > first & checkpoint $! p.img && checkpoint -k $! p.img; restore -f accept p.img",
               "holder 4 > first & checkpoint $! a.img && checkpoint $! a.img && checkpoint $! b.img; kill $!; ckptinfo a.img; rm b.img")
STORMS = tuple(f"storm {kind} 1 {count}" for kind, count in
               (("append", 40), ("log", 8), ("overwrite", 2), ("replace", 10), ("names", 80), ("stretch", 30), ("large", 4000)))


ROOT_GROWTH = 4  # blocks that the root directory may keep


def names_of(program):
    source = open(os.path.join(machines.ROOT, "tests/guest", program + ".c"), encoding="utf-8").read()
    return re.findall(r"^    TEST\((\w+)\),", source, re.M)


def loads():
    """The commands that are repeated, each in a directory of its own."""
    for program in CONFORMANCE:
        yield f"{program} {' '.join(name for name in names_of(program) if name not in GREEDY)}"
    for script in CHECKPOINTS:
        yield f"sh -c '{script}'"
    yield f"sh -c '{'; '.join(STORMS)}; rm -r /w'"


def place(k, load):
    """Where it runs. The tests of directories know that they are in the root."""
    return "/" if load.startswith("t_directories") else f"/soak{k}"


def write_script(folder):
    """For the guest's shell: starts all the loads, and waits for them."""
    script = os.path.join(folder, "soak.sh")
    with open(script, "w", encoding="utf-8") as out:
        out.writelines(f"repeat {place(k, load)} {load} &\n" for k, load in enumerate(loads()))
        out.write("wait\n")
    return script


def boot(folder):
    programs = [machines.guest_program(p) for p in (*CONFORMANCE, "pages", "counters")]
    programs += [crash_program(p) for p in ("storm", "holder", "repeat")]
    disk = machines.make_disk(os.path.join(folder, "disk.img"), [*programs, write_script(folder)], "256M")
    return machines.Machine(disk, cpus=4, memory=1024)


def assert_well(m):
    console = m.console()
    assert m.child.isalive() and "ended with status" not in console and "panic on CPU" not in console, console[-6000:]


def soak(m):
    """Returns how many rounds each of the loads made."""
    m.start("sh soak.sh &")
    m.wait_for_prompt()
    end = time.monotonic() + MINUTES * 60
    while time.monotonic() < end:
        time.sleep(2)
        assert_well(m)
    m.check("touch /stop")
    m.check("wait", timeout=300)
    assert_well(m)
    return dict(re.findall(r"repeat: (/\w*): (\d+) rounds", m.console()))


def alone(m):
    """Those that take all there is of something."""
    for program in CONFORMANCE:
        for name in set(names_of(program)) & set(GREEDY):
            m.check(f"{program} {name}", timeout=300)


def test_soak(tmp_path):
    m = boot(str(tmp_path))
    m.check("counters")
    before = m.counters()
    rounds = soak(m)
    assert len(rounds) == len(list(loads())), m.console()[-6000:]
    alone(m)
    m.check("rm -r /stop /out " + " ".join(path for path in rounds if path != "/"))
    leaked = conftest.leaks_at_rest(m, before)
    after = m.counters()
    assert not leaked, leaked
    assert after["inodes_free"] == before["inodes_free"] and after["disk_free"] >= before["disk_free"] - ROOT_GROWTH, (before, after)
    m.power_off()
    machines.assert_fs_clean(m.disk)
    print("  rounds:", ", ".join(f"{load[:24]} {rounds[place(k, load)]}" for k, load in enumerate(loads())) +
          f"; {after['syscalls']} system calls, {after['switches']} switches, {after['disk_writes']} disk writes")
