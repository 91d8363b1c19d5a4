"""Images are hostile until checked: each of these is refused with a message, or is harmless; the kernel lives and nothing leaks."""
import os
import random
import re
import struct

import pytest

import machine as machines
from crafted import (CONTENT, DESCRIPTORS, EPOCH, FILE, FPU, PIPE, PROCESS, REGISTERS, RESTART, SPACE, TREE, Records,
                     header_patched, patched)

# i386's registers in the record REGISTERS: after machine and size.
EDI, ESI, EBP, EBX, EDX, ECX, EAX, EIP, EFLAGS, ESP = range(8, 48, 4)

# Another disk's console is another file: it is handed over, so that an image isn't refused for that.
RESTORE = "restore -i 0=0 -i 1=1 -i 2=2"
EAGERLY = RESTORE.replace("restore", "restore -a", 1)


@pytest.fixture(scope="module")
def good_image(tmp_path_factory):
    """A small image that is right: of a process that counts."""
    folder = tmp_path_factory.mktemp("good")
    disk = machines.make_disk(str(folder / "d.img"), [machines.guest_program("counter")])
    m = machines.Machine(disk)
    pid = m.start_in_background("counter 3 40", "count 1")
    m.check(f"checkpoint -k {pid} good.img")
    m.power_off()
    machines.run_tool("amberfs", "cp", disk, "/good.img", str(folder / "good.img"))
    return (folder / "good.img").read_bytes()


def restore_each(tmp_path, images, judge, restore=RESTORE):
    """Put the images on a disk, restore each in one machine, and call judge(name, result)."""
    folder = tmp_path / "bad"
    folder.mkdir()
    for name, data in images.items():
        (folder / name).write_bytes(data)
    disk = machines.make_disk(str(tmp_path / "disk.img"), [machines.guest_program("counters"), f"{folder}:/bad"], "256M")
    m = machines.Machine(disk)
    m.check("counters")
    m.run(f"{restore} /bad/{next(iter(images))}")
    before = m.counters()
    for name in images:
        judge(name, m.run(f"{restore} /bad/{name}", timeout=60))
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


@pytest.mark.damages("images", "truncated images")
def test_truncated_at_every_512_bytes(tmp_path, good_image):
    images = {f"t{n}": good_image[:n] for n in range(0, len(good_image) - 1, 512)}
    restore_each(tmp_path, images, refused)


def flipped(good_image, seed, count):
    random.seed(seed)
    images = {}
    for n in range(count):
        data = bytearray(good_image)
        # Past the first slot's compatibility prefix; slot B is empty.
        at = random.choice([random.randrange(128, 224), random.randrange(8192, len(data))])
        data[at] ^= 1 << random.randrange(8)
        images[f"f{n}"] = bytes(data)
    return images


@pytest.mark.damages("images", "images with flipped bits")
def test_random_flips(tmp_path, good_image):
    """Every byte that means something is under a checksum; what is reserved may flip unseen."""
    restore_each(tmp_path, flipped(good_image, 1, 120), refused, EAGERLY)


@pytest.mark.damages("images", "images with flipped bits")
def test_random_flips_seen_when_touched(tmp_path, good_image):
    """A page is checked when it comes in: a program ends by it, or never needed it, and then its results are right."""
    digests = set()

    def judge(name, result):
        if result.status == 3:
            digests.add(re.search(r"digest \w+", result.output).group())
        else:
            refused(name, result)

    restore_each(tmp_path, {"good": good_image, **flipped(good_image, 2, 60)}, judge)
    assert len(digests) == 1, digests


