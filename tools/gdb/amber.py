"""gdb for Amber's kernel: who there is, what they wait for, what they hold, and what is being saved.

`make gdb` starts a machine and loads this. By hand: gdb amber.elf -x tools/gdb/amber.py -ex 'target remote localhost:1234'.
The commands are `amber ps`, `amber regions`, `amber fds`, `amber where`, `amber locks`, `amber images`, `amber program`;
`help amber` tells more. In expressions, $amber_pid() is the pid of the process that runs on the current CPU, $amber_proc(PID)
its struct proc; so `break main if $amber_pid() == 5` stops in one process only.
"""
import os

import gdb

THREAD_STATES = ("new", "ready", "running", "sleeping", "dead")
FILE_KINDS = {0: "?", 1: "file", 2: "device", 3: "pipe, reading", 4: "pipe, writing"}
REGION_KINDS = ("data", "heap", "stack")
# Where the guest's programs are, for `amber program PID`; the Makefile adds its own.
PROGRAM_FOLDERS = [f for f in os.environ.get("AMBER_PROGRAMS", "").split(":") if f]


# ---- what the kernel's structures are made of

def value(expression):
    return gdb.parse_and_eval(expression)


def static(name, file):
    """The static variable of that name in a file; NULL if it isn't there."""
    for symbol in gdb.lookup_static_symbols(name):
        if symbol.symtab.filename.endswith(file):
            return symbol.value()
    raise gdb.GdbError(f"there is no {name} in {file}: is this the kernel's file with its symbols?")


