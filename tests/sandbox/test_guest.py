"""The guest in both real sandboxes: what it reports of units and calls, and what they share."""

from __future__ import annotations

import pytest

from conveyor_sandbox.reports import (
    Finished,
    Output,
    Started,
    Status,
)
from tests.sandbox.conftest import Lab, LabMaker

KIB = 1024
MIB = 1024 * KIB


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
