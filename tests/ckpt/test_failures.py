"""What goes wrong around a checkpoint or a restore is told, harms nobody, and leaves nothing behind."""
import re

import pytest

import machine as machines
from conftest import LIVE

PROGRAMS = ("fail_each", "trouble", "pages", "counter", "blocked")
MEMORY = 256
DISK_SIZE = "512M"


def boot(tmp_path, size="128M", fresh=True, **options):
    disk = str(tmp_path / "disk.img")
    if fresh:
        machines.make_disk(disk, [machines.guest_program(p) for p in ("counters", *PROGRAMS)], size)
    return machines.Machine(disk, **options)


def kill(machine, pid):
    machine.start(f"kill {pid}")
    machine.wait_for_prompt()


def live(machine):
    return {name: value for name, value in machine.counters().items() if name in LIVE}


def expect_unharmed(machine, pid):
    assert re.search(rf"^ *{pid} ", machine.check("ps"), re.M), "the process is gone"


# ---- one resource after the other

@pytest.mark.parametrize("kind", ("kmalloc", "frame", "read"))
@pytest.mark.parametrize("operation", ("first", "again", "lazy", "eager"))
def test_each_use_of_a_resource_fails(machine, operation, kind):
    result = machine.run(f"fail_each {operation} {kind}", timeout=300)
    assert result.status == 0 and "pass" in result.output and "leak" not in result.output, result
    places = int(re.search(r"pass: (\d+) places", result.output).group(1))
    assert places > 20 or kind == "read", result


@pytest.mark.parametrize("kind", ("write", "flush"))
def test_the_disk_fails_a_write(tmp_path, kind):
    """While a checkpoint writes: the disk may be read-only from then on; at the next start it holds sound epochs."""
    m = boot(tmp_path, size="64M", memory=128)
    last = 0
    for n in range(1, 9):
        pid = m.start_in_background("trouble churn 1", "filled")
        for _ in range(2):
            m.check(f"checkpoint {pid} life.img")
        known = int(re.search(r"^epoch (\d+)", m.check("ckptinfo -l life.img"), re.M).group(1))
        m.check("sync")
        result = m.run(f"fail {kind} {n} checkpoint {pid} life.img", timeout=60)
        assert "panic" not in result.output, result
        failed = "fail: 1" in result.output
        assert result.status == 0 or failed, result
        if result.status:
            assert re.search("input/output error|read-only", result.output), result
        expect_unharmed(m, pid)
        assert not re.search("is [0-9a-f]+$", result.output), "the process found its memory changed"
        m.kill()

        machines.run_tool("fsck", "-y", m.disk, statuses=(0, 1))
        image = str(tmp_path / "life.img")
        machines.run_tool("amberfs", "cp", m.disk, "/life.img", image)
        machines.run_tool("ckpt", "verify", image)
        m = boot(tmp_path, fresh=False, memory=128)
        log = m.check("ckptinfo -l life.img")
        newest = int(re.search(r"^epoch (\d+)", log, re.M).group(1))
        # A header whose flush failed may be on the disk all the same.
        maybe = result.status and "uncertain" in result.output
        assert newest == known + (result.status == 0) or (maybe and newest == known + 1), (newest, known, result)
        if not failed:
            last = n
            break
    m.power_off()
    assert last, "the fault point was still met at the last n"


# ---- what is there already

def test_what_the_image_takes_the_place_of(machine):
    pid = machine.start_in_background("trouble churn 1", "filled")
    for name in ("console", "/"):
        result = machine.run(f"checkpoint {pid} {name}")
        assert result.status == 1 and f"{name}: not a file" in result.output, result
    for name, error in (("/console", "invalid argument"), ("/", "is a directory")):
        result = machine.run(f"trouble saver {pid} {name}")
        assert result.status == 1 and error in result.output, result
    for _ in range(2):
        assert "in place of" not in machine.check(f"checkpoint {pid} place.img")
    machine.check("echo else > place.img")
    assert "in place of what was in place.img" in machine.check(f"checkpoint {pid} place.img")
    kill(machine, pid)
    machine.check("rm place.img")


# ---- a full disk

def test_a_full_disk(tmp_path):
    m = boot(tmp_path, size="32M", memory=128)
    free = lambda: m.counters()["disk_free"]
    pid = m.start_in_background("trouble churn 5", "filled")
    for _ in range(12):
        result = m.run(f"checkpoint -H 0 {pid} life.img")
        if result.status:
            break
        epochs = m.check("ckptinfo -v life.img")
        before = free()
    assert result.status == 1 and "no space" in result.output, result
    assert m.check("ckptinfo -v life.img") == epochs, "the epochs of before are sound"
    m.check("sync")
    assert free() >= before - 16, "its space was given back"
    expect_unharmed(m, pid)
    # A new file doesn't fit, either.
    before = free()
    result = m.run(f"checkpoint {pid} other.img")
    assert result.status == 1 and "no space" in result.output, result
    assert m.run("ls other.img").status != 0
    place = m.place()
    m.check(f"checkpoint -n {pid} other.img")
    m.shown_since(place, rf"other\.img: process {pid} was not saved \(error 28\)")
    m.check("sync")
    assert free() >= before - 16
    # With less history there is room again.
    m.check("rm life.img")
    m.check(f"checkpoint {pid} life.img")
    kill(m, pid)
    m.check("ckptinfo -v life.img")
    m.power_off()
    machines.assert_fs_clean(m.disk)


