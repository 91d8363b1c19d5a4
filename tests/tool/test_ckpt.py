"""The host tool ckpt on golden images: each subcommand, each way of writing, each exit status."""
import json
import os
import re
import struct
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "ckpt"))
import crafted  # noqa: E402
import golden  # noqa: E402
import machine as machines  # noqa: E402

TOOL = os.path.join(machines.HOST, "ckpt")


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for name in golden.IMAGES:
        golden.unpack(name, folder)
    return folder


def run(*args, status=0):
    result = subprocess.run([TOOL, *map(str, args)], capture_output=True, text=True, timeout=120)
    assert status is None or result.returncode == status, f"ckpt {args}: status {result.returncode}\n{result.stdout}{result.stderr}"
    return result


def out(*args, status=0):
    return run(*args, status=status).stdout


def read_json(*args, status=0):
    return json.loads(out(*args, status=status))


# Looking.

@pytest.mark.parametrize("name", golden.IMAGES)
def test_show_json_has_what_the_image_was_made_of(images, name):
    shown = read_json("show", "--json", images / f"{name}.img")
    assert shown["format"] == "amber-checkpoint" and shown["version"] == 1 and shown["machine"] == "i386"
    assert bytes.fromhex(shown["identity"]) == b"golden-identity!"
    for kind in ("contents", "pipes", "files", "spaces"):
        assert [o[kind[:-1]] for o in shown[kind]] == list(range(1, len(shown[kind]) + 1))


def test_show_json_of_the_family(images):
    shown = read_json("show", "--json", images / "family.img")
    assert [(p["pid"], p["ppid"], p["state"]) for p in shown["processes"]] == [
        (7, 0, "alive"), (9, 7, "alive"), (10, 7, "alive"), (8, 9, "ended")]
    assert bytes.fromhex(shown["pipes"][0]["bytes"]) == b"on its way\n"
    assert shown["files"][5]["path"] == "/tmp/gone" and shown["files"][5]["content"] == 1
    assert shown["processes"][1]["registers"]["eip"] == 0x40 and shown["processes"][1]["restart"]["call"] == 16
    assert shown["processes"][0]["fpu"] == bytes(i & 0xFF for i in range(512)).hex()


def test_show_of_an_older_epoch_by_option_and_by_name(images):
    image = images / "history.img"
    assert out("show", "-e", 3, image).splitlines()[1:] == out("show", f"{image}@3").splitlines()[1:]
    assert read_json("show", "--json", f"{image}@3")["epoch"]["number"] == 3


def test_show_table_is_aligned(images):
    rows = out("show", "--table", images / "family.img").splitlines()
    assert "PID" in rows[3] and len(rows) == 8
    assert {r.rindex(n) for r, n in zip(rows[4:], ("shell", "producer", "consumer", "ended"))} == {rows[3].index("NAME")}


def test_log_as_json(images):
    log = read_json("log", "--json", images / "history.img")
    assert [(e["number"], e["parent"], e["pids"]) for e in log] == [(5, 0, [3]), (4, 2, [3]), (3, 2, [3]), (2, 1, [3])]


def test_ps_is_a_tree(images):
    text = out("ps", "--table", images / "family.img")
    assert re.search(r"\n +7 .* shell\n +9 .*   producer\n +8 .*     ended\n +10 .*   consumer\n", text), text
    tree = read_json("ps", "--json", images / "family.img")
    assert [c["name"] for c in tree["children"]] == ["producer", "consumer"]
    assert tree["children"][0]["children"][0]["status"] == 0x300


def test_ps_names_the_call_that_a_process_waits_in(images):
    assert [r.split("\t")[5] for r in out("ps", images / "family.img").splitlines()[1:]] == ["-", "write", "status 0x300", "read"]


def test_an_unknown_command_is_told():
    result = run("nothing", status=2)
    assert "there is no command nothing; `ckpt --help`" in result.stderr and not result.stdout


def test_ps_in_a_pipe_is_fields_between_tabs(images):
    rows = [r.split("\t") for r in out("ps", images / "family.img").splitlines()]
    assert rows[0][0] == "PID" and {len(r) for r in rows} == {7} and rows[1][-1] == "shell"


