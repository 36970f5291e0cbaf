"""The guest in both real sandboxes: what it reports of units, calls and their ends."""

from __future__ import annotations

import ast

import pytest

from conveyor_sandbox.reports import (
    Died,
    Ended,
    Finished,
    Output,
    Restarted,
    Skipped,
    Started,
    Status,
    Stream,
)
from tests.sandbox.conftest import Lab, LabMaker

KIB = 1024
MIB = 1024 * KIB

# Order, values, texts


def test_units_run_in_order_in_one_main_module(lab: Lab) -> None:
    """Each unit sees what those before it left, once, and starts after they ended."""
    call = lab.call("a = [1]\n", "a.append(2)\n", "print(a, __name__)\n")
    assert call.stdout == "[1, 2] __main__\n"
    ends = [type(it) for it in call.reports if isinstance(it, Started | Finished)]
    assert ends == [Started, Finished] * 3
    times = [it.at for it in call.reports if not isinstance(it, Output)]
    assert times == sorted(times)


def test_variables_stay_from_call_to_call(lab: Lab) -> None:
    """A second call goes on where the first one ended."""
    lab.call("a = 1\n")
    assert lab.call("a + 1\n").outcome.result == "2"


@pytest.mark.parametrize(
    ("units", "shown"),
    [
        (["1\n", "2\n"], "2"),
        (["1\n", "x = 2\n"], None),
        (["1\n", "None\n"], None),
        (["x = 1; x + 1\n"], "2"),
        (["'only'\n"], "'only'"),
        (["x = 1\n", "'last'\n"], "'last'"),
        (["'first'\n", "__doc__\n"], "'first'"),
        (["x = 1\n", "'later'\n", "__doc__\n"], None),
        (["for i in range(3):\n    i\n"], None),
        (["print(end='')\n"], None),
        (["'x' * 3_000_000\n"], "'" + "x" * (64 * KIB - 1) + "… (2934466 characters more)"),
    ],
)
def test_value_of_the_last_expression(lab: Lab, units: list[str], shown: str | None) -> None:
    """Only a call's last statement shows its value, as a whole cell would."""
    assert lab.call(*units).outcome.result == shown


def test_repr_that_fails_fails_the_call(lab: Lab) -> None:
    """A value that cannot be shown is the call's error, with its traceback."""
    call = lab.call("class A:\n    def __repr__(self):\n        1 / 0\n", "A()\n")
    assert call.outcome.failure is not None
    assert call.outcome.failure.type == "ZeroDivisionError"
    assert 'File "<call 1>", line 3, in __repr__' in call.outcome.failure.traceback
    assert lab.alive()


def test_future_flags_hold_for_later_units_of_the_call(lab: Lab) -> None:
    """Annotations stay texts in the call that asked for it, and not in the next one."""
    unit = "def f(x: int): pass\n"
    show = "f.__annotations__\n"
    future = "from __future__ import annotations\n"
    assert lab.call(future, unit, show).outcome.result == "{'x': 'int'}"
    assert lab.call(unit, show).outcome.result == "{'x': <class 'int'>}"


@pytest.mark.parametrize(
    "units",
    [
        ["x = 1\n", "def f():\n    print(x)\n    global x\n"],
        ["x = 1\n", "from __future__ import annotations\n"],
        ["def f():\n  pass\n", "return 1\n"],
        ["x = 1\n", "x = \0\n"],
    ],
)
def test_invalid_call_is_a_syntax_error(lab: Lab, units: list[str]) -> None:
    """What a unit or only the whole call shows to be invalid is its error."""
    failure = lab.call(*units).outcome.failure
    assert failure is not None
    assert failure.kind == "syntax"


def test_syntax_error_counts_lines_of_the_call(lab: Lab) -> None:
    """Number, text and mark of the line in the call."""
    call = lab.call("x = 1\n", "\n# comment\nif x\n")
    failure = call.outcome.failure
    assert failure is not None
    assert 'File "<call 1>", line 4\n    if x\n        ^\nSyntaxError' in failure.traceback


