"""reader.py, written from docs/formats/checkpoint.md alone, and the host's tool say the same of every image."""
import json
import os
import subprocess

import pytest

import golden
import machine as machines
import reader

TOOL = os.path.join(machines.HOST, "ckpt")


def assert_agree(path):
    """Every epoch that is kept: processes, registers, regions, files, pipes, figures of the trees, and the digest over all pages."""
    image = reader.read(path)
    for epoch in image.epochs:
        shown = subprocess.run([TOOL, "show", "--json", f"{path}@{epoch.number}"], capture_output=True, text=True, check=True).stdout
        assert json.loads(shown) == json.loads(json.dumps(image.json(epoch.number))), f"epoch {epoch.number}"
    assert subprocess.run([TOOL, "verify", path], capture_output=True).returncode == 0
    assert_pages_agree(path, image)
    return image


def assert_pages_agree(path, image):
    """Whose checksums are right; and `ckpt dump` shows the bytes that the reader finds: a page of each living process."""
    for process in image.epochs[0].processes:
        pages = image.epochs[0].spaces[process["space"] - 1]["pages"] if process["state"] == "alive" else {}
        for page, (block, checksum) in list(pages.items())[-1:]:
            address = page * reader.BLOCK
            shown = subprocess.run([TOOL, "dump", "-p", str(process["pid"]), path, f"{address:#x}+16"], capture_output=True, text=True,
                                   check=True).stdout
            wanted = image.checked(block, checksum, is_page=True)[:16].hex()
            assert wanted in shown.lower().replace(" ", "").replace("-", ""), f"{shown}, not {wanted}"


@pytest.mark.parametrize("name", golden.IMAGES)
def test_golden_images(tmp_path, name):
    golden.unpack(name, tmp_path)
    assert_agree(str(tmp_path / f"{name}.img"))


@pytest.fixture(scope="module")
def made_by_the_guest(tmp_path_factory):
    """Images of all kinds: one process, a history, a family with pipes and a deleted file, one with contents of files."""
    folder = tmp_path_factory.mktemp("images")
    disk = machines.make_disk(str(folder / "d.img"), [machines.guest_program(p) for p in ("counter", "pages")])
    m = machines.Machine(disk)
    pid = m.start_in_background("counter 2000 10", "count 3")
    for _ in range(3):
        m.check(f"checkpoint {pid} history.img")
    m.check(f"checkpoint -k {pid} one.img")
    shell = m.start_in_background("sh -c 'cat | cat | counter 2000 50 > /out'")
    m.check("sleep 1")
    m.check(f"checkpoint -t -F -k {shell} family.img")
    m.check("sync")
    m.power_off()
    for name in ("history", "one", "family"):
        machines.run_tool("amberfs", "cp", disk, f"/{name}.img", str(folder / f"{name}.img"))
    return folder


def test_history_of_a_guest(made_by_the_guest):
    image = assert_agree(str(made_by_the_guest / "history.img"))
    assert len(image.epochs) == 3


def test_process_of_a_guest(made_by_the_guest):
    assert_agree(str(made_by_the_guest / "one.img"))


def test_family_of_a_guest(made_by_the_guest):
    image = assert_agree(str(made_by_the_guest / "family.img"))
    assert len(image.epochs[0].processes) >= 3 and image.epochs[0].pipes


def test_reader_refuses_each_flipped_bit(tmp_path):
    """Of what means something in the header, the records and the nodes: one bit in each word."""
    data = golden.unpack("single", tmp_path)
    header = reader.Image(data).header
    places = [*range(128, 220, 4), *range(header.records_block * reader.BLOCK, header.records_block * reader.BLOCK + header.records_size, 8)]
    for at in places:
        broken = bytearray(data)
        broken[at] ^= 1
        with pytest.raises(reader.Bad):
            reader.Image(bytes(broken))
