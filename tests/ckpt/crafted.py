"""Changes images so that every checksum is right and the contents are not: docs/formats/checkpoint.md in Python."""
import struct

BLOCK = 4096
HEADER_CRC = 4092
BLOCKS, RECORDS_BLOCK, RECORDS_SIZE, ROOT_DIGEST = 192, 200, 208, 216
EPOCH, PIPE, CONTENT, FILE, SPACE, TREE, PROCESS, REGISTERS, FPU, RESTART, CWD, DESCRIPTORS = range(1, 13)


def _table():
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        yield n


TABLE = list(_table())


def crc32c(data, crc=0):
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def page_sum(page):
    """The checksum of a page, in an image whose features have it so."""
    words = struct.unpack("<1024I", page)
    return crc32c(struct.pack("<QQ", sum(words), sum((1024 - i) * w for i, w in enumerate(words))))


class Image:
    """An image of one epoch, in slot A."""

    def __init__(self, data):
        self.data = bytearray(data)

    def u64(self, at):
        return struct.unpack_from("<Q", self.data, at)[0]

    def put(self, form, at, value):
        struct.pack_into("<" + form, self.data, at, value)

    def records(self):
        """Yields (type, offset of the record, length of its payload)."""
        at = self.u64(RECORDS_BLOCK) * BLOCK
        end = at + self.u64(RECORDS_SIZE)
        while at < end:
            kind, = struct.unpack_from("<I", self.data, at)
            length, = struct.unpack_from("<I", self.data, at + 8)
            yield kind, at, length
            at += 24 + (length + 7 & ~7)

    def seal(self):
        """Make all checksums from the records up right again."""
        for _, at, length in list(self.records()):
            crc = crc32c(self.data[at:at + 12])
            crc = crc32c(self.data[at + 16:at + 24 + length], crc)
            self.put("I", at + 12, crc)
        self.seal_header()

    def seal_header(self):
        start, size = self.u64(RECORDS_BLOCK) * BLOCK, self.u64(RECORDS_SIZE)
        if 0 < start <= len(self.data):
            self.put("I", ROOT_DIGEST, crc32c(self.data[start:start + size]))
        self.put("I", HEADER_CRC, crc32c(self.data[:HEADER_CRC]))

    def patch(self, kind, form, offset, value):
        """Set a field of every record of that kind, and seal."""
        found = False
        for k, at, length in list(self.records()):
            if k == kind and offset + struct.calcsize(form) <= length:
                self.put(form, at + 24 + offset, value)
                found = True
        assert found, f"there is no record {kind} with a field at {offset}"
        self.seal()
        return bytes(self.data)


def patched(data, kind, form, offset, value):
    return Image(data).patch(kind, form, offset, value)


def header_patched(data, form, offset, value):
    image = Image(data)
    image.put(form, offset, value)
    image.put("I", HEADER_CRC, crc32c(image.data[:HEADER_CRC]))
    return bytes(image.data)


class Records:
    """The records of an image of one epoch, to be changed at will: a list of [type, object, payload]."""

    def __init__(self, data):
        image = Image(data)
        self.data = bytes(data)
        self.list = [[kind, image.u64(at + 16), bytearray(image.data[at + 24:at + 24 + length])]
                     for kind, at, length in image.records()]

    def of(self, kind):
        return [r for r in self.list if r[0] == kind]

    def set(self, kind, number, form, offset, value):
        """A field of the number-th record (from 1) of that kind."""
        struct.pack_into("<" + form, self.of(kind)[number - 1][2], offset, value)
        return self

    def add(self, kind, payload, after):
        """One more of its kind, behind the last record of the kinds `after`; its object is the next number."""
        place = max(i for i, r in enumerate(self.list) if r[0] in after) + 1
        self.list.insert(place, [kind, len(self.of(kind)) + 1, bytearray(payload)])
        return self

    def built(self):
        """The image with these records, their counts and every checksum right."""
        for offset, kind in ((88, CONTENT), (92, PIPE), (96, FILE), (100, SPACE), (104, PROCESS)):
            self.set(EPOCH, 1, "I", offset, len(self.of(kind)))
        area = bytearray()
        for kind, number, payload in self.list:
            head, tail = struct.pack("<IHHI", kind, 1, 0, len(payload)), struct.pack("<Q", number)
            area += head + struct.pack("<I", crc32c(head + tail + payload)) + tail + payload + bytes(-len(payload) % 8)
        image = Image(self.data + bytes(-len(self.data) % BLOCK))
        start = len(image.data) // BLOCK
        image.data += area + bytes(-len(area) % BLOCK)
        image.put("Q", BLOCKS, len(image.data) // BLOCK)
        image.put("Q", RECORDS_BLOCK, start)
        image.put("Q", RECORDS_SIZE, len(area))
        image.seal_header()
        return bytes(image.data)
