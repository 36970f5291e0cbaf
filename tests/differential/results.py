"""What came of a program, and how two ways of running it are compared."""

from __future__ import annotations

import json
import re
import zlib
from base64 import b64decode
from dataclasses import dataclass
from typing import Any

_OBSERVED = re.compile(r"\n<observed>(.*)</observed>\n", re.DOTALL)
_FILENAME = re.compile(r"<call \d+>|<program>")
_TIMES = re.compile(r"(?<=Ran )(\d+ tests?) in \d+\.\d+s")
"""What `unittest` says of its duration."""
_DEPTH = re.compile(r"(?<=Previous line repeated )\d+(?= more times)")
"""How deep a recursion came: below it lie our frames, or those of the oracle."""
_OWN_MODULES = "modules"
"""What is imported differs between our interpreter and a plain one, by what they are made of."""


@dataclass(frozen=True, slots=True)
class Result:
    """How a program ended, what it wrote and what it left.

    `error` has `type`, `message` and `traceback`. `invalid`: it was refused as a whole. `observed`
    is what `inside/observer.py` saw afterwards; None where the program left no way to look.
    """

    stdout: str
    stderr: str
    error: dict[str, str] | None
    shown: str | None = None
    invalid: bool = False
    observed: dict[str, Any] | None = None
    died: bool = False
    """Whether the interpreter ended with it."""

    @property
    def ending(self) -> dict[str, Any]:
        """What the program did and how it ended, free of names that are ours."""
        found = {"shown": self.shown, "error": self.error and _neutral(self.error)}
        if not self.invalid:  # else it counts as not run, whatever it wrote
            found["stdout"] = neutral(self.stdout)
            found["stderr"] = neutral(self.stderr)
        return found

    @property
    def left(self) -> dict[str, Any] | None:
        """Variables, files and settings, as far as they are the program's."""
        if self.observed is None:
            return None
        return {part: it for part, it in self.observed.items() if part != _OWN_MODULES}


def neutral(text: str) -> str:
    """The text without file names of calls, durations and depths."""
    return _DEPTH.sub("N", _TIMES.sub(r"\1 in TIME", _FILENAME.sub("<file>", text)))


def _neutral(error: dict[str, str]) -> dict[str, str]:
    return {part: neutral(text) for part, text in error.items()}


def read_observation(text: str) -> dict[str, Any] | None:
    """What the observer wrote, if it did."""
    found = _OBSERVED.search(text)
    if found is None:
        return None
    seen: dict[str, Any] = json.loads(neutral(zlib.decompress(b64decode(found[1])).decode()))
    return seen


def differences(one: Any, other: Any, where: str = "") -> list[str]:
    """Where two nested values differ, one line each."""
    if isinstance(one, dict) and isinstance(other, dict):
        lines = []
        for key in sorted({*one, *other}, key=str):
            pair = (one.get(key, "(none)"), other.get(key, "(none)"))
            lines += differences(*pair, f"{where}.{key}" if where else str(key))
        return lines
    return [] if one == other else [f"{where}: {one!r} != {other!r}"]
