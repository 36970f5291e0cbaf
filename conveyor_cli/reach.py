"""What a task that others wrote would do with what is the user's.

Such a task may name hosts and servers of its own: those get only what it brings along. What is the
user's needs their word: secrets of the environment, services of this machine and network, files and
databases elsewhere, calls with effects that nobody is asked about, the conversation itself. What
they set themselves needs no other word.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from conveyor_cli.config import Settings
from conveyor_cli.engine.approval import Approve
from conveyor_cli.task import Task
from conveyor_cli.tool_choice import SERVER, ToolChoice
from conveyor_cli.trust import Claim
from conveyor_tools.home import expanded
from conveyor_tools.variables import variables

_ASK_NOBODY = frozenset(("python", "shell", "sql", "files", "plan", "search", "calculator"))
"""Tools without effects that users are asked about."""
_INSIDE = (".localhost", ".local", ".internal", ".home.arpa", ".lan")
"""How names end that are known in a network alone."""
_HERE = ("localhost", "127.0.0.1", "::1")


def wishes(settings: Settings, task: Task) -> Iterator[Claim]:
    """What it would do for which the user's word is needed and not given yet.

    It is trusted for the tools that the task has, too: what they could be told, others get.
    """
    for where, what, flag in _wishes(settings, task):
        told = f"{where}: {what}" if where else what
        yourself = f"say {flag} yourself, or " if flag else ""
        tools = [[choice.name, choice.options, str(choice.base)] for choice in task.tools]
        facts = json.dumps([what, tools], sort_keys=True, default=str)
        digest = hashlib.sha256(facts.encode()).hexdigest()
        refusal = f"{told}: {yourself}trust the task with --trust"
        yield Claim("the task", what, f"{told}. Allow it?", refusal, digest)


def _wishes(settings: Settings, task: Task) -> Iterator[tuple[str, str, str]]:
    """Where it is set, what it would do, and by which flag users say so themselves, if by one."""
    asked = [
        *_of_the_workspace(task),
        *_of_the_model(task),
        *_of_calls(task),
        *(_of_places(task) if any(map(_sends_elsewhere, task.tools)) else ()),
    ]
    for path, what, flag in asked:
        if not settings.is_users_own(path):
            yield settings.origin(path), what, flag
    if not settings.is_users_own(("tools",)):
        for choice in task.tools:
            what = _reached(choice)
            if what is not None:
                yield choice.where, f"tools: {what}", ""


_Asked = Iterator[tuple[tuple[str, ...], str, str]]


def _of_the_workspace(task: Task) -> _Asked:
    if task.workspace and task.workspace.apply == "always":
        what = "workspace.apply: always would change files of yours"
        yield ("workspace", "apply"), what, "--apply always"
    if task.save_files is not None:
        yield ("save_files",), f"save_files would write to {task.save_files}", "--save-files DIR"


def _of_the_model(task: Task) -> _Asked:
    if task.model.backend == "openai":
        host = urlsplit(task.model.base_url or "").hostname or ""
        if host not in _HERE:
            what = f"model.base_url would send the conversation and your key to {host}"
            yield ("model", "base_url"), what, "--base-url"


def _of_calls(task: Task) -> _Asked:
    names = {choice.name for choice in task.tools}
    if task.approve is Approve.NEVER and not names <= _ASK_NOBODY:
        what = "approve: never would let calls with effects happen unasked"
        yield ("approve",), what, "-c approve=never"


def _of_places(task: Task) -> _Asked:
    """What it could read and send to a server that it chose."""
    base = next(choice.base for choice in task.tools if _sends_elsewhere(choice))
    for path, place in _places_read(task):
        if not _is_within(place, base):
            yield path, f"{place} is not in the task's folder, and its tools could send it away", ""


def _reached(choice: ToolChoice) -> str | None:
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
        url = options["url"]
        return _secrets(options.get("headers"), urlsplit(url).netloc) or _asked_here("mcp", url)
    if choice.name == "search" and isinstance(options.get("searxng"), str):
        return _asked_here("search", options["searxng"])
    if choice.name == "sql" and isinstance(options.get("url"), str):
        return _database(choice, options["url"])
    return None


def _asked_here(tool: str, url: str) -> str | None:
    """A server that only this machine or its network reaches, as far as its name says."""
    import httpx  # noqa: PLC0415 - only where it is wanted, and as the tools read it

    from conveyor_tools.http_address import is_odd_number, why_not  # noqa: PLC0415

    try:
        host = httpx.URL(url).host.lower().rstrip(".")
    except (httpx.InvalidURL, UnicodeError):
        return None  # the tool says so
    try:
        inside = why_not(ip_address(host.partition("%")[0]), private=False) is not None
    except ValueError:
        inside = "." not in host or host.endswith(_INSIDE) or is_odd_number(host)
    return f"{tool} would reach {host}, of this machine or network" if inside else None


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
    from conveyor_tools.databases.opening import file_of  # noqa: PLC0415 - only where it is wanted

    try:
        file = file_of(url)  # as the tool reads the URL: another reading would miss another file
    except ValueError:
        return None  # no tool can be made of it
    if file is None:
        return "sql would connect to a server, as you and with your passwords"
    path = expanded(str(choice.options.get("folder", ""))) / file
    if not file or _is_within(path, choice.base):
        return None
    return f"sql would use {path}, which is not in the task's folder"


def _places_read(task: Task) -> Iterator[tuple[tuple[str, ...], Path]]:
    """The places of this machine that a task reads: where that is set, and the place."""
    for name, path in task.sandbox.files.items():
        yield ("sandbox", "files", name), path
    if task.workspace is not None:
        yield ("workspace", "from"), task.workspace.from_
    for choice in task.tools:
        folder = choice.options.get("folder")
        if choice.name == "search" and isinstance(folder, str):
            yield ("tools",), (choice.base or Path()) / expanded(folder)


def _sends_elsewhere(choice: ToolChoice) -> bool:
    """Whether what a tool is asked goes, without a question, to a server that the task chose."""
    option = {"http": "hosts", SERVER: "url", "search": "searxng"}.get(choice.name)
    return option is not None and bool(choice.options.get(option))


def _is_within(path: Path, base: Path | None) -> bool:
    """Whether a path, links followed, is in the folder (None: the current one)."""
    try:
        base = (base or Path()).resolve()
        return (base / path).resolve().is_relative_to(base)
    except (ValueError, OSError, RuntimeError):  # it is no path, or its links lead nowhere
        return False
