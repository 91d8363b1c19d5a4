"""Images that lie in their structure: the kernel, the host's tool and the reader of reader.py all refuse them, and nothing leaks."""
import os
import struct
import subprocess

import pytest

import crafted_images
import machine as machines
import reader
from test_hostile import RESTORE, good_image, refused, restore_each, survived  # noqa: F401  (a fixture, and what is done with images)

TOOL = os.path.join(machines.HOST, "ckpt")


def tool_accepts(path):
    status = subprocess.run([TOOL, "verify", path], capture_output=True).returncode
    assert status in (0, 1), f"ckpt verify {path}: status {status}"
    return status == 0


def reader_accepts(data):
    try:
        return bool(reader.Image(data))
    except reader.Bad:
        return False


def restore_all(folder, images, judge, restore=RESTORE):
    """Under short names, as the file system's are."""
    names = {f"i{n}": name for n, name in enumerate(images)}
    restore_each(folder, {short: images[name] for short, name in names.items()}, lambda short, result: judge(names[short], result), restore)


@pytest.fixture(scope="module")
def lies(good_image):  # noqa: F811
    return crafted_images.crafted(good_image)


def test_there_are_enough(lies):
    assert len(lies) >= 200


def test_tool_and_reader_refuse_each(tmp_path, lies):
    believed = []
    for name, data in lies.items():
        path = tmp_path / name
        path.write_bytes(data)
        if tool_accepts(path):
            believed.append(f"{name} (ckpt verify)")
        if reader_accepts(data):
            believed.append(f"{name} (reader.py)")
    assert not believed


@pytest.mark.damages("images", "the disk is full of images that lie")
def test_kernel_refuses_each(tmp_path, lies):
    """With everything read first, as a page's own checksum otherwise counts only when it is touched."""
    restore_all(tmp_path, lies, refused, RESTORE + " -a")


@pytest.mark.damages("images", "the disk is full of images that lie")
def test_kernel_survives_each_when_pages_come_later(tmp_path, lies):
    restore_all(tmp_path, lies, survived)


def test_harmless_lies(tmp_path, good_image):  # noqa: F811
    images = dict(crafted_images.harmless(good_image))
    for name, data in images.items():
        assert reader_accepts(data), name
        (tmp_path / name).write_bytes(data)
        assert tool_accepts(tmp_path / name), name
    (tmp_path / "run").mkdir()
    restore_all(tmp_path / "run", images, survived)


def test_more_regions_than_a_process_can_have(tmp_path, good_image):  # noqa: F811
    """The format allows 500, this kernel less. They are put where the heap could have grown."""
    x = crafted_images.Editable(good_image)
    space = x.payload(crafted_images.SPACE)
    _, heap_end, _, count = struct.unpack_from("<QQQI", space)
    first = (heap_end + 4095) // 4096 * 4096
    regions = [bytes(space[32 + 32 * i:64 + 32 * i]) for i in range(count)]
    regions += [struct.pack("<QQIIII", at, at + 4096, 3, 1, 0, 0) for at in range(first, first + 300 * 8192, 8192)]
    regions.sort(key=lambda r: struct.unpack_from("<Q", r))
    space[32:] = b"".join(regions)
    struct.pack_into("<QI", space, 16, heap_end, len(regions))
    restore_all(tmp_path, {"300-regions": x.build()}, lambda name, result: said_why(result))


def said_why(result):
    assert result.status not in (0, 3) and "more regions of memory than a process can have" in result.output, result


@pytest.mark.damages("images", "the disk is full of images that lie")
def test_saving_what_was_restored_from_a_lie(tmp_path, good_image):  # noqa: F811
    """Pages come when they are touched, so some lies run for a while; then the old trees are what a new epoch builds upon."""
    folder = tmp_path / "bad"
    folder.mkdir()
    lies = dict(crafted_images.tree_lies(good_image))
    for n, data in enumerate(lies.values()):
        (folder / f"i{n}").write_bytes(data)
    disk = machines.make_disk(str(tmp_path / "disk.img"), [machines.guest_program("counters"), f"{folder}:/bad"], "256M")
    m = machines.Machine(disk)
    m.check("counters")
    before = m.counters()
    for n in range(len(lies)):
        pid = m.start_in_background(f"{RESTORE} /bad/i{n}")
        m.run(f"checkpoint {pid} /bad/i{n}")
        m.run(f"checkpoint -k {pid} /bad/i{n}")
    m.check("sleep 2")
    after = m.counters()
    m.power_off()
    machines.assert_fs_clean(disk)
    for live in ("procs_live", "files_live", "spaces_live", "commit_used", "pipes_live"):
        assert before[live] == after[live], f"{live}: {before[live]}, then {after[live]}"
