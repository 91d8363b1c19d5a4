"""A machine whose disk's writes are recorded, and what is expected of the disk whenever the power fails."""
import os
import re
import shutil
import struct
import subprocess
import tempfile

import machine as machines

STATES = os.path.join(machines.HOST, "tests/crash/states")
TRIED = int(os.environ.get("AMBER_STATES", "1000"))
PROGRAMS = ("sh", "init", "ls", "sync", "rm", "mkdir", "mv", "touch", "checkpoint", "restore", "kill", "poweroff", "sleep", "echo", "df")


# What is expected anew holds for the old expectation, too.
GROWING = ("size", "round", "image")


def workspace():
    """A folder in memory, if there is such a thing: many small writes are made there."""
    return tempfile.TemporaryDirectory(prefix="amber-crash-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)


def crash_program(name):
    return os.path.join(machines.PROGRAMS, "tests/crash", name)


def small_disk(path, size):
    """A disk with only what the scenarios need, so that looking at all of it is quick."""
    programs = [os.path.join(machines.PROGRAMS, "user/bin", p) for p in PROGRAMS]
    machines.run_tool("mkfs", "-f", "-s", size, path, *programs, crash_program("storm"), crash_program("holder"))
    return path


def write_expectations(folder, expected):
    path = os.path.join(folder, "expectations")
    with open(path, "w", encoding="utf-8") as out:
        out.writelines(" ".join(map(str, e)) + "\n" for e in expected)
    return path


def sizes(m):
    """Of the storms' files."""
    return {name: size for size, name in re.findall(r"(\d+) (\w+)$", m.check("ls -l /w"), re.M)}


def assert_contents(folder, disk, expected):
    """The disk is clean, and holds what it should, without a crash."""
    run = subprocess.run([STATES, disk, "-", write_expectations(folder, expected)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def save(seed, paths):
    """Keep what a failure can be found again with; returns where it's now."""
    folder = os.path.join(machines.BUILD, "test", f"crash-{seed}")
    os.makedirs(folder, exist_ok=True)
    return [shutil.copy(path, folder) for path in paths]


class Recorder:
    """Boots a disk, records all that is written to it, and has all the states checked that a crash may leave."""

    def __init__(self, folder, size="16M", cpus=2, memory=128):
        self.folder = folder
        self.first = small_disk(os.path.join(folder, "first.img"), size)
        self.disk = machines.copy_disk(self.first, os.path.join(folder, "disk.img"))
        self.log = os.path.join(folder, "log")
        self.expected = []
        open(self.log, "wb").close()
        drive = ("driver=blklogwrites,node-name=d0,log-super-update-interval=1,"
                 f"file.driver=file,file.filename={self.disk},file.cache.no-flush=on,"
                 f"log.driver=file,log.filename={self.log},log.cache.no-flush=on")
        self.machine = machines.Machine(None, cpus=cpus, memory=memory,
                                        extra=["-blockdev", drive, "-device", "virtio-blk-pci,drive=d0"], behind=self.disk)

    def entries(self):
        """How many writes and flushes there were. The log's head counts an entry before the machine learns that it's done."""
        with open(self.log, "rb") as log:
            return struct.unpack_from("<Q", log.read(32), 16)[0]

    def run(self, *commands):
        """Run commands, all at the same time, and wait for them."""
        together = f"sh -c '{' & '.join(commands)} & wait'" if len(commands) > 1 else commands[0]
        output = self.machine.check(together, timeout=120)
        assert "storm:" not in output, output
        return output

    def expect(self, what, path, value=""):
        """From now on this is so; returns the expectation, for until_now()."""
        now = self.entries()
        for e in self.expected:
            if what in GROWING and e[1:4] == [0, what, path]:
                e[1] = now  # the new one asks for more
        self.expected.append([now, 0, what, path, value])
        return self.expected[-1]

    def until_now(self, *expectations):
        """What comes next may change it."""
        for e in expectations:
            e[1] = self.entries()

    def check_states(self, seed, keep=0):
        """Try states after the power has failed; returns the paths of those that were kept."""
        self.machine.kill()
        expectations = write_expectations(self.folder, self.expected)
        arguments = [STATES, "-s", str(seed), "-n", str(TRIED)]
        inputs = [self.first, self.log, expectations]
        keeping = ["-k", str(keep), "-d", self.folder] if keep else []
        parts = os.cpu_count() or 1
        runs = [subprocess.Popen([*arguments, "-p", f"{part}/{parts}", *(keeping if part == 0 else []), *inputs],
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for part in range(parts)]
        outputs = [run.communicate()[0] for run in runs]
        print(*("  " + output.splitlines()[-1] for output in outputs), sep="\n")
        if any(run.returncode for run in runs):
            raise AssertionError("\n".join(outputs)[-6000:] + "\nfind it again with\n  " +
                                 " ".join([*arguments, *save(seed, inputs)]))
        return [os.path.join(self.folder, f) for f in sorted(os.listdir(self.folder)) if f.startswith("state-")]