def test_no_inode_for_a_new_image(tmp_path):
    m = boot(tmp_path, size="16M", memory=128)
    pid = m.start_in_background("trouble churn 1", "filled")
    m.check(f"checkpoint {pid} old.img")
    assert int(re.search(r"(\d+) files", m.check("trouble litter", timeout=120)).group(1)) > 50
    result = m.run(f"checkpoint {pid} new.img")
    assert result.status == 1 and "no space" in result.output, result
    m.check(f"checkpoint {pid} old.img")
    expect_unharmed(m, pid)
    kill(m, pid)
    m.check("ckptinfo -v old.img")
    m.power_off()
    machines.assert_fs_clean(m.disk)


# ---- somebody ends

def test_the_target_is_killed_while_it_is_written(machine):
    pid = machine.start_in_background("pages 48 600", "filled")
    machine.start(f"checkpoint -n {pid} gone.img; kill {pid}; echo \"<=$?=>\"")
    machine.expect(r"<=0=>\r*\n")
    machine.wait_for_prompt()
    machine.wait_for("ls /", r"gone\.img")
    assert re.search(r"sound: 12\d\d\d pages", machine.check("ckptinfo -v gone.img", timeout=60))
    pid = machine.restore_in_background("gone.img")
    machine.check("sleep 0.5")
    expect_unharmed(machine, pid)
    kill(machine, pid)
    machine.check("rm gone.img")


@pytest.mark.parametrize("program", ("checkpoint", "trouble saver"))
@pytest.mark.parametrize("delay", (0, 0.1, 0.3))
def test_the_checkpointer_is_killed(machine, program, delay):
    machine.check("rm go; true")
    pid = machine.start_in_background("pages 48 600 /go", "filled")
    machine.check(f"checkpoint {pid} half.img", timeout=60)
    machine.check("rm half.img")
    before = live(machine)
    saver = machine.start_in_background(f"{program} {pid} half.img")
    machine.start(f"sleep {delay}; kill {saver}; echo \"<=done=>\"")
    machine.expect(r"<=done=>\r*\n")
    machine.wait_for_prompt()
    for _ in range(50):
        now = live(machine)
        if all(now[k] == before[k] for k in now if k != "commit_used"):
            break
        machine.check("sleep 0.2")
    assert all(now[k] == before[k] for k in now if k != "commit_used"), (before, now)
    if machine.run("ls half.img").status == 0:
        machine.check("ckptinfo -v half.img", timeout=60)
        machine.check("rm half.img")
    machine.check(f"checkpoint {pid} half.img", timeout=60)
    machine.check("ckptinfo -v half.img", timeout=60)
    place = machine.place()
    machine.check("touch go")
    machine.shown_since(place, "all pages are right")
    machine.check("rm half.img go")


def test_one_who_waits_for_the_file_is_killed(machine):
    first, second = machine.start_in_background("trouble churn 24", "filled"), machine.start_in_background("trouble churn 1", "filled")
    place = machine.place()
    saver = machine.start_in_background(f"trouble saver {first} one.img")
    waiter = machine.start_in_background(f"trouble saver {second} one.img")
    machine.start(f"kill {waiter}")
    machine.wait_for_prompt()
    machine.shown_since(place, "saved")
    machine.check("ckptinfo -v one.img")
    assert machine.run(f"checkpoint {second} one.img").status == 0
    expect_unharmed(machine, first)
    kill(machine, first)
    kill(machine, second)
    machine.check("sleep 0.5")
    machine.check("rm one.img")


# ---- families that don't stand still, and the greatest of all

@pytest.mark.parametrize("cpus", (1, 4))
def test_a_storm_of_forks(tmp_path, cpus):
    m = boot(tmp_path, cpus=cpus)
    pid = m.start_in_background("trouble storm", "storm")
    place = m.place()
    saved = 0
    for _ in range(4):
        result = m.run(f"checkpoint -t {pid} storm.img", timeout=30)
        assert result.status == 0 or re.search("timed out", result.output), result
        saved += result.status == 0
    m.check("touch go", timeout=60)
    m.shown_since(place, "calm")
    m.check("true")
    if saved:
        m.check("ckptinfo -v storm.img")
        assert "calm" in m.run("restore storm.img").output
    m.power_off()
    machines.assert_fs_clean(m.disk)


