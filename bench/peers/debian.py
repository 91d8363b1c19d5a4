"""Debian, made here: a tree whose CRIU runs natively, and a disk that boots in the emulator. What was made is kept in build/peers."""
import hashlib
import os
import shutil
import subprocess

from common import machines

PEERS = os.path.join(machines.BUILD, "peers")
MIRROR = "http://deb.debian.org/debian"
NATIVE_SUITE = "sid"       # the host's kernel may be newer than its Debian's CRIU knows
GUEST_SUITE = "bookworm"
GUEST_PACKAGES = ("linux-image-amd64", "initramfs-tools", "iproute2", "criu", "libstdc++6")
GUEST_DISK = "3G"
MEMORY_MIB = 1500
LABEL = "amber-peers"
PROGRAMS_LABEL = "amber-programs"

# The guest's first process: what a Debian has mounted, and then a shell at the console.
INIT = f"""#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
mkdir -p /dev/shm /programs /images
mount -t tmpfs shm /dev/shm
mount -t tmpfs run /run
ip link set lo up
mount LABEL={PROGRAMS_LABEL} /programs
export PS1='$ ' TERM=dumb PATH=/usr/sbin:/usr/bin:/sbin:/bin
exec sh -i </dev/ttyS0 >/dev/ttyS0 2>&1
"""

class Skip(Exception):
    """Something can't be measured here, for this reason."""


def run(*command):
    """A command that must succeed. What this is called from by make is no business of another make."""
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    if result.returncode:
        lines = (result.stderr or result.stdout).strip().splitlines()
        raise Skip(f"{os.path.basename(command[0])}: {lines[-1] if lines else f'status {result.returncode}'}")


def remove_tree(folder):
    """Nothing that may still be mounted there: debootstrap mounts /proc, and may have been cut short."""
    run("rm", "-rf", "--one-file-system", folder)


def need(program, package):
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not path:
        raise Skip(f"{program} is missing: apt install {package}")
    return path


def tree(suite, packages):
    """The folder with that Debian, and these packages in it."""
    folder = os.path.join(PEERS, suite)
    if os.path.exists(folder):
        return folder
    debootstrap = need("debootstrap", "debootstrap")
    if os.geteuid() != 0:
        raise Skip("debootstrap needs root")
    print(f"fetching Debian {suite} ...", flush=True)
    unfinished = folder + ".unfinished"
    remove_tree(unfinished)
    os.makedirs(PEERS, exist_ok=True)
    run(debootstrap, "--variant=minbase", "--include=" + ",".join(packages), suite, unfinished, MIRROR)
    remove_tree(os.path.join(unfinished, "var/cache/apt"))
    os.rename(unfinished, folder)
    return folder


def program_of(folder, name):
    """How a program of that tree is called from outside: with the tree's own libraries."""
    libraries = os.path.join(folder, "usr/lib/x86_64-linux-gnu")
    return [os.path.join(folder, "usr/lib64/ld-linux-x86-64.so.2"), "--library-path", libraries, os.path.join(folder, "usr/sbin", name)]


def write_program(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path, 0o755)


def disk_from(folder, label, size, path):
    run(need("mke2fs", "e2fsprogs"), "-q", "-F", "-t", "ext4", "-L", label, "-d", folder, path, size)
    return path


def guest_parts():
    """(disk, kernel, initial RAM disk); made at the first time, and anew when what is said here of them has changed."""
    version = hashlib.sha256(repr((GUEST_SUITE, GUEST_PACKAGES, GUEST_DISK, INIT)).encode()).hexdigest()[:8]
    parts = [os.path.join(PEERS, f"guest-{version}", name) for name in ("debian.img", "vmlinuz", "initrd.img")]
    if os.path.exists(parts[0]):
        return parts
    folder = tree(GUEST_SUITE, GUEST_PACKAGES)
    os.makedirs(os.path.dirname(parts[0]), exist_ok=True)
    write_program(os.path.join(folder, "sbin/peers-init"), INIT)
    for part in parts[1:]:
        name = next(n for n in sorted(os.listdir(os.path.join(folder, "boot"))) if n.startswith(os.path.basename(part)))
        shutil.copy(os.path.join(folder, "boot", name), part)
    os.rename(disk_from(folder, LABEL, GUEST_DISK, parts[0] + ".unfinished"), parts[0])
    remove_tree(folder)
    return parts


def boot(folder, programs):
    """Debian on a copy of the disk, in `folder`; /programs holds what lies in the folder `programs`, /images is empty."""
    disk, kernel, initrd = guest_parts()
    emulator = need("qemu-system-x86_64", "qemu-system-x86")
    root, extra = (os.path.join(folder, name) for name in ("root.img", "programs.img"))
    run("cp", "--sparse=never", disk, root)
    disk_from(programs, PROGRAMS_LABEL, "128M", extra)
    machine = machines.Machine(root, memory=MEMORY_MIB, kernel=kernel, shell=False, emulator=emulator,
                               args=f"root=LABEL={LABEL} rw console=ttyS0 quiet loglevel=1 init=/sbin/peers-init",
                               extra=("-initrd", initrd, "-drive", f"file={extra},if=none,id=programs,format=raw",
                                      "-device", "virtio-blk-pci,drive=programs,addr=0x10"))
    machine.wait_for_prompt(300)
    return machine
