"""What is known to be missing still: a list a gap, to be deleted with its `xfail` when it is there."""

from __future__ import annotations

from tests.differential.programs import Program

TOP_LEVEL_AWAIT = "awaits: "
"""Programs of `corpus/awaits.py`: top-level `await` and the session's event loop."""

SCRIPT_FILE = {
    "decorators: getsource of decorated things",
    "script: inspect a function and a class",
    "script: doctest in the program",
    "script: file of the program",
}
"""Programs that need `__main__.__file__`, as `inspect.getsource` of a class does."""


def gap(program: Program) -> str | None:
    """Why a program is not expected to run as it should yet."""
    if program.name.startswith(TOP_LEVEL_AWAIT):
        return "top-level await is not there yet"
    if program.name in SCRIPT_FILE:
        return "the program's module has no __file__ yet"
    return None


UNDO = "undo is not there yet: the interpreter starts afresh, and files stay"
"""What cut off, invalid and cancelled calls wait for."""
