"""gdb attached to a running machine: tools/gdb/amber.py tells of processes, memory, files, locks and images."""
import os
import re
import shutil
import subprocess

import pytest

import machine as machines

pytestmark = pytest.mark.skipif(not shutil.which("gdb"), reason="gdb is not installed")

SCRIPT = os.path.join(machines.ROOT, "tools/gdb/amber.py")
FOLDERS = [os.path.join(machines.PROGRAMS, f) for f in ("user/bin", "tests/guest")]


@pytest.fixture(scope="module")
def debugged(tmp_path_factory):
    """A machine, and ask(commands...) that has gdb look at it."""
    folder = tmp_path_factory.mktemp("gdb")
    disk = machines.make_disk(str(folder / "d.img"), [machines.guest_program("counter")])
    socket = str(folder / "gdb")
    m = machines.Machine(disk, extra=("-chardev", f"socket,path={socket},server=on,wait=off,id=gdb", "-gdb", "chardev:gdb"))

    def ask(*commands):
        words = [a for c in ("set pagination off", f"target remote {socket}", *commands, "detach") for a in ("-ex", c)]
        result = subprocess.run(["gdb", "-batch", "-nx", machines.KERNEL, "-x", SCRIPT, *words], capture_output=True, text=True, timeout=120,
                                env={**os.environ, "AMBER_PROGRAMS": ":".join(FOLDERS)}, check=False)
        assert "Traceback" not in result.stderr and "Error" not in result.stderr, result.stderr
        return result.stdout

    yield m, ask
    m.run("true")
    m.power_off()
    machines.assert_fs_clean(disk)


def test_processes_and_what_they_wait_for(debugged):
    m, ask = debugged
    pid = m.start_in_background("counter 2000 100", "count 1")
    text = ask("amber ps", f"print *$amber_proc({pid})")
    assert re.search(rf"^ +{pid} .* counter +sleeping, waits for \w+", text, re.M), text
    assert re.search(r"^ +1 +0 .* init ", text, re.M) and re.search(r" sh +sleeping", text), text
    assert f'process {pid} "counter"' in text, text
    m.check(f"kill {pid}")


def test_memory_files_and_pipes(debugged):
    m, ask = debugged
    m.start_in_background("cat | counter 2000 100", "count 1")
    text = ask("amber ps", "amber fds", "amber regions")
    assert re.search(r"fd [01]: pipe: pipe, (?:reading, r|writing, w), \d refs; pipe \d+ holds \d+ bytes, reader, ", text), text
    assert re.search(r"fd 2: /console: device", text), text
    assert re.search(r"7f7ff000-7ffff000 rw- stack +8192 KiB  zeros", text), text
    assert re.search(r"r-?w?-?x? data .* of a backing", text), text
    for victim in re.findall(r"^ +(\d+) .* (?:counter|cat) +sleeping", text, re.M):
        m.run(f"kill {victim}")


def test_symbols_of_a_restored_program_by_its_pid(debugged):
    m, ask = debugged
    pid = m.start_in_background("counter 2000 100", "count 1")
    m.check(f"checkpoint -k {pid} c.img")
    again = m.start_in_background("restore c.img", "count 2")
    text = ask("amber ps", f"amber program {again}", f"amber where {again}", "amber images")
    assert re.search(rf"^ +{again} .* \d+:{pid} .* counter ", text, re.M), f"its job, and its pid {pid} in it: {text}"
    assert re.search(r"symbols of .*/counter are loaded", text), text
    assert re.search(r"at \w*sleep\w*.* in section \.text", text), text
    assert re.search(r"pinned epochs: \[1\]", text) and re.search(r"checkpoint \d+: ended, epoch 1, ", text), text
    m.check(f"kill {again}")


def test_locks(debugged):
    m, ask = debugged
    idle = ask("amber locks", "print family_lock")
    assert "= " in idle and ": free" in idle, idle
    assert "held" in idle or "no lock is held" in idle, idle
    held = ask("set var family_lock.owner = 2", "amber locks", "print family_lock", "set var family_lock.owner = 0")
    assert re.search(r"spin lock .*: held by CPU 1, rank \d+", held) and ": held by CPU 1" in held, held