def test_fds_names_files_and_pipes(images):
    rows = [r.split("\t") for r in out("fds", images / "family.img").splitlines()[1:]]
    assert ["9", "1", "3", "pipe-write", "write", "-", "-", "pipe 1"] in rows
    assert ["9", "5", "6", "file", "read-write", "99", "12388", "/tmp/gone"] in rows
    assert all(d["pid"] == 10 for d in read_json("fds", "--json", "-p", 10, images / "family.img"))


def test_mem_counts_resident_zero_and_shared(images):
    rows = read_json("mem", "--json", images / "family.img")
    first = next(r for r in rows if r.get("space") == 1 and r["start"] == 0)
    assert (first["pages"], first["resident"], first["zero"], first["shared_with_others"]) == (3, 3, 0, 3)
    rows = read_json("mem", "--json", f"{images}/history.img@4")
    assert sum(r["shared_with_previous"] for r in rows) == 2


def test_dump_in_hexadecimal_and_text(images):
    text = out("dump", images / "single.img", "0x2000+16")
    assert text == "00002000  73 6c 65 65 70 65 72 20  32 0a 73 6c 65 65 70 65  |sleeper 2.sleepe|\n"


def test_dump_of_zeros_is_short(images):
    assert out("dump", images / "single.img", "0x1000..0x2000").count("\n") == 3


def test_dump_outside_memory_says_so(images):
    assert "ckpt mem" in run("dump", images / "single.img", "0x30000000", status=2).stderr


# Verify.

def test_verify_is_0_1_or_2(images, tmp_path):
    good = (images / "family.img").read_bytes()
    assert run("verify", images / "family.img").stdout.count("sound") == 1
    bad = bytearray(good)
    bad[3 * 4096] ^= 1
    (tmp_path / "bad.img").write_bytes(bad)
    assert "checksum" in run("verify", tmp_path / "bad.img", status=1).stderr
    (tmp_path / "text").write_bytes(b"hello" * 5000)
    run("verify", tmp_path / "text", status=1)
    run("verify", tmp_path / "absent", status=2)
    run("verify", status=2)


def test_verify_notices_every_changed_block(images, tmp_path):
    good = (images / "single.img").read_bytes()
    for at in range(0, len(good), 4096):
        if not any(good[at:at + 4096]):
            continue
        bad = bytearray(good)
        bad[at + next(i for i, b in enumerate(good[at:at + 4096]) if b)] ^= 0x80
        (tmp_path / "bad.img").write_bytes(bad)
        run("verify", tmp_path / "bad.img", status=1)


def test_verify_as_json(images, tmp_path):
    assert [e["epoch"] for e in read_json("verify", "--json", images / "history.img")["epochs"]] == [5, 4, 3, 2]
    data = crafted.patched((images / "single.img").read_bytes(), crafted.PROCESS, "i", 0, -1)
    (tmp_path / "bad.img").write_bytes(data)
    report = read_json("verify", "--json", tmp_path / "bad.img", status=1)
    assert not report["sound"] and report["error"]


def with_slot(good, slot, change):
    """The image with bytes of that header slot changed: {offset: value}; None: all zeros."""
    data = bytearray(good)
    for at, value in (change or {}).items():
        data[slot + at:slot + at + len(value)] = value
    if change is None:
        data[slot:slot + 4096] = bytes(4096)
    elif 128 not in change:
        data[slot + 4092:slot + 4096] = struct.pack("<I", crafted.crc32c(bytes(data[slot:slot + 4092])))
    return data


def newest_slot(good):
    return max((0, 4096), key=lambda slot: int.from_bytes(good[slot + 168:slot + 176], "little"))


@pytest.mark.parametrize("change", [{128: b"X"}, {128: b"\0" * 8}, {crafted.BLOCKS: struct.pack("<Q", 1 << 20)}], ids=["checksum", "magic", "length"])
def test_verify_tells_of_a_header_that_is_lost(images, tmp_path, change):
    good = (images / "history.img").read_bytes()
    slot = newest_slot(good)
    (tmp_path / "cut.img").write_bytes(with_slot(good, slot, change))
    told = out("verify", tmp_path / "cut.img")
    assert f"cut.img: slot {slot // 4096} holds no sound header" in told and "epoch 4 is the newest left" in told
    assert told.count(": sound: ") == 4 and told.count("\n") == 5
    assert read_json("verify", "--json", tmp_path / "cut.img")["bad_slot"] == slot // 4096
    assert not out("verify", "-q", tmp_path / "cut.img")


