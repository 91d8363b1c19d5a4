"""Amber comes up on every machine that it promises to, and says what is wrong with the others."""
import os
import re
import signal
import time

import pytest

import machine as machines


@pytest.mark.parametrize("cpus", [1, 2, 4, 8])
def test_cpus(disk, cpus):
    m = machines.Machine(disk, cpus=cpus)
    assert m.counters()["cpus"] == cpus
    m.power_off()


@pytest.mark.parametrize("memory", [32, 128, 1024, 1536, 3000])
def test_memory(disk, memory):
    m = machines.Machine(disk, memory=memory)
    mib = m.counters()["frames_total"] * 4096 >> 20
    assert min(memory, 1536) * 0.85 <= mib <= memory
    assert m.check("echo alive") == "alive\n"
    m.power_off()


def test_a_host_that_stops_the_machine_while_its_clock_is_measured(disk):
    """Again and again for longer than the timer takes to count down, which the kernel measures by."""
    m = machines.Machine(disk, shell=False)
    for _ in range(60):
        os.kill(m.child.pid, signal.SIGSTOP)
        time.sleep(0.07)
        os.kill(m.child.pid, signal.SIGCONT)
        time.sleep(0.006)
    m.wait_for_prompt()
    began = time.monotonic()
    m.check("sleep 2")
    assert 1.9 < time.monotonic() - began < 7
    m.power_off()


def test_without_acpi(disk):
    """The MP tables tell of the CPUs, too."""
    m = machines.Machine(disk, cpus=2, extra=["-machine", "acpi=off"])
    assert m.counters()["cpus"] == 2
    m.start("poweroff")
    m.kill()


def test_without_any_tables(disk):
    m = machines.Machine(disk, cpus=2, args="noapic")
    assert m.counters()["cpus"] == 1
    m.check("sleep 0.1 && ls")
    m.power_off()


def test_cpus_limited_by_option(disk):
    m = machines.Machine(disk, cpus=4, args="cpus=2")
    assert m.counters()["cpus"] == 2
    m.power_off()


def test_memory_limited_by_option(disk):
    m = machines.Machine(disk, memory=256, args="mem=64M")
    assert m.counters()["frames_total"] * 4096 <= 64 << 20
    m.power_off()


def test_ata_disk_where_there_is_no_virtio(disk):
    m = machines.Machine(disk, drive="ide")
    m.check("cp /sh copy && cmp /sh copy && rm copy && sync")
    m.power_off()
    machines.assert_fs_clean(disk)


@pytest.mark.parametrize("options", ["vectors=0", "disable-legacy=on", "disable-modern=off,packed=off,num-queues=1"])
def test_virtio_variants(disk, options):
    m = machines.Machine(None, extra=["-drive", f"file={disk},if=none,id=d,format=raw", "-device",
                                      f"virtio-blk-pci,drive=d,{options}"], behind=disk)
    m.check("cp /sh copy && cmp /sh copy && rm copy && sync")
    m.power_off()
    machines.assert_fs_clean(disk)


def boot_fails(disk, args=""):
    """It ends by itself, with an exit status that says so, and with a message."""
    m = machines.Machine(disk, args=args, shell=False)
    assert m.wait_for_end() & 1, m.console()
    assert "panic" not in m.console()
    return m.console()


def test_no_disk():
    assert "no disk" in boot_fails(None)


@pytest.mark.damages("disk", "there is no file system on it")
def test_empty_disk(tmp_path):
    blank = str(tmp_path / "blank.img")
    with open(blank, "wb") as f:
        f.truncate(16 << 20)
    assert re.search("cannot mount|not an? .*file system", boot_fails(blank))


@pytest.mark.damages("disk", "its superblock is damaged")
@pytest.mark.parametrize("offset", [0, 8, 12, 16, 32, 48, 80, 96, 2000])
def test_damaged_superblock_is_refused_or_replaced(disk, offset):
    """The copy at the end serves when the first is damaged; when both are, the machine says so."""
    size = os.path.getsize(disk)
    with open(disk, "r+b") as f:
        for at in (0, size - 4096):
            f.seek(at + offset)
            f.write(b"\xff\xff\xff\xff")
    assert "vda" in boot_fails(disk)


def test_no_init(disk):
    assert "/nothing" in boot_fails(disk, args="init=/nothing")


def test_unknown_root(disk):
    assert "no disk vdz" in boot_fails(disk, args="root=vdz")


def test_other_init(disk):
    m = machines.Machine(disk, args="init=/sh", shell=False)
    m.kill()


def test_disk_errors_are_errors(disk):
    """Every read past the boot's fails: programs see it, the kernel lives."""
    m = machines.Machine(disk, args="fail=read:120+")
    for _ in range(3):
        m.run("cat /usertests /mandelbrot /primes /hexdump /sort > /dev0")
    assert m.run("echo alive").output == "alive\n"
    m.kill()


def test_write_errors_are_errors(disk):
    m = machines.Machine(disk, args="fail=write:20+")
    for i in range(3):
        m.run(f"cp /sh f{i}; sync")
    assert m.run("echo alive").output == "alive\n"
    assert "panic" not in m.console()
    m.kill()


@pytest.mark.parametrize("kind", ["frame", "kmalloc"])
def test_each_nth_allocation_may_fail(disk, kind):
    """From some allocation on, every one fails: the boot ends with a message, or programs are refused; no panic, no hang."""
    for n in (50, *range(100, 130, 2), 200, 400, 800, 1600):
        m = machines.Machine(disk, memory=64, args=f"fail={kind}:{n}", shell=False)
        m.child.expect([r"\$ ", machines.pexpect.EOF], timeout=60 * machines.PATIENCE)
        assert "panic" not in m.console(), m.console()[-2000:]
        m.kill()


def screen(m, monitor):
    """The text on the VGA screen."""
    path = m.disk + ".vga"
    monitor.send(f'pmemsave 0xb8000 4000 "{path}"\n'.encode())
    for _ in range(100):
        m.child.expect([machines.pexpect.TIMEOUT, r"\x00"], timeout=0.05)
        if os.path.exists(path) and os.path.getsize(path) == 4000:
            break
    cells = open(path, "rb").read()
    os.unlink(path)
    text = cells[::2].decode("latin-1")
    return "\n".join(text[i:i + 80].rstrip() for i in range(0, 2000, 80))


def test_vga_and_keyboard(disk, tmp_path):
    """What is typed on the keyboard runs, and both the screen and the serial line show it."""
    import socket
    path = str(tmp_path / "monitor")
    m = machines.Machine(disk, extra=["-vga", "std", "-monitor", f"unix:{path},server,nowait"])
    monitor = socket.socket(socket.AF_UNIX)
    monitor.connect(path)
    for key in ["e", "c", "h", "o", "spc", "shift-h", "i", "ret"]:
        monitor.send(f"sendkey {key} 20\n".encode())
        m.child.expect([machines.pexpect.TIMEOUT, "never"], timeout=0.15)
    m.expect(r"[\r\n]Hi\r*\n")
    m.expect(r"\$ ")
    text = screen(m, monitor)
    assert "$ echo Hi\nHi\n$" in text, text
    m.power_off()
