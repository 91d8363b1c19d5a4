"""Drives Amber in QEMU over its serial console, as a person at a terminal would."""
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import pexpect

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
CHECKED = os.environ.get("CHECKED", "")
KERNEL = os.path.join(BUILD, "i386-checked" if CHECKED else "i386", "kernel", "amber.elf")
HOST = os.path.join(BUILD, "host")
PROGRAMS = os.path.join(BUILD, "i386", "user")

# Nothing here takes so long on a working system; a slow machine may stretch it with AMBER_PATIENCE.
PATIENCE = float(os.environ.get("AMBER_PATIENCE", "1"))
PROMPT = r"(?:^|[\r\n])\$ $"


def accelerator():
    return subprocess.run([os.path.join(ROOT, "tests/tools/accel"), BUILD], capture_output=True, text=True).stdout.strip()


class Result:
    """What a command printed, and its exit status."""

    def __init__(self, output, status):
        self.output, self.status = output, status

    def __repr__(self):
        return f"status {self.status}, output:\n{self.output}"


class Machine:
    """One run of QEMU. The disk outlives it: boot again with another Machine on the same disk.

    behind: the disk image that `extra` leads to, where `disk` is None. emulator: another one of the same kind."""

    def __init__(self, disk, cpus=2, memory=256, args="", extra=(), drive="virtio", kernel=KERNEL, shell=True, behind=None,
                 emulator="qemu-system-i386"):
        disk_options = f"file={disk},if={drive},format=raw,cache=writeback" if disk else None
        command = [emulator, "-M", "pc", "-accel", accelerator(), "-nodefaults", "-display", "none",
                   "-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console", "-smp", f"{cpus},sockets={cpus}", "-m", str(memory), "-kernel", kernel,
                   "-append", args, "-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=4", *extra]
        if disk:
            command += ["-drive", disk_options]
        self.disk = disk
        self.log = tempfile.TemporaryFile("w+", encoding="latin-1", newline="")
        self.child = pexpect.spawn(command[0], command[1:], encoding="latin-1", timeout=60 * PATIENCE, echo=False,
                                   dimensions=(50, 1000))
        self.child.delaybeforesend = None
        if disk or behind:
            DISKS.setdefault(str(disk or behind), Disk()).machine = self
        self.child.logfile_read = self.log
        if shell:
            self.wait_for_prompt()

    def wait_for_prompt(self, timeout=60):
        self.expect(r"\$ ", timeout)

    def expect(self, pattern, timeout=60):
        """Wait until the console shows `pattern`; returns the match."""
        try:
            self.child.expect(pattern, timeout=timeout * PATIENCE)
        except (pexpect.TIMEOUT, pexpect.EOF) as problem:
            kind = "nothing more came" if isinstance(problem, pexpect.TIMEOUT) else "the machine stopped"
            raise AssertionError(f"waited for {pattern!r}, but {kind}; the console's end:\n{self.console()[-3000:]}") from None
        return self.child.match

    def place(self):
        """Where the console's output is now, for shown_since()."""
        return self.log.seek(0, os.SEEK_END)

    def shown_since(self, place, pattern, times=1, timeout=60):
        """Wait at the prompt until `pattern` was shown so often since then, also if it has passed already."""
        end = time.monotonic() + timeout * PATIENCE
        while True:
            self.log.seek(place)
            found = re.findall(pattern, self.log.read())
            if len(found) >= times:
                return found
            assert time.monotonic() < end, f"{pattern!r} was not shown; the console's end:\n{self.console()[-3000:]}"
            self.check("sleep 0.2")

    def send(self, text):
        """Type, without Enter."""
        self.child.send(text)

    def start(self, command):
        """Type a command and Enter."""
        self.child.send(command + "\n")

    def start_in_background(self, command, ready=None, timeout=60):
        """Start it with &, and wait until it has printed `ready`, which may come before the shell's own line; returns its pid."""
        self.start(command + " &")
        pid = int(self.expect(r"\[\d+\] (\d+)\r*\n").group(1))
        if ready and not re.search(ready, self.child.before.partition("\n")[2]):
            self.expect(ready, timeout)
        return pid

    def run(self, command, timeout=60):
        """Run a command to its end. Its output may be anything; its status comes from the shell."""
        self.child.send(command + "; echo \"<=$?=>\"\n")
        self.expect(r"<=(\d+)=>\r*\n", timeout)
        output = self.child.before.replace("\r", "")
        status = int(self.child.match.group(1))
        self.wait_for_prompt()
        # The first line is the command as the shell echoed it.
        return Result(output.partition("\n")[2], status)

    def check(self, command, timeout=60):
        """Run a command that must succeed; returns its output."""
        result = self.run(command, timeout)
        assert result.status == 0, f"{command}: {result}"
        return result.output

    def wait_for(self, command, pattern):
        """Repeat a command until its output has the pattern."""
        for _ in range(100):
            output = self.run(command).output
            if re.search(pattern, output, re.M):
                return
            self.check("sleep 0.2")
        raise AssertionError(f"{command}: {pattern!r} did not come; at last:\n{output}")

    def restore_in_background(self, arguments):
        """Restore with &, and wait until that pid is the restored process; returns it."""
        pid = self.start_in_background(f"restore {arguments}")
        self.wait_for("ps", rf"^ *{pid} +\S+ +\S+ +[1-9]")  # its job
        return pid

    def counters(self):
        """The kernel's counters of live things (uapi/sys.h), as a dict."""
        text = self.check("counters")
        return {name: int(value) for name, value in re.findall(r"^(\w+) (\d+)$", text, re.M)}

    def console(self):
        """All that the console has shown."""
        if not self.child.closed:
            try:
                self.child.read_nonblocking(1 << 20, 0)
            except (pexpect.TIMEOUT, pexpect.EOF):
                pass
        self.log.seek(0)
        return self.log.read()

    def wait_for_end(self, timeout=60):
        """Wait until QEMU ends by itself; returns its exit status."""
        self.expect(pexpect.EOF, timeout)
        self.child.close()
        return self.child.exitstatus

    def power_off(self):
        """An orderly end. The console must not have shown a panic."""
        if self.child.isalive():
            self.start("poweroff")
            assert self.wait_for_end() == 0, self.console()[-2000:]
        assert "panic on CPU" not in self.console(), self.console()[-3000:]

    def kill(self):
        """The power fails."""
        if self.child.isalive():
            self.child.kill(signal.SIGKILL)
        self.child.close(force=True)


    @contextlib.contextmanager
    def standing_still(self):
        """So its disk doesn't change meanwhile."""
        threads = f"/proc/{self.child.pid}/task"

        def runs(thread):
            try:
                with open(f"{threads}/{thread}/stat", encoding="ascii") as file:
                    return file.read().rpartition(") ")[2][0] not in "TZX"
            except (FileNotFoundError, ProcessLookupError):  # it has just ended
                return False

        os.kill(self.child.pid, signal.SIGSTOP)
        try:
            while any(runs(t) for t in os.listdir(threads)):
                time.sleep(0.001)
            yield
        finally:
            os.kill(self.child.pid, signal.SIGCONT)


