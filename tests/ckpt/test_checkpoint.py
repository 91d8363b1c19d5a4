"""Checkpoint and restore: what is saved comes back, whatever the process was doing."""
import os
import re

import pytest

import machine as machines

PROGRAMS = ("counter", "registers", "blocked", "pages", "appender")
MEMORY = 512
DISK_SIZE = "512M"


def quiet(machine):
    """An empty line brings a fresh prompt after background output."""
    machine.start("echo ==quiet==")
    machine.expect(r"[\r\n]==quiet==\r*\n")
    machine.wait_for_prompt()


def checkpoint_and_kill(machine, pid, image):
    machine.start(f"checkpoint -k {pid} {image}; echo \"<=$?=>\"")
    status = machine.expect(r"<=(\d+)=>\r*\n").group(1)
    assert status == "0", machine.console()[-1000:]
    machine.wait_for_prompt()


def test_self_checkpoint_returns_0_and_then_1(machine):
    output = machine.check("check self.img", timeout=120)
    assert "Counter: 100" in output
    again = machine.check("recover self.img", timeout=120)
    assert "Counter: 1\n" in again and "Counter: 100" in again
    assert output != again, "the awakened run must know that it was awakened"


def test_running_process_goes_on_where_it_was(machine):
    place = machine.place()
    pid = machine.start_in_background("counter 30 20", "count 5\r*\n")
    checkpoint_and_kill(machine, pid, "counter.img")
    last = int(machine.shown_since(place, r"count (\d+)\r*\n")[-1])
    result = machine.run("restore counter.img", timeout=60)
    counts = [int(n) for n in re.findall(r"count (\d+)", result.output)]
    assert counts and counts == list(range(last + 1, 31)), (last, result)
    assert result.status == 30, "the exit status is the program's"
    uncut = machine.run("counter 30 0").output
    assert re.search(r"digest \w+", uncut).group() == re.search(r"digest \w+", result.output).group()


def test_target_runs_on_after_its_checkpoint(machine):
    pid = machine.start_in_background("counter 10 20", "count 3\r*\n")
    machine.start(f"checkpoint {pid} on.img")
    machine.expect("count 10\r*\n")
    machine.expect(r"digest \w+")
    quiet(machine)


def test_registers_and_floating_point_survive(machine):
    place = machine.place()
    pid = machine.start_in_background("registers 8", "holding")
    # Stopped in the middle of a loop of its own, three times; each image must be right.
    for i in range(3):
        machine.check(f"checkpoint {pid} regs{i}.img")
    machine.shown_since(place, "all registers held", timeout=120)
    for i in range(3):
        result = machine.run(f"restore regs{i}.img", timeout=120)
        assert "all registers held" in result.output and result.status == 0, result


BLOCKED = {
    "sleep": (None, "slept: 0, long enough"),
    "pipe-read": (None, "pipe read: 7: through"),
    "pipe-write": (None, "pipe write: 100000, the reader got all"),
    "wait": (None, "wait: a child, status 5"),
}


@pytest.mark.parametrize("call", BLOCKED)
def test_blocked_call_goes_on_in_the_target(machine, call):
    """Frozen out of the call, thawed: the program can't tell."""
    place = machine.place()
    pid = machine.start_in_background(f"blocked {call} 600", "blocking")
    for _ in range(3):
        machine.check(f"checkpoint -t {pid} blocked.img")
    machine.shown_since(place, re.escape(BLOCKED[call][1]), timeout=30)


def test_blocked_sleep_is_resumed_for_its_rest(machine):
    pid = machine.start_in_background("blocked sleep", "blocking")
    machine.check("sleep 1")
    checkpoint_and_kill(machine, pid, "sleep.img")
    machine.check("sleep 1")
    result = machine.run("restore sleep.img", timeout=30)
    assert "slept: 0, long enough" in result.output, result


def test_blocked_console_read_is_resumed(machine):
    machine.start("blocked read")
    machine.expect("blocking")
    # A second process of the same terminal does it: the reader is in the foreground.
    machine.send("\x03")
    machine.wait_for_prompt()
    pid = machine.start_in_background("blocked read", "blocking")
    quiet(machine)
    checkpoint_and_kill(machine, pid, "read.img")
    machine.start("restore read.img")
    machine.expect("restore read.img")
    machine.start("hello again")
    machine.expect(r"read: 12: hello again")
    quiet(machine)


def test_blocked_wait_without_its_child_ends_with_an_error(machine):
    """Without -t the child isn't in the image: the call runs again, and tells the program so."""
    pid = machine.start_in_background("blocked wait", "blocking")
    checkpoint_and_kill(machine, pid, "alone.img")
    machine.check("sleep 4")
    result = machine.run("restore alone.img", timeout=30)
    assert re.search("[Nn]o child", result.output), result


