"""What the README shows first, typed as it stands there."""
import re
import sys

import machine as machines


def first_look():
    with open(f"{machines.ROOT}/README.md", encoding="utf-8") as f:
        block = f.read().split("## A first look")[1].split("The process goes on")[0]
    return re.findall(r"^    \$ (.*?)(?: {2,}#.*)?$", block, re.M), re.search(r"^    \[1\] (\d+)$", block, re.M).group(1)


def arccot(x, unity):
    """1/x - 1/3x^3 + 1/5x^5 ..., times unity."""
    power = unity // x
    total, n = power, 1
    while power:
        power //= -x * x
        n += 2
        total += power // n
    return total


def pi_digits(count):
    """Machin's formula, with ten digits more than are shown."""
    sys.set_int_max_str_digits(count + 20)
    unity = 10 ** (count + 10)
    return str(4 * (4 * arccot(5, unity) - arccot(239, unity)))[:count]


def test_the_readme_shows_what_happens(tmp_path):
    disk, m = machines.make_disk(str(tmp_path / "disk.img")), None
    commands, pid = first_look()
    for command in commands:
        if command == "make run":
            m = machines.Machine(disk)
        elif command == "poweroff":
            m.power_off()
        elif command.endswith("&"):
            assert str(m.start_in_background(command[:-1])) == pid
        else:
            m.check(command, timeout=120)
    digits = re.sub(r"\D", "", m.check("cat digits"))
    assert digits == pi_digits(10001), "the 3 does not count"
    m.power_off()
