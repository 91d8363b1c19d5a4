#!/usr/bin/env python3
"""Break kernel/fs on purpose, one rule at a time, and see which test of tests/host notices.

usage: tests/host/mutations.py [NAME...]        (`make mutations` sets the environment: CC, CFLAGS, FOLDER, OBJECTS)

Each mutation is a small change to the text of one file, in a copy. The host tests are linked with it and run until one
fails: by a crash state that is wrong, by a check, or because it does not end. One that nobody notices is an error of the
tests, or the code that it breaks does nothing. Prints a table in Markdown.
"""
import concurrent.futures
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDER = os.environ["FOLDER"]

# What is run, in this order, until something is noticed: program and arguments.
TESTS = (("fs_order_test",), ("fs_crash_test", "1", "6000"), ("fs_epochs_test", "1", "4000"), ("fs_fault_test", "1"), ("fs_whole_test", "1"),
         ("fs_model_test", "1", "8000"), ("fs_race_test", "1", "60"), ("fs_crash_test", "7", "30000"))
PATIENCE = 240  # seconds, for one of them


class Mutation(NamedTuple):
    name: str
    rule: str  # the invariant of journal.c, or the rule's place
    file: str
    old: str
    new: str


def without(name, rule, file, text):
    return Mutation(name, rule, file, text, "")


