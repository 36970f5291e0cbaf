"""How fast splitters are, on texts hard on them in different ways."""

from __future__ import annotations

import json
import sysconfig
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from conveyor_tools.arguments import ArgumentSplitter
from conveyor_tools.function import function_tool
from conveyor_tools.splitters.base import Splitter
from conveyor_tools.splitters.python import PythonSplitter
from conveyor_tools.splitters.shell import ShellSplitter

_SIZE = 100_000


@dataclass(frozen=True, slots=True)
class Speed:
    """What splitting one text in pieces of `chunk` characters took: the best of the runs."""

    text: str
    chunk: int
    mb_per_s: float
    """Millions of characters a second."""
    us_per_delta: float
    """Microseconds a piece."""


def measure(chunk: int, runs: int = 3) -> list[Speed]:
    """Split each of the texts, in pieces of `chunk` characters."""
    python = [_speed(PythonSplitter, *it, chunk, runs) for it in texts(_SIZE).items()]
    shell = [_speed(ShellSplitter, *it, chunk, runs) for it in shell_texts(_SIZE).items()]
    orders = function_tool(order, "order")
    arguments = [
        _speed(lambda: ArgumentSplitter(orders), *it, chunk, runs)
        for it in argument_texts(_SIZE).items()
    ]
    return python + shell + arguments


def argument_texts(size: int) -> dict[str, str]:
    """Arguments of about `size` characters, checked by their schema, by what they are."""
    line = {"sku": "green", "quantity": 12}
    lines = [line] * (size // len(f"{json.dumps(line)}, "))
    return {
        "one long argument": json.dumps({"lines": [], "note": _filled(_LINES, size)}),
        "rows of arguments": json.dumps({"lines": lines, "note": ""}),
    }


@dataclass(frozen=True, slots=True)
class Line:
    sku: Literal["green", "black"]
    quantity: Annotated[int, Field(ge=1, le=99)]


def order(lines: list[Line], note: str) -> str:
    """Order."""
    return f"{len(lines)} {note}"


def shell_texts(size: int) -> dict[str, str]:
    """Commands of about `size` characters, by what they are."""
    return {
        "shell commands": _filled(_COMMANDS, size),
        "shell loops": _filled(_LOOP, size),
        "here-document": f"cat > f <<'EOF'\n{_filled(_LINES, size)}EOF\n",
    }


def texts(size: int) -> dict[str, str]:
    """Python of about `size` characters, by what it is."""

    def fill(piece: str) -> str:
        return _filled(piece, size)

    return {
        "standard library": _library(size),
        "small statements": fill("x = 'abc'\ny = [1, 2]\n"),
        "literal table": f"x = [\n{fill(_ROW)}]\n",
        "string of column-0 lines": f"x = '''\n{fill(_LINES)}'''\n",
    }


_ROW = "    (1234, 'abc', {'k': 5.6}),\n"
_LINES = 'if a:\n    "b"\nelse: # c\n'


_COMMANDS = 'x=$(ls *.txt | wc -l)\necho "$x files" > count.txt && cat count.txt\n'
_LOOP = 'for i in 1 2 3; do\n  echo "$i" | grep -v foo > /dev/null && x=$((x+1))\ndone\n'


def _filled(piece: str, size: int) -> str:
    return piece * (size // len(piece))


def _library(size: int) -> str:
    source = Path(sysconfig.get_path("stdlib"), "argparse.py").read_text(encoding="utf-8")
    return (source * (size // len(source) + 1))[:size]


def _speed(make: Callable[[], Splitter], name: str, text: str, chunk: int, runs: int) -> Speed:
    pieces = [text[start : start + chunk] for start in range(0, len(text), chunk)]
    best = min(_seconds(make(), pieces) for _ in range(runs))
    return Speed(name, chunk, len(text) / best / 1e6, best / len(pieces) * 1e6)


def _seconds(splitter: Splitter, pieces: list[str]) -> float:
    began = time.perf_counter()
    for piece in pieces:
        splitter.feed(piece)
    splitter.flush()
    return time.perf_counter() - began
