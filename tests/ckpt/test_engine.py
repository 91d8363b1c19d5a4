"""The engine: history in one file, only what changed, families and their pids, files checked, memory on demand."""
import re

import machine as machines

PROGRAMS = ("counter", "pages", "appender", "blocked", "registers", "brood")
MEMORY = 512
DISK_SIZE = "512M"


def save(machine, arguments, timeout=60):
    """checkpoint with these arguments; returns (epoch, pages written, pages, KiB written)."""
    machine.start(f"checkpoint {arguments}; echo \"<=$?=>\"")
    machine.expect(r"<=(\d+)=>\r*\n", timeout)
    text, status = machine.child.before, machine.child.match.group(1)
    assert status == "0", text
    machine.wait_for_prompt()
    epoch = re.search(r"epoch (\d+)", text)
    pages = re.search(r"(\d+) of (\d+) pages written, (\d+) KiB", text)
    return int(epoch.group(1)), *(int(n) for n in pages.groups())


def kill(machine, pid):
    machine.start(f"kill {pid}")
    machine.wait_for_prompt()
    machine.check("sleep 0.1")


def first_count(machine, arguments):
    """What a counter that is restored counts first."""
    place = machine.place()
    pid = machine.restore_in_background(arguments)
    counts = machine.shown_since(place, r"count (\d+)\r*\n")
    kill(machine, pid)
    return int(counts[0])


def test_every_kept_epoch_can_be_restored(machine):
    pid = machine.start_in_background("counter 1000 20", "count 2\r*\n")
    for n in range(1, 5):
        machine.check("sleep 0.5")
        assert save(machine, f"{pid} life.img")[0] == n
    kill(machine, pid)
    log = machine.check("ckptinfo -l life.img")
    assert [int(n) for n in re.findall(r"^epoch (\d+)", log, re.M)] == [4, 3, 2, 1], log
    starts = [first_count(machine, f"-e {n} life.img") for n in range(1, 5)]
    assert starts == sorted(starts) and starts[-1] > starts[0] + 3, starts
    result = machine.run("restore -e 5 life.img")
    assert result.status == 1 and "ckptinfo -l" in result.output, result
    machine.check("ckptinfo -v life.img")


def test_epochs_that_nobody_waits_for_go_on_from_each_other(machine):
    pid = machine.start_in_background("counter 250 5", "count 2\r*\n")
    save(machine, f"{pid} many.img")
    machine.check("; ".join([f"checkpoint -n -H 3 {pid} many.img"] * 12), timeout=60)
    # Who restores gets the newest that is written, durable or not by then.
    epoch, written, pages, _ = save(machine, f"-H 3 {pid} many.img")
    assert epoch == 14 and written < pages / 2, "it went on from the thirteenth"
    kill(machine, pid)
    assert re.findall(r"^epoch (\d+)", machine.check("ckptinfo -l many.img"), re.M) == ["14", "13", "12"]
    place = machine.place()
    for n in (14, 13, 12):
        machine.check(f"(restore -e {n} many.img; echo status $?) & true")
    machine.shown_since(place, "status 250", times=3)
    machine.check("ckptinfo -v many.img")


def test_history_is_kept_to_what_was_asked_for(machine):
    pid = machine.start_in_background("counter 10000 10", "count 2\r*\n")
    for _ in range(5):
        save(machine, f"-H 3 {pid} short.img")
    assert len(re.findall("^epoch", machine.check("ckptinfo -l short.img"), re.M)) == 3
    for _ in range(6):
        save(machine, f"{pid} short.img")
    assert len(re.findall("^epoch", machine.check("ckptinfo -l short.img"), re.M)) == 8
    save(machine, f"-H 1 {pid} short.img")
    assert len(re.findall("^epoch", machine.check("ckptinfo -l short.img"), re.M)) == 1
    for _ in range(12):
        save(machine, f"-H 0 {pid} short.img")
    assert len(re.findall("^epoch", machine.check("ckptinfo -l short.img"), re.M)) == 13
    kill(machine, pid)
    machine.check("ckptinfo -v short.img")


def test_space_of_dropped_epochs_is_used_again(machine):
    pid = machine.start_in_background("counter 10000 1 > bounded.log")
    sizes = []
    for _ in range(50):
        save(machine, f"-H 2 {pid} bounded.img")
        sizes.append(int(machine.check("wc bounded.img").split()[2]))
    assert max(sizes[25:]) <= max(sizes[:25]) * 1.25, sizes
    kill(machine, pid)
    machine.check("ckptinfo -v bounded.img")
    pid = machine.restore_in_background("bounded.img")
    save(machine, f"-H 2 -k {pid} bounded.img")


