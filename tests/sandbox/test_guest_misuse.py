"""What code may do to the interpreter it runs in, to other processes and to the connection."""

from __future__ import annotations

import ast

import pytest

from conveyor_sandbox.reports import Died, Finished, Output, Restarted, Skipped, Started, Stream
from tests.sandbox.conftest import Lab, LabMaker

KIB = 1024
MIB = 1024 * KIB
SPIN = "while True: pass\n"


# What code does to the interpreter


@pytest.mark.parametrize(
    "code",
    [
        "import sys; sys.stdout = None",
        "import sys; sys.stdout = sys.stderr = 5",
        "import sys; del sys.stdout, sys.stderr, sys.stdin",
        "import sys; sys.stdout.close()",
        "print = None",
        "import builtins; builtins.print = builtins.open = builtins.input = None",
        "builtins = __builtins__ = None",
        "import sys; sys.setrecursionlimit(40)",
        "import sys; sys.modules.clear()",
        "import time, json, os, socket; time.monotonic = json.dumps = os.getpid = os._exit = None",
        "import linecache, traceback; linecache.cache = traceback.format_exception = None",
        "import signal; signal.signal(signal.SIGINT, lambda *_: None); signal.signal = None",
        "import sys; sys.setprofile(lambda *_: None)",
        "import os; os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')",
        "import os; os.environ.clear()",
        "import gc; gc.disable(); gc.set_threshold(1)",
        "import warnings; warnings.simplefilter('error')",
        "import sys; sys.path.clear(); sys.meta_path.clear()",
        "import sys; sys.excepthook = sys.displayhook = None",
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))",
        "import locale; locale.setlocale(locale.LC_ALL, 'C')",
        "import threading; threading.Thread(target=threading.Event().wait).start()",
        "import ast, re, warnings; ast.Expr = re.compile = warnings.catch_warnings = None",
    ],
)
def test_session_survives(lab: Lab, code: str) -> None:
    """The interpreter keeps its variables and answers."""
    lab.call("x = 6\n", code + "\n")
    call = lab.call("y = x * 7\n", "y\n")
    assert call.outcome.result == "42"
    failed = lab.call("1 / 0\n")
    assert failed.outcome.failure is not None
    assert failed.outcome.failure.message == "division by zero"


def test_printing_elsewhere(lab: Lab) -> None:
    """`sys.stdout` rebound takes what is printed, over units."""
    call = lab.call("import io, sys\n", "sys.stdout = io.StringIO()\n", "print('hidden')\n")
    assert call.stdout == ""
    assert lab.call("sys.stdout.getvalue()\n").outcome.result == "'hidden\\n'"


def test_settings_hold_over_units(lab: Lab) -> None:
    """The recursion limit, trace function and handler that one unit sets are there in the next."""
    call = lab.call(
        "import signal, sys\n",
        "sys.setrecursionlimit(123)\n",
        "signal.signal(signal.SIGINT, print)\n",
        "signal.signal(signal.SIGUSR1, lambda *_: print('usr1'))\n",
        "sys.settrace(lambda *_: None)\n",
        "print(sys.getrecursionlimit(), signal.getsignal(signal.SIGINT) is print)\n",
        "signal.raise_signal(signal.SIGUSR1)\n",
        "print(sys.gettrace() is not None)\n",
    )
    assert call.stdout == "123 True\nusr1\nTrue\n"


def test_a_trace_function_sees_the_code_alone(lab: Lab) -> None:
    """Not what the worker does between the units."""
    call = lab.call(
        "import sys\nseen = []\n",
        "def note(frame, *_):\n    seen.append(frame.f_code.co_name)\n",
        "sys.settrace(note)\n",
        "def f(): pass\nf()\n",
        "sys.settrace(None)\n",
        "print(seen)\n",
    )
    assert set(ast.literal_eval(call.stdout)) == {"<module>", "f"}


def test_a_trace_function_that_fails(lab: Lab) -> None:
    """It fails what it traces, as it would in one `exec`, and is off then."""
    lab.call("import sys; sys.settrace(lambda *_: 1 / 0)\n")
    assert lab.call("x = 6\n").kinds == ["exception"]
    assert lab.alive()