@pytest.mark.parametrize("text", ["return x\n", "def f():\n    print(x)\n    global x\n"])
def test_errors_of_the_compiler_show_their_line(lab: Lab, text: str) -> None:
    """As those of the parser do, and as those of a script."""
    failure = lab.call("x = 1\n", text).outcome.failure
    assert failure is not None
    assert f"\n    {text.splitlines()[-1].strip()}\n" in failure.traceback


def test_compile_warning_counts_lines_of_the_call_and_comes_once(lab: Lab) -> None:
    """A warning of the tokenizer and one of the compiler, each at its line."""
    units = ["import warnings; warnings.simplefilter('always')\n", "a = '\\d'\n", "a is 'x'\n"]
    shown = lab.call(*units).stderr
    assert shown.count("<call 1>:2:") == 1
    assert shown.count("<call 1>:3:") == 1


def test_traceback_over_units(lab: Lab) -> None:
    """Lines and their texts are those of the call, in functions of earlier units too."""
    call = lab.call("def f():\n    return 1 / 0\n\n", "# comment\nf()\n")
    failure = call.outcome.failure
    assert failure is not None
    assert (failure.kind, failure.type, failure.message) == (
        "exception",
        "ZeroDivisionError",
        "division by zero",
    )
    lines = [line for line in failure.traceback.splitlines() if "^" not in line and "~" not in line]
    assert lines == [
        "Traceback (most recent call last):",
        '  File "<call 1>", line 5, in <module>',
        "    f()",
        '  File "<call 1>", line 2, in f',
        "    return 1 / 0",
        "ZeroDivisionError: division by zero",
    ]


def test_source_of_a_function(lab: Lab) -> None:
    """`inspect` finds the text of a function, over units and calls."""
    lab.call("x = 1\n", "def f():\n    return 2  # two\n")
    assert lab.call("import inspect; print(inspect.getsource(f))\n").stdout == (
        "def f():\n    return 2  # two\n\n"
    )


def test_line_ends_are_counted_as_python_counts_them(lab: Lab) -> None:
    """CR LF, also cut between the two, a lone CR, and a form feed."""
    lab.send("a = 1\r", "\nb = '\x0c\u2028'\r\n", end=False)
    lab.add(2, "c = 1\rd = 1 / 0\n", line=3)
    failure = lab.finish().outcome.failure
    assert failure is not None
    assert "line 4, in <module>\n    d = 1 / 0\n" in failure.traceback


def test_failed_unit_skips_the_rest(lab: Lab) -> None:
    """Later units are skipped, the call has the unit's failure, the state stays."""
    call = lab.call("a = 1\n", "1 / 0\n", "a = 2\n", "a = 3\n")
    assert call.kinds == ["ok", "exception", "skipped", "skipped"]
    assert call.outcome.status is Status.ERROR
    assert lab.call("a\n").outcome.result == "1"


@pytest.mark.parametrize("text", ["%matplotlib inline\n", "!ls -l\n", "%%time\nx = 1\n"])
def test_notebook_commands_are_named(lab: Lab, text: str) -> None:
    """A clear error, which says that this is not IPython."""
    failure = lab.call("x = 1\n", text).outcome.failure
    assert failure is not None
    assert failure.kind == "syntax"
    assert text.splitlines()[0] in failure.message
    assert "IPython" in failure.traceback


def test_texts_that_cannot_be_encoded(lab: Lab) -> None:
    """Half a surrogate pair in source, output, messages and values: an error, or its escape."""
    kinds = lab.call("x = '\ud800'\n").kinds
    assert kinds == ["syntax"]
    call = lab.call("x = chr(0xD800)\n", "raise ValueError(x)\n")
    assert call.outcome.failure is not None
    assert call.outcome.failure.message == "\\ud800"
    assert lab.call("print(chr(0xD800))\n").kinds == ["exception"]
    assert lab.call("class A:\n    __repr__ = lambda s: x\n", "A()\n").outcome.result == "\\ud800"


