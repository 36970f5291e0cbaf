"""The tools that work in the sandbox: its other side is the sandbox itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.cli.matrix.arena import kill_sandbox
from tests.cli.matrix.sides import Call, Death, Side, Try

_DIED = Death(kill_sandbox, "sandbox_died", "")
LARGE = 10_000_000


def settings(tool: str, **options: Any) -> dict[str, Any]:
    """Of a task with that tool in a local sandbox, which is there soonest."""
    return {"tools": [tool], "sandbox": {"kind": "local", "preload": [], **options}}


def _code(text: str) -> Call:
    return Call("python", {"code": text})


def _command(text: str) -> Call:
    return Call("shell", {"command": text})


def _read(path: str) -> Call:
    return Call("files", {"operation": "read", "path": path})


def _ran(program: list[str], text: str) -> tuple[str, None]:
    """What a program writes that is given the whole text."""
    ran = subprocess.run([*program, text], capture_output=True, text=True, check=True)
    return ran.stdout, None


@contextmanager
def python(_: Path, __: object) -> Iterator[Side]:
    plain = [
        _code('import math\nfor i in range(3):\n    print(i, math.sqrt(i))\nprint("é\\n\\tü")'),
        _code("class A:\n    x = 1\n\ndef f(a):\n    return a.x\n\nprint(f(A()), __name__)"),
    ]
    yield Side(
        settings=settings("python"),
        plain=plain,
        direct=lambda: [_ran([sys.executable, "-c"], each.arguments["code"]) for each in plain],
        hangs=_code("open('kept', 'w').close()\nimport time\ntime.sleep(1000)\nprint(1)"),
        hangs_at=2,
        look=_code("import os\nprint(os.path.exists('kept'), 'time' in globals())"),
        seen="False False\n",
        garbage=[
            Try(_code("import os\nn = os.write(1, bytes(range(256)))"), "\ufffd", "ok", None),
            Try(_code("import os\nn = os.write(2, b'\\x1b[2J' * 9)"), "", "ok", None),
        ],
        large=[Try(_code(f"print('x' * {LARGE})"), "bytes", "ok", None)],
        death=_DIED,
        slow=settings("python", unit_timeout=0.5),
    )


@contextmanager
def shell(_: Path, __: object) -> Iterator[Side]:
    plain = [
        _command("for i in 1 2; do\n  echo $((i * 6))\ndone | sort\ncat <<E\na $PPID_\nE\n"),
        _command('f() { printf "%s\\n" "$@"; }\nf "a b" é && true\n'),
    ]
    yield Side(
        settings=settings("shell"),
        plain=plain,
        direct=lambda: [_ran(["bash", "-c"], each.arguments["command"]) for each in plain],
        hangs=_command("x=7\n: > kept\nsleep 1000\necho never\n"),
        hangs_at=2,
        look=_command('ls; echo "[$x]"'),
        seen="[]\n",
        garbage=[
            Try(_command("printf '\\377\\000\\033[2Jx\\n'"), "\ufffd", "ok", None),
            Try(_command("kill -9 $$"), "", "error", "crash"),
        ],
        large=[Try(_command(f"head -c {LARGE} /dev/zero | tr '\\0' x"), "bytes", "ok", None)],
        death=_DIED,
        slow=settings("shell", unit_timeout=0.5),
    )


@contextmanager
def files(folder: Path, _: object) -> Iterator[Side]:
    """No operation hangs: it is struck while its arguments are written."""
    (folder / "binary").write_bytes(bytes(range(256)))
    (folder / "large").write_text("0123456789" * (LARGE // 10))
    (folder / "larger").write_bytes(b"x" * (11 << 20))
    plain = [
        Call("files", {"operation": "write", "path": "a/b.txt", "content": "one\ntwo é\n"}),
        Call("files", {"operation": "edit", "path": "a/b.txt", "old": "one", "new": "eins"}),
        Call("files", {"operation": "read", "path": "a/b.txt", "first_line": 1}),
        Call("files", {"operation": "list", "path": "a"}),
        Call("files", {"operation": "delete", "path": "a/b.txt"}),
    ]
    by_hand = [
        "created a/b.txt: 2 lines, 11 bytes",
        "changed line 1 of a/b.txt",
        "eins\ntwo é\n",
        "b.txt  12 bytes",
        "deleted a/b.txt",
    ]
    brought = settings("files", files={it: folder / it for it in ("binary", "large", "larger")})
    yield Side(
        settings=settings("files"),
        plain=plain,
        direct=lambda: [("", text) for text in by_hand],
        hangs=Call("files", {"operation": "write", "path": "kept", "content": "x"}),
        hangs_at=None,
        look=Call("files", {"operation": "list"}),
        seen="[empty]",
        garbage=[Try(_read("binary"), "binary is binary", settings=brought)],
        large=[
            Try(_read("large"), "cut here", "ok", None, brought),
            Try(_read("larger"), "the most is", settings=brought),
        ],
        death=_DIED,
    )
