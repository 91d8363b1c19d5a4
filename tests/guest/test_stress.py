"""What a nasty user does: fights for the console, memory that runs out."""
import re

import pytest

import machine as machines

PROGRAMS = ("writers",)
CPUS = 4


@pytest.mark.parametrize("cpus", [1, 4])
def test_console_writers_take_turns(disk, cpus):
    """Each line whole, and nobody waits until the other has finished."""
    m = machines.Machine(disk, cpus=cpus)
    lines = m.check("writers 40").splitlines()
    letters = "".join(line[0] for line in lines if re.fullmatch("a{4095}|b{4095}", line))
    assert len(letters) == len(lines) == 80, lines
    first = min(letters.rindex("a"), letters.rindex("b"))
    assert first > 60, f"one had finished when the other had hardly begun: {letters}"
    m.power_off()


def test_first_process_outlives_exhaustion(disk):
    """All memory is taken when the shell dies: there is another one as soon as there is memory."""
    m = machines.Machine(disk, memory=64)
    m.start("exhaust")
    m.expect("given back")
    assert not re.search(r"^ +2 .* sh$", m.check("ps"), re.M), "it's still the first shell"
    m.power_off()


def test_first_process_waits_for_memory(disk):
    """Whichever page it can't get while it starts, it tries again: the machine would end with it."""
    for n in range(120, 180, 2):
        m = machines.Machine(disk, args=f"fail=frame:{n}", shell=False)
        m.child.expect([r"\$ ", machines.pexpect.EOF], timeout=60 * machines.PATIENCE)
        assert "ended by signal" not in m.console(), m.console()
        m.kill()