def container(link, type_name, member):
    """container_of()"""
    kind = gdb.lookup_type("struct " + type_name)
    offset = next(f.bitpos // 8 for f in kind.fields() if f.name == member)
    return (link.cast(gdb.lookup_type("char").pointer()) - offset).cast(kind.pointer()).dereference()


def members(head, type_name, member, limit=100000):
    """What a struct list holds. A list that doesn't come back is cut off."""
    link = head["next"]
    while link != head.address and int(link) and limit:
        yield container(link, type_name, member)
        link = link.dereference()["next"]
        limit -= 1


def string(pointer):
    return pointer.string(errors="replace") if int(pointer) else "-"


def atomic(number):
    return int(number)


def constant(name):
    """A macro, as clang doesn't tell them: from the sizes of what they made."""
    if name == "KERNEL_STACK_SIZE":
        return gdb.lookup_symbol("boot_stacks")[0].type.target().sizeof
    raise KeyError(name)


def is_checked():
    return any(f.name == "sleeping_locks" for f in gdb.lookup_type("struct thread").fields()) and bool(
        gdb.lookup_symbol("lock_trace_acquire")[0])


# ---- processes

def processes():
    return members(value("proc_table"), "proc", "table_link")


def machine_pid(proc):
    return int(proc["numbers"][0]["pid"])


def own_pid(proc):
    return int(proc["numbers"][int(proc["job"]["level"])]["pid"])


def find_process(pid):
    for proc in processes():
        if machine_pid(proc) == pid:
            return proc
    raise gdb.GdbError(f"there is no process {pid}")


def doing(proc):
    """What it does, in a few words."""
    thread = proc["thread"]
    if proc["zombie"]:
        return f"zombie, status {int(proc['status']):#x}"
    state = THREAD_STATES[int(thread["state"])]
    if state == "running":
        state += f" on CPU {int(thread['cpu'])}"
    if state == "sleeping" and int(thread["waits_for"]):
        state += f", waits for {string(thread['waits_for'])}"
    if proc["parked"]:
        state += ", frozen"
    if proc["stopped"]:
        state += ", stopped"
    if int(proc["killed"]):
        state += ", killed"
    return state


def user_registers(proc):
    """At the top of its kernel stack, where the last entry has left them."""
    top = proc["thread"]["stack"].cast(gdb.lookup_type("char").pointer()) + constant("KERNEL_STACK_SIZE")
    return (top.cast(gdb.lookup_type("struct trap_frame").pointer()) - 1).dereference()["regs"]


def current_process():
    for cpu in range(int(gdb.selected_thread().num) - 1, -1, -1) if gdb.selected_thread() else (0,):
        thread = value(f"cpus[{cpu}]")["thread"]
        return thread.dereference()["proc"] if int(thread) else thread
    return None


def access(flags):
    return ("r", "w", "rw", "?")[int(flags) & 3] + ("+" if int(flags) & 0x800 else "")


def describe_file(file):
    kind = FILE_KINDS.get(int(file["kind"]), "?")
    text = f"{string(file['name'])}: {kind}, {access(file['flags'])}, {atomic(file['refs']) & 0xffffff} refs"
    if int(file["pipe"]):
        pipe = file["pipe"].dereference()
        filled = (int(pipe["write_at"]) - int(pipe["read_at"])) & 0xFFFFFFFF
        ends = ("reader" if pipe["has_reader"] else "no reader", "writer" if pipe["has_writer"] else "no writer")
        return text + f"; pipe {int(pipe['id'])} holds {filled} bytes, {ends[0]}, {ends[1]}"
    if int(file["inode"]):
        inode = file["inode"].dereference()
        text += f"; inode {int(inode['ino'])}.{int(inode['d']['generation'])}, {int(inode['d']['size'])} bytes"
    if int(file["kind"]) == 1:
        text += f", at {int(file['offset'])}"
    return text


# ---- commands

class Amber(gdb.Command):
    """Amber's kernel: `amber ps`, `amber regions PID`, `amber fds PID`, `amber where PID`, `amber locks`, `amber images`,
`amber program PID|FILE`."""

    def __init__(self):
        super().__init__("amber", gdb.COMMAND_DATA, prefix=True)


class OfProcess(gdb.Command):
    """A command on a process; its text tells it."""

    def __init__(self, name, doc):
        self.__doc__ = doc
        super().__init__("amber " + name, gdb.COMMAND_DATA)

    def invoke(self, text, _tty):
        words = gdb.string_to_argv(text)
        if words:
            chosen = [find_process(int(w)) for w in words]
        else:
            chosen = list(processes())
        for proc in chosen:
            print(f"process {machine_pid(proc)} {proc['name'].string()}:")
            self.show(proc)


class Processes(gdb.Command):
    """amber ps: list the processes: pid (and in which job, with which pid there), parent, state, what they wait for."""

    def __init__(self):
        super().__init__("amber ps", gdb.COMMAND_DATA)

    def invoke(self, _text, _tty):
        print(f"{'PID':>5} {'PPID':>5} {'JOB':>8} {'CALLS':>5} {'PAGES':>7}  {'NAME':<16}STATE")
        for proc in processes():
            parent = machine_pid(proc["parent"]) if int(proc["parent"]) else 0
            job = proc["job"].dereference()
            place = f"{int(job['number'])}:{own_pid(proc)}" if int(job["level"]) else "-"
            pages = atomic(proc["space"]["resident"]) if int(proc["space"]) else 0
            call = int(proc["restart"]["call"])
            print(f"{machine_pid(proc):>5} {parent:>5} {place:>8} {call or '-':>5} {pages:>7}  {proc['name'].string():<16}{doing(proc)}")


class Regions(OfProcess):
    def show(self, proc):
        if not int(proc["space"]):
            print("    no memory")
            return
        space = proc["space"].dereference()
        for r in members(space["regions"], "region", "link"):
            protection = "".join(c if int(r["prot"]) >> b & 1 else "-" for b, c in enumerate("rwx"))
            size = (int(r["end"]) - int(r["start"])) // 1024
            behind = "zeros"
            if int(r["backing"]):
                ops = gdb.execute(f"info symbol {int(r['backing']['ops'])}", to_string=True).split(" in section")[0].strip()
                behind = f"{int(r['filled'])} bytes at {int(r['offset']):#x} of a backing ({ops}, {atomic(r['backing']['refs'])} refs)"
            print(f"    {int(r['start']):08x}-{int(r['end']):08x} {protection} {REGION_KINDS[int(r['kind'])]:<6}{size:>8} KiB  {behind}")
        print(f"    heap {int(space['heap_start']):08x}-{int(space['heap_end']):08x}, at most to {int(space['heap_limit']):08x}; "
              f"{atomic(space['resident'])} of {atomic(space['pages'])} pages present, {int(space['committed'])} promised")


class Files(OfProcess):
    def show(self, proc):
        table = proc["fds"]["files"]
        low, high = table.type.range()
        for fd in range(low, high + 1):
            if int(table[fd]):
                print(f"    fd {fd}: {describe_file(table[fd].dereference())}")
        print(f"    working directory {proc['cwd_text'].string()}")


class Where(OfProcess):
    def show(self, proc):
        if proc["zombie"]:
            print("    has ended")
            return
        regs = user_registers(proc)
        print("    " + "  ".join(f"{f.name} {int(regs[f.name]):08x}" for f in regs.type.fields()))
        symbol = gdb.execute(f"info symbol {int(regs['eip'])}", to_string=True).strip()
        line = gdb.find_pc_line(int(regs["eip"]))
        place = f" ({line.symtab.filename}:{line.line})" if line.symtab else ""
        print(f"    at {symbol}{place}" if "No symbol" not in symbol else "    no symbols: `amber program PID` loads its program's")


class Locks(gdb.Command):
    """amber locks: spin locks and mutexes that are held, and by whom. In a checked build also in which order each thread took its own."""

    def __init__(self):
        super().__init__("amber locks", gdb.COMMAND_DATA)

    def invoke(self, _text, _tty):
        held = [*self.spin_locks(), *self.mutexes(), *self.traces()]
        print("\n".join(held) if held else "no lock is held")

    def named(self, kind):
        """Variables of a type."""
        seen = set()
        for line in gdb.execute(f"info variables -q -t '^struct {kind}$'", to_string=True).splitlines():
            name = line.rstrip(";").split(" ")[-1]
            if not line.endswith(";"):
                continue
            for symbol in [gdb.lookup_global_symbol(name), *gdb.lookup_static_symbols(name)]:
                found = symbol.value() if symbol else None
                if found is not None and found.type.strip_typedefs().name == kind and int(found.address) not in seen:
                    seen.add(int(found.address))
                    yield found

    def spin_locks(self):
        owned = [(p, f"process {machine_pid(p)}") for p in processes()]
        locks = [(lock, "") for lock in self.named("spinlock")]
        locks += [(proc["lock"], " of " + who) for proc, who in owned] + [(proc["fds"]["lock"], " of " + who) for proc, who in owned]
        for lock, of in locks:
            if int(lock["owner"]):
                yield f"spin lock {string(lock['name'])}{of}: held by CPU {int(lock['owner']) - 1}, rank {int(lock['rank'])}"

    def mutexes(self):
        found = [(m, "") for m in self.named("mutex")]
        for proc in processes():
            who = f" of process {machine_pid(proc)}"
            if int(proc["space"]):
                found.append((proc["space"]["lock"], who))
            table = proc["fds"]["files"]
            for fd in range(table.type.range()[1] + 1):
                if int(table[fd]):
                    found.append((table[fd]["lock"], f" of fd {fd}{who}"))
                    if int(table[fd]["inode"]):
                        found.append((table[fd]["inode"]["lock"], f" of the inode of fd {fd}{who}"))
        seen = set()
        for mutex, of in found:
            if int(mutex["owner"]) and int(mutex.address) not in seen:
                seen.add(int(mutex.address))
                yield f"mutex {string(mutex['name'])}{of}: held by {string(mutex['owner']['name'])}, rank {int(mutex['rank'])}"

    def traces(self):
        if not is_checked():
            return
        for proc in processes():
            trace = proc["thread"]["sleeping_locks"]
            names = [string(trace["names"][i]) for i in range(int(trace["depth"]))]
            if names:
                yield f"process {machine_pid(proc)} holds, outermost first: {', '.join(names)}"


class Images(gdb.Command):
    """amber images: checkpoints that are being written, those that have ended, and image files in use with their pinned epochs."""

    def __init__(self):
        super().__init__("amber images", gdb.COMMAND_DATA)

    def invoke(self, _text, _tty):
        none = True
        for save in members(static("saves", "ckpt/save.c"), "save", "link"):
            none = False
            self.show_save(save)
        for use in members(static("uses", "ckpt/use.c"), "image_use", "link"):
            none = False
            pins = [int(p["epoch"]) for p in members(use["pins"], "image_pin", "link")]
            print(f"image file, inode {int(use['ino'])}.{int(use['generation'])}: {int(use['refs'])} refs"
                  f"{', an epoch is being written or chosen' if use['locked'] else ''}; pinned epochs: {pins or 'none'}")
        ended, kept = static("remembered", "ckpt/save.c"), int(static("ended_count", "ckpt/save.c"))
        size = ended.type.range()[1] + 1
        for n in range(max(0, kept - size), kept):
            f = ended[n % size]
            none = False
            print(f"checkpoint {int(f['id'])}: ended, epoch {int(f['epoch'])}, {int(f['pages_written'])} of {int(f['pages'])} pages written, "
                  f"error {int(f['error'])}")
        if none:
            print("no checkpoint was made, and no image is in use")

    @staticmethod
    def show_save(save):
        f = save["figures"]
        print(f"checkpoint {int(f['id'])}: being written, {atomic(save['looked_at'])} of {int(f['pages_due'])} pages looked at, "
              f"processes {int(f['processes'])}, history {int(save['args']['history'])}, flags {int(save['args']['flags']):#x}")
        if int(save["store"]):
            store = save["store"].dereference()
            print(f"    into {string(store['path'])}, {'a further epoch' if store['continues'] else 'a new image'}; "
                  f"newest so far: {int(store['head']['epoch'])}")
        if int(save["epoch"]):
            print(f"    {save['epoch'].dereference()['e']}")


class Program(gdb.Command):
    """amber program PID|FILE [FOLDER...]: load the symbols of a guest's program: that of a process (restored ones, too), or a file.

Breakpoints in it stop whichever process runs that code; `break main if $amber_pid() == PID` is for one."""

    def __init__(self):
        super().__init__("amber program", gdb.COMMAND_FILES, gdb.COMPLETE_FILENAME)

    def invoke(self, text, _tty):
        words = gdb.string_to_argv(text)
        if not words:
            raise gdb.GdbError("amber program PID|FILE [FOLDER...]")
        path = words[0] if os.path.exists(words[0]) else self.find(find_process(int(words[0])), words[1:])
        gdb.execute(f"add-symbol-file {path}", to_string=True)
        print(f"symbols of {path} are loaded")

    @staticmethod
    def find(proc, folders):
        name = proc["name"].string()
        for folder in [*folders, *PROGRAM_FOLDERS]:
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                return path
        raise gdb.GdbError(f"no folder has a program {name}: say where, amber program PID FOLDER")


class CurrentPid(gdb.Function):
    """$amber_pid(): the pid of the process that runs on the current CPU; 0: none."""

    def __init__(self):
        super().__init__("amber_pid")

    def invoke(self):
        proc = current_process()
        return machine_pid(proc) if proc is not None and int(proc) else 0


class ProcessOf(gdb.Function):
    """$amber_proc(PID): its struct proc."""

    def __init__(self):
        super().__init__("amber_proc")

    def invoke(self, pid):
        return find_process(int(pid)).address


# ---- pretty printers

class Printer:
    def __init__(self, thing):
        self.thing = thing

    def to_string(self):
        return self.SAY(self.thing)


def printer(type_name, say):
    class Made(Printer):
        SAY = staticmethod(say)
    PRINTERS[type_name] = Made


PRINTERS = {}
printer("proc", lambda p: f"process {machine_pid(p)} \"{p['name'].string()}\" ({doing(p)})")
printer("file", describe_file)
printer("spinlock", lambda s: f"{string(s['name'])}: " + (f"held by CPU {int(s['owner']) - 1}" if int(s["owner"]) else "free"))
printer("mutex", lambda m: f"{string(m['name'])}: " + (f"held by {string(m['owner']['name'])}" if int(m["owner"]) else "free"))
printer("ckpt_header", lambda h: f"epoch {int(h['epoch'])} (parent {int(h['parent'])}), {int(h['blocks'])} blocks, records at block "
        f"{int(h['records_block'])}, {int(h['records_size'])} bytes, digest {int(h['digest']):08x}")
printer("ckpt_epoch", lambda e: f"epoch {int(e['epoch'])} (parent {int(e['parent'])}, previous {int(e['previous'])}, keeps {int(e['kept'])}): "
        f"{int(e['processes'])} processes, {int(e['spaces'])} spaces, {int(e['files'])} files, {int(e['pipes'])} pipes, "
        f"{int(e['pages_written'])} pages written")
printer("ckpt_tree", lambda t: f"{int(t['pages'])} pages in {int(t['nodes'])} nodes, height {int(t['height'])}, root at block {int(t['root'])}")
printer("image", lambda i: f"image {i['name'].string()}, inode {int(i['id']['ino'])}.{int(i['id']['generation'])}, {int(i['id']['size'])} bytes; "
        f"{PRINTERS['ckpt_header'](i['reader']['header']).to_string()}")
printer("snapshot", lambda s: f"snapshot of {int(s['member_count'])} processes, pause {int(s['pause_ns']) // 1000} us")


def look_up(thing):
    kind = thing.type.strip_typedefs()
    made = PRINTERS.get(kind.name) if kind.code == gdb.TYPE_CODE_STRUCT else None
    return made(thing) if made else None


Amber()
Processes()
Regions("regions", "amber regions [PID...]: the regions of a process's memory: rights, kind, what supplies their pages.")
Files("fds", "amber fds [PID...]: its descriptors, with files and pipes behind them.")
Where("where", "amber where [PID...]: the registers with which it entered the kernel, and where in its program that was.")
Locks()
Images()
Program()
CurrentPid()
ProcessOf()
gdb.pretty_printers.append(look_up)
