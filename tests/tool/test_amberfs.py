"""The host tool amberfs: disks without a running machine."""
import os
import select
import shutil
import subprocess
import time

import pytest

import machine as machines

TOOL = os.path.join(machines.HOST, "amberfs")


def run(*args, status=0):
    result = subprocess.run([TOOL, *map(str, args)], capture_output=True, timeout=120)
    assert status is None or result.returncode == status, f"amberfs {args}: status {result.returncode}\n{result.stderr.decode()}"
    return result.stdout


def names(disk, path="/"):
    return sorted(line.split()[4] for line in run("ls", disk, path).decode().splitlines())


@pytest.fixture
def disk(tmp_path):
    path = str(tmp_path / "disk.img")
    run("mkfs", "-q", "-s", "16M", path)
    yield path
    machines.assert_fs_clean(path)


def bytes_of(seed, n):
    return bytes((i * seed + (i >> 8)) & 0xFF for i in range(n))


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 100_000, 3_000_000])
def test_what_goes_in_comes_out(disk, tmp_path, size):
    data = bytes_of(7, size)
    (tmp_path / "in").write_bytes(data)
    run("cp", disk, tmp_path / "in", ":/file")
    run("cp", disk, "/file", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == data == run("cat", disk, "/file")


def test_copy_replaces_and_keeps_other_files(disk, tmp_path):
    for text in ("old", "new and longer"):
        (tmp_path / "a").write_text(text)
        run("cp", disk, tmp_path / "a", ":/")
    (tmp_path / "b").write_text("b")
    run("cp", disk, tmp_path / "a", tmp_path / "b", ":/")
    assert run("cat", disk, "/a", "/b") == b"new and longerb"


def test_directories_go_in_and_are_removed(disk, tmp_path):
    deep = tmp_path / "d" / "e"
    deep.mkdir(parents=True)
    for i in range(50):
        (deep / f"f{i}").write_text(str(i))
    run("cp", disk, tmp_path / "d", ":/", status=1)
    run("cp", "-r", disk, tmp_path / "d", ":/")
    assert len(names(disk, "/d/e")) == 52 and run("cat", disk, "/d/e/f49") == b"49"
    run("rm", disk, "/d", status=1)
    run("rm", "-r", disk, "/d")
    assert names(disk) == [".", ".."]


def test_mkdir_and_mv(disk, tmp_path):
    run("mkdir", disk, "/a", "/a/b")
    (tmp_path / "f").write_text("f")
    run("cp", disk, tmp_path / "f", ":/a/b")
    run("mv", disk, "/a/b", "/c")
    assert run("cat", disk, "/c/f") == b"f" and names(disk, "/a") == [".", ".."]


def test_paths_without_a_slash_begin_at_the_root(disk, tmp_path):
    (tmp_path / "f").write_text("f")
    run("mkdir", disk, "d", "d/e")
    run("cp", disk, tmp_path / "f", ":cat")
    run("mv", disk, "cat", "d/dog")
    assert run("cat", disk, "d/dog") == b"f" == run("cat", disk, "/d/dog")
    run("rm", disk, "d/dog")
    run("rm", "-r", disk, "d")
    assert names(disk) == [".", ".."]


@pytest.mark.parametrize("path", ["/", "//", ".", "..", "/.", "/..", "/d/.", "d/..", "/d/./", "../"])
def test_what_is_no_entry_is_refused_before_anything_is_removed(disk, path):
    run("mkdir", disk, "/d", "/d/e", "/f")
    result = subprocess.run([TOOL, "rm", "-r", disk, "/f", path], capture_output=True, text=True)
    assert result.returncode == 1 and f"{path}: the root, . and .. can't be removed" in result.stderr
    assert names(disk) == [".", "..", "d", "f"] and names(disk, "/d") == [".", "..", "e"]


def test_names_of_dots_and_names_that_end_in_a_slash_are_removed(disk):
    run("mkdir", disk, "/...", "/a.", "/d")
    run("rm", "-r", disk, "/...", "/a.", "d/")
    assert names(disk) == [".", ".."]


def test_an_option_after_the_image_is_a_name(disk):
    run("mkdir", disk, "/d")
    run("rm", disk, "-r", status=1)
    run("rm", disk, "-r", "/d", status=1)
    assert names(disk) == [".", "..", "d"]


def test_names_that_do_not_fit_are_refused(disk, tmp_path):
    (tmp_path / "f").write_text("f")
    run("cp", disk, tmp_path / "f", ":/fifteen-letters", status=1)
    run("mkdir", disk, "/fifteen-letters", status=1)
    assert names(disk) == [".", ".."]


def test_a_full_disk_is_an_error_and_leaves_nothing(disk, tmp_path):
    (tmp_path / "big").write_bytes(bytes(20 << 20))
    run("cp", disk, tmp_path / "big", ":/", status=1)
    assert names(disk) == [".", ".."]
    (tmp_path / "small").write_text("fits again")
    run("cp", disk, tmp_path / "small", ":/")


def test_df_agrees_with_what_was_written(disk, tmp_path):
    def free():
        return int(run("df", disk).decode().splitlines()[1].split()[3])
    before = free()
    (tmp_path / "f").write_bytes(bytes_of(3, 1 << 20))
    run("cp", disk, tmp_path / "f", ":/")
    assert 1024 <= before - free() <= 1024 + 16
    run("rm", disk, "/f")
    assert free() == before


def test_not_a_disk(tmp_path):
    (tmp_path / "no").write_bytes(bytes(1 << 20))
    for args in (("ls",), ("df",)):
        run(*args, tmp_path / "no", status=1)
    run("rm", tmp_path / "no", "/x", status=1)
    assert (tmp_path / "no").read_bytes() == bytes(1 << 20)


def test_wrong_use_tells_the_right_one():
    for args, told in (((), "\n  mkdir "), (("ls",), "usage: amberfs ls "), (("cp", "x"), " amberfs cp "), (("rm", "-x", "a"), "usage: amberfs rm "),
                       (("nothing",), "there is no command nothing; `amberfs --help`")):
        result = subprocess.run([TOOL, *args], capture_output=True, text=True)
        assert result.returncode == 16 and told in result.stderr and not result.stdout, result
    assert run("cp", "--help").decode().count("amberfs cp") == 2


def test_killed_copies_leave_the_old_file_or_the_new(disk, tmp_path):
    """The tool dies at any moment: the name means one file, whole; the disk needs no repair but the journal's."""
    old, new = bytes_of(3, 500_000), bytes_of(5, 3_000_000)
    (tmp_path / "f").write_bytes(old)
    run("cp", disk, tmp_path / "f", ":/")
    (tmp_path / "f").write_bytes(new)
    for i in range(12):
        process = subprocess.Popen([TOOL, "cp", disk, str(tmp_path / "f"), ":/"])
        time.sleep(0.002 * i)
        process.kill()
        process.wait()
        assert run("cat", disk, "/f") in (old, new)
        subprocess.run([os.path.join(machines.HOST, "fsck"), "-n", disk], capture_output=True)
    run("mkdir", disk, "/after")
    assert run("cat", disk, "/f") in (old, new)


def test_the_disk_of_a_running_machine_is_not_written(tmp_path):
    disk = machines.make_disk(str(tmp_path / "disk.img"), size="16M")
    (tmp_path / "f").write_text("f")
    (tmp_path / "dir").mkdir()
    writers = [("cp", disk, tmp_path / "f", ":/f"), ("mkdir", disk, "/d"), ("mv", disk, "/d", "/e"), ("rm", disk, "/f"),
               ("mount", disk, tmp_path / "dir"), ("fsck", "-y", disk), ("mkfs", "-f", "-q", disk)]
    m = machines.Machine(disk)
    for args in writers:
        result = subprocess.run([TOOL, *map(str, args)], capture_output=True, text=True)
        assert result.returncode and "a running machine has it" in result.stderr, (args, result)
    assert b" sh\n" in run("ls", disk, "/"), "looking is allowed"
    assert "f" not in m.check("ls /").split()
    m.kill()
    run("fsck", "-y", disk, status=None)
    for args in writers[:4]:
        run(*args)


# FUSE.

def fuse_problem():
    if not os.path.exists("/dev/fuse"):
        return "there is no /dev/fuse"
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as e:
        return f"/dev/fuse can't be opened: {e.strerror}"
    if not shutil.which("fusermount3") and os.getuid():
        return "there is no fusermount3"
    return None


@pytest.fixture
def mounted(disk, tmp_path):
    problem = fuse_problem()
    if problem:
        pytest.skip(problem)
    where = tmp_path / "mnt"
    where.mkdir()
    result = subprocess.run([TOOL, "mount", disk, str(where)], capture_output=True, text=True, timeout=30)
    if result.returncode:
        pytest.skip("FUSE doesn't let us mount: " + result.stderr.strip())
    yield where
    unmount(where, disk)


def unmount(where, disk):
    if os.path.ismount(where):
        subprocess.run(["fusermount3", "-u", str(where)], check=True)
    for _ in range(200):  # until it has let go of the image
        if subprocess.run([TOOL, "mkdir", disk, "/"], capture_output=True).stderr.find(b"somebody else") < 0:
            return
        time.sleep(0.05)
    raise AssertionError("the image stays in use")


def test_mount_refuses_what_is_no_directory(disk, tmp_path):
    (tmp_path / "file").write_text("mine")
    for where, why in (("file", "Not a directory"), ("absent", "No such file")):
        result = subprocess.run([TOOL, "mount", disk, str(tmp_path / where)], capture_output=True, text=True, timeout=30)
        subprocess.run(["fusermount3", "-u", str(tmp_path / where)], capture_output=True)  # if it did mount
        assert result.returncode == 1 and f"{tmp_path / where}: {why}" in result.stderr
    assert (tmp_path / "file").read_text() == "mine"


def test_mount_reads_and_writes(mounted, disk, tmp_path):
    data = bytes_of(11, 2_000_000)
    (mounted / "f").write_bytes(data)
    assert (mounted / "f").read_bytes() == data
    with open(mounted / "f", "r+b") as f:
        f.seek(1_000_001)
        f.write(b"in the middle")
        f.flush()
        os.fsync(f.fileno())
    (mounted / "d").mkdir()
    os.rename(mounted / "f", mounted / "d" / "g")
    os.link(mounted / "d" / "g", mounted / "d" / "h")
    os.truncate(mounted / "d" / "g", 1_500_000)
    assert sorted(os.listdir(mounted / "d")) == ["g", "h"]
    assert os.statvfs(mounted).f_namemax == 14
    with pytest.raises(OSError):
        (mounted / "fifteen-letters").touch()
    with pytest.raises(OSError):
        (mounted / "d").rmdir()
    unmount(mounted, disk)
    expected = bytearray(data)
    expected[1_000_001:1_000_014] = b"in the middle"
    assert run("cat", disk, "/d/h") == bytes(expected[:1_500_000])
    machines.assert_fs_clean(disk)


def test_what_was_synced_survives_a_kill(mounted, disk):
    with open(mounted / "f", "wb") as f:
        f.write(b"synced" * 10_000)
        f.flush()
        os.fsync(f.fileno())
    pid = subprocess.run(["pgrep", "-f", f"amberfs mount {disk}"], capture_output=True, text=True).stdout.split()
    end = os.pidfd_open(int(pid[0]))
    os.kill(int(pid[0]), 9)
    assert select.select([end], [], [], 60)[0], "its files are closed when it has ended"
    os.close(end)
    subprocess.run(["fusermount3", "-u", str(mounted)], check=True)
    assert run("cat", disk, "/f") == b"synced" * 10_000
    run("mkdir", disk, "/after")  # replays the journal for good


def test_the_image_is_busy_while_it_is_mounted(mounted, disk):
    run("rm", disk, "/x", status=1)