MUTATIONS = (
    Mutation("promises are not counted", "1", "journal.c", "running->count + running->promised + credits <= tx_max", "running->count <= tx_max"),
    Mutation("transactions larger than the ring", "1", "journal.c", "(u32)MIN(MAX(ring_blocks / 4, TX_CREDITS_MAX), TX_MAX)",
             "(u32)(2 * ring_blocks)"),
    Mutation("the ring is taken for empty", "1", "journal.c", "if (t->count && used + blocks_in_log(t->count) > ring_blocks)",
             "if (t->count && blocks_in_log(t->count) > ring_blocks)"),
    Mutation("a logged frame is changed in place", "2", "cache.c", "if (atomic_load_explicit(&b->frame->refs, memory_order_acquire) == 1)\n        return 0;",
             "if (keep)\n        return 0;"),
    Mutation("a commit does not wait for handles", "2", "journal.c", "    while (running->handles)\n        (void)!wait_on",
             "    while (false)\n        (void)!wait_on"),
    Mutation("file data is written after the commit block", "3", "journal.c", """    cache_write_dirty(&dirty, inode_write_failed, &any);
    if (t->count && used""", """    any = true;
    if (t->count && used"""),
    Mutation("no flush between file data and commit block", "3 4", "journal.c", """    if (!err)
        err = flush();
    if (err)
        return err;
    fs_commit_encode""", """    if (err)
        return err;
    fs_commit_encode"""),
    Mutation("the commit block before what it commits", "4", "journal.c", """    io_begin(&io, disk, DISK_WRITE, slots, NULL, NULL);
    for (u32 from = 0; from < t->count; from += FS_DESCRIPTOR_MAX)
        log_group""", """    u64 last = next_position + blocks_in_log(t->count) - 1;
    for (u32 k = 0; k < t->count; k++)
        commit.data_crc = crc32c(commit.data_crc, frame_data(t->entries[k].frame), FS_BLOCK_SIZE);
    fs_commit_encode(&commit, frame_data(commit_frame));
    int early = disk_transfer(disk, DISK_WRITE, ring_block(last), 1, &commit_frame);
    if (early)
        return early;
    commit.data_crc = 0;
    io_begin(&io, disk, DISK_WRITE, slots, NULL, NULL);
    for (u32 from = 0; from < t->count; from += FS_DESCRIPTOR_MAX)
        log_group"""),
    Mutation("no flush after the commit block", "4 5", "journal.c", """    if (!err)
        err = flush();
    if (err)
        return err;
    used +=""", """    if (err)
        return err;
    used +="""),
    Mutation("the commit block is not written", "4", "journal.c", "err = disk_transfer(disk, DISK_WRITE, ring_block(position++), 1, &commit_frame);",
             "position++;"),
    Mutation("recovery ignores the checksum of the contents", "4", "journal.c", "(copy || commit.data_crc == crc)", "true"),
    Mutation("a commit block's checksum is ignored", "4", "../../lib/fsfmt/fsfmt.c",
             "enum fs_error e = block_sealed(block, MAGIC_COMMIT, BLOCK_CRC_AT);",
             "enum fs_error e = le64(block) == MAGIC_COMMIT ? FS_OK : FS_BAD_MAGIC;"),
    Mutation("a torn head is refused", "6", "../../lib/fsfmt/fsfmt.c", "#define HEAD_CRC_AT        508", "#define HEAD_CRC_AT        4092"),
    Mutation("a descriptor's checksum is ignored", "4", "../../lib/fsfmt/fsfmt.c",
             "enum fs_error e = block_sealed(block, MAGIC_DESCRIPTOR, BLOCK_CRC_AT);",
             "enum fs_error e = le64(block) == MAGIC_DESCRIPTOR ? FS_OK : FS_BAD_MAGIC;"),
    Mutation("blocks go home before their transaction is durable", "5", "journal.c", "    if (t->count)\n        err = log_write(t);",
             """    for (u32 k = 0; k < t->count; k++)
        err = disk_transfer(disk, DISK_WRITE, t->entries[k].buffer->block, 1, &t->entries[k].frame);
    if (t->count)
        err = log_write(t);"""),
    Mutation("a newer, uncommitted version goes home", "5", "journal.c", "io_add(&io, b->block, b->home);", "io_add(&io, b->block, b->frame);"),
    Mutation("an older version stays the one for home", "5", "journal.c", "        b->home = t->entries[k].frame;",
             "        if (!b->home)\n            b->home = t->entries[k].frame;"),
    Mutation("a superseded version loses its place in the list", "5", "journal.c", "            list_append(&homes, &b->home_link);",
             "            list_init(&b->home_link);"),
    Mutation("the head moves before what it leaves behind is home", "6", "journal.c", """    int err = write_homes();
    if (err)
        err = write_homes();""", """    int err = write_head();
    if (!err)
        err = write_homes();"""),
    Mutation("no flush between home and head", "6", "journal.c", """    if (!err)
        err = flush();
    if (!err)
        err = write_head();""", """    if (!err)
        err = write_head();"""),
    Mutation("no flush after the head", "6", "journal.c", "    return err ? err : flush();\n}\n\nstatic void release_homes",
             "    return err;\n}\n\nstatic void release_homes"),
    Mutation("the head is not moved", "6", "journal.c", """    if (!err)
        err = write_head();
    if (err) {""", "    if (err) {"),
    Mutation("recovery does not flush before it moves the head", "6", "journal.c", "    if (!err && r->transactions)\n        err = flush();\n", ""),
    Mutation("recovery does not copy home", "6", "journal.c", "err = read_transaction(r, true, &length, &blocks);",
             "err = read_transaction(r, false, &length, &blocks);"),
    Mutation("recovery uses an unfinished transaction's number again", "6", "journal.c", "next_sequence = r->sequence + 1;",
             "next_sequence = r->sequence;"),
    Mutation("freed data is allocated before the commit", "7", "alloc.c",
             "    remember(freed_now, (struct extent){ .start = start, .count = count, .metadata = metadata });\n    waiting += count;",
             "    if (!metadata) {\n        give(start, count);\n        return 0;\n    }\n"
             "    remember(freed_now, (struct extent){ .start = start, .count = count, .metadata = metadata });\n    waiting += count;"),
    Mutation("freed metadata is allocated after the commit", "7", "alloc.c", "        if (chunk->at[k].metadata)", "        if (false)"),
    Mutation("index blocks are freed as file data", "7", "tree.c", "int err = alloc_free(tx, block, 1, true);",
             "int err = alloc_free(tx, block, 1, false);"),
    Mutation("a directory's blocks are freed as file data", "7", "tree.c", "bool metadata = c->i->type == FS_DIR;", "bool metadata = false;"),
    Mutation("after a failed commit all goes on", "9", "journal.c", "    spin_lock(&journal_lock);\n    failed = true;",
             "    spin_lock(&journal_lock);\n    failed = false;"),
    Mutation("a failed commit is reported as done", "9", "journal.c", "int err = done_round < round ? -EIO : 0;", "int err = 0;"),
    Mutation("data that the next transaction frees is dropped", "3", "cache.c", "if ((b->flags & BUF_DIRTY) && !is_taken(b)) {",
             "if (b->flags & BUF_DIRTY) {"),
    Mutation("a write past the cache overtakes the cache's", "cache.c", "cache.c",
             "if (!(b->flags & (BUF_WRITING | BUF_READING)) && !is_taken(b)) {", "if (!(b->flags & (BUF_WRITING | BUF_READING))) {"),
    Mutation("a write past the cache does not wait for the cache's", "cache.c", "cache.c",
             "if (!(b->flags & (BUF_WRITING | BUF_READING)) && !is_taken(b)) {", "if (!is_taken(b)) {"),
    without("a write past the cache leaves the cache as it was", "cache.c", "data.c", "        bypass(d->runs[n].block, d->runs[n].count);\n"),
    Mutation("what changes in flight is not written again", "cache.c", "cache.c", "    if (b->flags & BUF_DIRTY)\n        list_dirty(b);",
             "    b->flags &= ~(u32)BUF_DIRTY;\n    if (false)\n        list_dirty(b);"),
    Mutation("fsync of an overwritten file does not flush", "8", "data.c", "        err = journal_flush(overwrite);", "        err = 0;"),
    Mutation("sync does not flush what was overwritten", "8", "mount.c", "return err ? err : journal_flush(UINT64_MAX);", "return err;"),
    Mutation("what was overwritten counts as flushed at once", "8", "journal.c", "    u64 n = ++overwrites;", "    u64 n = flushed = ++overwrites;"),
    Mutation("overwriting logs the inode each time", "data.c", "data.c", "        if (run_is_inside(i, &d->runs[n]))", "        if (false)"),
    Mutation("a block is shown before its data is written", "data.c", "data.c", """        if (!err)
            err = transfer(d, frames + *done);
        if (!err)
            err = map_runs(i, d);""", """        if (!err)
            err = map_runs(i, d);
        if (!err)
            err = journal_commit(journal_round());
        if (!err)
            err = transfer(d, frames + *done);"""),
    Mutation("bytes past the end come to light", "data.c", "data.c", "        memset(buf_data(b) + in, 0, (size_t)(MIN(from, block_end) - i->d.size));\n",
             "        (void)block_end;\n"),
    Mutation("a cut in several steps is not in the orphan list", "inodes.c", "data.c", "    if (err || more)\n        orphan_add(&tx, i);", ""),
    Mutation("an unfinished cut is not finished before the file grows", "inodes.c", "data.c",
             "    if (i->d.nlink > 0 && inode_is_orphan(i))", "    if (false)"),
    Mutation("an unfinished cut is forgotten with the inode", "inodes.c", "inodes.c", "list_push(inode_is_orphan(i) ? &unfinished : &idle, &i->idle_link);",
             "list_push(&idle, &i->idle_link);"),
    Mutation("the orphan list's head is not written", "inodes.c", "inodes.c", "        set_next_orphan(0, NULL, i->ino);\n", ""),
    Mutation("the mount does not clear the orphans", "inodes.c", "mount.c", "    orphans_clear();\n", ""),
    Mutation("a deleted inode stays used in the bitmap", "inodes.c", "inodes.c",
             "    fs_bit_clear(buf_data(bitmap[bitmap_block(ino)]), (u32)(ino % FS_BITS_PER_BLOCK));\n", ""),
    Mutation("a number that is being looked for is taken", "inodes.c", "inodes.c", "    bool first = !find(i->ino);", "    bool first = true;"),
    Mutation("idle directories keep their indexes when memory is short", "inodes.c", "inodes.c", "    while (idle_frames && before", "    while (false && before"),
    Mutation("a used number keeps its generation", "inodes.c", "inodes.c", "    i->d.generation = generation + 1;", "    i->d.generation = generation;"),
    Mutation("a bitmap's change is not logged", "alloc.c", "alloc.c", "    int err = tx_write(tx, b);\n    for (u32 k = 0; !err",
             "    int err = 0;\n    for (u32 k = 0; !err"),
    Mutation("an index block's change is not logged", "tree.c", "tree.c", """        if (!err) {
            err = tx_write(tx, b);
            if (err)
                buf_put(b);
        }""", "        (void)tx;"),
)


