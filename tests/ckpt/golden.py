#!/usr/bin/python3
"""Golden images: of every kind of thing that a released format can say, small, and readable for ever.

Written from docs/formats/checkpoint.md alone, without lib/ckptfmt. `golden.py CKPT` makes tests/ckpt/golden/ anew, with
CKPT (the built tool) telling the texts: only for images that are new. What has been released must stay as it is.
"""
import gzip
import os
import struct
import subprocess
import sys

from crafted import (BLOCK, CONTENT, CWD, DESCRIPTORS, EPOCH, FILE, FPU, PIPE, PROCESS, REGISTERS, RESTART, SPACE, TREE,
                     crc32c, page_sum)

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden")
VIEWS = (["show"], ["log"], ["mem"], ["verify"])

MAGIC, XV6_ID = b"AMBRCKPT", 0xDEADBEEF
START_NS = 1_700_000_000_000_000_000
ALIVE, ENDED = 1, 2
FILE_INODE, FILE_DEVICE, PIPE_READ, PIPE_WRITE = 1, 2, 3, 4
DIRECTORY, REGULAR, DEVICE = 1, 2, 3
DATA, HEAP, STACK = 1, 2, 3
STACK_TOP = 0x7FFFF000
HEAP_START = 0x00400000


def page(text):
    """A page that says what it is, over and over."""
    data = text.encode() + b"\n"
    return (data * (BLOCK // len(data) + 1))[:BLOCK]


class Tree:
    """A page tree that is changed in memory and written with what has changed."""

    def __init__(self, height=3):
        self.height = height
        self.pages = {}    # page number: (block, checksum)
        self.written = {}  # (level, number of the node): (its bytes, (block, checksum))

    def set(self, image, number, data):
        if data is None:
            self.pages.pop(number, None)
        else:
            self.pages[number] = (image.add_block(data), image.page_checksum(data))

    def write(self, image):
        """Returns the payload of the TREE record."""
        below, nodes = self.pages, 0
        for level in range(self.height):
            above, entries = {}, {}
            for number, entry in sorted(below.items()):
                entries.setdefault(number >> 9, {})[number & 511] = entry
            for number, slots in sorted(entries.items()):
                node = b"".join(struct.pack("<II", *slots.get(i, (0, 0))) for i in range(512))
                known, entry = self.written.get((level, number), (None, None))
                if known != node:
                    entry = (image.add_block(node), crc32c(node))
                    self.written[level, number] = (node, entry)
                above[number] = entry
            nodes += len(entries)
            below = above
        root = below.get(0, (0, 0))
        return struct.pack("<QQIIII", len(self.pages), nodes, *root, self.height, 0)


class Image:
    def __init__(self, name, sums=False):
        self.name, self.sums = name.encode(), sums
        self.data = bytearray(2 * BLOCK)
        self.epoch = 0
        self.previous = (0, 0, 0, 0)
        self.records = bytearray()
        self.began = 2

    def add_block(self, data):
        assert len(data) == BLOCK and len(self.data) % BLOCK == 0
        self.data += data
        return len(self.data) // BLOCK - 1

    def page_checksum(self, page):
        return page_sum(page) if self.sums else crc32c(page)

    def record(self, kind, number, payload, flags=0):
        head = struct.pack("<IHHI", kind, 1, flags, len(payload))
        tail = struct.pack("<Q", number)
        self.records += head + struct.pack("<I", crc32c(head + tail + payload)) + tail + payload
        self.records += bytes(-len(payload) % 8)

    def begin(self):
        """Before the pages and records of an epoch."""
        self.epoch += 1
        self.records = bytearray()
        self.began = len(self.data) // BLOCK
        self.body = []

    def put(self, kind, number, payload, flags=0):
        self.body.append((kind, number, payload, flags))

    def end(self, pid, kept=0, parent=0, pause_us=500, pages_written=0):
        """Write the records that were put, with an EPOCH before them, and the header."""
        count = lambda kind: sum(1 for k, *_ in self.body if k == kind)
        wall = START_NS + self.epoch * 3600_000_000_000
        self.record(EPOCH, 0, struct.pack(
            "<QQQQQQQQQQII5II", self.epoch, parent, wall, self.epoch * 60_500_000_000, pause_us * 1000,
            pages_written, len(self.data) // BLOCK - self.began, *self.previous, kept, count(CONTENT), count(PIPE), count(FILE), count(SPACE),
            count(PROCESS), 0))
        for kind, number, payload, flags in self.body:
            self.record(kind, number, payload, flags)
        block, size, digest = len(self.data) // BLOCK, len(self.records), crc32c(self.records)
        self.data += self.records + bytes(-size % BLOCK)
        self.previous = (self.epoch, block, size, digest)
        slot = bytearray(BLOCK)
        struct.pack_into("<III16s", slot, 0, XV6_ID, pid, 8 * BLOCK, self.name)
        struct.pack_into("<8sIIII16sQQQQQQI", slot, 128, MAGIC, 1, int(self.sums), 1, BLOCK, b"golden-identity!", self.epoch, parent,
                         wall, len(self.data) // BLOCK, block, size, digest)
        struct.pack_into("<I", slot, 4092, crc32c(slot[:4092]))
        at = (self.epoch - 1) % 2 * BLOCK
        self.data[at:at + BLOCK] = slot


def file(kind, flags, path, offset=0, ino=0, size=0, changes=0, type=0, links=1, major=0, minor=0, pipe=0, content=0):
    return struct.pack("<IIQQQQQIIIIQQII", kind, flags, offset, ino, 1 if ino else 0, size, changes, type, links, major,
                       minor, pipe, content, len(path), 0) + path.encode()


def console():
    return file(FILE_DEVICE, 2, "/console", ino=5, type=DEVICE, major=1, minor=1)


def space(heap_pages, *regions):
    end = HEAP_START + heap_pages * BLOCK
    regions = [(0, 3 * BLOCK, 7, DATA, 1), *regions, (STACK_TOP - 16 * BLOCK, STACK_TOP, 3, STACK, 0)]
    if heap_pages:
        regions.insert(-1, (HEAP_START, end, 3, HEAP, 1))
    return struct.pack("<QQQII", HEAP_START, end - 100 if heap_pages else end, 0x60000000, len(regions), 0) + b"".join(
        struct.pack("<QQIIII", *r, 0) for r in regions)


def put_process(image, number, pid, ppid, parent, name, space_number, descriptors, restart=(0, 0, 0)):
    image.put(PROCESS, number, struct.pack("<iiiIiIQQ16sQ", pid, ppid, 7, ALIVE, 0, 0, space_number, 1_234_000_000,
                                           name.encode(), parent))
    image.put(REGISTERS, number, struct.pack("<II10I", 1, 40, *(0x1000 * pid + i for i in range(7)), 0x40, 0x202,
                                             STACK_TOP - 64))
    image.put(FPU, number, struct.pack("<II", 1, 512) + bytes(i & 0xFF for i in range(512)))
    image.put(RESTART, number, struct.pack("<IIQQ", restart[0], 0, restart[1], restart[2]))
    image.put(CWD, number, struct.pack("<QQII", 2, 1, 5, 0) + b"/home")
    image.put(DESCRIPTORS, number, struct.pack("<II", len(descriptors), 0) + b"".join(
        struct.pack("<IIQ", fd, 0, f) for fd, f in descriptors))


def put_zombie(image, number, pid, ppid, parent, name, status):
    image.put(PROCESS, number, struct.pack("<iiiIiIQQ16sQ", pid, ppid, 7, ENDED, status, 0, 0, 0, name.encode(), parent))


def fill(image, tree, what, numbers):
    for n in numbers:
        tree.set(image, n, page(f"{what} {n}"))
    return len(numbers)


def single():
    """One process that sleeps; a region without any page, and pages of zeros."""
    image, tree = Image("sleeper"), Tree()
    image.begin()
    written = fill(image, tree, "sleeper", [0, 2, HEAP_START // BLOCK, STACK_TOP // BLOCK - 1])
    image.put(FILE, 1, console())
    image.put(FILE, 2, file(FILE_INODE, 0x801, "/log.txt", offset=640, ino=77, size=640, changes=12, type=REGULAR))
    image.put(FILE, 3, file(FILE_INODE, 0, "/home", ino=2, size=64, type=DIRECTORY, links=2))
    image.put(SPACE, 1, space(2, (0x10000, 0x18000, 1, DATA, 0)))
    image.put(TREE, 1, tree.write(image))
    put_process(image, 1, 7, 1, 0, "sleeper", 1, [(0, 1), (1, 1), (2, 1), (3, 2), (9, 3)], (13, 0, 2_000_000_000))
    image.end(7, pages_written=written)
    return image


def family():
    """Three that live and one that has ended; pipes of all kinds; a deleted file, open twice, and an empty one."""
    image = Image("shell")
    image.begin()
    contents = Tree(1)
    written = fill(image, contents, "contents", [0, 3])
    image.put(CONTENT, 1, struct.pack("<QQ", 3 * BLOCK + 100, 0))
    image.put(TREE, 1, contents.write(image))
    image.put(CONTENT, 2, struct.pack("<QQ", 0, 0))
    image.put(TREE, 2, Tree(1).write(image))
    image.put(PIPE, 1, struct.pack("<II", 11, 0) + b"on its way\n")
    image.put(PIPE, 2, struct.pack("<II", 0, 0))
    image.put(FILE, 1, console())
    image.put(FILE, 2, file(PIPE_READ, 0, "pipe", pipe=1))
    image.put(FILE, 3, file(PIPE_WRITE, 1, "pipe", pipe=1))
    image.put(FILE, 4, file(PIPE_WRITE, 1, "pipe", pipe=2))
    image.put(FILE, 5, file(PIPE_READ, 0, "pipe", pipe=3))
    size = 3 * BLOCK + 100
    image.put(FILE, 6, file(FILE_INODE, 2, "/tmp/gone", offset=99, ino=90, size=size, type=REGULAR, links=0, content=1))
    image.put(FILE, 7, file(FILE_INODE, 0, "/tmp/gone", ino=90, size=size, type=REGULAR, links=0, content=1))
    image.put(FILE, 8, file(FILE_INODE, 1, "/new", ino=91, type=REGULAR, content=2))
    trees = []
    for n in (1, 2, 3):
        trees.append(Tree())
        if n == 1:
            written += fill(image, trees[0], "text", [0, 1, 2])
        trees[-1].pages.update(trees[0].pages)  # shared after a fork
        written += fill(image, trees[-1], f"stack of {n}", [STACK_TOP // BLOCK - 1])
    for n, tree in enumerate(trees, 1):
        image.put(SPACE, n, space(0))
        image.put(TREE, n, tree.write(image))
    put_process(image, 1, 7, 0, 0, "shell", 1, [(0, 1), (1, 1), (2, 1)])
    put_process(image, 2, 9, 7, 1, "producer", 2, [(0, 1), (1, 3), (5, 6), (6, 4)], (16, 5, 0))
    put_process(image, 3, 10, 7, 1, "consumer", 3, [(0, 2), (1, 1), (5, 7), (6, 5), (7, 8)], (5, 0, 0))
    put_zombie(image, 4, 8, 9, 2, "ended", 0x300)
    image.end(7, pages_written=written)
    return image


def history():
    """Five epochs of which four are kept; the fourth goes on from the second, the fifth has nothing to do with it."""
    image, tree = Image("counter"), Tree()
    top = STACK_TOP // BLOCK - 1
    changes = [
        {0: "text", 1: "text", HEAP_START // BLOCK: "heap", top: "stack, first"},
        {top: "stack, second"},
        {HEAP_START // BLOCK: None, 1: "changed", top: "stack, third"},
        {HEAP_START // BLOCK: "heap again", top: "stack, second, and on"},
        {0: None, 1: None, HEAP_START // BLOCK: None},
    ]
    lives = [(0, 0), (1, 1), (2, 2), (3, 2), (3, 0)]
    for change, (kept, parent) in zip(changes, lives):
        image.begin()
        for number, text in change.items():
            tree.set(image, number, text and page(text))
        image.put(FILE, 1, console())
        image.put(SPACE, 1, space(1))
        image.put(TREE, 1, tree.write(image))
        put_process(image, 1, 3, 2, 0, "counter", 1, [(0, 1), (1, 1)])
        image.end(3, kept, parent, 100 * image.epoch, sum(1 for text in change.values() if text))
    return image


def optional():
    """Records of unknown types that may be passed over, one of them long; slot A is damaged, so slot B counts."""
    image, tree = history_of_one("optional"), Tree()
    image.begin()
    image.put(0x7777, 3, b"an odd length", 1)
    image.put(SPACE, 1, space(0))
    image.put(TREE, 1, tree.write(image))
    image.put(0x8888, 0, page("map") * 5, 1)
    put_process(image, 1, 3, 2, 0, "optional", 1, [])
    image.put(0x7777, 1 << 40, b"", 1)
    image.end(3)
    image.data[300] ^= 1
    return image


def history_of_one(name):
    image = Image(name)
    image.begin()
    image.put(SPACE, 1, space(0))
    image.put(TREE, 1, Tree().write(image))
    put_process(image, 1, 3, 2, 0, name, 1, [])
    image.end(3)
    return image


def sums():
    """Two epochs whose pages, a file's among them, have page sums for checksums."""
    image, tree, content = Image("adder", sums=True), Tree(), Tree(1)
    for numbers in ([0, HEAP_START // BLOCK, STACK_TOP // BLOCK - 1], [0]):
        image.begin()
        written = fill(image, content, f"contents {image.epoch}", [0]) + fill(image, tree, f"adder {image.epoch}", numbers)
        image.put(CONTENT, 1, struct.pack("<QQ", BLOCK, 0))
        image.put(TREE, 1, content.write(image))
        image.put(FILE, 1, console())
        image.put(FILE, 2, file(FILE_INODE, 1, "/gone", ino=92, size=BLOCK, type=REGULAR, links=0, content=1))
        image.put(SPACE, 1, space(1))
        image.put(TREE, 1, tree.write(image))
        put_process(image, 1, 7, 1, 0, "adder", 1, [(0, 1), (1, 1), (3, 2)])
        image.end(7, image.epoch - 1, image.epoch - 1, pages_written=written)
    return image


IMAGES = {"single": single, "family": family, "history": history, "optional": optional, "sums": sums}


def views(tool, folder, name):
    """What the tool says of the image, the commands between."""
    text = ""
    for view in VIEWS:
        result = subprocess.run([tool, *view, f"{name}.img"], cwd=folder, capture_output=True, text=True)
        text += f"$ ckpt {' '.join(view)}\n{result.stdout}{result.stderr}"
        assert result.returncode == 0, text
    return text


def unpack(name, folder):
    with gzip.open(os.path.join(FOLDER, f"{name}.img.gz")) as f:
        data = f.read()
    with open(os.path.join(folder, f"{name}.img"), "wb") as f:
        f.write(data)
    return data


def main():
    tool = os.path.abspath(sys.argv[1])
    for name, make in IMAGES.items():
        with open(os.path.join(FOLDER, f"{name}.img.gz"), "wb") as f:
            f.write(gzip.compress(bytes(make().data), mtime=0))
        unpack(name, FOLDER)
        with open(os.path.join(FOLDER, f"{name}.txt"), "w") as f:
            f.write(views(tool, FOLDER, name))
        os.unlink(os.path.join(FOLDER, f"{name}.img"))


if __name__ == "__main__":
    main()
