"""What the tools of a task that others wrote would reach of the user's.

Such a task may name hosts and servers of its own: those get only what it brings along. What is the
user's needs their word: secrets in the environment, services of this machine and network, databases
and files elsewhere, calls with effects that nobody is asked about.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from conveyor_cli.engine.approval import Approve
from conveyor_cli.task import Task
from conveyor_cli.tool_choice import SERVER, ToolChoice
from conveyor_tools.variables import variables

_ASK_NOBODY = frozenset(("python", "shell", "sql", "files", "plan", "search", "calculator"))
"""Tools without effects that users are asked about."""


def reached(choice: ToolChoice) -> str | None:
    """What a tool would do with what is the user's, in words; None if nothing of that kind.

    Options that are none, the tool itself complains about.
    """
    options = choice.options
    if choice.name == "http":
        return _secrets(options.get("headers"), "its hosts") or (
            "http: private would let it reach services of this machine and network"
            if options.get("private")
            else None
        )
    if choice.name == SERVER and isinstance(options.get("url"), str):
        return _secrets(options.get("headers"), urlsplit(options["url"]).netloc)
    if choice.name == "sql" and isinstance(options.get("url"), str):
        return _database(choice, options["url"])
    return None


def _secrets(headers: Any, to: str) -> str | None:
    names = [name for text in _texts(headers) for name in variables(text)]
    return f"headers would send {names[0]}, of your environment, to {to}" if names else None


def _texts(written: Any) -> Iterator[str]:
    if isinstance(written, str):
        yield written
    elif isinstance(written, dict):
        for value in written.values():
            yield from _texts(value)


def _database(choice: ToolChoice, url: str) -> str | None:
    kind, _, rest = url.partition("://")
    if kind.partition("+")[0] not in ("sqlite", "duckdb"):
        return "sql would connect to a server, as you and with your passwords"
    file = rest.partition("/")[2].partition("?")[0]
    folder = choice.options.get("folder", "")
    path = Path(str(folder), file)
    if not file or file == ":memory:" or is_within(path, choice.base):
        return None
    return f"sql would use {path}, which is not in the task's folder"


def unasked(task: Task) -> bool:
    """Whether calls with effects could be made that nobody is asked about."""
    names = {choice.name for choice in task.tools}
    return task.approve is Approve.NEVER and not names <= _ASK_NOBODY


def places_read(task: Task) -> Iterator[tuple[tuple[str, ...], Path]]:
    """The places of this machine that a task reads: where that is set, and the place."""
    for name, path in task.sandbox.files.items():
        yield ("sandbox", "files", name), path
    if task.workspace is not None:
        yield ("workspace", "from"), task.workspace.from_
    for choice in task.tools:
        folder = choice.options.get("folder")
        if choice.name == "search" and isinstance(folder, str):
            yield ("tools",), (choice.base or Path()) / Path(folder).expanduser()


def sends_elsewhere(choice: ToolChoice) -> bool:
    """Whether what a tool is asked goes, without a question, to a server that the task chose."""
    option = {"http": "hosts", SERVER: "url", "search": "searxng"}.get(choice.name)
    return option is not None and bool(choice.options.get(option))


def is_within(path: Path, base: Path | None) -> bool:
    """Whether a path, links followed, is in the folder (None: the current one)."""
    base = (base or Path()).resolve()
    return (base / path.expanduser()).resolve().is_relative_to(base)