def test_large_unit(lab: Lab) -> None:
    """A unit of more than 1 MB, whatever the sockets on its way hold."""
    assert lab.call("x = '" + "é" * MIB + "'\n", "len(x)\n").outcome.result == str(MIB)


def test_many_units(lab: Lab) -> None:
    """A thousand units at once, in order."""
    call = lab.call("x = 0\n", *["x += 1\n"] * 1000, "x\n")
    assert call.outcome.result == "1000"
    assert [it.unit.index for it in call.of(Finished)] == list(range(1002))


def test_files_of_the_task(make_lab: LabMaker) -> None:
    """They are in the workspace, in folders too, and the code may change them."""
    big = bytes(range(256)) * 8 * KIB
    with make_lab({"a.txt": b"text", "b/c.bin": big, "empty": b""}) as lab:
        call = lab.call(
            "import hashlib, pathlib\n",
            "print(open('a.txt').read(), pathlib.Path('empty').stat().st_size)\n",
            "open('a.txt', 'a').write('more')\n",
            "pathlib.Path('b/c.bin').read_bytes() == bytes(range(256)) * 8192\n",
        )
    assert call.stdout == "text 0\n"
    assert call.outcome.result == "True"


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


# Time limits and cancelling

SPIN = "while True: pass\n"
SLEEP = "import time; time.sleep(100)\n"
CHILD = "import os; os.system('sleep 100')\n"
STUBBORN = """
import time
while True:
    try:
        time.sleep(100)
    except KeyboardInterrupt:
        pass
"""
DEAF = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(100)\n"
STOPPED = "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)\n"


@pytest.mark.parametrize("code", [SPIN, SLEEP, CHILD])
def test_timeout_interrupts(make_lab: LabMaker, code: str) -> None:
    """The unit is told apart, its traceback says where it was, variables stay."""
    with make_lab(unit_timeout=0.5) as lab:
        call = lab.call("before = 1\n", code, "after = 1\n")
        assert call.kinds == ["ok", "timeout", "skipped"]
        assert call.outcome.status is Status.TIMEOUT
        assert call.outcome.failure is not None
        assert call.outcome.failure.message == "ran longer than 0.5 s"
        assert not call.restarted
        assert lab.call("before\n").outcome.result == "1"


@pytest.mark.parametrize("code", [STUBBORN, DEAF, STOPPED])
def test_timeout_kills_what_ignores_it(make_lab: LabMaker, code: str) -> None:
    """After the grace time the interpreter is killed, and that is reported."""
    with make_lab(unit_timeout=0.3) as lab:
        call = lab.call("before = 1\n", code, "after = 1\n")
        assert call.kinds == ["ok", "timeout", "skipped"]
        assert call.restarted
        assert lab.alive()


@pytest.mark.parametrize("busy", ["time.sleep(100)", "while True: pass"])
def test_timeout_of_a_loop_that_does_not_await(make_lab: LabMaker, busy: str) -> None:
    """`asyncio.run` takes the first interrupt for itself; the second one ends the unit."""
    code = f"import asyncio, time\nasync def main():\n    {busy}\nasyncio.run(main())\n"
    with make_lab(unit_timeout=0.3) as lab:
        call = lab.call("before = 1\n", code)
        assert call.kinds == ["ok", "timeout"]
        assert not call.restarted
        assert lab.call("before\n").outcome.result == "1"


def test_timeout_that_the_code_swallows(make_lab: LabMaker) -> None:
    """Code that catches the interrupt and ends in time has run too long all the same."""
    code = "import time\ntry:\n    time.sleep(100)\nexcept KeyboardInterrupt:\n    x = 1\n"
    with make_lab(unit_timeout=0.3) as lab:
        call = lab.call(code)
        assert call.kinds == ["timeout"]
        assert not call.restarted
        assert lab.call("x\n").outcome.result == "1"


