"""The guest as one archive: a program for `python3 -c`, and what to send to its standard input."""

from __future__ import annotations

import base64
import json
import marshal
from functools import cache
from importlib import resources
from importlib.abc import InspectLoader
from importlib.util import MAGIC_NUMBER, find_spec
from types import CodeType

_MODULES = (
    "aio",
    "answers",
    "call",
    "calls",
    "capture",
    "checkpoint",
    "checks",
    "contact",
    "current",
    "editor",
    "errands",
    "failures",
    "figures",
    "file_operations",
    "files",
    "frames",
    "guard",
    "host",
    "ledger",
    "memory",
    "nested",
    "orders",
    "outputs",
    "polling",
    "post",
    "process",
    "processes",
    "reaper",
    "runners",
    "script",
    "settings",
    "shell",
    "shell_lines",
    "shell_start",
    "supervisor",
    "timer",
    "understudy",
    "undo",
    "worker",
    "workspace",
)


@cache
def boot_program() -> str:
    """The text for `python3 -c`."""
    return _source("boot")


@cache
def archive() -> bytes:
    """What the boot program reads: eight digits (the size in bytes), then the modules as JSON.

    Inside the sandbox the package is called `conveyor_guest`, so that it cannot be mistaken for
    an installed `conveyor_sandbox`. A guest with our version of Python need not compile it.
    """
    texts = {"conveyor_guest": ""} | {f"conveyor_guest.{name}": _source(name) for name in _MODULES}
    compiled = {f"conveyor_guest.{name}": _compiled(name) for name in _MODULES}
    sent = {"texts": texts, "magic": MAGIC_NUMBER.hex(), "compiled": compiled}
    body = json.dumps(sent).encode()
    return b"%08d" % len(body) + body


def _source(name: str) -> str:
    return resources.files("conveyor_sandbox.guest").joinpath(f"{name}.py").read_text("utf-8")


def _compiled(name: str) -> str:
    """A module's byte code: our own Python keeps it, and knows when it is out of date."""
    spec = find_spec(f"conveyor_sandbox.guest.{name}")
    assert spec is not None
    assert isinstance(spec.loader, InspectLoader)
    code = spec.loader.get_code(spec.name)
    assert code is not None
    return base64.b64encode(marshal.dumps(_called(code, f"<conveyor_guest.{name}>"))).decode()


def _called(code: CodeType, filename: str) -> CodeType:
    """The code under another file name: ours is nothing for the sandbox to know."""
    constants = tuple(
        _called(it, filename) if isinstance(it, CodeType) else it for it in code.co_consts
    )
    return code.replace(co_filename=filename, co_consts=constants)
