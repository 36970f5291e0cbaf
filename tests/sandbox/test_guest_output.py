"""What code writes, in both sandboxes: at once, whole, of its unit, up to a limit."""

from __future__ import annotations

import pytest

from conveyor_sandbox.reports import (
    Finished,
    Output,
    Stream,
)
from tests.sandbox.conftest import Lab, LabMaker

KIB = 1024


def test_output_is_live(lab: Lab) -> None:
    """A line is reported while its unit still runs."""
    lab.send("import time; print('now'); time.sleep(100)\n")
    lab.until_output("now\n")
    lab.guest.cancel(lab.calls)
    lab.finish()


def test_output_is_its_units(lab: Lab) -> None:
    """What a unit wrote is reported between its start and its end, in both streams."""
    code = "import sys; print({0}); print('e{0}', file=sys.stderr)\n"
    call = lab.call(*(code.format(number) for number in range(20)))
    for index in range(20):
        assert call.text(Stream.STDOUT, index) == f"{index}\n"
        assert call.text(Stream.STDERR, index) == f"e{index}\n"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("print('no line end', end='')\n", "no line end"),
        ("import sys; sys.stdout.write('x')\n", "x"),
        ("import os; os.write(1, b'raw')\n", "raw"),
        ("import os; os.write(1, b'\\xff\\x00\\x80a')\n", "\ufffd\0\ufffda"),
        ("import os; os.system('echo child')\n", "child\n"),
        ("import subprocess; subprocess.run(['echo', 'child'])\n", "child\n"),
        ("import ctypes; c = ctypes.CDLL(None); c.puts(b'c'); c.fflush(None)\n", "c\n"),
        ("print('\\x1b[31mred')\n", "\x1b[31mred\n"),
        ("import os; os.write(1, 'é'.encode()[:1])\n", "\ufffd"),
    ],
)
def test_output_of_all_sorts(lab: Lab, code: str, text: str) -> None:
    """Whoever wrote it and whatever it is."""
    assert lab.call(code).stdout == text


def test_character_cut_between_units(lab: Lab) -> None:
    """Half a character in one unit and half in the next are one character."""
    call = lab.call("import os; os.write(1, b'\\xc3')\n", "os.write(1, b'\\xa9')\n")
    assert call.stdout == "é"


def test_output_belongs_to_its_unit(lab: Lab) -> None:
    """What a unit wrote is reported as its own, and before its end."""
    call = lab.call(*[f"print({number})\n" for number in range(20)])
    ended = {it.unit.index: call.reports.index(it) for it in call.of(Finished)}
    for number in range(20):
        assert call.text(Stream.STDOUT, number) == f"{number}\n"
    for output in call.of(Output):
        assert call.reports.index(output) < ended[output.unit.index]


def test_output_of_a_thread_after_its_unit(lab: Lab) -> None:
    """It counts to the unit that runs, or ran last."""
    code = "threading.Timer(0.2, lambda: print('late')).start()\n"
    lab.send("import threading, time\n", code, "x = 1\n", end=False)
    lab.until_output("late\n")
    lab.add(3, "x\n", line=4)
    assert lab.finish().outcome.result == "1"


@pytest.mark.parametrize("writer", ["print('x' * 1000)", "os.system('head -c 1001 /dev/zero')"])
def test_output_cap(make_lab: LabMaker, writer: str) -> None:
    """Each stream of a call is kept up to the limit, with a note; the next call starts afresh."""
    with make_lab(output=10 * KIB) as lab:
        call = lab.call("import os, sys\n", f"for _ in range(100): {writer}\n")
        note = f"\n[{100 * 1001 - 10 * KIB} more bytes were written and not kept]\n"
        assert call.stdout.endswith(note)
        assert len(call.stdout) == 10 * KIB + len(note)
        assert call.stderr == ""
        assert lab.call("print('e', file=sys.stderr)\n").stderr == "e\n"
        assert lab.call("print('short')\n").stdout == "short\n"


def test_output_cap_holds_over_a_lost_interpreter(make_lab: LabMaker) -> None:
    """A crash does not take the note away."""
    with make_lab(output=KIB) as lab:
        call = lab.call("import os; print('x' * 2000); os._exit(1)\n")
        assert "977 more bytes" in call.stdout or "976 more bytes" in call.stdout


@pytest.mark.parametrize("descriptor", [1, 2])
def test_closed_output(lab: Lab, descriptor: int) -> None:
    """Writing fails as in a script; the session goes on, and a restart brings it back."""
    lab.call(f"import os; os.close({descriptor})\n")
    assert lab.call("1 + 1\n").outcome.result == "2"
    lab.guest.restart()
    assert lab.alive()