def test_own_handler_of_interrupts(make_lab: LabMaker) -> None:
    """It is what a time limit meets first."""
    code = "def stop(*_):\n    raise RuntimeError('mine')\n"
    with make_lab(unit_timeout=0.3) as lab:
        call = lab.call("import signal\n", code, "signal.signal(2, stop)\n", SPIN)
        assert call.kinds[-1] == "timeout"
        assert call.outcome.failure is not None
        assert "RuntimeError: mine" in call.outcome.failure.traceback
        assert not call.restarted


def test_alarm_between_units(lab: Lab) -> None:
    """A signal that comes while nothing runs is handled when the next unit begins."""
    lab.call(
        "import os, signal, threading\n",
        "def late(*_):\n    raise TimeoutError('late')\n",
        "signal.signal(signal.SIGALRM, late)\n",
        "signal.setitimer(signal.ITIMER_REAL, 0.1)\n",
        "threading.Timer(0.3, lambda: print('later')).start()\n",
    )
    lab.until_output("later")
    call = lab.call("x = 1\n")
    assert call.kinds == ["exception"]
    assert call.outcome.failure is not None
    assert call.outcome.failure.message == "late"
    assert lab.alive()


def test_alarm_without_a_handler(lab: Lab) -> None:
    """It ends the interpreter, as it ends a script."""
    call = lab.call("import signal, time; signal.alarm(1); time.sleep(100)\n")
    assert call.kinds == ["crash"]
    assert call.outcome.failure is not None
    assert call.outcome.failure.type == "SIGALRM"
    assert lab.alive()


# Other processes


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("if os.fork() == 0: os._exit(0)\n", ""),
        ("if os.fork() == 0: sys.exit(3)\n", ""),
        ("if os.fork() == 0: 1 / 0\n", ""),
        ("if os.fork() == 0: print('child')\n", "child\n"),
    ],
)
def test_forked_child_does_not_answer(lab: Lab, code: str, text: str) -> None:
    """A child that runs to the end of its unit ends there: one answer, the parent's."""
    call = lab.call(
        "import os, sys\n", code, "status = os.waitstatus_to_exitcode(os.wait()[1])\n", "status\n"
    )
    assert call.kinds == ["ok"] * 4
    assert len(call.of(Started)) == 4
    assert call.stdout == text
    expected = "3" if "exit(3)" in code else "1" if "1 / 0" in code else "0"
    assert call.outcome.result == expected
    assert ("ZeroDivisionError" in call.stderr) == ("1 / 0" in code)
    assert lab.alive()


def test_process_pool(lab: Lab) -> None:
    """Children by fork, with functions of the code."""
    call = lab.call(
        "import multiprocessing as mp\n",
        "def double(x): return 2 * x\n",
        "with mp.get_context('fork').Pool(2) as pool: print(pool.map(double, range(3)))\n",
    )
    assert call.stdout == "[0, 2, 4]\n"
    assert call.kinds == ["ok"] * 3


@pytest.mark.parametrize(
    "code",
    [
        "os.kill(1, 9)",
        "os.kill(1, 15)",
        "os.kill(1, 2)",
        "os.kill(1, 17)",
        "os.kill(1, 19)",
        "os.kill(-1, 9)",
    ],
)
def test_supervisor_cannot_be_killed(lab: Lab, code: str) -> None:
    """Signals to it, or to everyone, end at most what the code itself started."""
    lab.call("import os\n", f"try: {code}\nexcept OSError: pass\n")
    assert lab.alive()


def test_leftover_children_are_reaped(lab: Lab) -> None:
    """Orphans do not stay as zombies, which count against the limit on processes."""
    lab.call("import os\n", "for _ in range(50): os.system('sleep 0 &')\n")
    look = """
import time
def states():
    pids = [pid for pid in os.listdir('/proc') if pid.isdigit()]
    return len(pids)
while states() > 3: time.sleep(0.01)
"""
    assert lab.call(look).kinds == ["ok"]


def test_process_limit_reached(make_lab: LabMaker) -> None:
    """A fork bomb ends within its time; a fresh interpreter can be started."""
    code = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass\n"
    with make_lab(unit_timeout=0.5, pids=40) as lab:
        call = lab.call(code)
        assert call.kinds == ["timeout"]
        lab.guest.restart()
        lab.until(Restarted)
        assert lab.alive()


# The connection, which the code can reach


