"""Checkpoint and rollback in both sandboxes: what of the interpreter comes back.

Each test runs code, takes a checkpoint, runs a call, takes it back, and looks.
"""

from __future__ import annotations

import pytest

from conveyor_sandbox.reports import Restarted
from tests.sandbox.conftest import Lab
from tests.sandbox.undoing import is_whole, shown, undone

STATES = {
    "variable": ("x = 1\n", "x = 2; y = 3\n", "(x, 'y' in globals())", "(1, False)"),
    "deleted": ("x = 1\n", "del x\n", "x", "1"),
    "inside an object": ("x = [[1]]\n", "x[0].append(2)\n", "x", "[[1]]"),
    "module": ("import math\n", "math.pi = 3\n", "math.pi > 3", "True"),
    "import": ("pass\n", "import colorsys\n", "'colorsys' in __import__('sys').modules", "False"),
    "builtins": ("pass\n", "import builtins; builtins.print = None\n", "print is None", "False"),
    "environment": (
        "import os; os.environ['A'] = '1'\n",
        "os.environ['A'] = '2'; os.environ['B'] = '3'\n",
        "(os.environ['A'], 'B' in os.environ, os.popen('echo $A$B').read())",
        "('1', False, '1\\n')",
    ),
    "folder": (
        "import os; os.mkdir('a'); os.chdir('a')\n",
        "os.chdir('..'); os.rmdir('a')\n",
        "(os.getcwd(), os.listdir('/workspace'))",
        "('/workspace/a', ['a'])",
    ),
    "search path": ("import sys\n", "sys.path.clear()\n", "len(sys.path) > 1", "True"),
    "umask": (
        "import os; old = os.umask(0o77)\n",
        "os.umask(0)\n",
        "oct(os.umask(0o22))",
        "'0o77'",
    ),
    "signal handler": (
        "import signal; signal.signal(signal.SIGUSR1, signal.SIG_IGN)\n",
        "signal.signal(signal.SIGUSR1, print)\n",
        "signal.getsignal(signal.SIGUSR1).name",
        "'SIG_IGN'",
    ),
    "recursion limit": (
        "import sys; sys.setrecursionlimit(500)\n",
        "sys.setrecursionlimit(5000)\n",
        "sys.getrecursionlimit()",
        "500",
    ),
    "random numbers": (
        "import random; random.seed(7)\n",
        "random.random()\n",
        "random.random() == random.Random(7).random()",
        "True",
    ),
    "generator": ("g = iter(range(9)); next(g)\n", "next(g)\n", "next(g)", "1"),
    "standard output": ("import sys\n", "sys.stdout = None\n", "sys.stdout is None", "False"),
    "descriptor": ("import os\n", "os.close(1)\n", "os.write(1, b'')", "0"),
    "position in a file": (
        "f = open('f', 'w+'); f.write('abcdef'); f.seek(2); f.flush()\n",
        "f.read(3); f.write('more'); f.flush()\n",
        "(f.read(), open('f').read())",
        "('cdef', 'abcdef')",
    ),
}


# The interpreter


@pytest.mark.parametrize("state", STATES)
def test_state_comes_back(lab: Lab, state: str) -> None:
    """Whatever of the interpreter's state a call changes."""
    before, code, look, expected = STATES[state]
    assert is_whole(undone(lab, before, code))
    assert shown(lab, look) == expected


def test_again_and_again(lab: Lab) -> None:
    """Each checkpoint is a new one; a call can be taken back many times."""
    lab.call("x = 0\n")
    for number in range(5):
        lab.checkpoint()
        for _ in range(2):
            lab.call("x += 10\n", "open('f', 'a').write('no')\n")
            assert is_whole(lab.roll_back())
            lab.checkpoint()
        lab.call("x += 1\n", f"open('f', 'a').write('{number}')\n")
    assert shown(lab, "(x, open('f').read())") == "(5, '01234')"


def test_the_first_call_too(lab: Lab) -> None:
    """The first checkpoint is the fresh interpreter."""
    lab.call("x = 1\n", "open('f', 'w').close()\n")
    assert is_whole(lab.roll_back())
    look = "('x' in globals(), __import__('os').listdir())"
    assert shown(lab, look) == "(False, [])"