def test_only_what_changed_is_written(machine):
    pid = machine.start_in_background("pages 64 600", "filled", timeout=120)
    epoch, written, pages, kib = save(machine, f"{pid} idle.img", timeout=120)
    assert written == pages and pages >= 64 * 256
    for _ in range(3):
        epoch, written, pages, kib = save(machine, f"{pid} idle.img")
        assert written <= 8 and kib <= 64, (epoch, written, pages, kib)
    # Another file has to have it all, and doesn't disturb the first one's count.
    assert save(machine, f"{pid} other.img", timeout=120)[1] >= 64 * 256
    assert save(machine, f"{pid} idle.img")[1] <= 8
    assert save(machine, f"{pid} other.img")[1] <= 8
    kill(machine, pid)
    machine.check("ckptinfo -v idle.img", timeout=120)
    machine.check("rm other.img")


def test_a_restored_process_goes_on_with_its_file(machine):
    """The lazily restored process writes only what it touched, and branches from an old epoch."""
    pid = machine.restore_in_background("idle.img")
    epoch, written, pages, kib = save(machine, f"{pid} idle.img")
    assert epoch == 6 and written <= 16 and pages >= 64 * 256, (epoch, written, pages)
    kill(machine, pid)
    pid = machine.restore_in_background("-e 2 idle.img")
    epoch, written, pages, kib = save(machine, f"{pid} idle.img")
    assert epoch == 7 and written <= 16, (epoch, written)
    assert re.search(r"epoch 7 from 2", machine.check("ckptinfo idle.img")), "it branched"
    kill(machine, pid)
    machine.check("ckptinfo -v idle.img", timeout=120)
    machine.check("rm idle.img")


def test_an_unrelated_process_replaces_the_file(machine):
    pid = machine.start_in_background("counter 10000 10", "count 2\r*\n")
    assert save(machine, f"{pid} mine.img")[0] == 1
    assert save(machine, f"{pid} mine.img")[0] == 2
    kill(machine, pid)
    pid = machine.start_in_background("counter 10000 10", "count 2\r*\n")
    assert save(machine, f"{pid} mine.img")[0] == 1
    kill(machine, pid)


def test_saved_into_many_files_in_turn_each_keeps_its_history(machine):
    pid = machine.start_in_background("counter 10000 10", "count 2\r*\n")
    files = [f"turn{n}.img" for n in range(6)]
    for epoch in (1, 2):
        for file in files:
            assert save(machine, f"{pid} {file}")[0] == epoch
    kill(machine, pid)


def test_stopped_until_it_is_told_to_go_on(machine):
    pid = machine.start_in_background("counter 30 10", "count 3\r*\n")
    save(machine, f"-s {pid} stop.img")
    machine.check("sleep 1")
    assert re.search(rf"^ *{pid} .*stopped", machine.check("ps"), re.M)
    assert save(machine, f"-s {pid} stop.img")[0] == 2, "a stopped process can be saved"
    place = machine.place()
    machine.check(f"cont {pid}")
    machine.shown_since(place, r"digest \w+")
    machine.check("true")


def test_pids_inside_and_outside(machine):
    """Inside, everyone has the saved pid; outside, several lives of one image run side by side."""
    pid = machine.start_in_background("blocked wait", "blocking")
    save(machine, f"-t -k {pid} twins.img")
    place = machine.place()
    for _ in range(2):
        machine.restore_in_background("twins.img")
    rows = [line.split() for line in machine.check("ps").splitlines() if "blocked" in line]
    assert len(rows) == 4 and len({r[0] for r in rows}) == 4, "four processes, four pids of the machine"
    jobs = {r[3] for r in rows}
    assert len(jobs) == 2 and "0" not in jobs, rows
    machine.shown_since(place, "wait: a child, status 5", times=2)


def test_memory_that_a_family_shares_is_written_once(machine):
    pid = machine.start_in_background("brood 32 6 8", "born", timeout=60)
    epoch, written, pages, kib = save(machine, f"-t {pid} brood.img", timeout=120)
    assert 32 * 256 <= written <= 32 * 256 + 7 * 20 and pages >= 7 * 32 * 256, (written, pages)
    epoch, written, pages, kib = save(machine, f"-t -k {pid} brood.img", timeout=120)
    assert written <= 7 * 20, (written, pages)
    result = machine.run("restore brood.img", timeout=120)
    assert "brood: 0 wrong" in result.output and result.status == 0, result
    machine.check("ckptinfo -v brood.img", timeout=120)
    machine.check("rm brood.img")


def test_a_pipe_that_leads_outside_is_refused_or_handed_over(machine):
    pid = machine.start_in_background("blocked pipe-read", "blocking")
    result = machine.run(f"checkpoint {pid} lone.img")
    assert result.status == 1 and "fd 3" in result.output and str(pid) in result.output, result
    assert machine.run("ls lone.img").status != 0, "nothing was written"
    save(machine, f"-x -k {pid} lone.img")
    machine.check("sleep 3")
    result = machine.run("restore lone.img")
    assert result.status == 1 and "-i" in result.output, result
    result = machine.run("echo handed | restore -i 3=0 -i 4=1 lone.img")
    assert re.search("pipe read: 7: handed", result.output), result


