"""A call's units behave as one plain script would, and where they do not."""

from __future__ import annotations

import pytest

from tests.sandbox.conftest import Lab

# As in a script


def test_names_of_the_main_module(lab: Lab) -> None:
    """Those that a script has; the file's folder is the workspace."""
    call = lab.call(
        "import os, sys\n",
        "print(__name__, os.path.dirname(__file__) == os.getcwd(), sys.argv == [__file__])\n",
        "print(__doc__, __package__, sys.modules['__main__'].__dict__ is globals())\n",
        "if __name__ == '__main__': print('main')\n",
        "print(sys.exc_info())\n",
        "exec('a = 1'); print(eval('a'), (b := 2), b)\n",
        "del a, b\n",
        "'a' in globals() or 'b' in globals()\n",
    )
    assert call.stdout == "__main__ True True\nNone None True\nmain\n(None, None, None)\n1 2 2\n"
    assert call.outcome.result == "False"


def test_annotations_of_the_module(lab: Lab) -> None:
    """Those of all units together, whenever they are evaluated."""
    call = lab.call(
        "import sys, typing\n",
        "x: int = 1\n",
        "y: 'Later'\n",
        "class Later: pass\n",
        "print(typing.get_type_hints(sys.modules['__main__']))\n",
        "def f(a: Later) -> int: ...\n",
        "print(typing.get_type_hints(f))\n",
    )
    later = "<class '__main__.Later'>"
    assert call.stdout == (
        f"{{'x': <class 'int'>, 'y': {later}}}\n{{'a': {later}, 'return': <class 'int'>}}\n"
    )


def test_future_flags_in_async_code_and_exec(lab: Lab) -> None:
    """The flags of a call are those of all code in it."""
    call = lab.call(
        "from __future__ import annotations\n",
        "async def none(): pass\n",
        "await none(); f = lambda: exec('def g(x: int): pass', globals())\n",
        "async def h(x: int): pass\n",
        "f(); print(g.__annotations__, h.__annotations__)\n",
    )
    assert call.stdout == "{'x': 'int'} {'x': 'int'}\n"


def test_pickle_and_dataclasses(lab: Lab) -> None:
    """Functions and classes of other units are found by name."""
    call = lab.call(
        "import copy, dataclasses, enum, pickle, typing\n",
        "@dataclasses.dataclass\nclass Node:\n    value: int\n    next: 'Node | None' = None\n",
        "class Colour(enum.Enum):\n    RED = 1\n",
        "def double(x): return 2 * x\n",
        "for it in (Node(1, Node(2)), Colour.RED, double):\n"
        "    print(pickle.loads(pickle.dumps(it)) == it, copy.deepcopy(it) == it)\n",
    )
    assert call.stdout == "True True\n" * 3


def test_source_of_a_class(lab: Lab) -> None:
    """In the call that defines it. In a later one `inspect` looks at the wrong text: known."""
    unit = "class A:\n    def f(self):\n        return 1\n"
    call = lab.call("x = 1\n", unit, "import inspect; print(inspect.getsource(A), end='')\n")
    assert call.stdout == unit
    later = "try: print(inspect.getsource(A) == source)\nexcept OSError: print('no')\n"
    assert lab.call(f"source = {unit!r}\n", later).stdout in ("no\n", "False\n")
    assert lab.call("print(inspect.getsource(A.f), end='')\n").stdout == "".join(
        unit.splitlines(keepends=True)[1:]
    )


def test_doctest_and_unittest(lab: Lab) -> None:
    """They look for their tests in `__main__`."""
    call = lab.call(
        "import doctest, unittest\n",
        "def f():\n    '''\n    >>> f()\n    1\n    '''\n    return 1\n",
        "print(doctest.testmod())\n",
        "class T(unittest.TestCase):\n    def test(self): self.assertEqual(f(), 2)\n",
        "class A(unittest.IsolatedAsyncioTestCase):\n    async def test(self): pass\n",
        "result = unittest.main(exit=False).result\n",
        "print(result.testsRun, len(result.failures), len(result.errors))\n",
    )
    assert call.stdout == "TestResults(failed=0, attempted=1)\n2 1 0\n"
    assert "self.assertEqual(f(), 2)" in call.stderr


def test_start_methods_of_multiprocessing(lab: Lab) -> None:
    """Fork, the default, knows this module; spawned processes know only what can be imported."""
    call = lab.call(
        "import math, multiprocessing as mp\n",
        "from concurrent.futures import ProcessPoolExecutor\n",
        "def double(x): return 2 * x\n",
        "print(mp.get_start_method())\n",
        "with ProcessPoolExecutor(2) as pool: print(list(pool.map(double, range(3))))\n",
        "for method in ('spawn', 'forkserver'):\n"
        "    with mp.get_context(method).Pool(1) as pool: print(pool.map(math.sqrt, [4]))\n",
        "p = mp.get_context('spawn').Process(target=double, args=(1,)); p.start(); p.join()\n",
        "print(p.exitcode)\n",
    )
    assert call.stdout == "fork\n[0, 2, 4]\n[2.0]\n[2.0]\n1\n"
    assert "Can't get attribute 'double'" in call.stderr
    assert lab.alive()