def test_privileged_registers_are_powerless(tmp_path, good_image):
    """Checksums are right: what the processor would grant is forced to safe values, so the program runs, or dies alone."""
    images = {
        "as_it_is": good_image,
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

    def judge(name, result):
        survived(name, result)
        assert name != "as_it_is" or "digest" in result.output, f"{name}: {result}"

    restore_each(tmp_path, images, judge)


@pytest.mark.damages("images", "images that lie")
def test_absurd_numbers_are_refused(tmp_path, good_image):
    huge32, huge64 = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF
    size = len(good_image)
    images = {
        "version": header_patched(good_image, "I", 136, 2),
        "features": header_patched(good_image, "I", 140, 3),
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


@pytest.mark.damages("images", "images that lie")
def test_a_tree_that_lies_about_its_size_is_refused_when_all_is_read(tmp_path, good_image):
    pages, = struct.unpack_from("<Q", Records(good_image).of(TREE)[0][2])
    images = {
        "pages_fewer": patched(good_image, TREE, "Q", 0, pages - 1),
        "pages_more": patched(good_image, TREE, "Q", 0, pages + 1),
    }
    restore_each(tmp_path, images, refused, RESTORE.replace("restore", "restore -a"))


def test_other_files_are_no_images(tmp_path):
    images = {
        "empty": b"",
        "zeros": bytes(20000),
        "noise": random.Random(2).randbytes(50000),
        "text": b"hello\n" * 1000,
        "old_magic_only": (0xDEADBEEF).to_bytes(4, "little") + bytes(5000),
    }
    restore_each(tmp_path, images, refused)


# ---- families

@pytest.fixture(scope="module")
def family(tmp_path_factory):
    """A parent that reads a pipe, and a child that is about to write to it."""
    folder = tmp_path_factory.mktemp("family")
    disk = machines.make_disk(str(folder / "d.img"), [machines.guest_program("blocked")])
    m = machines.Machine(disk)
    pid = m.start_in_background("blocked pipe-read", "blocking")
    m.check(f"checkpoint -t -k {pid} family.img")
    m.power_off()
    machines.run_tool("amberfs", "cp", disk, "/family.img", str(folder / "family.img"))
    data = (folder / "family.img").read_bytes()

    def fresh():
        """Its records, with nothing left of the child's sleep."""
        records = Records(data)
        for number in (1, 2):
            records.set(RESTART, number, "Q", 16, 0)
        return records

    assert len(fresh().of(PROCESS)) == 2 and len(fresh().of(PIPE)) == 1
    return fresh


def process(pid, ppid, parent, state=2, status=0, space=0, pgid=1):
    return struct.pack("<iiiIiIQQ16sQ", pid, ppid, pgid, state, status, 0, space, 0, b"crafted", parent)


def pid_of(records, number=1):
    return struct.unpack_from("<i", records.of(PROCESS)[number - 1][2])[0]


def place_of_pipe_end(records, kind):
    return next(i for i, r in enumerate(records.of(FILE), 1) if struct.unpack_from("<I", r[2])[0] == kind)


def with_zombies(records, count, status=0):
    for n in range(count):
        records.add(PROCESS, process(20000 + n, pid_of(records), 1, status=status), range(1, 13))
    return records


def with_content(records, size):
    """A file without a name, open as descriptor 9."""
    tree = struct.pack("<QQIIII", 0, 0, 0, 0, 3, 0)
    records.add(CONTENT, struct.pack("<QQ", size, 0), (EPOCH,))
    records.list.insert(2, [TREE, 1, bytearray(tree)])
    file = struct.pack("<IIQQQQQIIIIQQII", 1, 2, 0, 777, 1, size, 1, 2, 0, 0, 0, 0, 1, 0, 0)
    number = len(records.of(FILE)) + 1
    records.add(FILE, file, (FILE,))
    fds = records.of(DESCRIPTORS)[0][2]
    fds += struct.pack("<IIQ", 9, 0, number)
    struct.pack_into("<I", fds, 0, struct.unpack_from("<I", fds)[0] + 1)
    return records


def twice(records, kind):
    """The pipe's end of that kind, in one more FILE."""
    return records.add(FILE, records.of(FILE)[place_of_pipe_end(records, kind) - 1][2], (FILE,))


def with_pipe(records, size, text_size):
    records.of(PIPE)[0][2] = bytearray(struct.pack("<II", size, 0) + b"p" * text_size)
    return records


@pytest.mark.damages("images", "images that lie")
def test_absurd_families_are_refused(tmp_path, family):
    zombie_parent = with_zombies(family(), 1).add(PROCESS, process(30000, 20000, 3), range(1, 13))
    images = {
        "reader_twice": twice(family(), 3),
        "writer_twice": twice(family(), 4),
        "pipe_too_full": with_pipe(family(), 16385, 16385),
        "pipe_text_lacks": with_pipe(family(), 16384, 100),
        "pipe_outside": family().set(FILE, place_of_pipe_end(family(), 3), "Q", 64, 99),
        "child_first": family().set(PROCESS, 1, "Q", 56, 2),
        "two_roots": family().set(PROCESS, 2, "Q", 56, 0),
        "ppid_lies": family().set(PROCESS, 2, "i", 4, 12345),
        "pid_twice": family().set(PROCESS, 2, "i", 0, pid_of(family())),
        "pid_0": family().set(PROCESS, 2, "i", 0, 0),
        "pid_negative": family().set(PROCESS, 2, "i", 0, -(2**31)),
        "pgid_negative": family().set(PROCESS, 2, "i", 8, -1),
        "processes_1000": with_zombies(family(), 998),
        "processes_1025": with_zombies(family(), 1023),
        "zombie_root": family().set(PROCESS, 1, "I", 12, 2).set(PROCESS, 1, "Q", 24, 0),
        "zombie_with_memory": family().set(PROCESS, 2, "I", 12, 2),
        "zombie_parent": zombie_parent,
        "memory_shared": family().set(PROCESS, 2, "Q", 24, 1),
        "memory_of_nobody": family().set(PROCESS, 2, "Q", 24, 3),
        "content_absurd": with_content(family(), 2**63),
        "content_too_large": with_content(family(), 2**63 - 1),
        "fd_names_nothing": family().set(DESCRIPTORS, 2, "Q", 16, 0),
        "fd_names_too_much": family().set(DESCRIPTORS, 2, "Q", 16, 1 << 40),
        "fd_too_high": family().set(DESCRIPTORS, 2, "I", 8, 999),
    }
    restore_each(tmp_path, {name: records.built() for name, records in images.items()}, refused)


def test_strange_families_are_harmless(tmp_path, family):
    largest = 2**31 - 1
    child = pid_of(family(), 2)
    images = {
        "as_it_is": family(),
        "pipe_full": with_pipe(family(), 16384, 16384),
        "pid_largest": family().set(PROCESS, 2, "i", 0, largest),
        "root_largest": family().set(PROCESS, 1, "i", 0, largest).set(PROCESS, 2, "i", 4, largest),
        "root_is_init": family().set(PROCESS, 1, "i", 0, 1).set(PROCESS, 2, "i", 4, 1),
        "ppid_largest": family().set(PROCESS, 1, "i", 4, largest),
        "ppid_is_child": family().set(PROCESS, 1, "i", 4, child),
        "pgid_largest": family().set(PROCESS, 1, "i", 8, largest).set(PROCESS, 2, "i", 8, largest),
        "pgid_unknown": family().set(PROCESS, 1, "i", 8, 0),
        "pgid_init": family().set(PROCESS, 1, "i", 8, 1),
        "zombies_400": with_zombies(family(), 400),
        "status_absurd": with_zombies(family(), 2, status=-1),
        "status_huge": with_zombies(family(), 2, status=largest),
        "uptime_absurd": family().set(PROCESS, 1, "Q", 32, 2**64 - 1).set(PROCESS, 2, "Q", 32, 2**64 - 1),
        "content_large": with_content(family(), 2**33),
    }
    whole = ("as_it_is", "pid_largest", "root_largest", "ppid_largest", "pgid_largest", "zombies_400", "uptime_absurd")

    def judge(name, result):
        assert name not in whole or "pipe read: 7: through" in result.output, f"{name}: {result}"

    restore_each(tmp_path, {name: records.built() for name, records in images.items()}, judge)


# Calls that would end the test by what they are for: exit's end and poweroff; fail.
NOT_TRIED = (38, 46)


def end_restored(m):
    """Kill who was restored. Returns whether there was anybody, or will be."""
    rows = [row.split() for row in m.check("ps").splitlines()]
    there = [row[0] for row in rows if row[-1] == "blocked"]
    for pid in there:
        m.start(f"kill {pid}")
        m.check("true")
    return bool(there) or any(row[-1] == "restore" for row in rows)


def test_absurd_restart_records_are_harmless(tmp_path, family):
    """Any call, cut off, it says, when it had done more than there is; with all the time there is left, or none."""
    folder = tmp_path / "bad"
    folder.mkdir()
    calls = [n for n in range(49) if n not in NOT_TRIED]
    for call in calls:
        records = family()
        for number in (1, 2):
            records.set(REGISTERS, number, "I", EAX, call).set(RESTART, number, "I", 0, call)
            records.set(RESTART, number, "Q", 8, 2**64 - 1).set(RESTART, number, "Q", 16, 2**64 - 1 if call % 2 else 0)
        (folder / f"r{call}").write_bytes(records.built())
    disk = machines.make_disk(str(tmp_path / "disk.img"), [machines.guest_program("counters"), f"{folder}:/bad"], "64M")
    m = machines.Machine(disk)
    m.check("counters")
    before = m.counters()
    for call in calls:
        m.start(f"{RESTORE} /bad/r{call} &")
        m.expect(r"\[\d+\] (\d+)\r*\n")
        m.check("sleep 0.1")
        end_restored(m)
    while end_restored(m):
        m.check("sleep 0.1")
    m.check("sleep 0.5")
    after = m.counters()
    m.power_off()
    machines.assert_fs_clean(disk)
    for name in ("procs_live", "threads_live", "files_live", "inodes_live", "pipes_live", "spaces_live", "commit_used"):
        assert before[name] == after[name], f"{name}: {before[name]}, then {after[name]}"
