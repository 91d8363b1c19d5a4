"""Images survive a power cut at any moment, and processes a reboot."""
import random
import re

import machine as machines


def test_restore_after_the_power_was_cut(disk):
    m = machines.Machine(disk)
    uncut = m.run("counter 40 0")
    pid = m.start_in_background("counter 40 10", "count 4\r*\n")
    m.start(f"checkpoint {pid} c.img; echo \"<=$?=>\"")
    assert m.expect(r"<=(\d+)=>").group(1) == "0"
    m.kill()

    machines.run_tool("fsck", "-y", disk, statuses=(0, 1))
    m = machines.Machine(disk)
    result = m.run("restore c.img")
    assert re.findall(r"count \d+|digest \w+", uncut.output)[-4:] == re.findall(r"count \d+|digest \w+", result.output)[-4:], result
    assert result.status == uncut.status
    m.power_off()
    machines.assert_fs_clean(disk)


def test_restore_on_another_number_of_cpus_and_memory(disk):
    m = machines.Machine(disk, cpus=4, memory=512)
    pid = m.start_in_background("pages 16 4", "filled")
    m.start(f"checkpoint {pid} p.img; echo \"<=$?=>\"")
    assert m.expect(r"<=(\d+)=>").group(1) == "0"
    m.kill()
    m = machines.Machine(disk, cpus=1, memory=128)
    assert "all pages are right" in m.check("restore p.img", timeout=120)
    m.power_off()


def test_a_cut_while_an_image_is_replaced_leaves_the_old_or_the_new_one(disk, tmp_path):
    """The original left a torn image 29 times out of 30."""
    random.seed(4)
    m = machines.Machine(disk)
    pid = m.start_in_background("pages 8 600", "filled", timeout=120)
    m.start(f"checkpoint {pid} p.img; echo \"<=$?=>\"")
    assert m.expect(r"<=(\d+)=>").group(1) == "0"
    m.kill()
    for _ in range(8):
        m = machines.Machine(disk)
        pid = m.start_in_background("pages 8 600", "filled", timeout=120)
        m.start(f"while checkpoint {pid} p.img > out; do echo again; done")
        for _ in range(random.randrange(3)):
            m.expect("again")
        # Somewhere inside the next one: how far is up to the machines.
        m.child.expect(["never shown", machines.pexpect.TIMEOUT], timeout=random.random() * 0.5)
        m.kill()
        copy = machines.copy_disk(disk, str(tmp_path / "cut.img"))
        machines.run_tool("amberfs", "cp", copy, "/p.img", str(tmp_path / "p.img"))
        machines.run_tool("ckpt", "verify", str(tmp_path / "p.img"))
        machines.run_tool("fsck", "-y", copy, statuses=(0, 1))
        machines.assert_fs_clean(copy)


def test_full_disk_keeps_the_old_image(disk):
    m = machines.Machine(disk)
    pid = m.start_in_background("counter 3 100", "count 1\r*\n")
    m.check(f"checkpoint -k {pid} small.img")
    pid = m.start_in_background("pages 100 600", "filled", timeout=120)
    m.start(f"checkpoint {pid} small.img; echo \"<=$?=>\"")
    assert m.expect(r"<=(\d+)=>", timeout=120).group(1) != "0", "100 MiB don't fit on this disk"
    m.wait_for_prompt()
    m.check(f"kill {pid}")
    result = m.run("restore small.img")
    assert "count 3" in result.output, result
    free = m.counters()["disk_free"]
    assert free * 4096 > 40 << 20, "the space of the failed image is back"
    m.power_off()
    machines.assert_fs_clean(disk)


def test_what_is_on_its_way_to_a_slow_disk_stays_as_it_was(disk):
    """The saved process writes to the same pages again long before the disk has taken them from there."""
    slow = f"file={disk},if=virtio,format=raw,cache=writeback,throttling.iops-write=15"
    m = machines.Machine(None, extra=("-drive", slow), behind=disk)
    pid = m.start_in_background("trouble churn 1", "filled")
    for _ in range(8):
        m.check(f"checkpoint -H 2 {pid} churn.img", timeout=120)
        m.check("ckptinfo -v churn.img", timeout=120)
    m.kill()
