"""The shell, as a person uses it."""
import re

import pytest

import machine as machines

COMMANDS = [
    ("echo hello", "hello\n"),
    ("echo 'a  b' \"c $?\" d\\ e", "a  b c 0 d e\n"),
    ("echo one > f; echo two >> f; cat f; rm f", "one\ntwo\n"),
    ("echo one > f; cat < f; rm f", "one\n"),
    ("ls | grep ^sh$ | wc -l", None),
    ("cat /sh | cat | cat | cmp - /sh && echo same", "same\n"),
    ("true && echo yes || echo no", "yes\n"),
    ("false && echo yes || echo no", "no\n"),
    ("false; echo $?", "1\n"),
    ("(echo in; false); echo $?", "in\n1\n"),
    ("NAME=value; echo $NAME", "value\n"),
    ("mkdir d; cd d; pwd; cd ..; rmdir d; pwd", "/d\n/\n"),
    ("mkdir d; touch d/a d/b d/c; echo d/*; rm -r d", "d/a d/b d/c\n"),
    ("nosuchcommand; echo $?", None),
    ("sh -c 'echo from $0 $?; exit 7'; echo $?", None),
    ("seq 3 | sort -r", "3\n2\n1\n"),
    ("seq 10 | head -n 3 | tail -n 1", "3\n"),
    ("echo hello | tee f | wc -c; cat f; rm f", None),
    ("echo a b c | wc", None),
    ("cp /cat c2; cmp /cat c2; mv c2 c3; ls c3; rm c3", None),
]


@pytest.mark.parametrize("command, output", COMMANDS, ids=[c for c, _ in COMMANDS])
def test_command(machine, command, output):
    result = machine.run(command)
    if output is not None:
        assert result.output == output
    assert "usage" not in result.output


@pytest.mark.parametrize("path", ["/", "//", ".", "..", "/.", "d/..", "d/e/./"])
def test_rm_refuses_the_root_and_dots_before_anything_is_removed(machine, path):
    machine.check("mkdir d d/e; touch d/e/f g")
    there = machine.check("ls / d d/e")
    result = machine.run(f"rm -rf g {path}")
    assert machine.check("ls / d d/e") == there
    assert result.status == 1 and f"{path}: the root, . and .. can't be removed" in result.output
    machine.check("rm -r d/ g")


def test_exit_statuses(machine):
    assert machine.run("nosuchcommand").status == 127
    machine.check("echo text > notaprogram")
    assert machine.run("./notaprogram").status == 126
    assert machine.run("sh -c 'exit 7'").status == 7
    assert machine.run("cat nosuchfile").status == 1
    assert "cat: nosuchfile: " in machine.run("cat nosuchfile").output
    machine.check("rm notaprogram")


def test_an_unknown_option_is_told_as_it_was_typed(machine):
    result = machine.run("ls --help")
    assert "ls: unknown option --help\nusage: ls" in result.output and result.status == 2, result
    result = machine.run("ls -ly")
    assert "ls: unknown option -y\nusage: ls" in result.output and result.status == 2, result
    assert machine.check("echo text > ./--help; ls -- --help; rm -- --help").endswith("--help\n")


def test_stopat_refuses_what_it_cannot_run(machine):
    machine.check("echo text > notaprogram")
    for event in ("call 1", "call 3", "fault 1"):
        result = machine.run(f"stopat {event} nofile")
        assert result.output == "stopat: nofile: no such file or directory\n" and result.status == 127, result
        result = machine.run(f"stopat {event} notaprogram")
        assert result.output.startswith("stopat: notaprogram: ") and result.status == 126, result
    machine.check("rm notaprogram")


WRONG_WORDS = [
    ("checkpoint -k -s 7 x", "usage: checkpoint", 2),
    ("checkpoint 99999999999 x", "checkpoint: 99999999999: not a process number", 2),
    ("checkpoint 2147483648 x", "checkpoint: 2147483648: not a process number", 2),
    ("checkpoint -H 99999999999 1 x", "checkpoint: 99999999999: not a number of epochs", 2),
    ("checkpoint -H 1x 1 x", "checkpoint: 1x: not a number of epochs", 2),
    ("restore -i foo x", "restore: foo: not FD=FD", 2),
    ("restore -i 1= x", "restore: 1=: not FD=FD", 2),
    ("restore -i 99999999999=1 x", "restore: 99999999999=1: not FD=FD", 2),
    ("restore -e 99999999999999999999 x", "restore: 99999999999999999999: not an epoch", 2),
    ("restore -i 1=77 x", "restore: 1=77: descriptor 77 is not open", 1),
]


@pytest.mark.parametrize("command, message, status", WRONG_WORDS, ids=[c for c, *_ in WRONG_WORDS])
def test_wrong_words_are_told(machine, command, message, status):
    result = machine.run(command)
    assert result.output.startswith(message) and result.status == status, result


def interrupt(machine):
    """Until there is a prompt again: before the program has the terminal the key is only a byte."""
    for n in range(60):
        machine.send("\x03")
        if machine.child.expect([machines.pexpect.TIMEOUT, machines.PROMPT], timeout=1):
            if n:  # that one had not been answered yet when the next one was sent
                machine.check("true")
            return
    raise AssertionError(machine.console()[-2000:])


