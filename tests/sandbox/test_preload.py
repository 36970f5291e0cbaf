"""Modules that are imported while the sandbox waits: there when they are needed, never in the way.

The modules are the standard library's, so that every image has them; `this` prints when imported.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from conveyor_sandbox.docker import DockerSandbox
from conveyor_sandbox.local import LocalSandbox
from conveyor_sandbox.reports import Finished
from conveyor_sandbox.sandbox import Limits, SandboxSpec
from tests.sandbox.conftest import KINDS, Lab, open_lab
from tests.sandbox.undoing import is_whole

_MODULES = ("this", "unittest.mock", "no_such_module", "xml.dom.minidom")
_MANY = ("unittest.mock", "asyncio", "http.server", "multiprocessing.pool", "xmlrpc.client",
         "concurrent.futures.process", "email.mime.text", "logging.config", "zipfile")  # fmt: skip
_LOADED = "import sys; print('unittest.mock' in sys.modules)\n"
_PROCESSES = "import os; print(sum(name.isdigit() for name in os.listdir('/proc')))\n"
_USUAL = "3\n"
"""The supervisor, the worker, its frozen copy."""

Maker = Callable[..., AbstractContextManager[Lab]]


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest) -> Maker:
    kind = DockerSandbox if request.param == "docker" else LocalSandbox

    def make(*modules: str, files: dict[str, bytes] | None = None, **limits: float) -> object:
        return open_lab(
            kind(SandboxSpec(limits=Limits(**limits), files=files or {}, preload=modules))
        )

    return make


@contextmanager
def preloaded(make: Maker, *modules: str, **options: object) -> Iterator[tuple[Lab, str]]:
    """A sandbox that has had the time to import them; with what its first call printed.

    Nothing tells from outside that it has: a call that came too early ends all that. So a fresh
    sandbox is given more time until one is found that has.
    """
    for pause in (0.3, 1, 3, 9):
        with make(*modules, **options) as lab:
            time.sleep(pause)
            call = lab.call(_LOADED)
            if call.stdout == "True\n" or pause == 9:
                yield lab, call.stdout
                return


def test_modules_are_there_and_not_seen(make: Maker) -> None:
    """Imported, at no cost, but not in the code's namespace; and silently."""
    with preloaded(make, *_MODULES) as (lab, said):
        assert said == "True\n"
        call = lab.call(
            "import sys\n",
            "print('this' in sys.modules, 'xml.dom.minidom' in sys.modules)\n",
            "print('this' in globals(), 'unittest' in globals())\n",
            "import time; began = time.perf_counter()\n"
            "import unittest.mock; print(time.perf_counter() - began < 0.001)\n",
        )
        assert (call.stdout, call.stderr) == ("True True\nFalse False\nTrue\n", "")


def test_without_it_nothing_is_imported(make: Maker) -> None:
    """The control: what the other tests see is not there by itself."""
    with make() as lab:
        assert lab.call(_LOADED).stdout == "False\n"


@pytest.mark.parametrize("waiting", [False, True])
def test_nothing_more_is_running(make: Maker, *, waiting: bool) -> None:
    """Neither the worker that made room, nor one that came too late."""
    if waiting:
        with preloaded(make, *_MODULES) as (lab, said):
            assert said == "True\n"
            assert lab.call(_PROCESSES).stdout == _USUAL
    else:
        with make(*_MANY) as lab:
            lab.call("x = 1\n")
            until = time.monotonic() + 5  # the killed one may take a moment to be gone
            while lab.call(_PROCESSES).stdout != _USUAL:
                assert time.monotonic() < until
            assert lab.call("print(x)\n").stdout == "1\n"


def test_a_unit_does_not_wait_for_imports(make: Maker) -> None:
    """Sent at once, it runs at once, in the worker that was there first."""
    with make(*_MANY) as lab:
        sent = time.monotonic()
        call = lab.call(_LOADED)
        (unit,) = call.of(Finished)
        assert call.stdout == "False\n"
        assert unit.started_at - sent < 0.1
        assert lab.alive()


def test_calls_are_taken_back_as_usual(make: Maker) -> None:
    """To the state with the modules, since that is the checkpoint."""
    with preloaded(make, *_MODULES) as (lab, said):
        assert said == "True\n"
        assert is_whole(lab.roll_back())
        assert lab.checkpoint().why_not == ""
        lab.call("x = 1; open('left', 'w').close()\n")
        assert is_whole(lab.roll_back())
        call = lab.call(_LOADED, "import os; print('x' in globals(), os.listdir())\n")
        assert call.stdout == "True\nFalse []\n"
        assert lab.checkpoint().why_not == ""
        assert lab.call(_PROCESSES).stdout == _USUAL


def test_a_crash_falls_back_to_the_modules_too(make: Maker) -> None:
    """The copy belongs to the worker that took over."""
    with preloaded(make, *_MODULES) as (lab, said):
        assert said == "True\n"
        assert lab.call("import os; os._exit(3)\n").kinds == ["exit"]
        assert lab.call(_LOADED).stdout == "True\n"


def test_also_without_undo(make: Maker) -> None:
    """Then there is no copy, and nothing to go back to."""
    with preloaded(make, *_MODULES, undo=None) as (lab, said):
        assert said == "True\n"
        assert lab.call(_PROCESSES).stdout == "2\n"
        assert lab.roll_back().lost != ()
        assert lab.alive()


def test_files_of_the_workspace_are_the_codes_own(make: Maker) -> None:
    """A module there of the same name is not what is imported beforehand: it is not run."""
    files = {"mine.py": b"open('ran', 'w').close()\n"}
    with preloaded(make, "mine", *_MODULES, files=files) as (lab, said):
        assert said == "True\n"
        assert lab.call("import os; print(os.listdir())\n").stdout == "['mine.py']\n"


def test_a_small_sandbox_imports_nothing(make: Maker) -> None:
    """Two interpreters with large libraries would not fit."""
    with make(*_MODULES, memory=200 << 20, workspace_size=64 << 20) as lab:
        time.sleep(0.5)
        assert lab.call(_LOADED).stdout == "False\n"
