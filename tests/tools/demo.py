#!/usr/bin/env python3
"""The demonstration that demo.sh runs: checkpoint, power cut, restore, proof."""
import os
import re
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import machine as machines  # noqa: E402

DIGITS = int(os.environ.get("DIGITS", "7000"))
LINE = r"(\d{50})"


def say(text=""):
    print(text, flush=True)


def step(number, text):
    say(f"\n[{number}] {text}")


def show(text):
    for line in text.strip().splitlines():
        say(f"      | {line}")


class Digits:
    """Collects the lines of digits that the console shows."""

    def __init__(self):
        self.lines = []

    def follow(self, m, until):
        """Read lines until there are `until` of them."""
        while len(self.lines) < until:
            self.lines.append(m.expect(LINE + r"\r*\n", timeout=120).group(1))


def boot(disk):
    begin = time.monotonic()
    m = machines.Machine(disk)
    say(f"    The machine is up, its shell waits ({time.monotonic() - begin:.1f} s).")
    return m


def main():
    machines.accelerator()
    half, whole = DIGITS // 100, DIGITS // 50
    with tempfile.TemporaryDirectory() as folder:
        disk = machines.make_disk(os.path.join(folder, "amber.img"))

        step(1, "Boot Amber, a small Unix-like system, in QEMU.")
        m = boot(disk)

        step(2, f"Start a long computation on it: {DIGITS} digits of pi, 50 a line.")
        m.start(f"pi {DIGITS} &")
        pid = int(m.expect(r"\[\d+\] (\d+)\r*\n").group(1))
        before = Digits()
        before.follow(m, half)
        show("\n".join([*before.lines[:2], "...", before.lines[-1]]))
        say(f"    {half * 50} digits are out. It is process {pid}, busy on a CPU.")

        step(3, "Checkpoint it from outside into a file, while it runs.")
        m.start(f"checkpoint {pid} pi.ckpt; echo \"<=$?=>\"")
        status = m.expect(r"<=(\d+)=>").group(1)
        if status != "0":
            show(m.console()[-500:])
            return "the checkpoint failed"
        # What it printed before the checkpoint was complete: it may have gone on meanwhile.
        said = m.child.before.replace("\r", "")
        show(f"$ checkpoint {pid} pi.ckpt\n" + "\n".join(line for line in said.split("\n") if line.startswith("checkpoint:")))

        step(4, "Cut the power: QEMU is killed (SIGKILL). Nothing of the running system is left but the disk.")
        m.kill()

        step(5, "Boot again, from that disk.")
        m = boot(disk)
        info = m.check("ckptinfo pi.ckpt")
        show("$ ckptinfo pi.ckpt\n" + "\n".join(info.splitlines()[:6]))

        step(6, "Restore the process: it goes on at the instruction at which it was stopped.")
        begin = time.monotonic()
        result = m.run("restore pi.ckpt", timeout=300)
        after = re.findall(LINE, result.output)
        if not after:
            show(result.output)
            return "the restored process printed nothing"
        show("\n".join(["$ restore pi.ckpt", after[0], "...", after[-1]]))
        say(f"    It ended with status {result.status} after {len(after)} more lines ({time.monotonic() - begin:.1f} s).")

        step(7, "Compare: the same computation, uncut.")
        uncut = m.run(f"pi {DIGITS}", timeout=300)
        expected = re.findall(LINE, uncut.output)
        m.power_off()

        # Lines printed between the checkpoint and the power cut come again after the restore: time was turned back.
        start = whole - len(after)
        say(f"    Lines 1 to {start} from before the cut, {start + 1} to {whole} from after it.")
        if result.status != 0 or uncut.status != 0 or len(expected) != whole:
            return "a program failed"
        if start > half + len(re.findall(LINE, said)) or before.lines[:start] + re.findall(LINE, said)[:max(0, start - half)] != expected[:start]:
            return "digits were lost before the cut"
        if after != expected[start:]:
            return "the digits after the restore are wrong"
        say(f"    All {DIGITS} digits are the same.")
        say(f"\nverdict: PROVED. Process {pid} was computed half before and half after a power cut, and its result is that of an uncut run.")
        return None


problem = main()
if problem:
    say(f"\nverdict: FAILED: {problem}.")
sys.exit(1 if problem else 0)
