"""Images that lie in their structure, every checksum right: records that are gone, doubled or moved, trees that lead back."""
import struct

from crafted import (BLOCK, CONTENT, CWD, DESCRIPTORS, EPOCH, FILE, FPU, HEADER_CRC, PIPE, PROCESS, RECORDS_BLOCK, RECORDS_SIZE, REGISTERS,
                     RESTART, ROOT_DIGEST, SPACE, TREE, Image, crc32c, page_sum)

MAX32, MAX64 = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF
BLOCKS = 192


class Editable:
    """An image's records as a list of [type, version, flags, object, payload], and its blocks; build() puts them together."""

    def __init__(self, data):
        self.data = bytearray(data)
        self.records = []
        old = Image(data)
        for kind, at, length in old.records():
            version, flags = struct.unpack_from("<HH", data, at + 4)
            obj, = struct.unpack_from("<Q", data, at + 16)
            self.records.append([kind, version, flags, obj, bytearray(data[at + 24:at + 24 + length])])

    def payload(self, kind, n=0):
        return [r for r in self.records if r[0] == kind][n][4]

    def place(self, kind, n=0):
        return [i for i, r in enumerate(self.records) if r[0] == kind][n]

    def set(self, kind, form, offset, value, n=0):
        struct.pack_into("<" + form, self.payload(kind, n), offset, value)
        return self

    def add_block(self, data):
        self.data += data.ljust(BLOCK, b"\0")
        return len(self.data) // BLOCK - 1

    def node(self, entries):
        """A node of {slot: (block, checksum)}; returns its entry."""
        data = bytearray(BLOCK)
        for slot, entry in entries.items():
            struct.pack_into("<II", data, 8 * slot, *entry)
        return self.add_block(bytes(data)), crc32c(data)

    def tree(self, root, pages, nodes, height=3):
        """The (first) space's tree is that one."""
        n = [i for i, r in enumerate(self.records) if r[0] == SPACE][0] + 1
        self.records[n][4] = bytearray(struct.pack("<QQIIII", pages, nodes, *root, height, 0))
        return self

    def build(self, tail=b"", size=None):
        records = bytearray()
        for kind, version, flags, obj, payload in self.records:
            head, obj = struct.pack("<IHHI", kind, version, flags, len(payload)), struct.pack("<Q", obj)
            records += head + struct.pack("<I", crc32c(head + obj + payload)) + obj + payload + bytes(-len(payload) % 8)
        records += tail
        first = len(self.data) // BLOCK
        self.data += records + bytes(-len(records) % BLOCK)
        struct.pack_into("<QQ", self.data, RECORDS_BLOCK, first, len(records) if size is None else size)
        struct.pack_into("<Q", self.data, BLOCKS, len(self.data) // BLOCK)
        struct.pack_into("<I", self.data, ROOT_DIGEST, crc32c(records))
        struct.pack_into("<I", self.data, HEADER_CRC, crc32c(self.data[:HEADER_CRC]))
        return bytes(self.data)


def record_lies(good):
    """Records that are gone, doubled, moved, renamed."""
    order = [r[0] for r in Editable(good).records]
    for i, kind in enumerate(order):
        x = Editable(good)
        del x.records[i]
        yield f"without-{i}-type-{kind}", x.build()
        x = Editable(good)
        x.records.insert(i, list(x.records[i]))
        yield f"doubled-{i}-type-{kind}", x.build()
        x = Editable(good)
        x.records[i][1] = 2
        yield f"version-{i}-type-{kind}", x.build()
        x = Editable(good)
        x.records[i][0] = 77
        yield f"unknown-{i}-type-{kind}", x.build()
        x = Editable(good)
        x.records[i][3] = MAX64
        yield f"object-huge-{i}-type-{kind}", x.build()
        x = Editable(good)
        x.records[i][4] = bytearray()
        yield f"empty-{i}-type-{kind}", x.build()
        x = Editable(good)
        x.records[i][3] += 1
        yield f"object-{i}-type-{kind}", x.build()
        x = Editable(good)
        x.records[i][4] += bytes(8)
        yield f"longer-{i}-type-{kind}", x.build()
        x = Editable(good)
        x.records[i][4] = x.records[i][4][:-8]
        yield f"shorter-{i}-type-{kind}", x.build()
    for i in range(len(order) - 1):
        if order[i] != order[i + 1]:
            x = Editable(good)
            x.records[i], x.records[i + 1] = x.records[i + 1], x.records[i]
            yield f"swapped-{i}", x.build()
    x = Editable(good)
    x.records.append([99, 1, 0, 0, bytearray(16)])
    yield "unknown-and-required", x.build()
    x = Editable(good)
    x.records.append([EPOCH, 1, 1, 0, bytearray(112)])
    yield "a-second-epoch", x.build()
    x = Editable(good)
    x.records.insert(0, [99, 1, 1, 0, bytearray(16)])
    yield "optional-first", x.build()
    yield "area-with-a-tail", Editable(good).build(tail=bytes(8))
    yield "area-cut-off", Editable(good).build(tail=struct.pack("<IHHIIQ", 99, 1, 1, 1 << 30, 0, 0))
    yield "area-beyond-the-file", Editable(good).build(size=1 << 40)


def tree_lies(good):
    """Page trees that lead back, elsewhere or nowhere. The first space's lowest pages lie in its first region."""
    page, page_as_node = ((2, checksum(good[2 * BLOCK:3 * BLOCK])) for checksum in (page_sum, crc32c))

    def over(page_entry, height=3, slots=(0,)):
        x = Editable(good)
        entry = x.node({s: page_entry for s in slots})
        for _ in range(height - 1):
            entry = x.node({0: entry})
        return x, entry

    for name, block in {"header": 0, "slot-b": 1, "far": MAX32, "end": len(good) // BLOCK + 100}.items():
        x, root = over((block, 0 if block == 0 else 7))
        if block:
            yield f"page-is-{name}", x.tree(root, 1, 3).build()
        x = Editable(good)
        yield f"root-is-{name}", x.tree((block, 7), 1, 3).build()
    x, root = over((0, 7))
    yield "entry-with-checksum-only", x.tree(root, 1, 3).build()
    x = Editable(good)
    empty = x.node({})
    yield "empty-root", x.tree(empty, 0, 1, 1).build()
    x = Editable(good)
    root = x.node({0: x.node({0: x.node({})}), 1: (0, 0)})
    yield "empty-leaf", x.tree(root, 0, 3).build()
    # A node can't hold its own checksum, but it may be named at every level: then it is a page, too.
    x = Editable(good)
    leaf = x.node({0: page_as_node})
    yield "node-is-its-own-child", x.tree((leaf[0], leaf[1]), 1, 3, 3).build()
    x, root = over(page)
    yield "fewer-nodes-than-said", x.tree(root, 1, 4).build()
    x, root = over(page)
    yield "more-nodes-than-said", x.tree(root, 1, 2).build()
    x, root = over(page)
    yield "fewer-pages-than-said", x.tree(root, 2, 3).build()
    x, root = over(page, slots=(0, 1))
    yield "more-pages-than-said", x.tree(root, 1, 3).build()
    x, root = over(page, height=5)
    yield "page-in-the-kernel", x.tree(root, 1, 5, 5).build()
    x = Editable(good)
    leaf = x.node({511: page})
    yield "page-above-user-space", x.tree(x.node({511: x.node({511: leaf})}), 1, 3).build()
    x = Editable(good)
    leaf = x.node({s: page for s in range(512)})
    middle = x.node({s: leaf for s in range(512)})
    yield "a-million-pages-from-two-nodes", x.tree(x.node({s: middle for s in range(512)}), 1 << 27, 1 + 512 + (1 << 18)).build()
    yield "small-lie-about-a-million-pages", x.tree(x.node({s: middle for s in range(512)}), 5, 5).build()
    x, root = over((2, page[1] ^ 1))
    yield "page-with-another-checksum", x.tree(root, 1, 3).build()
    for height in (1, 2, 4, 5):
        x, root = over(page if height < 3 else page_as_node)
        yield f"height-{height}", x.tree(root, 1, 3, height).build()


def field_lies(good):
    """Numbers that are wrong only beside others."""
    fields = [
        ("cycle-of-parents", PROCESS, "Q", 56, 1), ("parent-far", PROCESS, "Q", 56, MAX64), ("pid-most-negative", PROCESS, "i", 0, -1 << 31),
        ("ppid-negative", PROCESS, "i", 4, -5), ("pgid-negative", PROCESS, "i", 8, -1), ("ended", PROCESS, "I", 12, 2), ("status", PROCESS, "i", 16, 1),
        ("space-0", PROCESS, "Q", 24, 0), ("space-huge", PROCESS, "Q", 24, MAX64), ("name-without-end", PROCESS, "16s", 40, b"x" * 16),
        ("cwd-length", CWD, "I", 16, MAX32), ("cwd-nul", CWD, "B", 24, 0), ("heap-start-odd", SPACE, "Q", 0, 1), ("heap-huge", SPACE, "Q", 8, MAX64),
        ("heap-limit-odd", SPACE, "Q", 16, 0x80000001), ("region-empty", SPACE, "Q", 40, 0), ("region-huge", SPACE, "Q", 40, MAX64 - 4095),
        ("region-flags", SPACE, "I", 56, 2), ("region-kind-0", SPACE, "I", 52, 0), ("file-both-ways", FILE, "I", 4, 3), ("file-type", FILE, "I", 48, 9),
        ("file-offset-negative", FILE, "Q", 8, 1 << 63), ("file-kind-0", FILE, "I", 0, 0), ("file-is-pipe", FILE, "I", 0, 3),
        ("file-path-nul", FILE, "B", 88, 0), ("registers-size-0", REGISTERS, "I", 4, 0), ("fpu-machine", FPU, "I", 0, 2),
        ("fds-count", DESCRIPTORS, "I", 0, 1001), ("fd-negative", DESCRIPTORS, "i", 8, -1), ("fd-file-0", DESCRIPTORS, "Q", 16, 0),
        ("epoch-0", EPOCH, "Q", 0, 0), ("parent-is-itself", EPOCH, "Q", 8, 1), ("wall", EPOCH, "Q", 16, 1), ("previous-is-itself", EPOCH, "Q", 56, 1),
        ("kept-without-previous", EPOCH, "I", 84, 1), ("previous-block", EPOCH, "Q", 64, 2), ("previous-digest", EPOCH, "I", 80, 1),
        ("contents-huge", EPOCH, "I", 88, MAX32), ("pipes-huge", EPOCH, "I", 92, MAX32), ("files-fewer", EPOCH, "I", 96, 0),
        ("spaces-0", EPOCH, "I", 100, 0), ("processes-2", EPOCH, "I", 104, 2), ("tree-both-huge", TREE, "Q", 8, MAX64 - 5), ("tree-root-0", TREE, "I", 16, 0),
    ]
    for name, kind, form, offset, value in fields:
        yield name, Editable(good).set(kind, form, offset, value).build()
    x = Editable(good)
    regions = x.payload(SPACE)
    regions[32:96] = regions[64:96] + regions[32:64]
    yield "regions-out-of-order", x.build()
    x = Editable(good)
    regions = x.payload(SPACE)
    regions[64:96] = regions[32:64]
    yield "regions-alike", x.build()
    x = Editable(good)
    fds = x.payload(DESCRIPTORS)
    fds[24:40] = fds[8:24]
    yield "one-descriptor-twice", x.build()
    x = Editable(good)
    at = x.place(PROCESS)
    x.records += [list(r[:3]) + [2, bytearray(r[4])] for r in x.records[at:at + 6]]
    x.set(EPOCH, "I", 104, 2).set(EPOCH, "I", 100, 2)
    yield "two-with-one-pid-and-one-space", x.build()
    x = Editable(good)
    at = x.place(FILE)
    x.records.insert(at, [PIPE, 1, 0, 1, bytearray(struct.pack("<II", MAX32, 0))])
    yield "pipe-of-4-GiB", x.set(EPOCH, "I", 92, 1).build()
    x = Editable(good)
    x.records.insert(at, [PIPE, 1, 0, 1, bytearray(struct.pack("<II", 0, 0))])
    yield "pipe-without-ends", x.set(EPOCH, "I", 92, 1).build()
    x = Editable(good)
    x.records[at:at] = [[CONTENT, 1, 0, 1, bytearray(struct.pack("<QQ", 1 << 63, 0))], [TREE, 1, 0, 1, bytearray(32)]]
    yield "content-of-negative-size", x.set(EPOCH, "I", 88, 1).build()


def header_lies(good):
    """A slot B that is newer and sound in itself, but what it leads to isn't; headers that don't fit their epoch."""
    def slot_b(**fields):
        data = bytearray(good)
        data[BLOCK:2 * BLOCK] = data[:BLOCK]
        places = {"epoch": ("Q", 168), "parent": ("Q", 176), "wall": ("Q", 184), "blocks": ("Q", 192), "block": ("Q", 200), "size": ("Q", 208),
                  "digest": ("I", 216), "machine": ("I", 144)}
        struct.pack_into("<Q", data, BLOCK + 168, 2)
        for name, value in fields.items():
            form, at = places[name]
            struct.pack_into("<" + form, data, BLOCK + at, value)
        struct.pack_into("<I", data, BLOCK + HEADER_CRC, crc32c(data[BLOCK:BLOCK + HEADER_CRC]))
        return bytes(data)

    blocks = len(good) // BLOCK
    alone = {"epoch-2": ("Q", 168, 2), "parent-1": ("Q", 176, 1), "wall-1": ("Q", 184, 1), "blocks-fewer": ("Q", 192, 3), "blocks-2^32": ("Q", 192, 1 << 32),
             "area-in-slot-b": ("Q", 200, 1), "area-at-the-end": ("Q", 200, blocks), "area-on-a-page": ("Q", 200, 2), "area-odd": ("Q", 208, 1236),
             "area-shorter": ("Q", 208, 136)}
    for name, (form, at, value) in alone.items():
        data = bytearray(good)
        struct.pack_into("<" + form, data, at, value)
        struct.pack_into("<I", data, HEADER_CRC, crc32c(data[:HEADER_CRC]))
        yield f"header-{name}", bytes(data)
    yield "newer-slot-with-the-older-records", slot_b()
    yield "newer-slot-on-a-page", slot_b(block=2, size=4096, digest=crc32c(good[2 * BLOCK:3 * BLOCK]))
    yield "newest-of-all", slot_b(epoch=MAX64)
    for name, value in (("parent", 1), ("wall", 1), ("digest", 7)):
        yield f"newer-slot-other-{name}", slot_b(**{name: value})
    for n, r in enumerate(Editable(good).records):
        data = bytearray(good)
        at = list(Image(good).records())[n][1]
        struct.pack_into("<I", data, at + 12, 7)
        start, size = Image(good).u64(RECORDS_BLOCK) * BLOCK, Image(good).u64(RECORDS_SIZE)
        struct.pack_into("<I", data, ROOT_DIGEST, crc32c(data[start:start + size]))
        struct.pack_into("<I", data, HEADER_CRC, crc32c(data[:HEADER_CRC]))
        yield f"record-checksum-{n}-type-{r[0]}", bytes(data)
    for n in range(3):
        data = bytearray(Editable(good).build())
        data[-1 - 512 * n] = 1
        yield f"last-block-not-zeros-{n}", bytes(data)


def crafted(good):
    """{name: image}, each of which must be refused."""
    return {name: data for family in (record_lies, tree_lies, field_lies, header_lies) for name, data in family(good)}


def harmless(good):
    """Images that say what their restorer could have built by himself: they may be restored."""
    x = Editable(good)
    x.records.append([99, 7, 1, MAX64, bytearray(b"whatever" * 3000)])
    yield "optional-record", x.build()
    yield "huge-uptime", Editable(good).set(PROCESS, "Q", 32, MAX64).build()
    yield "epoch-figures", Editable(good).set(EPOCH, "Q", 24, MAX64).set(EPOCH, "Q", 32, MAX64).set(EPOCH, "Q", 40, MAX64).build()
    yield "restart-of-another-call", Editable(good).set(RESTART, "I", 0, 7).set(RESTART, "Q", 8, MAX64).build()
    yield "pid-1", Editable(good).set(PROCESS, "i", 0, 1).build()
    yield "pid-greatest", Editable(good).set(PROCESS, "i", 0, 0x7FFFFFFF).build()
    yield "cwd-gone", Editable(good).set(CWD, "Q", 0, 0xFFFF).build()
    yield "cwd-is-a-program", Editable(good).set(CWD, "Q", 0, 5).build()
    yield "name-of-controls", Editable(good).set(PROCESS, "16s", 40, b"\x1b[2J\x9b\xff\x07\0").build()
    x = Editable(good)
    yield "memory-gone", x.tree((0, 0), 0, 0).build()