class Disk:
    """A disk that machines ran on: the last machine, and the disk's time of change when it was looked at."""

    def __init__(self):
        self.machine, self.changed = None, None


DISKS = {}


def assert_disk_sound(disk, images=True):
    """fsck finds nothing, and all images on the disk are sound, as the next boot would see them."""
    assert_fs_clean(disk)
    if images:
        run_tool("tests/crash/images", disk)


def look_at_disks(images=True):
    """Look at all disks on which a machine ran since the last look."""
    for path, disk in list(DISKS.items()):
        if not os.path.exists(path):
            del DISKS[path]
            continue
        with disk.machine.standing_still() if disk.machine.child.isalive() else contextlib.nullcontext():
            before, disk.changed = disk.changed, os.stat(path).st_mtime_ns
            if disk.changed != before:
                assert_disk_sound(path, images)


def pass_over_disks():
    """What was done to them so far is nobody's affair."""
    DISKS.clear()


def make_disk(path, files=(), size="64M"):
    """A fresh disk with the system's programs and more files."""
    programs = [os.path.join(PROGRAMS, "user/bin", f) for f in sorted(os.listdir(os.path.join(PROGRAMS, "user/bin")))
                if "." not in f]
    run_tool("mkfs", "-f", "-s", size, path, *programs, *files)
    return path


def guest_program(name):
    """The path of a test program that runs in the guest."""
    return os.path.join(PROGRAMS, "tests/guest", name)


def run_tool(tool, *args, statuses=(0,)):
    """Run one of the host's tools; returns what it printed."""
    result = subprocess.run([os.path.join(HOST, tool), *map(str, args)], capture_output=True, text=True)
    assert result.returncode in statuses, f"{tool} {args}: status {result.returncode}\n{result.stdout}{result.stderr}"
    return result.stdout


def assert_fs_clean(disk):
    """fsck finds nothing, not even a journal's remains that don't replay."""
    run_tool("fsck", "-n", disk)


def copy_disk(source, target):
    subprocess.run(["cp", "--sparse=always", source, target], check=True)
    return target
