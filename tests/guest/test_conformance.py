"""xv6's behaviours, each a named test: the guest programs t_*.c know them."""
import os
import re

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAMS = ("t_abi", "t_memory", "t_process", "t_family", "t_files", "t_directories")
MEMORY = 512


def names():
    for program in PROGRAMS:
        source = open(os.path.join(HERE, program + ".c"), encoding="utf-8").read()
        for name in re.findall(r"^    TEST\((\w+)\),", source, re.M):
            yield pytest.param(program, name, id=f"{program[2:]}-{name}")


@pytest.mark.parametrize("program, name", names())
def test_behaviour(machine, program, name):
    result = machine.run(f"{program} {name}", timeout=240)
    assert result.status == 0 and f"ok {name}" in result.output, result.output
