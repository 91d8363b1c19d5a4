"""Every program has a man page, and the page says what the program says of itself."""
import glob
import os
import re
import subprocess

import pytest

import machine as machines

ROOT = machines.ROOT
GUEST = [os.path.basename(p)[:-2] for p in glob.glob(os.path.join(ROOT, "user/bin/*.c"))] + ["sh"]


def page(*path):
    with open(os.path.join(ROOT, "docs/man", *path)) as f:
        return f.read()


def source_of(name):
    path = os.path.join(ROOT, "user/sh/main.c" if name == "sh" else f"user/bin/{name}.c")
    with open(path) as f:
        return f.read()


def section(text, name):
    return re.search(rf"^# {name}\n\n(.*?)(?=^# |\Z)", text, re.M | re.S).group(1).strip()


@pytest.mark.parametrize("name", sorted(GUEST))
def test_page_has_the_usage_of_the_program(name):
    text = page("guest", f"{name}.1.scd")
    synopsis = section(text, "SYNOPSIS").replace("\\", "")
    usage = re.search(r'(?:usage\(|define USAGE +)"([^"]+)"', source_of(name))
    assert synopsis == usage.group(1) if usage else synopsis.split()[0] == name


def test_pages_and_programs_are_the_same_set():
    pages = {os.path.basename(p).split(".")[0] for p in glob.glob(os.path.join(ROOT, "docs/man/guest/*.scd"))}
    assert pages == set(GUEST)
    tools = {os.path.basename(p)[:-2] for p in glob.glob(os.path.join(ROOT, "tools/*.c"))}
    pages = {os.path.basename(p).split(".")[0] for p in glob.glob(os.path.join(ROOT, "docs/man/host/*.scd"))}
    assert pages == tools


def test_ckpt_page_has_all_commands_and_options():
    text = page("host", "ckpt.1.scd")
    tool = os.path.join(machines.HOST, "ckpt")
    usage = subprocess.run([tool, "--help"], capture_output=True, text=True).stdout
    commands = re.findall(r"^  (\w+) ", usage, re.M)
    assert re.findall(r"^\*ckpt\* (\w+) ", section(text, "SYNOPSIS"), re.M) == commands
    assert all(re.search(rf"^\*{c}\*$", section(text, "COMMANDS"), re.M) for c in commands)
    for command in commands:
        shown = subprocess.run([tool, command, "--help"], capture_output=True, text=True).stdout
        for option in set(re.findall(r"(--[a-z]+)", shown)) - {"--help", "--usage"}:
            assert f"*{option}*" in section(text, "OPTIONS"), option


def test_amberfs_page_has_all_commands():
    text = page("host", "amberfs.1.scd")
    usage = subprocess.run([os.path.join(machines.HOST, "amberfs"), "--help"], capture_output=True, text=True).stdout
    commands = re.findall(r"^  (\w+) ", usage, re.M)
    assert re.findall(r"^\*amberfs\* (\w+) ", section(text, "SYNOPSIS"), re.M) == commands


@pytest.mark.parametrize("path", sorted(glob.glob(os.path.join(ROOT, "docs/man/*/*.scd"))), ids=os.path.basename)
def test_page_is_well_formed(path):
    with open(path) as f:
        result = subprocess.run(["scdoc"], stdin=f, capture_output=True, text=True)
    assert result.returncode == 0 and not result.stderr, result.stderr