def test_a_changed_file_is_refused_accepted_or_rolled_back(machine):
    pid = machine.start_in_background("appender roll.log 80", "appending")
    epoch, written, pages, _ = save(machine, f"-F {pid} roll.img")
    assert epoch == 1 and written <= pages, "the file's pages are among both"
    machine.check("sleep 0.5")
    epoch, written, _, kib = save(machine, f"-F {pid} roll.img")
    kill(machine, pid)
    there = machine.check("cat roll.log")
    machine.start("echo spoilt >> roll.log")
    machine.wait_for_prompt()
    result = machine.run("restore roll.img")
    assert result.status == 1 and "roll.log" in result.output and "rollback" in result.output, result
    assert machine.check("cat roll.log") == there + "spoilt\n", "a refused restore changes nothing"
    result = machine.run("restore -f rollback roll.img", timeout=60)
    assert "appended 80" in result.output, result
    assert machine.check("cat roll.log") == "".join(f"line {i}\n" for i in range(1, 81))
    result = machine.run("restore -e 1 -f rollback roll.img", timeout=60)
    assert "appended 80" in result.output, result
    assert machine.check("cat roll.log") == "".join(f"line {i}\n" for i in range(1, 81))
    machine.check("rm roll.log")
    result = machine.run("restore roll.img")
    assert result.status == 1 and "-f rollback" in result.output, result
    result = machine.run("restore -f rollback roll.img", timeout=60)
    assert "without a name" in result.output and "appended 80" in result.output, result
    assert machine.run("ls roll.log").status != 0


def test_an_image_in_use_keeps_its_bytes(machine):
    pid = machine.start_in_background("pages 8 5", "filled")
    save(machine, f"-k {pid} used.img")
    place = machine.place()
    pid = machine.restore_in_background("used.img")
    assert machine.run("cp /sh used.img").status != 0, "it can't be overwritten"
    save(machine, f"{pid} used.img")
    machine.check("rm used.img")
    machine.shown_since(place, "all pages are right")


def test_eager_and_lazy_are_alike(machine):
    pid = machine.start_in_background("pages 32 2", "filled", timeout=60)
    save(machine, f"-k {pid} both.img")
    assert "all pages are right" in machine.run("restore -a both.img", timeout=120).output
    assert "all pages are right" in machine.run("restore both.img", timeout=120).output
    machine.check("rm both.img")


def test_checkpoints_of_one_target_at_a_time_and_many_at_once(machine):
    place = machine.place()
    pid = machine.start_in_background("registers 10", "holding")
    for _ in range(4):
        machine.check(f"checkpoint {pid} one.img & checkpoint {pid} two.img & checkpoint {pid} one.img")
    machine.run("wait")
    machine.shown_since(place, "all registers held", timeout=120)
    for image in ("one.img", "two.img"):
        machine.check(f"ckptinfo -v {image}")
        assert "all registers held" in machine.run(f"restore {image}", timeout=120).output


def test_images_pass_the_hosts_verify(machine, tmp_path):
    machine.check("sync")
    copy = machines.copy_disk(machine.disk, str(tmp_path / "copy.img"))
    for image in ("life.img", "short.img", "bounded.img", "twins.img", "roll.img", "one.img"):
        target = str(tmp_path / image)
        machines.run_tool("amberfs", "cp", copy, "/" + image, target)
        machines.run_tool("ckpt", "verify", target)


def test_an_image_whose_newest_records_are_damaged_is_rescued(tmp_path):
    """On the host, by the header of the epoch before; the good image that comes of it is restored, and gets epochs again."""
    disk = machines.make_disk(str(tmp_path / "disk.img"), [machines.guest_program("counter")])
    lost, good = tmp_path / "lost.img", tmp_path / "good.img"
    m = machines.Machine(disk)
    pid = m.start_in_background("counter 10000 10", "count 2\r*\n")
    for n in range(1, 4):
        assert save(m, f"-H 2 {pid} life.img")[0] == n
    m.power_off()
    machines.run_tool("amberfs", "cp", disk, "/life.img", lost)
    data = bytearray(lost.read_bytes())
    newest = max((0, 4096), key=lambda slot: int.from_bytes(data[slot + 168:slot + 176], "little"))
    data[int.from_bytes(data[newest + 200:newest + 208], "little") * 4096 + 24] ^= 1
    lost.write_bytes(data)
    machines.run_tool("ckpt", "verify", lost, statuses=(1,))
    machines.run_tool("ckpt", "pack", "--rescue", lost, good)
    assert re.findall(r"epoch (\d+): sound", machines.run_tool("ckpt", "verify", good)) == ["2", "1"]
    machines.run_tool("amberfs", "cp", disk, good, ":/good.img")
    m = machines.Machine(disk)
    pid = m.start_in_background("restore good.img", r"count \d+\r*\n")
    assert save(m, f"{pid} good.img")[0] == 3
    m.power_off()
    machines.assert_disk_sound(disk)