@pytest.mark.parametrize(
    "data",
    [
        b"garbage\n",
        b"5\n",
        b"null\n",
        b"[]\n",
        b"\xff\xfe\n",
        b"{}\n",
        b"[" * 100_000 + b"\n",
        b'{"ev":"finished"}\n',
        b'{"ev":"finished","call":1,"index":0,"t":NaN,"error":null}\n',
        b'{"ev":"finished","call":1,"index":0,"t":1.0,"error":5}\n',
        b'{"ev":"finished","call":1,"index":0,"t":1.0,"error":{"kind":"sandbox_died"}}\n',
        b'{"ev":"restarted","reason":5}\n',
        b'{"ev":"pong"}\n',
    ],
)
def test_garbage_on_the_connection(lab: Lab, data: bytes) -> None:
    """The unit fails as a crash, the session goes on."""
    code = f"import socket, time; socket.socket(fileno=500).sendall({data!r}); time.sleep(100)\n"
    call = lab.call(code)
    assert call.kinds == ["crash"]
    assert call.restarted
    assert lab.alive()


def test_endless_frame_on_the_connection(lab: Lab) -> None:
    """It is refused before it fills the supervisor's memory."""
    call = lab.call(
        "import socket\n", "s = socket.socket(fileno=500)\nwhile True: s.send(b'x' * 65536)\n"
    )
    assert call.kinds == ["ok", "crash"]
    assert lab.alive()


def test_forged_answer(lab: Lab) -> None:
    """The code can lie about its own unit, and about no other; times stay within bounds."""
    forged = {"ev": "finished", "call": 1, "index": 7, "t": 1e300, "error": None, "exited": False}
    code = f"""
import json, socket
s = socket.socket(fileno=500)
for index in (7, 0, 0):
    frame = json.dumps({{**{forged!r}, "index": index}})
    s.sendall(frame.encode() + b"\\n")
"""
    call = lab.call(code, "x = 1\n")
    assert [it.unit.index for it in call.of(Finished)][:1] == [0]
    times = [it.at for it in call.reports]
    assert max(times) - min(times) < 60
    lab.guest.restart()
    lab.until(Restarted)
    assert lab.alive()


def test_forged_answer_of_another_unit(lab: Lab) -> None:
    """It ends nothing: what the code writes afterwards is still its own unit's."""
    forged = {"ev": "finished", "call": 1, "index": 7, "t": 0.0, "error": None, "exited": False}
    code = f"""
import json, socket, time
s = socket.socket(fileno=500)
s.sendall(json.dumps({forged!r}).encode() + b"\\n")
s.detach()
time.sleep(0.3)
print("mine")
"""
    call = lab.call(code, "x = 1\n")
    assert call.kinds == ["ok", "ok"]
    assert call.text(Stream.STDOUT, 0) == "mine\n"
    assert lab.alive()


def test_forged_start(lab: Lab) -> None:
    """That a unit began is reported once, however often it is said."""
    code = """
import json, socket
s = socket.socket(fileno=500)
began = {"ev": "started", "call": 1, "index": 0, "t": 0.0}
for _ in range(3):
    s.sendall(json.dumps(began).encode() + b"\\n")
s.detach()
"""
    call = lab.call(code, "x = 1\n")
    assert [it.unit.index for it in call.of(Started)] == [0, 1]
    assert lab.alive()


def test_worker_that_does_not_listen(make_lab: LabMaker) -> None:
    """A forged end, and then nothing is read: the next unit's time limit holds all the same."""
    code = """
import json, socket, time
s = socket.socket(fileno=500)
done = {"ev": "finished", "call": 1, "index": 0, "t": 0.0, "error": None, "exited": False}
s.sendall(json.dumps(done).encode() + b"\\n")
time.sleep(100)
"""
    with make_lab(unit_timeout=0.5) as lab:
        call = lab.call(code, "x = '" + "x" * 4 * MIB + "'\n", "y = 1\n")
        assert call.kinds[:2] == ["ok", "timeout"]
        lab.guest.restart()
        lab.until(Restarted)
        assert lab.alive()


def test_large_reports(lab: Lab) -> None:
    """Texts as long as they may be, in characters that take the most room."""
    code = "x = chr(0x1F600) * 10**6\n"
    call = lab.call(code, "class E(Exception): pass\n", "E.__qualname__ = x\nraise E(x)\n")
    assert call.kinds[-1] == "exception"
    assert not call.of(Died)
    assert lab.call("x\n").outcome.result is not None
    assert not [it for it in call.reports if isinstance(it, Output | Skipped)]
