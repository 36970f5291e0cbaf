"""Reading a folder's documents: text in passages, with the lines on which they stand."""

from __future__ import annotations

import codecs
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from conveyor_tools.searching.html_text import text_of

_TEXT = frozenset((".txt", ".md", ".markdown", ".rst", ".org", ".adoc", ".tex", ".text", ".log"))
_HTML = frozenset((".html", ".htm", ".xhtml"))
_LARGEST = 8 * 1024 * 1024
_PASSAGE = 1200
"""Characters after which a passage ends with its paragraph; twice as many end it anywhere."""
_LONGEST_HEADING = 200
_HEADING = re.compile(r"\s*(?:#+|=+)\s+(.+?)\s*#*$")


_MARKED = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Encodings that say what they are at their beginning."""
_LOOKED_AT = 8192
"""Bytes in which text has no NUL."""


@dataclass(frozen=True, slots=True)
class Document:
    """A file, by its path in the folder, and what tells that it was changed."""

    file: Path
    path: str
    """In the folder. What of it is no UTF-8 is written as `\\xff`."""
    changed: int
    size: int


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document: where it begins, under which heading, and what it says."""

    line: int
    title: str
    text: str


def documents(folder: Path) -> Iterator[Document]:
    """The documents in a folder and those below it. Links and hidden files are left out."""
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(where, name)
            if name.startswith(".") or path.suffix.lower() not in _TEXT | _HTML:
                continue
            try:
                facts = path.lstat()
            except OSError:  # it is gone by now
                continue
            if not stat.S_ISREG(facts.st_mode) or facts.st_size > _LARGEST:
                continue
            shown = _shown(path.relative_to(folder).as_posix())
            yield Document(path, shown, facts.st_mtime_ns, facts.st_size)


def passages(path: Path) -> Iterator[Passage]:
    """A document in passages. What is no UTF-8 is read as well as it can be; binary files: none."""
    with path.open("rb") as file:
        text = _decoded(file.read(_LARGEST))
    if path.suffix.lower() in _HTML:
        text = text_of(text)
    return _cut(text, _shown(path.stem))


def _decoded(content: bytes) -> str:
    for mark, encoding in _MARKED:
        if content.startswith(mark):
            return content.decode(encoding, "replace")
    return "" if b"\0" in content[:_LOOKED_AT] else content.decode("utf-8", "replace")


def _cut(text: str, title: str) -> Iterator[Passage]:
    first, size, lines = 1, 0, list[str]()
    for number, line in enumerate(text.split("\n"), 1):
        # Not of a long line: the time it takes grows with the square.
        heading = _HEADING.match(line) if len(line) <= _LONGEST_HEADING else None
        full = size > 2 * _PASSAGE or (size > _PASSAGE and not line.strip())
        if lines and (heading or full):
            yield Passage(first, title, "\n".join(lines))
            lines, size = [], 0
        if heading:
            title = heading[1]
        if not lines:
            if not line.strip():
                continue
            first = number
        for start in range(0, max(1, len(line)), 2 * _PASSAGE):  # a line may be a book
            lines.append(line[start : start + 2 * _PASSAGE])
            size += len(lines[-1]) + 1
            if size > 2 * _PASSAGE:
                yield Passage(first, title, "\n".join(lines))
                first, lines, size = number, [], 0
    if any(line.strip() for line in lines):
        yield Passage(first, title, "\n".join(lines))


def _shown(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "backslashreplace")
