"""Images are hostile until checked: each of these is refused with a message, or is harmless; the kernel lives and nothing leaks."""
import os
import random
import re

import pytest

import machine as machines
from crafted import (DESCRIPTORS, EPOCH, FILE, FPU, PROCESS, REGISTERS, RESTART, SPACE, TREE, header_patched, patched)

# i386's registers in the record REGISTERS: after machine and size.
EDI, ESI, EBP, EBX, EDX, ECX, EAX, EIP, EFLAGS, ESP = range(8, 48, 4)


@pytest.fixture(scope="module")
def good_image(tmp_path_factory):
    """A small image that is right: of a process that counts."""
    folder = tmp_path_factory.mktemp("good")
    disk = machines.make_disk(str(folder / "d.img"), [machines.guest_program("counter")])
    m = machines.Machine(disk)
    pid = m.start_in_background("counter 3 20", "count 1")
    m.start(f"checkpoint {pid} good.img; echo \"<=$?=>\"")
    assert m.expect(r"<=(\d+)=>").group(1) == "0"
    m.expect(r"digest \w+")
    m.start("")
    m.power_off()
    machines.run_tool("amberfs", "cp", disk, "/good.img", str(folder / "good.img"))
    return (folder / "good.img").read_bytes()


def restore_each(tmp_path, images, judge):
    """Put the images on a disk, restore each in one machine, and call judge(name, result)."""
    folder = tmp_path / "bad"
    folder.mkdir()
    for name, data in images.items():
        (folder / name).write_bytes(data)
    disk = machines.make_disk(str(tmp_path / "disk.img"), [machines.guest_program("counters"), f"{folder}:/bad"], "256M")
    m = machines.Machine(disk)
    m.check("counters")
    m.run(f"restore /bad/{next(iter(images))}")
    before = m.counters()
    for name in images:
        judge(name, m.run(f"restore /bad/{name}", timeout=60))
    after = m.counters()
    m.power_off()
    machines.assert_fs_clean(disk)
    for live in ("procs_live", "files_live", "inodes_live", "spaces_live", "commit_used"):
        assert before[live] == after[live], f"{live}: {before[live]}, then {after[live]}"
    assert after["frames_free"] >= before["frames_free"] - 64, "page frames leaked"


def refused(name, result):
    assert result.status not in (0, 3) and "count" not in result.output.replace("counter", ""), f"{name}: {result}"
    assert re.search(r"\w+: ", result.output), f"{name}: a message is owed: {result}"


def survived(name, result):
    """Refused, run, or killed for its own fault: all is well as long as the machine goes on."""
    assert result.status is not None


def test_truncated_at_every_512_bytes(tmp_path, good_image):
    images = {f"t{n}": good_image[:n] for n in range(0, len(good_image) - 1, 512)}
    restore_each(tmp_path, images, refused)


def test_random_flips(tmp_path, good_image):
    """Every byte that means something is under a checksum; what is reserved may flip unseen."""
    random.seed(1)
    images = {}
    for n in range(120):
        data = bytearray(good_image)
        # Past the first slot's compatibility prefix; slot B is empty.
        at = random.choice([random.randrange(128, 224), random.randrange(8192, len(data))])
        data[at] ^= 1 << random.randrange(8)
        images[f"f{n}"] = bytes(data)
    restore_each(tmp_path, images, refused)


def test_privileged_registers_are_powerless(tmp_path, good_image):
    """Checksums are right: what the processor would grant is forced to safe values, so the program runs, or dies alone."""
    images = {
        "flags_all": patched(good_image, REGISTERS, "I", EFLAGS, 0xFFFFFFFF),
        "flags_none": patched(good_image, REGISTERS, "I", EFLAGS, 0),
        "iopl": patched(good_image, REGISTERS, "I", EFLAGS, 0x3202),
        "nested_task": patched(good_image, REGISTERS, "I", EFLAGS, 0x4202),
        "virtual_8086": patched(good_image, REGISTERS, "I", EFLAGS, 0x20202),
        "trap_flag": patched(good_image, REGISTERS, "I", EFLAGS, 0x302),
        "no_interrupts": patched(good_image, REGISTERS, "I", EFLAGS, 0x002),
        "pc_in_kernel": patched(good_image, REGISTERS, "I", EIP, 0x80100000),
        "pc_at_end": patched(good_image, REGISTERS, "I", EIP, 0xFFFFFFFF),
        "pc_null": patched(good_image, REGISTERS, "I", EIP, 0),
        "sp_in_kernel": patched(good_image, REGISTERS, "I", ESP, 0x80100000),
        "sp_at_end": patched(good_image, REGISTERS, "I", ESP, 0xFFFFFFFF),
        "call_unknown": patched(good_image, REGISTERS, "I", EAX, 0xFFFFFFFF),
        "mxcsr_reserved": patched(good_image, FPU, "I", 8 + 24, 0xFFFFFFFF),
        "fpu_all_ones": patched(good_image, FPU, "Q", 8, 0xFFFFFFFFFFFFFFFF),
        "restart_unknown": patched(good_image, RESTART, "I", 0, 0xFFFFFFFF),
        "restart_write_done": patched(patched(good_image, RESTART, "I", 0, 16), RESTART, "Q", 8, 1 << 40),
        "restart_left": patched(patched(good_image, RESTART, "I", 0, 13), RESTART, "Q", 16, 0),
    }
    restore_each(tmp_path, images, survived)


