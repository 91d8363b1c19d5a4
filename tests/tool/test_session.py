"""The session of a new user: checkpoint in the guest, power off, and look at the image on the host."""
import json
import os
import re
import subprocess

import pytest

import machine as machines

PROGRAM = machines.guest_program("turns")


def ckpt(*args, statuses=(0,)):
    return machines.run_tool("ckpt", *args, statuses=statuses)


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """Two epochs of a program that counts in a global variable, taken out of the disk after the power was off."""
    folder = tmp_path_factory.mktemp("session")
    disk = machines.make_disk(str(folder / "disk.img"), [PROGRAM])
    m = machines.Machine(disk)
    pid = m.start_in_background("turns 60", r"turn \d+")
    for _ in range(2):
        m.start(f"checkpoint {pid} life.img; echo \"<=$?=>\"")
        assert m.expect(r"<=(\d+)=>\r*\n").group(1) == "0", m.console()[-2000:]
        m.expect(r"turn \d+")
        m.expect(r"turn \d+")
    m.start(f"kill {pid}")
    m.expect(r"\$ ")
    m.power_off()
    machines.assert_fs_clean(disk)
    path = str(folder / "life.img")
    machines.run_tool("amberfs", "cp", disk, "/life.img", path)
    return path


def gdb(*args):
    return subprocess.run(["gdb", "-nx", "-q", "-batch", *args], capture_output=True, text=True, timeout=120).stdout


def test_show_tells_the_process(image):
    shown = json.loads(ckpt("show", "--json", image))
    assert [p["name"] for p in shown["processes"]] == ["turns"]
    assert shown["epoch"]["number"] == 2 and shown["older_epochs"] == 1


def test_log_tells_both_epochs(image):
    assert [e["number"] for e in json.loads(ckpt("log", "--json", image))] == [2, 1]


def test_image_is_sound(image):
    assert ckpt("verify", image).count("sound") == 2


def test_memory_that_did_not_change_is_shared(image):
    rows = json.loads(ckpt("mem", "--json", image))
    assert sum(r["shared_with_previous"] for r in rows) > 0
    assert sum(r["resident"] - r["shared_with_previous"] for r in rows) in range(1, 5)


def test_gdb_names_the_function_in_which_it_stopped(image, tmp_path):
    core = str(tmp_path / "core")
    ckpt("core", "-o", core, image)
    trace = gdb("-ex", "backtrace", "-ex", "print turns", PROGRAM, core)
    assert re.search(r"in sleep_ticks|in wait_for_turn", trace), trace
    assert re.search(r"in wait_for_turn", trace) and re.search(r"in main", trace), trace
    assert re.search(r"\$1 = 100\d", trace), trace


def test_ckpt_gdb_starts_gdb_with_it(image):
    out = subprocess.run([os.path.join(machines.HOST, "ckpt"), "gdb", image, PROGRAM, "--", "-nx", "-batch", "-ex", "bt"],
                         capture_output=True, text=True, timeout=120)
    assert out.returncode == 0 and "wait_for_turn" in out.stdout, out


def test_diff_names_the_variable_that_changed(image):
    text = ckpt("diff", "--symbols", PROGRAM, image + "@1", image + "@2", statuses=(1,))
    before, after = map(int, re.search(r" turns: .* \((\d+)\) -> .* \((\d+)\)", text).groups())
    assert 1000 <= before < after
    assert "unchanged" not in text


def test_diff_as_json_names_it_too(image):
    changes = json.loads(ckpt("diff", "--json", "-s", PROGRAM, image + "@1", image + "@2", statuses=(1,)))["changes"]
    assert any(c.get("symbol") == "turns" for c in changes)


def test_dump_shows_a_variable_by_name(image):
    text = ckpt("dump", "-s", PROGRAM, image, "unchanged+16")
    assert "stays as it is" in text and "unchanged" in text


def test_ps_names_the_function(image):
    assert re.search(r"<\w+", ckpt("ps", "-s", PROGRAM, image))
