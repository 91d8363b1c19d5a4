"""Images that lie in their structure: the kernel, the host's tool and the reader of reader.py all refuse them, and nothing leaks."""
import os
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


def test_kernel_refuses_each(tmp_path, lies):
    """With everything read first, as a page's own checksum otherwise counts only when it is touched."""
    restore_all(tmp_path, lies, refused, RESTORE + " -a")


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
