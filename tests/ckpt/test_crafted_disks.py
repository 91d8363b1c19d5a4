"""Disks are hostile until checked: each boots, is refused with a reason, or gives errors; the kernel neither panics nor hangs."""
import concurrent.futures
import os
import re

import pytest

import crafted_disks
import machine as machines

BLOCK = 4096
REFUSED = 5  # QEMU's status when the machine ends with 2: there is nothing to run

# Everything that a disk can be asked for. Each of these may fail; none may hang.
WORK = ("ls /", "cat /cat > /copy", "cat /README /cat /sh > /x", "echo text > /new", "mkdir /dir", "echo more > /dir/file", "ln /new /dir/link",
        "ls /dir", "rm /new /dir/link /dir/file /dir", "ls /cat", "rm /cat", "rm /x /copy", "sync")


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("good") / "d.img")
    machines.make_disk(path, size="8M")
    with open(path, "rb") as f:
        return f.read()


def try_disk(folder, name, data):
    """Returns what became of it: refused, failed, or used; or raises."""
    path = os.path.join(folder, name + ".img")
    with open(path, "wb") as f:
        f.write(data)
    m = machines.Machine(path, cpus=1, memory=64, shell=False)
    try:
        return judge(m, path, data, replays=name.startswith("journal-"))
    except AssertionError as problem:
        raise AssertionError(f"{name}: {problem}") from None
    finally:
        m.kill()
        os.unlink(path)


# Not always at the beginning of a line: of a flood of messages the kernel drops what a line that is stuck doesn't take.
PROMPT = r"\$ $"


def judge(m, path, data, replays):
    first = m.expect(r"\$ |amber: [^\r\n]*[\r\n]|init: [^\r\n]*[\r\n]|init has ended|panic on CPU").group(0)
    if first == "$ ":
        # Programs may be gone at any moment: only the prompt tells that a line is done.
        m.start("; ".join(WORK))
        m.expect(PROMPT)
        m.start("poweroff")
        m.expect(r"[\r\n]\$ $|$")
        outcome = "used"
    elif first.startswith("init: "):
        outcome = "failed"
    else:
        m.wait_for_end()
        outcome = "refused" if "cannot mount" in m.console() else "failed"
    m.kill()
    console = m.console()
    assert "panic" not in console, console[-2000:]
    with open(path, "rb") as f:
        after = f.read()
    if outcome == "refused":
        assert m.child.exitstatus == REFUSED and re.search(r"amber: cannot mount \w+: error \d+; ", console), console[-1000:]
        assert replays or is_untouched(data, after), "a disk that was refused has changed"
    assert after[:BLOCK] == data[:BLOCK] and after[-BLOCK:] == data[-BLOCK:], "a superblock has changed"
    return outcome


def is_untouched(before, after):
    """But for the head of its journal, which says after each recovery that there is nothing to replay."""
    head = crafted_disks.Disk(before).layout["journal_start"] * BLOCK
    return before == after or (before[:head] == after[:head] and before[head + BLOCK:] == after[head + BLOCK:])


@pytest.mark.damages("disk", "crafted disks")
def test_no_disk_breaks_the_kernel(tmp_path, good):
    disks = dict(crafted_disks.crafted(good))
    assert len(disks) >= 50
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        runs = {name: pool.submit(try_disk, str(tmp_path), name, bytes(d.data)) for name, d in disks.items()}
    problems = [str(r.exception()) for r in runs.values() if r.exception()]
    assert not problems, "\n\n".join(problems)
    outcomes = {name: r.result() for name, r in runs.items()}
    print({o: sum(1 for x in outcomes.values() if x == o) for o in set(outcomes.values())})
    for name, outcome in outcomes.items():
        assert outcome == "refused" or not name.startswith("super-"), f"{name} was mounted"


@pytest.mark.damages("disk", "a crafted disk")
def test_a_directory_whose_links_are_spent_takes_no_more(tmp_path, good):
    """One more, and the count would be 0: the root would be deleted."""
    path = str(tmp_path / "d.img")
    with open(path, "wb") as f:
        f.write(crafted_disks.Disk(good).inode(crafted_disks.ROOT, nlink=crafted_disks.MAX32).data)
    m = machines.Machine(path)
    result = m.run("mkdir /dir")
    assert result.status != 0 and "too many links" in result.output.lower(), result
    assert "init" in m.check("ls /")
    m.power_off()