def test_interrupt_ends_the_foreground_only(machine):
    pid = machine.start_in_background("sleep 1000")
    machine.wait_for_prompt()
    machine.start("sleep 1000")
    interrupt(machine)
    assert machine.run("echo $?").output.strip() in ("130", "0")
    assert str(pid) in machine.check("ps"), "the job in the background lives"
    machine.check(f"kill {pid}")
    machine.run("wait")  # its status is the job's, if that has not ended before


def test_interrupt_ends_a_busy_loop(machine):
    machine.start("primes 1000000000")
    interrupt(machine)


def test_interrupt_abandons_the_line(machine):
    machine.send("echo not this")
    machine.send("\x03")
    machine.wait_for_prompt()
    assert machine.check("echo but this") == "but this\n"


def test_line_editing(machine):
    machine.send("echo wromg\x7f\x7fng")
    machine.send("\x01\x05\x0b\r")
    machine.expect(r"[\r\n]wrong\r*\n")
    machine.wait_for_prompt()
    machine.send("garbage\x15echo clean\r")
    machine.expect(r"[\r\n]clean\r*\n")
    machine.wait_for_prompt()
    machine.send("echo bc\x1b[D\x1b[Da\r")
    machine.expect(r"[\r\n]abc\r*\n")
    machine.wait_for_prompt()


def test_history(machine):
    machine.check("echo first")
    machine.send("echo second\r")
    machine.expect(r"[\r\n]second\r*\n")
    machine.wait_for_prompt()
    machine.send("\x1b[A\r")
    machine.expect(r"[\r\n]second\r*\n")
    machine.wait_for_prompt()


def test_jobs(machine):
    machine.start("sleep 0.3 &")
    machine.expect(r"\[\d+\] \d+")
    machine.wait_for_prompt()
    machine.check("wait")
    assert machine.run("jobs").status == 0


def stopped_job(machine, command):
    pid = machine.start_in_background(command)
    machine.wait_for_prompt()
    machine.check(f"checkpoint -s {pid} stopped.ckpt; rm stopped.ckpt")
    assert re.search(rf"^\[\d+\] stopped: {command}$", machine.check("jobs"), re.M)
    return pid


def test_a_stopped_job_goes_on_in_the_background(machine):
    pid = stopped_job(machine, "sleep 1000")
    assert machine.check("bg") == "sleep 1000 &\n"
    assert "] running: sleep 1000\n" in machine.check("jobs")
    machine.check(f"kill {pid}")
    machine.run("wait")


def test_a_stopped_job_can_be_killed(machine):
    stopped_job(machine, "sleep 1000")
    machine.check("kill %1")
    machine.run("wait")
    assert machine.check("jobs") == ""


def test_a_stopped_job_goes_on_in_the_foreground(machine):
    machine.start_in_background("stopat call 1 echo said", r"is stopped\r*\n")
    assert "] stopped: stopat call 1 echo said\n" in machine.check("jobs")
    assert "said\n" in machine.check("fg")
    assert machine.check("jobs") == ""


def test_a_killed_job_leaves_no_stopped_child(machine):
    machine.start_in_background("stopat call 1 seq 9", r"is stopped\r*\n")
    machine.check("kill %1")
    machine.run("wait")
    machine.wait_for("ps | grep -c seq || true", "^0$")


def test_a_job_that_is_not_there_is_told(machine):
    for command, message in (("fg", "fg: no job"), ("bg", "bg: no job"), ("fg %3", "fg: %3: no such job"),
                             ("wait %3", "wait: %3: no such job"), ("kill %1", "kill: %1: no such job")):
        result = machine.run(command)
        assert result.output == f"sh: {message}\n" and result.status != 0, result


def test_end_of_file_ends_cat(machine):
    machine.start("(echo first; cat > typed)")  # both have the terminal when the first one is heard
    machine.expect(r"[\r\n]first\r*\n")
    machine.send("some text\n")
    machine.expect("some text\r*\n")
    machine.send("\x04")
    machine.wait_for_prompt()
    assert machine.check("cat typed; rm typed") == "some text\n"


def test_typed_ahead_is_not_lost(machine):
    machine.send("sleep 0.3\necho one\necho two\n")
    machine.expect(r"[\r\n]one\r*\n")
    machine.expect(r"[\r\n]two\r*\n")
    machine.wait_for_prompt()


def test_a_crashing_program_is_reported(machine):
    machine.run("echo 'sh: ' > /f; rm /f")
    result = machine.run("cat /memhog > m; rm m; ls /nosuch")
    assert result.status != 0


def test_script(machine):
    machine.check("echo 'echo line one' > s; echo 'echo line two' >> s; echo 'exit 5' >> s")
    result = machine.run("sh s; echo $?")
    assert result.output == "line one\nline two\n5\n"
    machine.check("rm s")


def test_computing_programs_tell_the_truth(machine):
    pi = machine.check("pi 100", timeout=60).replace("\n", "").replace(".", "").replace(" ", "")
    assert "1415926535897932384626433832795028841971693993751058209749445923078164062862089986280348253421170679"[:90] in pi
    assert "25" in machine.check("primes 100")
    assert len(machine.check("mandelbrot", timeout=60).splitlines()) > 10
    assert "92" in machine.check("nqueens 8", timeout=60)


def test_ps_shows_processes(machine):
    text = machine.check("ps")
    assert "init" in text and "sh" in text and "ps" in text


def test_memory_hog_is_refused_not_fatal(machine):
    result = machine.run("memhog 100000", timeout=120)
    assert result.status != 0
    assert machine.check("echo alive") == "alive\n"
