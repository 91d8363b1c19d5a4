"""Disks that lie, with right checksums: docs/formats/filesystem.md in Python."""
import struct

from crafted import crc32c

BLOCK, INODE, DIRENT = 4096, 256, 32
MAX32, MAX64 = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF
UNWRITTEN = 1 << 63
ROOT = 1
# Fields of the superblock, and of an inode: form and offset.
SUPER = {"magic": ("Q", 0), "version": ("I", 8), "block_size": ("I", 12), "blocks": ("Q", 16), "inodes": ("Q", 24),
         "journal_start": ("Q", 32), "journal_blocks": ("Q", 40), "block_map": ("Q", 48), "block_map_blocks": ("Q", 56),
         "inode_map": ("Q", 64), "inode_map_blocks": ("Q", 72), "table": ("Q", 80), "table_blocks": ("Q", 88), "data": ("Q", 96)}
INODES = {"type": ("H", 0), "nlink": ("I", 4), "size": ("Q", 8), "generation": ("Q", 16), "blocks": ("Q", 48), "next_orphan": ("Q", 56),
          "major": ("I", 64), "height": ("I", 72), "slot0": ("Q", 80), "slot1": ("Q", 88), "parent": ("Q", 240)}
FREE, DIRECTORY, FILE, DEVICE = range(4)


class Disk:
    def __init__(self, data):
        self.data = bytearray(data)
        self.layout = {name: self.get(form, at) for name, (form, at) in SUPER.items()}

    def get(self, form, at):
        return struct.unpack_from("<" + form, self.data, at)[0]

    def put(self, form, at, value):
        struct.pack_into("<" + form, self.data, at, value)

    def super(self, **fields):
        """Both copies."""
        for copy in (0, len(self.data) - BLOCK):
            for name, value in fields.items():
                form, at = SUPER[name]
                self.put(form, copy + at, value)
            self.put("I", copy + 4092, crc32c(self.data[copy:copy + 4092]))
        return self

    def inode_at(self, ino):
        return self.layout["table"] * BLOCK + ino * INODE

    def inode(self, ino, **fields):
        at = self.inode_at(ino)
        for name, value in fields.items():
            form, offset = INODES[name]
            self.put(form, at + offset, value)
        self.put("I", at + 252, crc32c(self.data[at:at + 252], crc32c(struct.pack("<Q", ino))))
        return self

    def field(self, ino, name):
        form, offset = INODES[name]
        return self.get(form, self.inode_at(ino) + offset)

    def entries(self):
        """The root's: name to offset on the disk."""
        found = {}
        at = self.field(ROOT, "slot0") * BLOCK
        for n in range(0, BLOCK, DIRENT):
            if self.get("Q", at + n):
                found[bytes(self.data[at + n + 10:at + n + 24]).rstrip(b"\0").decode()] = at + n
        return found

    def entry(self, name, form, offset, value):
        self.put(form, self.entries()[name] + offset, value)
        return self

    def named(self, name):
        return self.get("Q", self.entries()[name])

    def block(self, number, data):
        self.data[number * BLOCK:number * BLOCK + len(data)] = data
        return self

    def journal(self, head=None, blocks=()):
        """The head's (sequence, start), and blocks of the ring from its beginning."""
        start = self.layout["journal_start"]
        if head:
            data = struct.pack("<8sQQ", b"AMBERJH1", *head).ljust(508, b"\0")
            self.block(start, data + struct.pack("<I", crc32c(data)))
        for n, data in enumerate(blocks):
            self.block(start + 1 + n, data)
        return self


def sealed(data):
    data = data.ljust(4092, b"\0")
    return data + struct.pack("<I", crc32c(data))


def transaction(sequence, homes, logged, count=None, claimed=None, digest=None):
    """Blocks of the ring."""
    crc = 0
    for data in logged:
        crc = crc32c(data, crc)
    return [sealed(struct.pack("<8sQII", b"AMBERJD1", sequence, len(homes) if count is None else count, 0)
                   + b"".join(struct.pack("<Q", h) for h in homes)), *logged,
            sealed(struct.pack("<8sQQI", b"AMBERJC1", sequence, len(logged) if claimed is None else claimed,
                               crc if digest is None else digest))]