def test_warnings(lab: Lab) -> None:
    """At their lines, once a line and call; a module's own ones once in all."""
    code = "import warnings\nwarnings.warn('here')\n"
    units = (code, "def w(): warnings.warn('caller', stacklevel=2)\n", "w()\n", "w()\n")
    call = lab.call("import sys; module = type(sys)('module')\n", *units)
    lines = [line for line in call.stderr.splitlines() if not line.startswith(" ")]
    assert lines == [
        "<call 1>:3: UserWarning: here",
        "<call 1>:5: UserWarning: caller",
        "<call 1>:6: UserWarning: caller",
    ]
    assert "\n  warnings.warn('here')\n" in call.stderr
    assert "<call 2>:3: UserWarning: here" in lab.call("x = 1\n", code).stderr
    define = "exec('import warnings\\ndef f(): warnings.warn(\"module\")', module.__dict__)\n"
    assert "module" in lab.call("x = 1\n", define, "module.f()\n").stderr
    assert lab.call("x = 1\n", "module.f()\n").stderr == ""


@pytest.mark.parametrize(
    ("code", "kind"),
    [("sys.exit(False)", "ok"), ("sys.exit(0.0)", "exit"), ("sys.exit(True)", "exit")],
)
def test_exit_codes(lab: Lab, code: str, kind: str) -> None:
    """What is no whole number is printed, and is an error."""
    assert lab.call("import sys\n", code + "\n").kinds == ["ok", kind]


def test_last_exception(lab: Lab) -> None:
    """Kept for a look at it afterwards; the code's own hook is told of it."""
    hook = "def hook(kind, value, trace): print('hook', kind.__name__, value, file=sys.stderr)\n"
    call = lab.call("import sys\n", hook, "sys.excepthook = hook\n", "1 / 0\n")
    assert call.stderr == "hook ZeroDivisionError division by zero\n"
    assert lab.call("sys.last_value, sys.last_traceback.tb_lineno\n").outcome.result == (
        "(ZeroDivisionError('division by zero'), 4)"
    )
    call = lab.call("sys.excepthook = lambda *_: {}['k']\n", "1 / 0\n")
    assert call.stderr.startswith("Error in sys.excepthook:\nTraceback")
    assert call.stderr.endswith("\nKeyError: 'k'\n")
    assert call.outcome.failure is not None
    assert call.outcome.failure.type == "ZeroDivisionError"


def test_traceback_printed_by_the_code(lab: Lab) -> None:
    """Only frames of the code are in it."""
    code = "import traceback\ntry: 1 / 0\nexcept ZeroDivisionError: traceback.print_exc()\n"
    assert lab.call(code).stderr.splitlines()[1] == '  File "<call 1>", line 2, in <module>'


# Known differences


def test_frames_below_the_code(lab: Lab) -> None:
    """A look down the stack finds the worker, where a script finds nothing."""
    assert lab.call("import sys\n", "sys._getframe(1) is not None\n").outcome.result == "True"


def test_each_unit_that_awaits_is_a_task(lab: Lab) -> None:
    """With a context of its own: a token does not outlive it."""
    call = lab.call(
        "import asyncio, contextvars\n",
        "async def current(): return asyncio.current_task()\n",
        "first = await current()\n",
        "print(await current() is first)\n",
        "v = contextvars.ContextVar('v')\n",
        "token = v.set(1); await asyncio.sleep(0)\n",
        "v.reset(token)\n",
    )
    assert call.stdout == "False\n"
    assert call.outcome.failure is not None
    assert "was created in a different Context" in call.outcome.failure.message


def test_current_loop_without_asking_for_one(lab: Lab) -> None:
    """It is the session's, also after `asyncio.run` has left a script without one."""
    code = "asyncio.run(asyncio.sleep(0)); asyncio.get_event_loop() is asyncio.get_running_loop()\n"
    assert lab.call("import asyncio\n", code).outcome.result == "True"


@pytest.mark.parametrize(
    "units",
    [
        ["x = 1\n", "global x\n"],
        ["x: int = 1\n", "global x\n"],
        ["import os\n", "from __future__ import annotations\n"],
    ],
)
def test_errors_that_only_the_whole_shows(lab: Lab, units: list[str]) -> None:
    """Each unit ran; the call is invalid."""
    call = lab.call(*units)
    assert call.kinds == ["ok", "ok"]
    assert call.outcome.failure is not None
    assert call.outcome.failure.kind == "syntax"
    assert 'File "<call 1>", line 2' in call.outcome.failure.traceback