def test_absurd_numbers_are_refused(tmp_path, good_image):
    huge32, huge64 = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF
    size = len(good_image)
    images = {
        "version": header_patched(good_image, "I", 136, 2),
        "features": header_patched(good_image, "I", 140, 1),
        "machine": header_patched(good_image, "I", 144, 2),
        "machine_huge": header_patched(good_image, "I", 144, huge32),
        "page_size": header_patched(good_image, "I", 148, 8192),
        "epoch_0": header_patched(good_image, "Q", 168, 0),
        "blocks_huge": header_patched(good_image, "Q", 192, huge64),
        "blocks_more": header_patched(good_image, "Q", 192, size // 4096 + 1),
        "records_far": header_patched(good_image, "Q", 200, 1 << 40),
        "records_in_header": header_patched(good_image, "Q", 200, 0),
        "records_huge": header_patched(good_image, "Q", 208, huge64 - 7),
        "records_odd": header_patched(good_image, "Q", 208, 12),
        "records_empty": header_patched(good_image, "Q", 208, 0),
        "no_processes": patched(good_image, EPOCH, "I", 104, 0),
        "many_processes": patched(good_image, EPOCH, "I", 104, huge32),
        "many_files": patched(good_image, EPOCH, "I", 96, huge32),
        "many_spaces": patched(good_image, EPOCH, "I", 100, huge32),
        "many_pipes": patched(good_image, EPOCH, "I", 92, huge32),
        "one_pipe": patched(good_image, EPOCH, "I", 92, 1),
        "many_contents": patched(good_image, EPOCH, "I", 88, huge32),
        "one_content": patched(good_image, EPOCH, "I", 88, 1),
        "previous_itself": patched(good_image, EPOCH, "Q", 56, 1),
        "previous_far": patched(good_image, EPOCH, "Q", 64, huge64),
        "kept_nothing": patched(good_image, EPOCH, "I", 84, huge32),
        "regions_huge": patched(good_image, SPACE, "I", 24, huge32),
        "regions_none": patched(good_image, SPACE, "I", 24, 0),
        "region_in_kernel": patched(good_image, SPACE, "Q", 40, 0x90000000),
        "region_backwards": patched(good_image, SPACE, "Q", 40, 0),
        "region_unaligned": patched(good_image, SPACE, "Q", 32, 0x1001),
        "region_kind": patched(good_image, SPACE, "I", 52, 9),
        "region_rights": patched(good_image, SPACE, "I", 48, huge32),
        "heap_in_kernel": patched(good_image, SPACE, "Q", 16, huge64),
        "heap_backwards": patched(good_image, SPACE, "Q", 8, 0),
        "tree_pages_huge": patched(good_image, TREE, "Q", 0, huge64),
        "tree_pages_fewer": patched(good_image, TREE, "Q", 0, 1),
        "tree_nodes_huge": patched(good_image, TREE, "Q", 8, huge64),
        "tree_root_far": patched(good_image, TREE, "I", 16, huge32),
        "tree_root_header": patched(good_image, TREE, "I", 16, 1),
        "tree_height_0": patched(good_image, TREE, "I", 24, 0),
        "tree_height_huge": patched(good_image, TREE, "I", 24, huge32),
        "pid_negative": patched(good_image, PROCESS, "i", 0, -1),
        "pid_0": patched(good_image, PROCESS, "i", 0, 0),
        "state": patched(good_image, PROCESS, "I", 12, 7),
        "space_far": patched(good_image, PROCESS, "Q", 24, 99),
        "parent_itself": patched(good_image, PROCESS, "Q", 56, 1),
        "registers_machine": patched(good_image, REGISTERS, "I", 0, 2),
        "registers_size": patched(good_image, REGISTERS, "I", 4, huge32),
        "fpu_size": patched(good_image, FPU, "I", 4, 0),
        "file_kind": patched(good_image, FILE, "I", 0, 77),
        "file_flags": patched(good_image, FILE, "I", 4, huge32),
        "file_offset": patched(good_image, FILE, "Q", 8, huge64),
        "file_content": patched(good_image, FILE, "Q", 72, 1),
        "file_pipe": patched(good_image, FILE, "Q", 64, 1),
        "file_path": patched(good_image, FILE, "I", 80, huge32),
        "descriptors_huge": patched(good_image, DESCRIPTORS, "I", 0, huge32),
        "descriptor_far": patched(good_image, DESCRIPTORS, "I", 8, huge32),
        "descriptor_file": patched(good_image, DESCRIPTORS, "Q", 16, huge64),
    }
    restore_each(tmp_path, images, refused)


def test_other_files_are_no_images(tmp_path):
    images = {
        "empty": b"",
        "zeros": bytes(20000),
        "noise": random.Random(2).randbytes(50000),
        "text": b"hello\n" * 1000,
        "old_magic_only": (0xDEADBEEF).to_bytes(4, "little") + bytes(5000),
    }
    restore_each(tmp_path, images, refused)