def test_init_and_everything(tmp_path):
    """The whole machine's processes go into an image, and come back inside the machine."""
    m = boot(tmp_path)
    m.check("checkpoint 1 init.img")
    m.check("checkpoint -t 1 all.img")
    m.check("ckptinfo -v all.img")
    m.start("restore all.img")
    m.wait_for_prompt()
    rows = [line.split() for line in m.check("ps").splitlines()[1:]]
    assert rows[0][0] == "1" and rows[0][3] != "0" and rows[0][-1] == "init", rows
    m.check("echo inside")
    # -k spares the first process: with it the machine would end.
    m.power_off()
    machines.assert_fs_clean(m.disk)


# ---- restores that can't be

def test_no_room_for_more_processes(machine):
    pid = machine.start_in_background("blocked wait", "blocking")
    machine.check(f"checkpoint -t -k {pid} two.img")
    machine.check("rm go; true")
    machine.start_in_background("trouble crowd 2", "crowded")
    # The shell has the two places that are left for this one and for one of the family; the first one takes its own.
    keeper = machine.start_in_background("sleep 30")
    before = machine.counters()
    result = machine.run("trouble become two.img")
    after = machine.counters()
    kill(machine, keeper)
    machine.start("touch go")
    machine.wait_for_prompt()
    machine.check("sleep 1")
    machine.check("rm go")
    assert result.status == 0 and "try again; as before" in result.output, result
    for name in ("procs_live", "threads_live", "pipes_live", "spaces_live"):  # the crowd opens and closes files
        assert after[name] == before[name], name
    assert "a child, status 5" in machine.run("restore two.img").output


def test_thousands_of_open_files(machine):
    machine.check("rm go; true")
    pid = machine.start_in_background("trouble hoard 60 58", "hoarded")
    machine.check(f"checkpoint -t -k {pid} hoard.img", timeout=60)
    machine.check("touch go")
    assert "hoard: 0 wrong" in machine.run("restore hoard.img", timeout=60).output
    machine.check("rm go hoard.img")


def test_no_memory_for_it(tmp_path):
    m = boot(tmp_path, memory=256)
    pid = m.start_in_background("pages 64 4", "filled")
    m.check(f"checkpoint -k {pid} large.img", timeout=60)
    m.power_off()
    m = boot(tmp_path, fresh=False, memory=48)
    m.check("counters")
    before = live(m)
    result = m.run("trouble become large.img")
    assert result.status == 0 and "memory; as before" in result.output, result
    for option in ("", "-a"):
        result = m.run(f"restore {option} large.img")
        assert result.status == 1 and "memory" in result.output, result
    assert live(m) == before
    m.power_off()
    m = boot(tmp_path, fresh=False, memory=128)
    assert "all pages are right" in m.check("restore large.img", timeout=60)
    m.power_off()


# ---- images that change, or are damaged

def test_an_image_in_use_can_not_be_spoilt(machine):
    pid = machine.start_in_background("pages 16 5", "filled")
    machine.check(f"checkpoint -k {pid} lazy.img")
    machine.check("cp /echo /echo.copy")
    place = machine.place()
    machine.restore_in_background("lazy.img")
    output = machine.check("trouble spoil lazy.img")
    for attempt in ("open for writing", "open to truncate", "truncate", "write"):
        assert re.search(rf"^{attempt}: (?!done)", output, re.M), output
    machine.shown_since(place, "all pages are right")
    machine.run("rm lazy.img")


def test_a_damaged_page_ends_only_who_touches_it(machine, tmp_path):
    machine.check("rm go; true")
    pid = machine.start_in_background("trouble pair 2", "filled")
    machine.check(f"checkpoint -t -k {pid} pair.img")
    machine.check("sync")
    copy = str(tmp_path / "pair.img")
    disk = machines.copy_disk(machine.disk, str(tmp_path / "disk.img"))
    machines.run_tool("amberfs", "cp", disk, "/pair.img", copy)
    # The child's page with these words is the only place where they are.
    with open(copy, "rb") as file:
        word = (70000 * 2654435761 % 2**32) ^ 7 * 40503
        place = file.read().index(word.to_bytes(4, "little"))
    machine.check(f"trouble flip pair.img {place}")
    assert machine.run("ckptinfo -v pair.img").status != 0
    result = machine.run("restore -a pair.img")
    assert result.status == 1 and re.search("pair.img: .*checksum", result.output), result
    machine.restore_in_background("pair.img")
    machine.start("touch go")
    output = machine.expect(r"(?s)(pair\.img: .*?)the child's status is (\w+), the parent lives")
    assert "checksum" in output.group(1) and int(output.group(2), 16) & 0x7f, output.group(0)
    machine.check("true")
    # Put right, it is whole again.
    machine.check(f"trouble flip pair.img {place}")
    assert "the child's status is 700" in machine.run("restore pair.img").output
    machine.check("rm go pair.img")
