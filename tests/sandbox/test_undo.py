"""Checkpoint and rollback in both sandboxes: what comes back, and what is said of the rest.

Each test runs code, takes a checkpoint, runs a call, takes it back, and looks.
"""

from __future__ import annotations

import pytest

from conveyor_sandbox.reports import Restarted, RolledBack
from tests.sandbox.conftest import Lab, LabMaker

MIB = 1024 * 1024


def undone(lab: Lab, before: str, code: str) -> RolledBack:
    """Runs the first for good and takes the second back."""
    lab.call(before)
    assert lab.checkpoint().why_not == ""
    lab.call(code)
    return lab.roll_back()


def shown(lab: Lab, expression: str) -> str | None:
    call = lab.call(expression + "\n")
    assert call.outcome.failure is None, call.outcome.failure
    return call.outcome.result


# The interpreter

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


@pytest.mark.parametrize("state", STATES)
def test_state_comes_back(lab: Lab, state: str) -> None:
    """Whatever of the interpreter's state a call changes."""
    before, code, look, expected = STATES[state]
    assert undone(lab, before, code).lost == ()
    assert shown(lab, look) == expected


def test_again_and_again(lab: Lab) -> None:
    """Each checkpoint is a new one; a call can be taken back many times."""
    lab.call("x = 0\n")
    for number in range(5):
        lab.checkpoint()
        for _ in range(2):
            lab.call("x += 10\n", "open('f', 'a').write('no')\n")
            assert lab.roll_back().lost == ()
            lab.checkpoint()
        lab.call("x += 1\n", f"open('f', 'a').write('{number}')\n")
    assert shown(lab, "(x, open('f').read())") == "(5, '01234')"


def test_the_first_call_too(lab: Lab) -> None:
    """The first checkpoint is the fresh interpreter."""
    lab.call("x = 1\n", "open('f', 'w').close()\n")
    assert lab.roll_back().lost == ()
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
    assert lab.roll_back().lost == ()
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
    assert lab.roll_back().lost == ()
    assert shown(lab, "'x' in globals()") == "False"


# Files