def test_verify_is_silent_about_an_empty_slot_and_an_older_header_of_a_longer_file(images, tmp_path):
    good = (images / "history.img").read_bytes()
    older = 4096 - newest_slot(good)
    for slot, change in ((older, None), (4096 - older, None), (older, {crafted.BLOCKS: struct.pack("<Q", 1 << 20)}), (older, {})):
        (tmp_path / "fine.img").write_bytes(with_slot(good, slot, change))
        assert "slot" not in out("verify", tmp_path / "fine.img")
        assert "bad_slot" not in read_json("verify", "--json", tmp_path / "fine.img")


# Rescue.

@pytest.fixture
def lost(images, tmp_path):
    """An image whose newest epoch's records are damaged: its path, and the image as it was."""
    good = (images / "history.img").read_bytes()
    header = newest_slot(good)
    bad = bytearray(good)
    bad[int.from_bytes(good[header + 200:header + 208], "little") * 4096 + 40] ^= 1
    (tmp_path / "lost.img").write_bytes(bad)
    return tmp_path / "lost.img"


def epochs_of(*args):
    return [e["number"] for e in read_json("log", "--json", *args)]


def test_damaged_records_hide_all_epochs_and_rescue_finds_those_before(images, lost):
    assert "--rescue" in run("log", lost, status=1).stderr
    run("verify", f"{lost}@4", status=1)
    assert epochs_of("--rescue", lost) == [4, 3, 2, 1], "with one that the newest had dropped"
    assert run("verify", "--rescue", lost).stdout.count("sound") == 4
    assert out("ps", "--rescue", lost) == out("ps", "-e", "4", images / "history.img").replace(str(images / "history.img"), str(lost))


def test_what_is_rescued_becomes_a_good_image_of_its_own(images, lost, tmp_path):
    run("pack", "--rescue", lost, tmp_path / "new.img")
    run("verify", tmp_path / "new.img")
    assert epochs_of(tmp_path / "new.img") == [4, 3, 2, 1]
    assert read_json("show", "--json", tmp_path / "new.img")["identity"] != b"golden-identity!".hex()
    for epoch in (4, 3, 2):
        run("diff", f"{tmp_path / 'new.img'}@{epoch}", f"{images / 'history.img'}@{epoch}")