def test_timeout_while_output_floods(make_lab: LabMaker) -> None:
    """Endless output does not keep the time limit from being kept."""
    with make_lab(unit_timeout=0.5) as lab:
        call = lab.call("import os\n", "b = b'x' * 65536\nwhile True: os.write(1, b)\n")
        assert call.kinds == ["ok", "timeout"]
        assert not call.restarted
        assert len(call.stdout) < 300 * KIB


def test_timeout_of_a_value_that_is_shown(make_lab: LabMaker) -> None:
    """A call's end has the same limit."""
    with make_lab(unit_timeout=0.3) as lab:
        call = lab.call("class A:\n    def __repr__(self):\n        while True: pass\n", "A()\n")
        assert call.outcome.status is Status.TIMEOUT
        assert lab.alive()


def test_cancel_a_running_call(lab: Lab) -> None:
    """What runs is interrupted, the rest skipped, variables stay."""
    number = lab.send("before = 1\n", "print('go')\n" + SLEEP, "after = 1\n")
    lab.until_output("go")
    lab.guest.cancel(number)
    lab.guest.cancel(number)
    call = lab.finish()
    assert call.kinds[-2:] == ["interrupt", "skipped"]
    assert call.outcome.status is Status.CANCELLED
    assert not call.restarted
    assert lab.call("before\n").outcome.result == "1"


def test_cancel_a_call_that_did_not_begin(lab: Lab) -> None:
    """Nothing of it runs; the one that runs is not touched, and its failure stays its own."""
    first = lab.send("import time; print('go'); time.sleep(0.3)\n", "1 / 0\n", "x = 1\n")
    second = lab.send("x = 2\n")
    lab.until_output("go")
    lab.guest.cancel(second)
    one, two = lab.finish(), lab.finish()
    assert one.kinds == ["ok", "exception", "skipped"]
    assert (one.of(Ended)[0].call, two.of(Ended)[0].call) == (first, second)
    assert two.kinds == ["skipped"]
    assert two.outcome.status is Status.CANCELLED
    assert lab.call("'x' in globals()\n").outcome.result == "False"


def test_cancel_a_call_that_ended(lab: Lab) -> None:
    """Too late to mean anything."""
    lab.call("x = 1\n")
    lab.guest.cancel(lab.calls)
    assert lab.call("x\n").outcome.result == "1"


def test_cancel_within_the_grace_time_of_a_timeout(make_lab: LabMaker) -> None:
    """It does not take the grace away."""
    code = """
import time
try:
    time.sleep(100)
except KeyboardInterrupt:
    print('caught')
    time.sleep(0.4)
"""
    with make_lab(unit_timeout=0.3) as lab:
        number = lab.send("before = 1\n", code)
        lab.until_output("caught")
        lab.guest.cancel(number)
        assert not lab.finish().restarted
        assert lab.call("before\n").outcome.result == "1"


def test_restart(lab: Lab) -> None:
    """Variables and leftover children are gone, files stay; what was asked for is cancelled."""
    lab.call(
        "import os, subprocess\n",
        "subprocess.Popen(['sleep', '100'], start_new_session=True)\n",
        "print('kept', file=open('file', 'w'))\n",
    )
    lab.send("print('go'); import time; time.sleep(100)\n", "x = 1\n")
    lab.until_output("go")
    lab.guest.restart()
    call = lab.finish()
    assert call.restarted
    assert call.kinds == ["interrupt", "skipped"]
    look = "import os; [p for p in os.listdir('/proc') if p.isdigit()] == ['1', str(os.getpid())]\n"
    assert lab.call(look).outcome.result == "True"
    assert lab.call("print(open('file').read(), 'os' in globals())\n").stdout == "kept\n True\n"
    assert lab.alive()


# Output


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