FILES = {
    "new": ("pass\n", "open('n', 'w').write('x')\n", "os.path.exists('n')", "False"),
    "new folder": (
        "pass\n",
        "os.makedirs('a/b/c'); open('a/b/c/f', 'w').close(); os.chmod('a/b', 0)\n",
        "os.listdir('.')",
        "[]",
    ),
    "changed": (
        "open('f', 'w').write('one')\n",
        "open('f', 'w').write('two')\n",
        "open('f').read()",
        "'one'",
    ),
    "longer and shorter": (
        "open('f', 'w').write('x' * 10000); open('g', 'w').write('y')\n",
        "open('f', 'w').close(); open('g', 'a').write('z' * 10000)\n",
        "(len(open('f').read()), open('g').read())",
        "(10000, 'y')",
    ),
    "removed": ("open('f', 'w').write('one')\n", "os.remove('f')\n", "open('f').read()", "'one'"),
    "renamed": (
        "open('f', 'w').write('one')\n",
        "os.rename('f', 'g')\n",
        "(os.listdir('.'), open('f').read())",
        "(['f'], 'one')",
    ),
    "swapped": (
        "open('f', 'w').write('1'); os.mkdir('d'); open('d/g', 'w').write('2')\n",
        "os.rename('f', 't'); os.rename('d', 'f'); os.rename('t', 'd')\n",
        "(open('f').read(), open('d/g').read())",
        "('1', '2')",
    ),
    "whole tree removed": (
        "os.makedirs('a/b'); open('a/b/f', 'w').write('1')\n",
        "import shutil; shutil.rmtree('a')\n",
        "open('a/b/f').read()",
        "'1'",
    ),
    "mode": (
        "open('f', 'w').close(); os.chmod('f', 0o741)\n",
        "os.chmod('f', 0)\n",
        "oct(os.stat('f').st_mode)",
        "'0o100741'",
    ),
    "times": (
        "open('f', 'w').close(); os.utime('f', (1, 2))\n",
        "open('f', 'w').write('x')\n",
        "os.stat('f').st_mtime",
        "2.0",
    ),
    "link": (
        "open('f', 'w').write('1'); os.symlink('f', 'l')\n",
        "os.remove('l'); os.symlink('/etc/passwd', 'l')\n",
        "os.readlink('l')",
        "'f'",
    ),
    "link in the place of a folder": (
        "os.mkdir('d'); open('d/f', 'w').write('1')\n",
        "import shutil; shutil.rmtree('d'); os.symlink('/tmp', 'd')\n",
        "(os.path.islink('d'), open('d/f').read())",
        "(False, '1')",
    ),
    "link that was there": ("os.symlink('/etc', 'e')\n", "x = 1\n", "os.readlink('e')", "'/etc'"),
    "names that are no text": (
        "pass\n",
        "open(b'\\xff\\n', 'w').close(); os.mkdir('é\\u202e')\n",
        "os.listdir('.')",
        "[]",
    ),
    "pipe": ("pass\n", "os.mkfifo('p')\n", "os.listdir('.')", "[]"),
    "change that a time cannot show": (
        "open('f', 'w').write('aa'); t = os.stat('f')\n",
        "open('f', 'w').write('bb'); os.utime('f', ns=(t.st_atime_ns, t.st_mtime_ns))\n",
        "open('f').read()",
        "'aa'",
    ),
    "full": (
        "open('f', 'w').write('kept')\n",
        "try:\n    open('g', 'wb').write(bytes(10**9))\nexcept OSError: pass\nos.remove('f')\n",
        "open('f').read()",
        "'kept'",
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_files_come_back(lab: Lab, case: str) -> None:
    """Whatever a call does in the workspace."""
    before, code, look, expected = FILES[case]
    assert undone(lab, "import os\n" + before, code).lost == ()
    assert shown(lab, look) == expected
    assert lab.alive()


def test_many_files(lab: Lab) -> None:
    """Two thousand files in folders, all changed, removed or added to."""
    make = """
import os
for n in range(40):
    os.mkdir(f'd{n}')
    for m in range(50): open(f'd{n}/f{m}', 'w').write(f'{n} {m}')
"""
    change = """
for n in range(40):
    for m in range(50):
        if m % 3 == 0: os.remove(f'd{n}/f{m}')
        if m % 3 == 1: open(f'd{n}/f{m}', 'w').write('changed')
    open(f'd{n}/new', 'w').close()
"""
    assert undone(lab, make, change).lost == ()
    look = "all(open(f'd{n}/f{m}').read() == f'{n} {m}' for n in range(40) for m in range(50))"
    assert shown(lab, look) == "True"
    assert shown(lab, "sum(len(os.listdir(f'd{n}')) for n in range(40))") == "2000"


def test_deep_folders(lab: Lab) -> None:
    """Deeper than the longest path: what cannot be removed is named, and the rest goes on."""
    code = "import os\nfor _ in range(1500): os.mkdir('deep'); os.chdir('deep')\n"
    back = undone(lab, "pass\n", code)
    assert back.lost == () or "deep" in back.lost[0]
    assert lab.alive()


def test_files_beyond_the_limit_are_named(make_lab: LabMaker) -> None:
    """What is too large to be kept is named if the call changed it; the small ones come back."""
    make = "open('big', 'wb').write(bytes(3 * 2**20)); open('small', 'w').write('1')\n"
    with make_lab(undo=MIB) as lab:
        assert undone(lab, make, "open('small', 'w').write('2')\n").lost == ()
        assert shown(lab, "open('small').read()") == "'1'"
        back = undone(lab, "pass\n", "open('big', 'ab').write(b'x')\n")
        assert back.lost == ("/workspace/big (too large to be kept)",)


def test_too_many_files_are_named(lab: Lab) -> None:
    """More than are looked at: none is undone, and that is said."""
    code = "for n in range(20001): open(str(n), 'w').close()\n"
    back = undone(lab, code, "open('0', 'w').write('x')\n")
    assert back.lost == ("the workspace's files (there were more than 20000)",)
    call = "import os\nfor name in os.listdir('.'): os.remove(name)\n"
    assert undone(lab, call, code).lost == ()
    assert shown(lab, "os.listdir('.')") == "[]"


def test_files_outside_the_workspace_are_named(lab: Lab) -> None:
    """They stay, and that is said if the call changed them, but not else."""
    assert undone(lab, "f = open('/tmp/f', 'w')\n", "x = 1\n").lost == ()
    back = undone(lab, "pass\n", "open('/tmp/g', 'w').close()\n")
    assert back.lost == ("files in /tmp and /dev/shm",)


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
    assert lab.roll_back().lost == ()
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
        assert lab.roll_back().lost == (
            "variables of earlier code (undo is off)",
            "files that it wrote",
        )
        assert shown(lab, "('x' in globals(), open('f').read())") == "(False, 'stays')"


# Crashes

CRASHES = {
    "segfault": "import ctypes; ctypes.string_at(0)\n",
    "exit": "import os; os._exit(3)\n",
    "kill": "import os; os.kill(os.getpid(), 9)\n",
    "deaf": "import signal, time; signal.signal(2, signal.SIG_IGN); time.sleep(100)\n",
    "breaks the interpreter": "import builtins; builtins.isinstance = None\n",
}


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
    assert lab.roll_back().lost == ()
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
    assert lab.roll_back().lost == ()
    assert shown(lab, "x") == "1"


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
    assert lab.roll_back().lost == ()
    assert shown(lab, "seen") == "[0]"
    lab.call("gate.put_nowait(1); gate.put_nowait(1)\n", "await task\n")
    assert shown(lab, "seen") == "[0, 1, 2]"
