#!/usr/bin/python3
"""Make the seeds in tests/fuzz/corpus: what tests/ckpt/golden.py writes, small disks and real programs, as sparse files.

usage: seeds.py DISK_SEEDS PROGRAMS     (the built program of that name; the folder of the guest's programs)
"""
import os
import struct
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "ckpt"))
import golden  # noqa: E402

CORPUS = os.path.join(HERE, "corpus")
WORD, BLOCK, PIECE_MAX = 8, 4096, 248


def pieces(data, skip_full_blocks=True):
    """Yields (offset, bytes) of what isn't zero; pages full of text may stay zeros, their checksums are made right."""
    begin = end = None
    for at in range(0, len(data) + WORD, WORD):
        block = data[at // BLOCK * BLOCK:][:BLOCK]
        word = data[at:at + WORD]
        wanted = any(word) and not (skip_full_blocks and at >= 2 * BLOCK and 0 not in block)
        if wanted and begin is None:
            begin = at
        if begin is not None and (not wanted or at - begin == PIECE_MAX):
            yield begin, data[begin:at]
            begin = at if wanted else None


def sparse(control, parts):
    return bytes(control) + b"".join(struct.pack("<I", at // WORD | len(part) << 24) + part for at, part in parts)


def write(target, name, data):
    folder = os.path.join(CORPUS, target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as f:
        f.write(data)


def images():
    for name, make in golden.IMAGES.items():
        data = bytes(make().data)
        parts = list(pieces(data))
        # FXSAVE's area is as good empty.
        parts = [(at, part) for at, part in parts if part[:64] != bytes(range(64)) and part[8:72] != bytes(range(64))]
        write("image", name, sparse([0, 0, 0, 255], parts))
        write("restore", name, sparse([0, 0, 2, 0], parts))
        write("restore", name + "-eager", sparse([0, 0, 0x11, 0], parts))
        write("writer", name, sparse([0, 0, 5, 0], parts) + bytes([0, 0, 1, 1, 0, 2, 0, 1, 5, 3, 16, 7, 9, 200, 3]))


def disks(tool):
    for target, view, runs in (("mount", "whole", [(0, 2), (2, 4), (6, 3), (9, 4)]), ("journal", "crashed", [(0, 2), (1, 3), (3, 5)]),
                               ("directory", "directories", [(0, 4), (4, 2), (6, 4)])):
        os.makedirs(os.path.join(CORPUS, target), exist_ok=True)
        for first, count in runs:
            subprocess.run([tool, view, os.path.join(CORPUS, target, f"from-{first}"), str(first), str(count)], check=True)


def programs(folder):
    for name in ("echo", "sh"):
        with open(os.path.join(folder, name), "rb") as f:
            data = f.read()
        headers = struct.unpack_from("<H", data, 44)[0]
        segments = [struct.unpack_from("<IIIIII", data, 52 + 32 * i) for i in range(headers)]
        end = max(offset + filled for kind, offset, _, _, filled, _ in segments if kind == 1)
        parts = list(pieces(data[:52 + 32 * headers])) + [(end // WORD * WORD, b"end end")]
        write("exec", name, sparse([0, 2, 3, 0], parts))


def calls():
    """Every call once, with arguments that make sense."""
    fill = (b"/a/path\0" + struct.pack("<QQ", 0x100, 0x180) + bytes(8)).ljust(256, b"\0")
    numbers = list(range(1, 48))
    for part in range(3):
        chosen = numbers[part::3]
        write("calls", f"every-third-{part}", fill + b"".join(struct.pack("<BBBBIII", n, 0, 0, 7 if n in (7, 19) else 1, 0, 1, 0) for n in chosen)
              + b"".join(struct.pack("<BBBBIII", n, 0, 0, 2, 1, 0, 64) for n in chosen))


images()
calls()
disks(sys.argv[1])
programs(sys.argv[2])
