#!/usr/bin/python3
"""An independent reader of checkpoint images, written from docs/formats/checkpoint.md alone: it prints an image as JSON.

usage: reader.py IMAGE [EPOCH]

It checks everything that the document tells a reader to check, every page's checksum among it, and uses nothing of lib/ckptfmt.
The JSON has the names of `ckpt show --json`; what a name means is in the document.
"""
import json
import struct
import sys

BLOCK = 4096
EPOCH, PIPE, CONTENT, FILE, SPACE, TREE, PROCESS, REGISTERS, FPU, RESTART, CWD, DESCRIPTORS = range(1, 13)
PAYLOAD_MAX = 16512
USER_END = 0x80000000
REGISTER_NAMES = ("edi", "esi", "ebp", "ebx", "edx", "ecx", "eax", "eip", "eflags", "esp")


class Bad(Exception):
    """The image breaks a rule; the text says which."""


def need(condition, rule):
    if not condition:
        raise Bad(rule)


def _tables():
    first = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        first.append(n)
    tables = [first]
    for _ in range(7):
        tables.append([first[n & 255] ^ n >> 8 for n in tables[-1]])
    return tables


T = _tables()


def crc32c(data, crc=0):
    crc ^= 0xFFFFFFFF
    t0, t1, t2, t3, t4, t5, t6, t7 = T
    whole = len(data) & ~7
    for low, high in struct.iter_unpack("<II", data[:whole]):
        low ^= crc
        crc = (t7[low & 255] ^ t6[low >> 8 & 255] ^ t5[low >> 16 & 255] ^ t4[low >> 24]
               ^ t3[high & 255] ^ t2[high >> 8 & 255] ^ t1[high >> 16 & 255] ^ t0[high >> 24])
    for byte in data[whole:]:
        crc = t0[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def page_sum(page):
    """§4"""
    total = weighted = 0
    for word, in struct.iter_unpack("<I", page):
        total += word
        weighted += total
    return crc32c(struct.pack("<QQ", total, weighted))


def text(data):
    """As JSON has it: a string, or the bytes if it isn't UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"hex": data.hex()}


def number(value):
    """Numbers beyond 63 bits are strings."""
    return value if value < 1 << 63 else str(value)


class Header:
    """§2"""

    def __init__(self, block, file_size):
        need(struct.unpack_from("<I", block, 4092)[0] == crc32c(block[:4092]), "header: checksum")
        (version, self.features, self.machine, page_size, self.identity, self.epoch, self.parent, self.wall_ns, self.blocks,
         self.records_block, self.records_size, self.digest) = struct.unpack_from("<IIII16sQQQQQQI", block, 136)
        need(version == 1, "header: version")
        need(self.features & ~1 == 0, "header: features")
        need(self.machine in (1, 2), "header: machine")
        need(page_size == BLOCK, "header: page size")
        need(self.epoch >= 1 and self.parent < self.epoch, "header: epoch")
        need(self.blocks < 1 << 32 and self.blocks * BLOCK <= file_size, "header: blocks")
        check_area(self.records_block, self.records_size, self.blocks)


def check_area(block, size, blocks):
    need(size > 0 and size % 8 == 0 and 2 <= block < blocks and block + (size + BLOCK - 1) // BLOCK <= blocks, "record area")


class Epoch:
    """One epoch: its records, decoded and checked (§3), and its trees walked (§4)."""

    def __init__(self, image, number_, block, size, digest, header=None, steps_left=0):
        """header: of the newest epoch only. steps_left: with which an older one was reached."""
        self.image, self.number, self.header, self.steps = image, number_, header, steps_left
        self.block, self.size, self.digest = block, size, digest
        check_area(block, size, image.header.blocks)
        self.end_block = block + (size + BLOCK - 1) // BLOCK
        self.contents, self.pipes, self.files, self.spaces, self.processes = [], [], [], [], []
        self.read_pipe_ends, self.named_contents, self.named_spaces = set(), set(), set()
        self.records = list(self.split())
        self.decode()

    def split(self):
        area = self.image.data[self.block * BLOCK:self.block * BLOCK + self.size]
        at = 0
        while at < self.size:
            need(self.size - at >= 24, "record: header")
            kind, version, flags, length, checksum, obj = struct.unpack_from("<IHHIIQ", area, at)
            padded = (length + 7) & ~7
            need(padded <= self.size - at - 24, "record: length")
            payload = area[at + 24:at + 24 + length]
            need(crc32c(payload, crc32c(area[at + 16:at + 24], crc32c(area[at:at + 12]))) == checksum, "record: checksum")
            need(not any(area[at + 24 + length:at + 24 + padded]), "record: padding")
            known = EPOCH <= kind <= DESCRIPTORS and version == 1
            need(known or flags & 1, "record: unknown and required")
            need(not (at == 0 and not known), "record: EPOCH comes first")
            if known:
                need(length <= PAYLOAD_MAX, "record: too long")
                yield kind, obj, payload
            at += 24 + padded
        need(crc32c(area) == self.digest, "root digest")
        need(not any(self.image.data[self.block * BLOCK + self.size:self.end_block * BLOCK]), "record area: its last block")

    def take(self, kind, obj):
        need(self.place < len(self.records), "records: too few")
        found, number_, payload = self.records[self.place]
        need(found == kind and number_ == obj, f"records: order (type {found}, due {kind})")
        self.place += 1
        return payload

    def decode(self):
        self.place = 0
        counts = self.decode_epoch(self.take(EPOCH, 0))
        contents, pipes, files, spaces, processes = counts
        for n in range(1, contents + 1):
            self.decode_content(n)
        for n in range(1, pipes + 1):
            self.decode_pipe(n)
        for n in range(1, files + 1):
            self.decode_file(n, contents, pipes)
        need(self.named_contents == set(range(1, contents + 1)), "content: nobody's")
        need({p for p, _ in self.read_pipe_ends} == set(range(1, pipes + 1)), "pipe: nobody's")
        for n in range(1, spaces + 1):
            self.decode_space(n)
        for n in range(1, processes + 1):
            self.decode_process(n, spaces, files)
        need(self.named_spaces == set(range(1, spaces + 1)), "space: nobody's")
        need(self.place == len(self.records), "records: too many")

    def decode_epoch(self, p):
        need(len(p) == 112, "EPOCH: length")
        (epoch, parent, wall, self.uptime_ns, self.pause_ns, self.pages_written, self.blocks_written, self.previous, block, size,
         digest, self.kept) = struct.unpack_from("<10QII", p)
        counts = struct.unpack_from("<5I", p, 88)
        self.parent, self.wall_ns, self.previous_area = parent, wall, (block, size, digest)
        need(epoch == self.number and parent < epoch and self.previous < epoch, "EPOCH: numbers")
        if self.header:
            need((parent, wall) == (self.header.parent, self.header.wall_ns), "EPOCH: not its header's")
            self.steps = self.kept
        else:
            need(self.kept >= self.steps, "EPOCH: kept")
        if not self.previous:
            need(self.kept == 0 and self.previous_area == (0, 0, 0), "EPOCH: previous")
        contents, pipes, files, spaces, processes = counts
        need(1 <= processes <= 1024 and spaces <= processes, "EPOCH: processes")
        need(contents <= min(1024, files) and pipes <= min(4096, files), "EPOCH: contents and pipes")
        return counts

    def decode_content(self, n):
        p = self.take(CONTENT, n)
        need(len(p) == 16, "CONTENT: length")
        size, = struct.unpack_from("<Q", p)
        need(size < 1 << 63, "CONTENT: size")
        content = {"content": n, "size": size}
        content["tree"], content["pages"] = self.decode_tree(n)
        need(all(page * BLOCK < size for page in content["pages"]), "CONTENT: a page beyond its end")
        self.contents.append(content)

    def decode_pipe(self, n):
        p = self.take(PIPE, n)
        size = struct.unpack_from("<I", p)[0] if len(p) >= 8 else -1
        need(0 <= size <= 16384 and len(p) == 8 + size, "PIPE: size")
        self.pipes.append({"pipe": n, "size": size, "bytes": p[8:].hex()})

    def decode_file(self, n, contents, pipes):
        p = self.take(FILE, n)
        need(len(p) >= 88, "FILE: length")
        (kind, flags, offset, ino, generation, size, changes, type_, links, major, minor, pipe, content,
         path_length) = struct.unpack_from("<IIQQQQQIIIIQQI", p)
        path = p[88:]
        need(path_length == len(path) <= 1023 and 0 not in path, "FILE: path")
        need(kind in (1, 2, 3, 4) and not flags & ~0x803 and flags & 3 != 3 and offset < 1 << 63, "FILE: kind, flags or offset")
        need({1: type_ in (1, 2), 2: type_ == 3}.get(kind, True), "FILE: type")
        need((kind >= 3) == (pipe > 0), "FILE: pipe")
        if 0 < pipe <= pipes:
            need((pipe, kind) not in self.read_pipe_ends, "FILE: an end that another one is")
            self.read_pipe_ends.add((pipe, kind))
        if content:
            need(content <= contents, "FILE: content")
            need(kind == 1 and type_ == 2 and self.contents[content - 1]["size"] == size, "FILE: not its content's size")
            self.named_contents.add(content)
        self.files.append({
            "file": n, "kind": self.kind_text(kind, type_), "access": ("read", "write", "read-write")[flags & 3],
            "append": bool(flags & 0x800), "path": text(path), "offset": offset, "inode": number(ino),
            "generation": number(generation), "size": number(size), "changes": number(changes), "type": type_, "links": links,
            "major": major, "minor": minor, "pipe": number(pipe), "content": content})

    @staticmethod
    def kind_text(kind, type_):
        if kind == 1:
            return "directory" if type_ == 1 else "file"
        return {2: "device", 3: "pipe-read", 4: "pipe-write"}[kind]

    def decode_space(self, n):
        p = self.take(SPACE, n)
        need(len(p) >= 32, "SPACE: length")
        start, end, limit, count = struct.unpack_from("<QQQI", p)
        need(count <= 500 and len(p) == 32 + 32 * count, "SPACE: regions")
        need(start % BLOCK == 0 and start <= end <= limit <= USER_END, "SPACE: heap")
        regions, after, heap_end = [], 0, (end + BLOCK - 1) // BLOCK * BLOCK
        for i in range(count):
            first, last, protection, kind, flags = struct.unpack_from("<QQIII", p, 32 + 32 * i)
            need(first % BLOCK == 0 and last % BLOCK == 0 and after <= first < last <= USER_END, "SPACE: a region's place")
            need(kind in (1, 2, 3) and protection <= 7 and flags <= 1, "SPACE: a region's kind")
            if kind == 2:
                need((first, last) == (start, heap_end), "SPACE: the heap's region")
            else:
                need(last <= start or first >= limit, "SPACE: a region in the heap")
            regions.append({"start": first, "end": last, "kind": ("data", "heap", "stack")[kind - 1],
                            "protection": "".join(c if protection >> b & 1 else "-" for b, c in enumerate("rwx")),
                            "promised": bool(flags & 1)})
            after = last
        need(start == end or any(r["kind"] == "heap" for r in regions), "SPACE: a heap without a region")
        tree, pages = self.decode_tree(n)
        need(all(any(r["start"] <= page * BLOCK < r["end"] for r in regions) for page in pages), "SPACE: a page in no region")
        self.spaces.append({"space": n, "heap_start": start, "heap_end": end, "heap_limit": limit, "regions": regions, "tree": tree,
                            "pages": pages})

    def decode_tree(self, obj):
        p = self.take(TREE, obj)
        need(len(p) == 32, "TREE: length")
        pages, nodes, root, checksum, height = struct.unpack_from("<QQIII", p)
        need(1 <= height <= 5, "TREE: height")
        found = {}
        if root == 0:
            need((pages, nodes, checksum) == (0, 0, 0), "TREE: empty, but it isn't")
        else:
            need(pages + nodes <= self.image.header.blocks, "TREE: more than the file has")
            self.nodes_left, self.pages_left = nodes, pages
            self.walk(root, checksum, height - 1, 0, found)
            need((self.nodes_left, self.pages_left) == (0, 0), "TREE: fewer pages or nodes than it says")
        return {"pages": pages, "nodes": nodes, "height": height}, found

    def block_bytes(self, block, checksum, is_page=False):
        need(2 <= block < self.image.header.blocks and not self.block <= block < self.end_block, "a block that can't be meant")
        return self.image.checked(block, checksum, is_page)

    def walk(self, block, checksum, level, base, found):
        need(self.nodes_left > 0, "TREE: more nodes than it says")
        self.nodes_left -= 1
        node = self.block_bytes(block, checksum)
        empty = True
        for i, (child, child_sum) in enumerate(struct.iter_unpack("<II", node)):
            if child == 0:
                need(child_sum == 0, "TREE: block 0 with a checksum")
                continue
            empty = False
            index = base << 9 | i
            if level:
                self.walk(child, child_sum, level - 1, index, found)
                continue
            need(self.pages_left > 0, "TREE: more pages than it says")
            self.pages_left -= 1
            self.block_bytes(child, child_sum, is_page=True)
            found[index] = (child, child_sum)
        need(not empty, "TREE: an empty node")

    def decode_process(self, n, spaces, files):
        p = self.take(PROCESS, n)
        need(len(p) == 64, "PROCESS: length")
        pid, ppid, pgid, state, status, _, space, uptime, name, parent = struct.unpack("<iiiIiIQQ16sQ", p)
        need(pid > 0 and ppid >= 0 and pgid >= 0 and state in (1, 2), "PROCESS: numbers or state")
        need(pid not in [q["pid"] for q in self.processes], "PROCESS: a pid twice")
        need(0 in name, "PROCESS: name")
        alive = state == 1
        need(not (alive and status), "PROCESS: alive, with a status")
        need(alive == (space > 0) and space <= spaces and space not in self.named_spaces, "PROCESS: space")
        need(parent < n and (parent == 0) == (n == 1) and (alive or n > 1), "PROCESS: parent")
        if parent:
            other = self.processes[parent - 1]
            need(other["state"] == "alive" and other["pid"] == ppid, "PROCESS: not its parent")
        process = {"pid": pid, "ppid": ppid, "pgid": pgid, "name": text(name[:name.index(0)]), "state": "alive" if alive else "ended",
                   "status": status, "parent": parent}
        if alive:
            self.named_spaces.add(space)
            process.update({"space": space, "uptime_ns": number(uptime)})
            self.decode_living(n, process, files)
        self.processes.append(process)

    def decode_living(self, n, process, files):
        registers = self.machine_state(REGISTERS, n, 40)
        process["registers"] = dict(zip(REGISTER_NAMES, struct.unpack("<10I", registers)))
        process["fpu"] = self.machine_state(FPU, n, 512).hex()
        p = self.take(RESTART, n)
        need(len(p) == 24, "RESTART: length")
        call, _, done, left = struct.unpack("<IIQQ", p)
        process["restart"] = {"call": call, "done": number(done), "left_ns": number(left)}
        p = self.take(CWD, n)
        need(len(p) >= 24, "CWD: length")
        ino, generation, length = struct.unpack_from("<QQI", p)
        need(length == len(p) - 24 <= 1023 and 0 not in p[24:], "CWD: path")
        process["cwd"] = {"path": text(p[24:]), "inode": number(ino), "generation": number(generation)}
        p = self.take(DESCRIPTORS, n)
        count = struct.unpack_from("<I", p)[0] if len(p) >= 8 else 1001
        need(count <= 1000 and len(p) == 8 + 16 * count, "DESCRIPTORS: count")
        process["descriptors"], lowest = [], 0
        for fd, _, file in struct.iter_unpack("<IIQ", p[8:]):
            need(lowest <= fd <= 999 and 1 <= file <= files, "DESCRIPTORS: a descriptor")
            process["descriptors"].append({"fd": fd, "file": file})
            lowest = fd + 1

    def machine_state(self, kind, n, size):
        p = self.take(kind, n)
        need(len(p) == 8 + size and struct.unpack_from("<II", p) == (self.image.header.machine, size), "machine state")
        return p[8:]

    def json(self):
        def plain(thing):
            return {k: v for k, v in thing.items() if k != "pages"}

        return {
            "epoch": {"number": self.number, "parent": self.parent, "wall_ns": number(self.wall_ns), "uptime_ns": number(self.uptime_ns),
                      "pause_ns": number(self.pause_ns), "pages_written": number(self.pages_written),
                      "blocks_written": number(self.blocks_written), "previous": self.previous},
            "contents": [plain(c) for c in self.contents], "pipes": self.pipes, "files": self.files,
            "spaces": [plain(s) for s in self.spaces], "processes": self.processes}


class Image:
    def __init__(self, data):
        self.data, self.known = data, {}
        self.header = self.newest_header()
        h = self.header
        need(h.machine == 1, "machine: this reader knows i386 only")
        self.epochs = [Epoch(self, h.epoch, h.records_block, h.records_size, h.digest, header=h)]
        while self.epochs[-1].previous and self.epochs[-1].steps:
            newer = self.epochs[-1]
            self.epochs.append(Epoch(self, newer.previous, *newer.previous_area, steps_left=newer.steps - 1))

    def newest_header(self):
        headers, problem = [], None
        for slot in (0, 1):
            block = self.data[slot * BLOCK:(slot + 1) * BLOCK]
            if block[128:136] != b"AMBRCKPT":
                continue
            try:
                need(len(block) == BLOCK, "header: cut off")
                headers.append(Header(block, len(self.data)))
            except Bad as bad:
                problem = bad
        if headers:
            return max(headers, key=lambda h: h.epoch)
        raise problem or Bad("not an image")

    def checked(self, block, checksum, is_page):
        """A block's bytes, with that checksum."""
        checksum_of = page_sum if is_page and self.header.features & 1 else crc32c
        data = self.data[block * BLOCK:(block + 1) * BLOCK]
        if (block, is_page) not in self.known:
            self.known[block, is_page] = checksum_of(data)
        need(self.known[block, is_page] == checksum, f"checksum of block {block}")
        return data

    def json(self, epoch=0):
        """The newest epoch, or that one."""
        for older, e in enumerate(self.epochs):
            if epoch in (0, e.number):
                h = self.header
                return {"format": "amber-checkpoint", "version": 1, "features": ["sums"] if h.features & 1 else [], "machine": "i386",
                        "page_size": BLOCK, "identity": h.identity.hex(), "blocks": h.blocks, "digest": e.digest, "older_epochs": len(self.epochs) - 1 - older, **e.json()}
        raise Bad(f"epoch {epoch} is not kept")


def read(path):
    with open(path, "rb") as f:
        return Image(f.read())


def main():
    try:
        print(json.dumps(read(sys.argv[1]).json(int(sys.argv[2]) if len(sys.argv) > 2 else 0), indent=2))
    except Bad as bad:
        sys.exit(f"{sys.argv[1]}: {bad}")


if __name__ == "__main__":
    main()