@pytest.mark.parametrize("call", ["pipe-read", "pipe-write", "wait"])
def test_blocked_call_goes_on_in_the_restored_family(machine, call):
    pid = machine.start_in_background(f"blocked {call}", "blocking")
    machine.start(f"checkpoint -t -k {pid} family.img; echo \"<=$?=>\"")
    assert machine.expect(r"<=(\d+)=>\r*\n").group(1) == "0"
    machine.wait_for_prompt()
    machine.check("sleep 1")
    for _ in range(2):
        result = machine.run("restore family.img", timeout=30)
        assert BLOCKED[call][1] in result.output, result


def test_memory_of_any_size(machine):
    for mib in (1, 100):
        pid = machine.start_in_background(f"pages {mib} 8", "filled", timeout=120)
        checkpoint_and_kill(machine, pid, "pages.img")
        result = machine.run("restore pages.img", timeout=300)
        assert "all pages are right" in result.output, result
    machine.check("rm pages.img")


def test_open_file_goes_on_at_its_offset(machine):
    pid = machine.start_in_background("appender app.log 60", "appending")
    checkpoint_and_kill(machine, pid, "app.img")
    result = machine.run("restore app.img")
    assert "appended 60" in result.output, result
    assert machine.check("cat app.log") == "".join(f"line {i}\n" for i in range(1, 61))


def test_removed_file_is_refused_and_named(machine):
    pid = machine.start_in_background("appender lost.log 200", "appending")
    checkpoint_and_kill(machine, pid, "lost.img")
    machine.check("rm lost.log")
    result = machine.run("restore lost.img")
    assert result.status == 1 and "lost.log" in result.output and "-f accept" in result.output, result
    result = machine.run("restore -f accept lost.img")
    assert result.status == 1 and "closed" in result.output, result


def test_check_fd(machine):
    output = machine.check("check_fd", timeout=60)
    assert output.strip(), "it says what it does"


def test_check_pid_and_recover(machine):
    machine.check("check_pid", timeout=120)
    info = machine.check("imginfo child_dump.img")
    assert "check_pid" in info
    assert machine.run("recover child_dump.img", timeout=120).status == 0


def test_imginfo_refuses_what_is_no_image(machine):
    assert machine.run("imginfo /sh").status != 0
    assert machine.run("imginfo nosuchfile").status != 0


def test_ckptinfo_shows_the_process(machine):
    pid = machine.start_in_background("counter 100 50", "count 1\r*\n")
    checkpoint_and_kill(machine, pid, "info.img")
    text = machine.check("ckptinfo info.img")
    assert "counter" in text and str(pid) in text


def test_an_images_name_restores_it(machine):
    pid = machine.start_in_background("counter 40 10", "count 2\r*\n")
    checkpoint_and_kill(machine, pid, "typed.img")
    result = machine.run("typed.img")
    assert "count 40" in result.output and result.status == 40, result


def test_errors_name_the_reason(machine):
    assert machine.run("checkpoint 29999 x.img").status != 0
    assert "no such" in machine.run("checkpoint 29999 x.img").output.lower()
    assert machine.run("restore nosuchfile").status != 0
    assert machine.run("restore /sh").status != 0
    assert machine.run("ls x.img").status != 0, "a failed checkpoint leaves no file"


def test_an_image_is_restored_twice_at_once(machine):
    pid = machine.start_in_background("counter 40 10", "count 3\r*\n")
    checkpoint_and_kill(machine, pid, "twice.img")
    machine.start("restore twice.img & restore twice.img")
    machine.expect(r"digest \w+")
    machine.expect(r"digest \w+")
    quiet(machine)


def test_many_checkpoints_of_a_busy_target_and_the_shell_goes_on(machine):
    """The original froze its file system here."""
    place = machine.place()
    pid = machine.start_in_background("registers 5", "holding")
    for i in range(10):
        machine.check(f"checkpoint {pid} busy.img & ls / > ls.out; wc ls.out")
    machine.run("wait")
    machine.shown_since(place, "all registers held", timeout=120)
    result = machine.run("restore busy.img", timeout=120)
    assert "all registers held" in result.output, result


def test_images_pass_the_hosts_verify(machine, tmp_path):
    machine.check("sync")
    copy = machines.copy_disk(machine.disk, str(tmp_path / "copy.img"))
    for image in ("self.img", "counter.img", "child_dump.img"):
        target = str(tmp_path / image)
        machines.run_tool("amberfs", "cp", copy, "/" + image, target)
        machines.run_tool("ckpt", "verify", target)
        assert os.path.getsize(target) > 8192
