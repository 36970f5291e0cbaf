"""`conveyor sandbox shell`: a prompt in a sandbox, on a terminal and in a pipe."""

from __future__ import annotations

import signal

import pytest

from tests.cli.command import Command, Typed, finish

SANDBOXES = ["local", pytest.param("docker", marks=pytest.mark.docker)]


def shell(conveyor: Command, *args: str) -> Typed:
    typed = conveyor.terminal("sandbox", "shell", "--sandbox", "local", *args)
    typed.until(">>>")
    return typed


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_code_from_the_command_line(conveyor: Command, sandbox: str) -> None:
    """Output, the last value, and 0."""
    code = "import os; print(os.getcwd())\nlen(os.listdir())"
    done = conveyor("sandbox", "shell", "--sandbox", sandbox, "--code", code)
    assert (done.code, done.out) == (0, "/workspace\n0\n")


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("import sys; sys.exit(7)", 7, ""),
        ("import sys; sys.exit(0); 1", 0, ""),
        ("print(1)\n1 / 0\nprint(2)", 1, "ZeroDivisionError: division by zero\n"),
        ("x = (", 1, "SyntaxError: '(' was never closed\n"),
        ("import os; os._exit(3)", 1, "the interpreter ended, code 3\n"),
    ],
)
def test_its_status_is_the_codes(conveyor: Command, code: str, status: int, said: str) -> None:
    """As if Python had run it; what is wrong is on standard error."""
    done = conveyor("sandbox", "shell", "--sandbox", "local", "--code", code)
    assert done.code == status
    assert done.err.endswith(said)
    assert done.out in ("", "1\n")


def test_a_program_from_a_pipe_runs_as_it_comes(conveyor: Command) -> None:
    """The first statement has run before the second one is there; a blank line ends no function."""
    process = conveyor.start("sandbox", "shell", "--sandbox", "local")
    process.stdin.write(b"print('first', flush=True)\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"first\n"
    process.stdin.write(b"def f():\n    x = 'ok'\n\n    return x\nf()\n")
    done = finish(process)
    assert (done.code, done.out) == (0, "'ok'\n")


def test_an_error_ends_a_program_whose_rest_has_not_come(conveyor: Command) -> None:
    """Nobody waits for the pipe's end then."""
    process = conveyor.start("sandbox", "shell", "--sandbox", "local")
    process.stdin.write(b"1 / 0\n")
    process.stdin.flush()
    assert process.wait(timeout=20) == 1


def test_files_and_limits(conveyor: Command) -> None:
    """What a task says of its sandbox holds, and flags come before it."""
    conveyor.write("data.csv", "1,2")
    conveyor.write("task.yaml", "prompt: x\nsandbox: {kind: local, unit_timeout: 0.3}\n")
    code = "print(open('d/x.csv').read(), flush=True)\nwhile True: pass"
    done = conveyor("sandbox", "shell", "task.yaml", "--file", "d/x.csv=data.csv", "--code", code)
    assert (done.code, done.out) == (1, "1,2\n")
    assert "0.3 s" in done.err


def test_a_bad_file_option(conveyor: Command) -> None:
    """One line that says how it is written."""
    done = conveyor("sandbox", "shell", "--file", "x")
    assert (done.code, done.only_complaint) == (2, "--file x: write NAME=PATH")


def test_typing(conveyor: Command) -> None:
    """Values are shown, a block ends with an empty line, a bracket does not; names stay."""
    typed = shell(conveyor)
    typed.type("x = [1,\r\r2]\r")
    typed.type("for y in x:\r    print(f'<{y}>')\r\rx[1] + 40\r")
    typed.until("<1>\n<2>")
    typed.until("42\n>>>")
    typed.type("1 / 0\r")
    typed.until("ZeroDivisionError: division by zero\n>>>")
    typed.type("print('\\x1b[2J', x)\r")
    typed.until("[2J [1, 2]")
    typed.type("\x04")
    assert typed.wait() == 0


def test_ctrl_c_interrupts_what_runs(conveyor: Command) -> None:
    """Once for the code, and the session goes on; at the prompt it clears the line."""
    typed = shell(conveyor)
    typed.type("x = 5; import time; print('begun'); time.sleep(60)\r")
    typed.until("\nbegun")
    typed.type("\x03")
    typed.until("KeyboardInterrupt")
    typed.until(">>>")
    typed.type("abc\x03x + 1\r")
    typed.until("6\n>>>")
    typed.type("\x04")
    assert typed.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("code", ["", "import time; time.sleep(60)\n"])
def test_it_ends_when_told(conveyor: Command, number: int, code: str) -> None:
    """143, at the prompt's pipe or while code runs; the fixture looks for what is left."""
    process = conveyor.start("sandbox", "shell", "--sandbox", "local")
    process.stdin.write(f"print('begun', flush=True)\n{code}".encode())
    process.stdin.flush()
    assert process.stdout.readline() == b"begun\n"
    process.send_signal(number)
    assert process.wait(timeout=20) == 143


@pytest.mark.docker
def test_kill_9_leaves_nothing(conveyor: Command) -> None:
    """The fixture looks."""
    process = conveyor.start("sandbox", "shell", "--sandbox", "docker", "--code",
                             "import time; print('begun', flush=True); time.sleep(60)")  # fmt: skip
    assert process.stdout.readline() == b"begun\n"
    assert len(conveyor.containers()) == 1
    process.kill()
    process.wait()
