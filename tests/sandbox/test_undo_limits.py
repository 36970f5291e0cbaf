"""What rollback does not cover and says so, and crashes, which go back to the checkpoint."""

from __future__ import annotations

import pytest

from conveyor_sandbox.reports import Restarted
from tests.sandbox.conftest import Lab, LabMaker
from tests.sandbox.undoing import is_whole, shown, undone

MIB = 1024 * 1024


# What is not covered, and said


def test_threads_and_processes_of_the_call_are_ended(lab: Lab) -> None:
    """They are the call's own: nothing is lost with them."""
    lab.call("import os, subprocess, threading, time\n")
    lab.checkpoint()
    code = """
threading.Thread(target=time.sleep, args=(100,)).start()
for _ in range(3): subprocess.Popen(['sleep', '100'], start_new_session=True)
"""
    lab.call(code)
    assert is_whole(lab.roll_back())
    look = "len([p for p in os.listdir('/proc') if p.isdigit()])"
    assert shown(lab, look) == "2"


def test_threads_and_processes_of_earlier_calls_are_named(lab: Lab) -> None:
    """A checkpoint does not hold them."""
    before = """
import subprocess, threading, time
for _ in range(2): threading.Thread(target=time.sleep, args=(100,), daemon=True).start()
child = subprocess.Popen(['sleep', '100'])
"""
    back = undone(lab, before, "x = 1\n")
    assert back.lost == ("1 process of earlier code", "2 threads of earlier code")
    assert lab.alive()


def test_a_checkpoint_that_the_code_kills(lab: Lab) -> None:
    """It costs the code its own variables, which is said; files come back all the same."""
    lab.call("import os, signal\n", "open('f', 'w').write('1')\n", "x = 1\n")
    lab.checkpoint()
    kill = """
for name in os.listdir('/proc'):
    if name.isdigit() and int(name) not in (1, os.getpid()): os.kill(int(name), signal.SIGKILL)
open('f', 'w').write('2')
"""
    lab.call(kill)
    back = lab.roll_back()
    assert back.lost == ("variables of earlier code (its copy was killed)",)
    look = "('x' in globals(), open('f').read())"
    assert shown(lab, look) == "(False, '1')"


def test_an_interpreter_too_large_to_copy(make_lab: LabMaker) -> None:
    """Above half the sandbox's memory there is no checkpoint, and that is said at once."""
    with make_lab(memory=256 * MIB, workspace_size=32 * MIB) as lab:
        lab.call("x = bytearray(b'x') * (140 * 2**20)\n")
        taken = lab.checkpoint()
        assert taken.why_not.startswith("the interpreter holds 1")
        assert taken.resident > 140 * MIB
        lab.call("y = 1\n")
        (lost,) = lab.roll_back().lost
        assert lost.startswith("variables of earlier code (the interpreter holds")
        assert shown(lab, "'x' in globals()") == "False"
        assert lab.checkpoint().why_not == ""


def test_without_undo(make_lab: LabMaker) -> None:
    """No checkpoints: taking a call back empties the interpreter, and that is said."""
    with make_lab(undo=None) as lab:
        lab.call("import os; x = 1\n")
        assert lab.checkpoint().why_not == "undo is off"
        look = "len([p for p in os.listdir('/proc') if p.isdigit()])"
        assert shown(lab, look) == "2"
        lab.call("open('f', 'w').write('stays')\n")
        back = lab.roll_back()
        assert back.lost == ("variables of earlier code (undo is off)",)
        assert back.not_undone == ("files that it wrote",)
        assert shown(lab, "('x' in globals(), open('f').read())") == "(False, 'stays')"


CRASHES = {
    "segfault": "import ctypes; ctypes.string_at(0)\n",
    "exit": "import os; os._exit(3)\n",
    "kill": "import os; os.kill(os.getpid(), 9)\n",
    "deaf": "import signal, time; signal.signal(2, signal.SIG_IGN); time.sleep(100)\n",
    "breaks the interpreter": "import builtins; builtins.isinstance = None\n",
}


# Crashes


@pytest.mark.parametrize("crash", CRASHES)
def test_a_crash_goes_back_to_the_checkpoint(make_lab: LabMaker, crash: str) -> None:
    """It costs the variables of its call, not those of earlier ones; files stay."""
    with make_lab(unit_timeout=1.0) as lab:
        lab.call("x = 1\n")
        lab.checkpoint()
        call = lab.call("x = 2; y = 3; f = open('f', 'w').write('kept')\n", CRASHES[crash])
        (restarted,) = call.of(Restarted)
        assert restarted.lost == ()
        look = "(x, 'y' in globals(), open('f').read())"
        assert shown(lab, look) == "(1, False, 'kept')"
        lab.checkpoint()
        lab.call("x = 5\n", CRASHES[crash])
        assert shown(lab, "x") == "1"


def test_a_crash_that_is_taken_back(lab: Lab) -> None:
    """Then its files go, too."""
    lab.call("x = 1\n")
    lab.checkpoint()
    lab.call("x = 2; open('f', 'w').close()\n", CRASHES["exit"])
    assert is_whole(lab.roll_back())
    assert shown(lab, "(x, __import__('os').listdir('.'))") == "(1, [])"


def test_two_crashes_without_a_checkpoint_between(lab: Lab) -> None:
    """The second finds none, and says so."""
    lab.call("x = 1\n")
    lab.checkpoint()
    lab.call(CRASHES["exit"])
    (restarted,) = lab.call(CRASHES["exit"]).of(Restarted)
    assert restarted.lost[0].startswith("variables of earlier code")
    assert lab.alive()


def test_a_fork_bomb_is_taken_back(make_lab: LabMaker) -> None:
    """All of its processes are ended, and the checkpoint is not."""
    bomb = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass\n"
    with make_lab(unit_timeout=0.5, pids=40) as lab:
        lab.call("x = 1\n")
        lab.checkpoint()
        assert lab.call("x = 2\n", bomb).kinds == ["ok", "timeout"]
        lab.roll_back()
        assert shown(lab, "x") == "1"
        assert lab.checkpoint().why_not == ""


def test_out_of_memory_ends_the_worker_first(lab: Lab) -> None:
    """Its checkpoint lives on."""
    lab.call("x = 1\n")
    lab.checkpoint()
    call = lab.call("x = 2\n", "y = []\nwhile True: y.append(bytearray(b'x') * 2**24)\n")
    assert call.kinds[-1] == "memory"
    assert is_whole(lab.roll_back())
    assert shown(lab, "x") == "1"
