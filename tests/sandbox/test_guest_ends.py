"""How units, calls and the interpreter end, and what is left in files."""

from __future__ import annotations

import pytest

from conveyor_sandbox.reports import (
    Restarted,
    Status,
)
from tests.sandbox.conftest import Lab

# Ends


@pytest.mark.parametrize(
    ("code", "kind", "type_name", "message"),
    [
        ("import sys; sys.exit(3)\n", "exit", "SystemExit", "3"),
        ("import sys; sys.exit('no')\n", "exit", "SystemExit", "no"),
        ("raise KeyboardInterrupt\n", "interrupt", "KeyboardInterrupt", ""),
        ("input()\n", "input", "EOFError", "EOF when reading a line"),
        ("raise EOFError('Ran out of input')\n", "exception", "EOFError", "Ran out of input"),
        ("raise MemoryError\n", "memory", "MemoryError", ""),
        ("x = bytearray(1 << 60)\n", "memory", "MemoryError", ""),
        ("def f(): f()\nf()\n", "exception", "RecursionError", "maximum recursion depth exceeded"),
    ],
)
def test_failures_that_keep_the_interpreter(
    lab: Lab, code: str, kind: str, type_name: str, message: str
) -> None:
    """Each has its kind; variables of before are still there."""
    lab.call("before = 1\n")
    call = lab.call(code, "after = 1\n")
    assert call.kinds == [kind, "skipped"]
    failure = call.outcome.failure
    assert failure is not None
    assert (failure.kind, failure.type, failure.message) == (kind, type_name, message)
    assert lab.call("before\n").outcome.result == "1"


def test_exit_without_an_error_ends_the_call_well(lab: Lab) -> None:
    """`sys.exit(0)`: the rest is skipped, the call is ok, the session goes on."""
    call = lab.call("x = 1\n", "import sys; sys.exit(0)\n", "x = 2\n")
    assert call.outcome.status is Status.OK
    assert call.units[1].exited
    assert call.kinds == ["ok", "ok", "skipped"]
    assert lab.call("x\n").outcome.result == "1"


def test_reading_standard_input_finds_its_end(lab: Lab) -> None:
    """As in a script whose input is empty."""
    assert lab.call("import sys; sys.stdin.read()\n").outcome.result == "''"


@pytest.mark.parametrize(
    ("code", "kind", "name"),
    [
        ("import os; os._exit(0)\n", "exit", "SystemExit"),
        ("import os; os._exit(3)\n", "exit", "SystemExit"),
        ("import ctypes; ctypes.string_at(0)\n", "crash", "SIGSEGV"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)\n", "crash", "SIGKILL"),
        ("import os; os.abort()\n", "crash", "SIGABRT"),
        ("import os; os.kill(os.getpid(), 40)\n", "crash", "signal 40"),
        ("import os; os.close(500)\n", "crash", ""),
        ("import os; os.closerange(3, 1000)\n", "crash", ""),
        ("import os, time; os.closerange(3, 1000); time.sleep(60)\n", "crash", "ConnectionError"),
        ("import builtins; builtins.isinstance = None\n", "crash", "RuntimeError"),
        ("import builtins; builtins.__dict__.clear()\n", "crash", "RuntimeError"),
    ],
)
def test_failures_that_lose_the_interpreter(lab: Lab, code: str, kind: str, name: str) -> None:
    """The unit fails, the rest is skipped, an empty interpreter goes on with the files."""
    lab.call("before = 1\n", "print('kept', file=open('file', 'w'))\n")
    call = lab.call("print('said')\n", code, "after = 1\n")
    assert call.kinds == ["ok", kind, "skipped"]
    assert call.stdout == "said\n"
    assert call.restarted
    failure = call.outcome.failure
    assert failure is not None
    assert failure.type.startswith(name)
    assert (
        lab.call("print('before' in globals(), open('file').read())\n").stdout == "False kept\n\n"
    )
    assert lab.alive()


def test_interpreter_lost_between_units(lab: Lab) -> None:
    """A thread that ends the process while nothing runs: the rest of the call is skipped."""
    lab.send("import os, threading, time\n", end=False)
    code = "threading.Timer(0.2, lambda: os._exit(5)).start()\n"
    lab.add(1, code, line=2, end=False)
    assert isinstance(lab.until(Restarted)[-1], Restarted)
    lab.add(2, "x = 1\n", line=3)
    call = lab.finish()
    assert call.kinds == ["skipped"]
    assert call.outcome.failure is not None
    assert call.outcome.failure.kind == "exit"
    assert lab.alive()


# The end of a run


def test_files_that_are_left_open_are_complete(lab: Lab) -> None:
    """When the host asks for files, what was written to them is in them, buffered or not."""
    call = lab.call(
        "import io\n",
        "a = open('a', 'w'); a.write('text')\n",
        "b = open('b', 'wb'); b.write(b'bytes')\n",
        "c = io.TextIOWrapper(io.BufferedRandom(io.FileIO('c', 'w+'))); c.write('more')\n",
    )
    assert call.kinds == ["ok"] * 4
    entries = lab.do(lab.guest.files.list(10**6)).entries
    assert {path: info.size for path, info in entries.items()} == {"a": 4, "b": 5, "c": 4}
    assert lab.do(lab.guest.files.read(entries["a"])) == b"text"
    assert lab.alive()


def test_files_of_code_that_does_not_answer(lab: Lab) -> None:
    """They are listed all the same, as they are."""
    stuck = """
import io
class Stuck(io.RawIOBase):
    def writable(self): return True
    def write(self, data):
        import time
        time.sleep(100)
"""
    lab.call(stuck, "f = io.BufferedWriter(Stuck()); f.write(b'x'); open('a', 'w').close()\n")
    assert list(lab.do(lab.guest.files.list(10**6)).entries) == ["a"]
