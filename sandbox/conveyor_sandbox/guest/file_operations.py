"""What the `files` tool does to the workspace: read, write, edit, list, delete.

Each operation returns what the model is told, or raises Refused with one line that says why not.
"""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Tuple

_LARGEST = 10 << 20
"""Bytes of a file that is read or edited."""
_SHOWN = 30_000
"""Characters that are shown of a file."""
_MOST_ENTRIES = 500


class Refused(Exception):  # noqa: N818 - reads as what it is
    """It is not done; the message says why, in one line."""


def operate(root: str, arguments: Dict[str, Any]) -> str:
    """Do one operation; returns what the model is told.

    Raises:
        Refused: it cannot be done.
        OSError: neither, as the system says.
    """
    operation = _OPERATIONS.get(arguments.get("operation", ""))
    if operation is None:
        raise Refused("no such operation")
    name = arguments.get("path") or "."
    path = os.path.normpath(os.path.join(root, name))
    if operation is _delete:  # a link itself, not what it leads to
        path = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    else:
        path = os.path.realpath(path)
    if path != root and not path.startswith(root + os.sep):
        raise Refused("%s leads out of the workspace" % name)
    return operation(name, path, arguments)


def _read(name: str, path: str, arguments: Dict[str, Any]) -> str:
    text = _text(name, path)
    lines = text.splitlines(keepends=True)
    first = arguments.get("first_line") or 1
    last = min(arguments.get("last_line") or len(lines), len(lines))
    if first > max(1, len(lines)) or last < first - 1:
        raise Refused("%s has %d lines" % (name, len(lines)))
    shown, end = 0, first - 1
    while end < last and shown + len(lines[end]) <= _SHOWN:
        shown += len(lines[end])
        end += 1
    said = "".join(lines[first - 1 : end])
    if end < last and end == first - 1:  # one line is too long
        said, end = lines[end][:_SHOWN], end + 1
        return "%s\n[line %d has %d characters; cut here]" % (said, end, len(lines[end - 1]))
    if first == 1 and end == len(lines):
        return said
    return "%s[lines %d to %d of %d]" % (said, first, end, len(lines))


def _write(name: str, path: str, arguments: Dict[str, Any]) -> str:
    content = arguments.get("content")
    if content is None:
        raise Refused("content is missing")
    known = _kind(path)
    if known not in ("file", "nothing"):
        raise Refused("%s is a %s" % (name, known))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    size = _put(path, content)
    done = "wrote" if known == "file" else "created"
    return "%s %s: %d lines, %d bytes" % (done, name, len(content.splitlines()), size)


def _edit(name: str, path: str, arguments: Dict[str, Any]) -> str:
    old, new = arguments.get("old"), arguments.get("new")
    if not old or new is None:
        raise Refused("old and new are needed, and old may not be empty")
    text = _text(name, path)
    count = text.count(old)
    if count != 1:
        where = "is not in" if not count else "stands %d times in" % count
        hint = "" if not count else ": give more of what is around it"
        raise Refused("old %s %s%s" % (where, name, hint))
    before = text.index(old)
    _put(path, text[:before] + new + text[before + len(old) :])
    return "changed line %d of %s" % (text.count("\n", 0, before) + 1, name)


def _list(name: str, path: str, arguments: Dict[str, Any]) -> str:  # noqa: ARG001 - as the others
    kind = _kind(path)
    if kind != "folder":
        raise Refused("%s is %s" % (name, "not there" if kind == "nothing" else "a " + kind))
    entries = []
    with os.scandir(path) as listing:
        for entry in listing:
            status = entry.stat(follow_symlinks=False)
            is_file = stat.S_ISREG(status.st_mode)
            size = "  %d bytes" % status.st_size if is_file else ""
            entries.append(_safe(entry.name) + _MARKS.get(_kind_of(status), "") + size)
    more = len(entries) - _MOST_ENTRIES
    shown = sorted(entries)[:_MOST_ENTRIES]
    return "\n".join(shown + (["[%d more]" % more] if more > 0 else [])) or "[empty]"


def _delete(name: str, path: str, arguments: Dict[str, Any]) -> str:  # noqa: ARG001
    kind = _kind(path)
    if kind == "nothing":
        raise Refused("%s is not there" % name)
    if kind == "folder":
        os.rmdir(path)
    else:
        os.unlink(path)
    return "deleted %s" % name


_OPERATIONS: Dict[str, Callable[[str, str, Dict[str, Any]], str]] = {
    "read": _read,
    "write": _write,
    "edit": _edit,
    "list": _list,
    "delete": _delete,
}
_MARKS = {"folder": "/", "link": "@", "fifo": "|", "socket": "=", "device": "%"}
_KINDS: Tuple[Tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISREG, "file"),
    (stat.S_ISDIR, "folder"),
    (stat.S_ISLNK, "link"),
    (stat.S_ISFIFO, "fifo"),
    (stat.S_ISSOCK, "socket"),
)


def _kind(path: str) -> str:
    try:
        return _kind_of(os.lstat(path))
    except FileNotFoundError:
        return "nothing"


def _kind_of(status: os.stat_result) -> str:
    return next((name for test, name in _KINDS if test(status.st_mode)), "device")


def _text(name: str, path: str) -> str:
    """A file's content, if it is a text of a size to be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise Refused("%s is not there" % name) from None
    status = os.fstat(fd)
    kind = _kind_of(status)
    if kind != "file":
        raise Refused("%s is a %s" % (name, kind))
    if status.st_size > _LARGEST:
        raise Refused("%s has %d bytes, and the most is %d" % (name, status.st_size, _LARGEST))
    with open(fd, "rb") as file:
        data = file.read(_LARGEST)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise Refused("%s is binary (%d bytes)" % (name, len(data)))
    return text


def _put(path: str, content: str) -> int:
    """Write a file; returns its size in bytes."""
    data = content.encode("utf-8", "surrogatepass")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with open(os.open(path, flags, 0o666), "wb") as file:
        file.write(data)
    return len(data)


def _safe(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
