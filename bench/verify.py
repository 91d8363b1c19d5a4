#!/usr/bin/python3
"""How quickly `ckpt verify` checks an image of 1 GiB, beside cat and a plain CRC-32C of the file by isa-l; all warm. Medians of rounds.

usage: bench/verify.py [MIB]        BUILD names the build (build)
"""
import ctypes
import json
import mmap
import os
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CKPT = os.path.join(ROOT, os.environ.get("BUILD", "build"), "host", "ckpt")
GOLDEN = os.path.join(ROOT, "tests/ckpt/golden/single.img.gz")
PAGE, ROUNDS = 4096, 15


def make_image(folder, pages):
    """An image with that many pages, all different: by way of an archive."""
    small, archive, image = (os.path.join(folder, n) for n in ("small.img", "a.tar", "large.img"))
    with open(small, "wb") as f:
        f.write(subprocess.run(["gzip", "-dc", GOLDEN], check=True, capture_output=True).stdout)
    subprocess.run([CKPT, "export", "-q", small, archive], check=True)
    subprocess.run(["tar", "--zstd", "-xf", archive], cwd=folder, check=True)
    with open(os.path.join(folder, "image.json")) as f:
        history = json.load(f)
    space = history["epochs"][0]["spaces"][0]
    space.update(heap_start=0x60000000, heap_end=0x60000000, heap_limit=0x70000000, tree={"height": 3, "extents": [[0, pages, 0]]},
                 regions=[{"start": 0, "end": pages * PAGE, "protection": "rw-", "kind": "data", "promised": True}])
    history["pages"] = pages
    with open(os.path.join(folder, "image.json"), "w") as f:
        json.dump(history, f)
    with open(os.path.join(folder, "pages"), "wb") as f:
        for _ in range(0, pages, 256):
            f.write(os.urandom(256 * PAGE))
        f.truncate(pages * PAGE)
    subprocess.run(["tar", "-cf", archive, "image.json", "pages"], cwd=folder, check=True)
    os.unlink(os.path.join(folder, "pages"))
    subprocess.run([CKPT, "import", "-q", archive, image], check=True)
    os.unlink(archive)
    return image


def crc(image):
    library = ctypes.CDLL("libisal.so.2")
    with open(image, "rb") as f, mmap.mmap(f.fileno(), 0, flags=mmap.MAP_PRIVATE) as m:
        array = (ctypes.c_char * len(m)).from_buffer(m)
        address, left = ctypes.addressof(array), len(m)
        value = 0xFFFFFFFF
        while left:
            n = min(left, 1 << 20)
            value = library.crc32_iscsi(ctypes.c_void_p(address), ctypes.c_int(n), ctypes.c_uint(value))
            address, left = address + n, left - n
        del array


def seconds(work):
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def main():
    mib = int(sys.argv[1]) if len(sys.argv) > 1 else 1024
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "wb") as nowhere:
        image = make_image(folder, mib * 256)
        ways = {
            "cat > /dev/null": lambda: subprocess.run(["cat", image], stdout=nowhere, check=True),
            "CRC-32C, isa-l": lambda: crc(image),
            "ckpt verify": lambda: subprocess.run([CKPT, "verify", "-q", image], check=True),
        }
        rounds = [{name: seconds(work) for name, work in ways.items()} for _ in range(ROUNDS)]
    for name in ways:
        s = statistics.median(r[name] for r in rounds)
        ratio = statistics.median(r["ckpt verify"] / r[name] for r in rounds)
        print(f"{name:16} {s:6.3f} s   {mib / 1024 / s:5.2f} GiB/s   ckpt verify takes {ratio:.2f} times as long")


main()
