"""A run's changes as a coloured unified diff, with nothing that a terminal would act on."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from rich.text import Text

from conveyor_cli.files.harvest import Change
from conveyor_cli.files.saving import is_binary
from conveyor_cli.views.text import one_line, safe
from conveyor_sandbox.sandbox import Entry

_MOST_LINES = 120
"""Lines shown of one file's diff."""
_MOST_SHOWN = 600
"""Lines shown of all of them."""
_LARGEST = 200_000
"""Bytes of a text that is compared line by line; beyond that it would take too long."""
_MOST_COMPARED = 4000
"""Lines of it."""
_STYLES = {"+": "green", "-": "red", "@": "cyan"}


def describe(change: Change, renamed_from: str | None = None) -> str:
    """What happened to the path, in a word or two."""
    if renamed_from is not None:
        return "renamed"
    if change.after is None:
        return "deleted"
    if change.before is None:
        return "added"
    if change.before.link:
        return "link replaced"
    if change.before.content == change.after.content:
        return "made executable" if change.after.executable else "made not executable"
    return "modified"


def renames(changes: Iterable[Change]) -> dict[str, str]:
    """Old paths by new ones, where a file was removed and an equal one was added."""
    removed: dict[Entry, list[str]] = {}
    changes = list(changes)
    for change in changes:
        if change.after is None and change.before is not None and change.before.content:
            removed.setdefault(change.before, []).append(change.path)
    found = {}
    for change in changes:
        if change.before is None and change.after is not None:
            same = removed.get(change.after)
            if same:
                found[change.path] = same.pop()
    return found


def diff(changes: Iterable[Change]) -> Iterator[Text]:
    """The lines to show, bounded; a note stands where more would follow."""
    changes = list(changes)
    renamed = renames(changes)
    moved = set(renamed.values())
    shown = 0
    for number, change in enumerate(changes):
        if change.path in moved:
            continue
        if shown >= _MOST_SHOWN:
            yield Text(f"… and {len(changes) - number} more files", "bright_black")
            return
        for line in _file(change, renamed.get(change.path)):
            shown += 1
            yield line


def _file(change: Change, renamed_from: str | None) -> Iterator[Text]:
    path = one_line(printable(change.path))
    came = f" (was {one_line(printable(renamed_from))})" if renamed_from is not None else ""
    yield Text(f"{describe(change, renamed_from)}: {path}{came}{_sizes(change)}", "bold")
    if renamed_from is not None:
        return
    before, after = _lines(change.before), _lines(change.after)
    if before is None or after is None:
        return
    names = ("/dev/null" if change.before is None else f"a/{path}", f"b/{path}")
    lines = difflib.unified_diff(before, after, names[0], names[1], lineterm="")
    for count, line in enumerate(lines):
        if count == _MOST_LINES:
            yield Text("  … the rest of this file's diff is not shown", "bright_black")
            return
        style = "bold" if count < 2 else _STYLES.get(line[:1], "")  # noqa: PLR2004 - its two heads
        yield Text(safe(line.removesuffix("\n").replace("\r", "\u240d")), style)
        if count >= 2 and not line.endswith("\n") and line[:1] != "@":  # noqa: PLR2004
            yield Text("\\ No newline at end of file", "bright_black")


def _lines(entry: Entry | None) -> list[str] | None:
    """The lines of a text; None where it is not compared by lines."""
    if entry is None:
        return []
    if len(entry.content) > _LARGEST or entry.link or is_binary(entry.content):
        return None
    *lines, last = entry.content.decode("utf-8").split("\n")
    if len(lines) > _MOST_COMPARED:
        return None
    return [f"{line}\n" for line in lines] + ([last] if last else [])


def _sizes(change: Change) -> str:
    """For what is not shown line by line: how large it was and is."""
    sides = [it for it in (change.before, change.after) if it is not None]
    if all(_lines(it) is not None for it in sides):
        return ""
    kind = "a long text" if not any(is_binary(it.content) for it in sides) else "binary"
    sizes = " → ".join(size(len(it.content)) for it in sides)
    return f" ({kind}, {sizes})"


def size(count: int) -> str:
    """Bytes, as people read them."""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:  # noqa: PLR2004
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def printable(path: str) -> str:
    """A path whose bytes that are not UTF-8 show as escapes."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