def test_names_of_the_call_can_be_used_again(lab: Lab) -> None:
    """Functions of earlier calls keep their source; the taken-back call leaves none behind."""
    lab.call("def f():\n    return 1\n")
    lab.checkpoint()
    lab.call("def g():\n    return 2\n")
    lab.roll_back()
    call = lab.call("import inspect\n", "print(inspect.getsource(f))\n", "g()\n")
    assert call.stdout == "def f():\n    return 1\n\n"
    assert call.kinds == ["ok", "ok", "exception"]


def test_a_call_that_is_cancelled_while_it_runs(lab: Lab) -> None:
    """What it did before is taken back as well."""
    lab.call("x = 1\n")
    lab.checkpoint()
    number = lab.send("x = 2; print('go')\n", "import time; time.sleep(100)\n")
    lab.until_output("go")
    lab.guest.cancel(number)
    lab.finish()
    assert is_whole(lab.roll_back())
    assert shown(lab, "x") == "1"


def test_what_it_wrote_is_not_the_next_ones(lab: Lab) -> None:
    """Output left in a pipe by a thread of the call is its own."""
    lab.call("import os, threading, time\n")
    lab.checkpoint()
    code = "def talk():\n    while True: os.write(1, b'talk '); time.sleep(0.001)\n"
    lab.call(code, "threading.Thread(target=talk, daemon=True).start(); time.sleep(0.1)\n")
    lab.roll_back()
    assert lab.call("print('quiet')\n").stdout == "quiet\n"


def test_no_reply_is_mixed_up(lab: Lab) -> None:
    """The woken copy has not heard what was said to its predecessor, and answers once."""
    lab.call(*[f"x = {n}\n" for n in range(50)])
    lab.roll_back()
    assert lab.alive()


def test_the_code_does_not_meet_the_copy(lab: Lab) -> None:
    """It is no child of the worker, and signals to the worker's group pass it by."""
    call = lab.call(
        "import os, signal\n",
        "try: os.wait()\nexcept ChildProcessError: print('none')\n",
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); os.killpg(0, signal.SIGTERM)\n",
        "x = 1\n",
    )
    assert call.stdout == "none\n"
    assert is_whole(lab.roll_back())
    assert shown(lab, "'x' in globals()") == "False"


# The connection


@pytest.mark.parametrize("pid", [1, 0, -1, "getpid()", 10**9, "True", "None", "'x'"])
def test_a_forged_checkpoint(lab: Lab, pid: object) -> None:
    """A worker that lies about its copy harms itself alone."""
    lab.call("import os, socket, json, sys\n", "x = 1\n")
    forge = f"""
class Liar(socket.socket):
    def recvmsg(self, *args):
        data, rights, flags, address = super().recvmsg(*args)
        if rights:
            channel = int.from_bytes(rights[0][2], sys.byteorder)
            lie = {{"ev": "frozen", "pid": {pid}, "threads": 0}}
            os.write(channel, json.dumps(lie, default=str).encode() + b"\\n")
            kept.append(channel)
            rights = []
        return data, rights, flags, address
kept = []
getpid = os.getpid
import gc
for thing in gc.get_objects():
    if type(thing).__name__ == "Worker": thing._control = Liar(fileno=thing._control.detach())
"""
    lab.call(forge)
    lab.checkpoint()
    lab.call("x = 2\n")
    lab.roll_back()
    lab.guest.restart()
    lab.until(Restarted)
    assert lab.alive()


# Tasks of the session's event loop


def test_tasks_come_back(lab: Lab) -> None:
    """What waits in the loop at the checkpoint goes on after a rollback, from there."""
    lab.call(
        "import asyncio\nseen = []\n",
        "async def count():\n"
        "    for n in range(3):\n"
        "        await gate.get()\n"
        "        seen.append(n)\n",
        "gate = asyncio.Queue(); task = asyncio.create_task(count()); gate.put_nowait(1)\n",
        "await asyncio.sleep(0.01)\n",
    )
    assert shown(lab, "seen") == "[0]"
    lab.checkpoint()
    lab.call("gate.put_nowait(1)\n", "await asyncio.sleep(0.01)\n", "seen.append('no')\n")
    assert is_whole(lab.roll_back())
    assert shown(lab, "seen") == "[0]"
    lab.call("gate.put_nowait(1); gate.put_nowait(1)\n", "await task\n")
    assert shown(lab, "seen") == "[0, 1, 2]"
