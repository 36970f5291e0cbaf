"""Tools that run on the host, in this program: functions, plans, the calculator."""

from __future__ import annotations

import asyncio
import json
import runpy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from conveyor_tools.calculator import calculator as calculate
from conveyor_tools.later import Later
from tests.cli.matrix.answering import answering, nothing
from tests.cli.matrix.sides import Call, Death, Shown, Side, Try

_TOOLS = '''
import asyncio, sys
from typing import Any
from conveyor_tools.function import tool
from conveyor_tools.later import Later

@tool(effects="pure", ready_when={"what"}, timeout=%s)
async def ask(what: str, times: Later[int] = Later(1)) -> Any:
    """Ask."""
    match what:
        case "far":
            reader, writer = await asyncio.open_connection("127.0.0.1", %d)
            writer.write(b"?")
            try:
                return (await reader.readexactly(1)).decode()
            finally:
                writer.close()
        case "object":
            return object()
        case "raises":
            raise ValueError("no\\0\\nmore")
        case "exits":
            sys.exit(3)
        case "text":
            return "x" * 10_000_000
        case "list":
            return [0] * 5_000_000
        case "data":
            return {"é": [1.5, None, "\\n"]}
    return " ".join([what] * await times)
'''


@contextmanager
def calculator(_: Path, __: object) -> Iterator[Side]:
    """Never takes long, by its limits: it is struck while its arguments are written."""
    expressions = ["0.1 + 0.2", "2 ** 100", "90 km/h to m/s", "sqrt(2)"]
    plain = [_calculate(each) for each in expressions]
    yield Side(
        settings={"tools": ["calculator"]},
        plain=plain,
        direct=lambda: [("", calculate(each)) for each in expressions],
        hangs=_calculate("1 + 1"),
        hangs_at=None,
        look=_calculate("2 * 3"),
        seen="6",
        garbage=[
            Try(_calculate("\0\x1b[2J(]"), "not an expression"),
            Try(_calculate("__import__('os').getpid()"), ""),
            Try(_calculate("9 ** 9 ** 9 ** 9"), ""),
        ],
        large=[Try(_calculate("1+" * 5_000_000 + "1"), "1000", "rolled_back", "arguments")],
    )


def _calculate(expression: str) -> Call:
    return Call("calculator", {"expression": expression})


@contextmanager
def function(folder: Path, _: object) -> Iterator[Side]:
    """A user's own file; its other side is a server that it talks to."""
    asked: list[tuple[Any, ...]] = [("a",), ("a b", 2), ("data",), ("",)]
    with answering(nothing) as server:
        tools = _write(folder / "mytools.py", server.port)
        yield Side(
            settings={"tools": [tools]},
            plain=[_ask(*each) for each in asked],
            direct=lambda: [_by_hand(tools, each) for each in asked],
            hangs=_ask("far", 2),
            hangs_at=0,
            reached=server.asked,
            left=server.hung_up,
            look=_ask("look"),
            seen="look",
            garbage=[
                Try(_ask("object"), "not plain data"),
                Try(_ask("exits"), "SystemExit: 3"),
                Try(_ask("raises"), "ValueError"),
            ],
            large=[
                Try(_ask("text"), "characters more", "ok", None),
                Try(_ask("list"), "too large"),
            ],
            death=Death(lambda _: server.die(), "exception", "Error"),
            slow={"tools": [_write(folder / "hasty.py", server.port, 0.5)]},
        )


@contextmanager
def plan(folder: Path, _: object) -> Iterator[Side]:
    """Its steps call a user's file, as above."""
    with answering(nothing) as server:
        tools = _write(folder / "mytools.py", server.port)

        def by_hand() -> list[Shown]:
            first = _by_hand(tools, ("a", 2))[1]
            second = _by_hand(tools, (f"{first}!",))[1]
            return [(f'$1 = "{first}"\n$2 = "{second}"\n', second), ('$1 = "é"\n', "é")]

        yield Side(
            settings={"tools": ["plan", tools]},
            plain=[_steps('$1 = ask("a", times=2)\n$2 = ask("${1}!")\n'), _steps('$1 = ask("é")')],
            direct=by_hand,
            hangs=_steps('$1 = ask("a")\n$2 = ask("far")\n$3 = ask("${2}")\n'),
            hangs_at=1,
            reached=server.asked,
            left=server.hung_up,
            look=_steps('$1 = ask("look")'),
            seen='$1 = "look"\n',
            garbage=[
                Try(_steps('$1 = ask("object")'), "not plain data"),
                Try(_steps('$1 = ask("raises")\n$2 = ask("$1")'), "ValueError"),
                Try(_steps("\0\x1b[2J(]"), "", "rolled_back", "arguments"),
            ],
            large=[
                Try(_steps('$1 = ask("text")'), "xxx…", "ok", None),
                Try(_steps('$1 = ask("list")'), "too large"),
            ],
            death=Death(lambda _: server.die(), "exception", "Error"),
            slow={"tools": ["plan", _write(folder / "hasty.py", server.port, 0.5)]},
        )


def _ask(what: str, times: int | None = None) -> Call:
    return Call("ask", {"what": what} if times is None else {"what": what, "times": times})


def _steps(text: str) -> Call:
    return Call("plan", {"plan": text})


def _write(path: Path, port: int, timeout: float = 60) -> str:
    """A file with the tool in it, as a task names it."""
    path.write_text(_TOOLS % (timeout, port), "utf-8")
    return f"{path}:ask"


def _by_hand(tools: str, arguments: tuple[Any, ...]) -> Shown:
    """The function called as it is: a text, or data as JSON."""
    ask = runpy.run_path(tools.removesuffix(":ask"))["ask"]
    what, *times = arguments
    given = asyncio.run(ask(what, *map(Later, times)))
    as_json = json.dumps(given, ensure_ascii=False, separators=(",", ":"))
    return "", given if isinstance(given, str) else as_json