def run(*command, **options):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False, **options)


def build(folder, m):
    """Compile the changed file; returns what to link in place of all objects. Other places: the file's own name."""
    path = os.path.normpath(os.path.join("kernel/fs", m.file))
    text = open(os.path.join(ROOT, path), encoding="utf-8").read()
    if text.count(m.old) != 1:
        sys.exit(f"{m.name}: the text to be changed is {text.count(m.old)} times in {path}, not once")
    source = os.path.join(folder, os.path.basename(path))
    with open(source, "w", encoding="utf-8") as out:
        out.write(text.replace(m.old, m.new))
    flags = [f for f in shlex.split(os.environ["CFLAGS"]) if not f.startswith("-M") and f != "-Werror"]
    r = run(os.environ["CC"], *flags, "-w", "-iquote", os.path.dirname(path), "-c", "-o", source + ".o", source, cwd=ROOT)
    if r.returncode:
        sys.exit(f"{m.name}: {r.stdout}")
    return [o for o in os.environ["OBJECTS"].split() if not o.endswith("/" + path + ".o")] + [source + ".o"]


def link(folder, program, objects):
    r = run(os.environ["CC"], "-fuse-ld=lld", "-o", os.path.join(folder, program), f"{FOLDER}/tests/host/{program}.c.o", *objects, cwd=ROOT)
    if r.returncode:
        sys.exit(f"{program}: {r.stdout}")


