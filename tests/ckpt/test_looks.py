"""The look at all disks after each test (conftest.py) sees what it is for."""
import os

import pytest

import golden
import machine as machines
from crafted_disks import Disk, ROOT

WHY = "to see that it is seen"


@pytest.fixture
def image():
    return bytearray(golden.IMAGES["history"]().data)


def disk_with(folder, image):
    (folder / "files").mkdir()
    (folder / "files" / "old.img").write_bytes(image)
    return machines.make_disk(str(folder / "disk.img"), [f"{folder / 'files'}:/deep"], "16M")


def test_a_sound_image_is_found_and_passes(tmp_path, image):
    disk = disk_with(tmp_path, image)
    machines.assert_disk_sound(disk)
    assert "1 images, 0 of them not sound" in machines.run_tool("tests/crash/images", disk)


def test_a_damaged_image_is_seen(tmp_path, image):
    for place in range(8192, len(image), 4096):
        image[place] ^= 1
    disk = disk_with(tmp_path, image)
    with pytest.raises(AssertionError, match="/deep/old.img: "):
        machines.assert_disk_sound(disk)


def test_a_damaged_file_system_is_seen(tmp_path, image):
    path = disk_with(tmp_path, image)
    with open(path, "rb") as f:
        disk = Disk(f.read())
    with open(path, "wb") as f:
        f.write(disk.inode(ROOT, nlink=7).data)
    with pytest.raises(AssertionError, match="fsck"):
        machines.assert_disk_sound(path)


@pytest.mark.damages("disk", WHY)
def test_the_disk_of_a_machine_that_runs_is_looked_at_once_it_changes(tmp_path, image):
    machines.look_at_disks()
    m = machines.Machine(disk_with(tmp_path, image))
    machines.look_at_disks()
    m.check("cp /deep/old.img /bad.img; echo x > /tail; cat /tail >> /bad.img; sync")
    machines.look_at_disks()
    image[8192] ^= 1
    (tmp_path / "files" / "old.img").write_bytes(image)
    machines.run_tool("mkfs", "-s", "16M", f"{m.disk}.new", f"{tmp_path / 'files'}:/deep")
    os.replace(f"{m.disk}.new", m.disk)  # mkfs itself refuses a running machine's
    with pytest.raises(AssertionError, match="/deep/old.img: "):
        machines.look_at_disks()
    machines.look_at_disks()  # told once
    m.kill()
