"""make image EXTRA=DIR: the files of a folder on the disk, in the place of ours where the names are the same."""
import os
import subprocess

import machine as machines


def make_image(disk, extra=""):
    subprocess.run(["make", "--no-print-directory", "-s", "image", f"BUILD={machines.BUILD}", f"DISK={disk}", f"EXTRA={extra}"],
                   cwd=machines.ROOT, check=True, stdin=subprocess.DEVNULL)


def make_extra(folder, note):
    """A note, and a foreign program under the name of one of ours."""
    folder.mkdir(exist_ok=True)
    (folder / "note").write_text(note)
    (folder / "true").write_bytes(open(os.path.join(machines.PROGRAMS, "user/bin/false"), "rb").read())
    return folder


def test_extra_files(tmp_path):
    disk = str(tmp_path / "disk.img")
    make_image(disk, make_extra(tmp_path / "extra", "from outside\n"))
    m = machines.Machine(disk)
    assert m.check("cat note") == "from outside\n"
    assert m.run("true").status == 1
    m.power_off()
    machines.assert_fs_clean(disk)


def test_what_was_saved_stays_when_files_changed(tmp_path):
    disk, extra = str(tmp_path / "disk.img"), tmp_path / "extra"
    make_image(disk, make_extra(extra, "first\n"))
    m = machines.Machine(disk)
    m.check("echo kept > file")
    m.power_off()
    make_image(disk, make_extra(extra, "second\n"))
    m = machines.Machine(disk)
    assert m.check("cat note file") == "second\nkept\n"
    assert m.run("true").status == 1
    m.power_off()
    make_image(disk)
    m = machines.Machine(disk)
    assert m.run("true").status == 0
    assert m.check("cat file") == "kept\n"
    m.power_off()
    machines.assert_fs_clean(disk)


def test_what_was_saved_stays_when_nothing_changed(tmp_path):
    disk, other, extra = str(tmp_path / "disk.img"), str(tmp_path / "other.img"), tmp_path / "extra"
    extra.mkdir()
    make_image(disk)
    m = machines.Machine(disk)
    m.check("echo kept > file")
    m.power_off()
    # Another image, with other files, is not this one's matter.
    make_image(other, extra)
    make_image(disk)
    m = machines.Machine(disk)
    assert m.check("cat file") == "kept\n"
    m.power_off()