def reason(output):
    """Of all that a failing test printed, what it says of the failure."""
    lines = [line for line in output.splitlines()
             if re.match(r"after a crash|(?:tests/host|tools/hosted)/.*: |deadlock|block \d|left:|order of locks|fsck objects|/.*, extended from|.*: broken: ", line)]
    text = re.sub(r"^\S*/(?=\w+\.c:)", "", lines[-1]) if lines else "it ends by a signal, without a word"
    return re.sub(r"at \d+ of \d+ ", "", text)[:110]


def try_mutation(m):
    """Returns who noticed, and how; None: nobody did."""
    with tempfile.TemporaryDirectory(prefix="amber-mutation-") as folder:
        objects = build(folder, m)
        for program, *arguments in TESTS:
            link(folder, program, objects)
            begin = time.monotonic()
            try:
                r = run(os.path.join(folder, program), *arguments, timeout=PATIENCE)
                failure = reason(r.stdout) if r.returncode else None
            except subprocess.TimeoutExpired:
                failure = "it does not end"
            if failure is not None:
                return program, failure, time.monotonic() - begin
    return None


def main():
    wanted = sys.argv[1:]
    mutations = [m for m in MUTATIONS if not wanted or m.name in wanted]
    missed = 0
    print("| rule | what is broken | noticed by | as |\n|---|---|---|---|", flush=True)
    with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("JOBS", "2"))) as pool:
        for m, noticed in zip(mutations, pool.map(try_mutation, mutations)):
            missed += noticed is None
            who, how, _ = noticed or ("**nobody**", "", 0)
            print(f"| {m.rule} | {m.name} | {who} | {how.replace('|', '/')} |", flush=True)
    print(f"\n{len(mutations)} mutations, {len(mutations) - missed} noticed")
    sys.exit(1 if missed else 0)


main()