def crafted(good):
    """Yields (name, disk)."""
    layout = Disk(good).layout
    end = layout["blocks"]
    inodes = layout["inodes"]

    def fresh():
        return Disk(good)

    supers = {
        "magic": 0, "version": 2, "block_size": 512, "blocks": [0, 1, 2, end + 1, MAX64, 1 << 51], "inodes": [0, 1, MAX64, 1 << 32, end * 100],
        "journal_start": [0, end, MAX64], "journal_blocks": [0, 1, MAX64, end], "block_map": [0, 1, MAX64], "block_map_blocks": [0, MAX64],
        "inode_map": [0, end - 1], "inode_map_blocks": [0, MAX64 - 8], "table": [0, 1, MAX64], "table_blocks": [0, 1, MAX64], "data": [0, end - 1, MAX64],
    }
    for name, values in supers.items():
        for value in values if isinstance(values, list) else [values]:
            yield f"super-{name}-{value:x}", fresh().super(**{name: value})
    d = fresh()
    d.data[20] ^= 1
    d.data[len(d.data) - BLOCK + 20] ^= 1
    yield "super-checksum", d

    roots = {
        "type": [FREE, FILE, DEVICE, 9], "size": [0, 33, 64, MAX64, 1 << 45], "height": [1, 4, 5, MAX32],
        "slot0": [0, 1, layout["table"], layout["journal_start"], end - 1, end, MAX64, UNWRITTEN | layout["data"]],
        "slot1": [1, end * 2], "nlink": [0, MAX32], "parent": [0, inodes, MAX64], "next_orphan": [ROOT, 5, inodes, MAX64], "blocks": [0, MAX64],
        "generation": [MAX64],
    }
    for name, values in roots.items():
        for value in values:
            yield f"root-{name}-{value:x}", fresh().inode(ROOT, **{name: value})
    d = fresh()
    d.data[d.inode_at(ROOT) + 9] ^= 1
    yield "root-checksum", d

    d = fresh()
    init, sh, cat = d.named("init"), d.named("sh"), d.named("cat")
    orphans = {"root": ROOT, "used": cat, "free": inodes - 1, "far": inodes, "huge": MAX64}
    for name, ino in orphans.items():
        yield f"orphan-{name}", fresh().inode(0, next_orphan=ino)
    yield "orphan-loop", fresh().inode(0, next_orphan=cat).inode(cat, next_orphan=cat, nlink=0)
    yield "orphan-loop-of-two", fresh().inode(0, next_orphan=cat).inode(cat, next_orphan=sh, nlink=0).inode(sh, next_orphan=cat, nlink=0)

    files = {
        "size": [0, 1, MAX64, (1 << 63) - 1, 1 << 44], "height": [1, 4, 7], "nlink": [0, MAX32], "type": [FREE, DIRECTORY, DEVICE, 200],
        "slot0": [0, 1, layout["table"], fresh().field(sh, "slot0"), end, MAX64, UNWRITTEN | 1], "blocks": [0, MAX64], "parent": [7],
        "major": [99], "next_orphan": [cat],
    }
    for name, values in files.items():
        for value in values:
            yield f"file-{name}-{value:x}", fresh().inode(cat, **{name: value})
    yield "file-is-device-99", fresh().inode(cat, type=DEVICE, size=0, slot0=0, slot1=0, blocks=0, major=99)
    own = fresh().field(cat, "slot0")
    yield "index-names-itself", fresh().inode(cat, height=2, size=1 << 30).block(own, struct.pack("<Q", own) * 512)
    yield "index-of-noise", fresh().inode(cat, height=1, size=1 << 20).block(own, bytes(range(256)) * 16)
    yield "init-is-empty", fresh().inode(init, size=0)
    yield "init-without-blocks", fresh().inode(init, slot0=0)

    entries = {
        "ino-far": ("Q", 0, inodes), "ino-huge": ("Q", 0, MAX64), "ino-root": ("Q", 0, ROOT), "ino-free": ("Q", 0, inodes - 1), "length-0": ("B", 8, 0),
        "length-255": ("B", 8, 255), "length-less": ("B", 8, 1), "type-0": ("B", 9, 0), "type-directory": ("B", 9, DIRECTORY), "type-9": ("B", 9, 9),
        "slash": ("B", 11, 47), "nul": ("B", 10, 0), "rest": ("Q", 24, MAX64),
    }
    for name, (form, offset, value) in entries.items():
        yield f"entry-{name}", fresh().entry("cat", form, offset, value)
    yield "dot-elsewhere", fresh().entry(".", "Q", 0, cat)
    yield "dot-dot-elsewhere", fresh().entry("..", "Q", 0, cat)
    yield "twice-the-same-name", fresh().entry("cat", "Q", 0, sh)
    yield "root-below-itself", fresh().entry("cat", "Q", 0, ROOT).entry("cat", "B", 9, DIRECTORY)

    for name in ("block_map", "inode_map"):
        yield f"{name}-all-free", fresh().block(layout[name], bytes(BLOCK))
        yield f"{name}-all-used", fresh().block(layout[name], b"\xff" * BLOCK)

    noise = bytes(range(256)) * 16
    data = layout["data"]
    for name, head in {"start-far": (1, layout["journal_blocks"]), "start-huge": (1, MAX64), "sequence-huge": (MAX64, 0)}.items():
        yield f"journal-{name}", fresh().journal(head=head)
    logs = {
        "home-super": transaction(9, [0], [noise]), "home-copy": transaction(9, [end - 1], [noise]),
        "home-journal": transaction(9, [layout["journal_start"]], [noise]), "home-far": transaction(9, [MAX64], [noise]),
        "home-table": transaction(9, [layout["table"]], [noise]), "home-map": transaction(9, [layout["block_map"]], [bytes(BLOCK)]),
        "home-twice": transaction(9, [data, data], [noise, noise]), "count-0": transaction(9, [data], [noise], count=0),
        "count-huge": transaction(9, [data], [noise], count=MAX32), "claims-more": transaction(9, [data], [noise], claimed=MAX64),
        "digest": transaction(9, [layout["table"]], [noise], digest=7), "sequence-back": transaction(3, [layout["table"]], [noise]),
        "endless": transaction(9, [data], [noise], count=480),
    }
    for name, blocks in logs.items():
        yield f"journal-{name}", fresh().journal((9, 0), blocks)
    yield "journal-head-of-noise", fresh().block(layout["journal_start"], noise)