def test_rescue_believes_no_damaged_page_and_leaves_out_epochs_that_are_gone(lost, tmp_path):
    good = bytearray(lost.read_bytes())
    for block in range(2, len(good) // 4096):
        if not any(good[block * 4096:block * 4096 + 4096]):
            continue
        bad = bytearray(good)
        bad[block * 4096 + 25] ^= 1
        (tmp_path / "bad.img").write_bytes(bad)
        verified = run("verify", "--rescue", tmp_path / "bad.img", status=None)
        packed = run("pack", "-f", "--rescue", tmp_path / "bad.img", tmp_path / "new.img", status=None)
        if packed.returncode == 0:
            run("verify", tmp_path / "new.img")
        assert verified.returncode or packed.returncode == 0, block


def test_nothing_to_rescue(images):
    assert "no second header" in run("log", "--rescue", images / "single.img", status=2).stderr


def blocks_damaged_one_by_one(good, path):
    for block in range(2, len(good) // 4096):
        if any(good[block * 4096:block * 4096 + 4096]):
            bad = bytearray(good)
            bad[block * 4096 + 25] ^= 1
            path.write_bytes(bad)
            yield block


def test_damage_in_older_epochs_costs_only_these(images, tmp_path):
    """The newest epoch is given up only when it can't be read; what is packed needs to be sound, and nothing else."""
    bad, new, older = tmp_path / "bad.img", tmp_path / "new.img", 0
    for block in blocks_damaged_one_by_one((images / "history.img").read_bytes(), bad):
        result = run("verify", bad, status=None)
        sound = [int(n) for n in re.findall(r"epoch (\d+): sound", result.stdout)]
        if result.returncode == 0:
            continue
        assert ("--rescue" in result.stderr) == (not sound), block
        if sound:
            older += 1
            damaged = sound[-1] - 1
            assert f"epoch {damaged} is damaged, those after it are not: pack -k {len(sound)} keeps them" in result.stderr
            run("pack", "-f", bad, new, status=1)
            run("pack", "-f", "-k", len(sound), bad, new)
            assert epochs_of(new) == sound
            run("verify", new)
            run("pack", "-f", "-e", sound[-1], bad, new)
            run("pack", "-f", "-e", damaged, bad, new, status=1)
    assert older > 3


def test_an_epoch_before_a_damaged_one_is_packed(images, tmp_path):
    packed = 0
    for block in blocks_damaged_one_by_one((images / "history.img").read_bytes(), tmp_path / "bad.img"):
        alone = [run("verify", "-e", n, tmp_path / "bad.img", status=None).returncode == 0 for n in (2, 3)]
        if alone == [True, False]:
            run("pack", "-f", "-e", 2, tmp_path / "bad.img", tmp_path / "new.img")
            same_epochs(images / "history.img", tmp_path / "new.img", (2,))
            packed += 1
    assert packed


# Diff.

def test_diff_of_equal_epochs_is_0(images):
    assert out("diff", images / "single.img", images / "single.img") == "0 differences, 0 pages\n"


def test_diff_tells_bytes_and_regions(images):
    text = out("diff", f"{images}/history.img@2", f"{images}/history.img@3", status=1)
    assert re.search(r"^- 00001000 .*\|text.text.text.t\|\n\+ 00001000 .*\|changed.changed.\|$", text, re.M)
    assert "more lines of this page (-a shows them)" in text
    assert "more lines" not in out("diff", "-a", f"{images}/history.img@2", f"{images}/history.img@3", status=1)


def test_diff_tells_processes_registers_and_descriptors(images):
    text = out("diff", images / "single.img", images / "family.img", status=1)
    assert '+ process 9 "producer"' in text or "+ process 9 producer" in text
    assert re.search(r"process 7: - fd 3 \(/log.txt\)", text)
    kinds = {c["change"] for c in read_json("diff", "--json", images / "single.img", images / "family.img", status=1)["changes"]}
    assert {"process-added", "fd-removed", "region-removed", "memory"} <= kinds


# Core files.

def gdb(core, *commands):
    args = [a for c in commands for a in ("-ex", c)]
    return subprocess.run(["gdb", "-nx", "-q", "-batch", *args, "-c", core], capture_output=True, text=True, timeout=120).stdout


def test_core_has_registers_memory_and_fpu(images, tmp_path):
    core = tmp_path / "core"
    out("core", "-o", core, images / "single.img")
    text = gdb(str(core), "info registers", "x/9c 0x2000", "p/x $xmm0.v4_int32", "info float", "x/2xb 0x1000")
    assert "Core was generated by `sleeper'" in text
    for name, value in (("eax", 0x7006), ("ecx", 0x7005), ("ebp", 0x7002), ("eip", 0x40), ("esp", 0x7FFFEFC0)):
        assert re.search(rf"{name} +{value:#x}\b", text), text
    assert "115 's'" in text and "0x1000:\t0x00\t0x00" in text
    assert "0xa3a2a1a0, 0xa7a6a5a4" in text
    assert re.search(r"R0: .* 0x29282726252423222120", text) and "0x0302" in text


def test_core_of_a_family_is_a_file_each(images, tmp_path):
    result = subprocess.run([TOOL, "core", str(images / "family.img")], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0 and sorted(os.listdir(tmp_path)) == ["core.10", "core.7", "core.9"]
    again = subprocess.run([TOOL, "core", str(images / "family.img")], cwd=tmp_path, capture_output=True, text=True)
    assert again.returncode == 2 and "-f" in again.stderr
    run("core", "-p", 8, "-o", tmp_path / "zombie", images / "family.img", status=2)
    run("core", "-p", 77, "-o", tmp_path / "nobody", images / "family.img", status=2)


def test_core_is_sparse(images, tmp_path):
    out("core", "-o", tmp_path / "core", images / "single.img")
    st = os.stat(tmp_path / "core")
    assert st.st_blocks * 512 < st.st_size


# Pack, compact, export, import.

def same_epochs(a, b, epochs):
    for n in epochs:
        assert out("diff", f"{a}@{n}", f"{b}@{n}") == "0 differences, 0 pages\n"
        assert out("show", f"{a}@{n}").splitlines()[4:] == out("show", f"{b}@{n}").splitlines()[4:]


def test_pack_keeps_all_epochs_and_drops_what_nobody_needs(images, tmp_path):
    out("pack", images / "history.img", tmp_path / "new.img")
    same_epochs(images / "history.img", tmp_path / "new.img", (5, 4, 3, 2))
    assert os.path.getsize(tmp_path / "new.img") < os.path.getsize(images / "history.img")
    assert read_json("show", "--json", tmp_path / "new.img")["identity"] == b"golden-identity!".hex()


def test_pack_of_one_epoch_begins_a_history_of_its_own(images, tmp_path):
    out("pack", "-e", 2, images / "history.img", tmp_path / "new.img")
    same_epochs(images / "history.img", tmp_path / "new.img", (2,))
    shown = read_json("show", "--json", tmp_path / "new.img")
    assert shown["older_epochs"] == 0 and shown["identity"] != b"golden-identity!".hex()
    run("pack", "-e", 1, images / "history.img", tmp_path / "none.img", status=1)


def test_compact_drops_history_in_place(images, tmp_path):
    image = tmp_path / "h.img"
    image.write_bytes((images / "history.img").read_bytes())
    out("compact", "-k", 2, image)
    assert [e["number"] for e in read_json("log", "--json", image)] == [5, 4]
    out("verify", image)


def test_nothing_is_replaced_unasked(images, tmp_path):
    (tmp_path / "there").write_text("mine")
    for args in (("pack", images / "single.img"), ("export", images / "single.img")):
        assert "-f" in run(*args, tmp_path / "there", status=2).stderr
    assert (tmp_path / "there").read_text() == "mine" and os.listdir(tmp_path) == ["there"]


@pytest.mark.parametrize("name", golden.IMAGES)
def test_import_gives_back_an_equal_image(images, tmp_path, name):
    image, archive, again, archive2 = images / f"{name}.img", tmp_path / "a.tar.zst", tmp_path / "i.img", tmp_path / "b"
    out("export", image, archive)
    out("import", archive, again)
    same_epochs(image, again, [e["number"] for e in read_json("log", "--json", image)])
    out("export", again, archive2)
    assert archive.read_bytes() == archive2.read_bytes()


def test_archive_is_one_that_tar_reads(images, tmp_path):
    out("export", images / "family.img", tmp_path / "a.tar.zst")
    subprocess.run(["tar", "--zstd", "-xf", "a.tar.zst"], cwd=tmp_path, check=True)
    history = json.loads((tmp_path / "image.json").read_text())
    assert os.path.getsize(tmp_path / "pages") == 4096 * history["pages"] == 4096 * 8


def change(value, path, to):
    for step in path[:-1]:
        value = value[step]
    value[path[-1]] = to


PROCESS = ("epochs", 0, "processes", 0)
SPACE = ("epochs", 0, "spaces", 0)


@pytest.mark.parametrize("path, to", [
    (("format",), "other"), (("version",), 2), (("pages",), 9), (("machine",), "pdp11"), (("identity",), "zz"),
    (("epochs",), []), (("epochs", 0, "processes"), []), ((*PROCESS, "pid"), 0), ((*PROCESS, "pid"), 1 << 40),
    ((*PROCESS, "space"), 9), ((*PROCESS, "name"), "x" * 16), ((*PROCESS, "fpu"), "00"), ((*PROCESS, "state"), "odd"),
    ((*PROCESS, "registers", "eip"), 1 << 32), ((*PROCESS, "descriptors", 0, "file"), 99),
    ((*PROCESS, "descriptors", 0, "fd"), 5000), ((*PROCESS, "cwd", "path"), "x" * 2000),
    ((*SPACE, "tree", "extents"), [[0, 1, 50]]), ((*SPACE, "tree", "extents"), [[5, 1, 0], [1, 1, 1]]),
    ((*SPACE, "tree", "extents"), [[1 << 40, 1, 0]]), ((*SPACE, "tree", "extents"), [[0, 1 << 33, 0]]),
    ((*SPACE, "tree", "height"), 77), ((*SPACE, "regions", 0, "end"), 1), ((*SPACE, "regions"), [{}] * 501),
    ((*SPACE, "heap_end"), -1), (("epochs", 0, "pipes", 0, "bytes"), "00" * 20000), (("epochs", 0, "files"), {}),
    (("epochs", 0, "epoch", "parent"), 10),
])
def test_import_refuses_what_cannot_be(images, tmp_path, path, to):
    out("export", images / "family.img", tmp_path / "a.tar.zst")
    subprocess.run(["tar", "--zstd", "-xf", "a.tar.zst"], cwd=tmp_path, check=True)
    history = json.loads((tmp_path / "image.json").read_text())
    change(history, path, to)
    (tmp_path / "image.json").write_text(json.dumps(history))
    subprocess.run(["tar", "-cf", "b.tar", "image.json", "pages"], cwd=tmp_path, check=True)
    assert run("import", tmp_path / "b.tar", tmp_path / "new.img", status=2).stderr
    assert not [f for f in os.listdir(tmp_path) if f.startswith("new.img")]


# Strange input.

def test_every_view_refuses_a_damaged_image(images, tmp_path):
    good = (images / "family.img").read_bytes()
    bad = tmp_path / "bad.img"
    bad.write_bytes(crafted.header_patched(good, "Q", 208, 1 << 60))
    for args in (("show",), ("show", "--json"), ("log", "--json"), ("ps",), ("fds",), ("mem", "--json"), ("verify",)):
        run(*args, bad, status=1)
    run("dump", bad, "0", status=1)
    for args in (("pack", bad, tmp_path / "x"), ("export", bad, tmp_path / "x")):
        run(*args, status=1)
    assert os.listdir(tmp_path) == ["bad.img"]


def test_control_characters_do_not_reach_the_terminal(images, tmp_path):
    data = bytearray((images / "single.img").read_bytes())
    (tmp_path / "i.img").write_bytes(crafted.patched(data, crafted.PROCESS, "8s", 40, b"a\x1b[31mb\0"))
    for args in (("show",), ("show", "--table"), ("ps",), ("show", "--json"), ("ps", "--json")):
        assert "\x1b" not in out(*args, tmp_path / "i.img")


def test_text_that_is_not_utf8_survives(images, tmp_path):
    data = (images / "single.img").read_bytes()
    (tmp_path / "i.img").write_bytes(crafted.patched(data, crafted.PROCESS, "4s", 40, b"\xff\xfeab"))
    assert read_json("ps", "--json", tmp_path / "i.img")["name"] == {"hex": b"\xff\xfeabper".hex()}
    out("export", tmp_path / "i.img", tmp_path / "a")
    out("import", tmp_path / "a", tmp_path / "j.img")
    same_epochs(tmp_path / "i.img", tmp_path / "j.img", (1,))


def test_help_is_there_for_all():
    text = out("--help")
    names = re.findall(r"^  (\w+) ", text, re.M)
    assert len(names) == 14
    for name in names:
        assert "Usage: ckpt " + name in out(name, "--help")
        run(name, "--no-such-option", status=2)
        run(name, status=2)
    run("no-such-command", status=2)
    run(status=2)


def test_table_on_a_terminal_plain_in_a_pipe(images):
    import pexpect
    shown = pexpect.run(f"{TOOL} ps {images}/single.img", encoding="utf-8")
    assert "\t" not in shown and "sleeper" in shown
    assert "\t" in out("ps", images / "single.img")


def test_bash_completes_subcommands_and_options():
    script = os.path.join(machines.ROOT, "tools", "completion", "ckpt.bash")
    ask = "COMP_WORDS=(ckpt {}); COMP_CWORD={}; _ckpt; echo ${{COMPREPLY[@]}}"
    def complete(words, at):
        return subprocess.run(["bash", "-c", f"source {script}; " + ask.format(words, at)], capture_output=True, text=True).stdout.split()
    assert "show" in complete("s", 1) and "verify" in complete("ver", 1)
    assert "--json" in complete("show --j", 2)
    commands = re.findall(r"^  (\w+) ", out("--help"), re.M)
    assert set(complete("''", 1)) >= set(commands)
