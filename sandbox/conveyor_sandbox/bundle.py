"""The guest as one archive: a program for `python3 -c`, and what to send to its standard input."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources

_MODULES = (
    "aio",
    "answers",
    "call",
    "calls",
    "capture",
    "checkpoint",
    "checks",
    "failures",
    "figures",
    "files",
    "frames",
    "host",
    "nested",
    "outputs",
    "polling",
    "process",
    "processes",
    "script",
    "settings",
    "supervisor",
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
    an installed `conveyor_sandbox`.
    """
    texts = {"conveyor_guest": ""} | {f"conveyor_guest.{name}": _source(name) for name in _MODULES}
    body = json.dumps(texts).encode()
    return b"%08d" % len(body) + body


def _source(name: str) -> str:
    return resources.files("conveyor_sandbox.guest").joinpath(f"{name}.py").read_text("utf-8")
