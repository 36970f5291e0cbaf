"""Reading a folder's documents: text in passages, with the lines on which they stand."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

_TEXT = frozenset((".txt", ".md", ".markdown", ".rst", ".org", ".adoc", ".tex", ".text", ".log"))
_HTML = frozenset((".html", ".htm", ".xhtml"))
_LARGEST = 8 * 1024 * 1024
_PASSAGE = 1200
"""Characters after which a passage ends with its paragraph; twice as many end it anywhere."""
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

    path: str
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
            if path.is_symlink() or not path.is_file():
                continue
            facts = path.stat()
            if facts.st_size > _LARGEST:
                continue
            shown = path.relative_to(folder).as_posix()
            yield Document(shown, facts.st_mtime_ns, facts.st_size)


def passages(path: Path) -> Iterator[Passage]:
    """A document in passages. What is no UTF-8 is read as well as it can be; binary files: none."""
    text = _decoded(path.read_bytes()[:_LARGEST])
    if path.suffix.lower() in _HTML:
        reader = _Reader()
        reader.feed(text)
        reader.close()
        text = reader.text
    return _cut(text, path.stem)


def _decoded(content: bytes) -> str:
    for mark, encoding in _MARKED:
        if content.startswith(mark):
            return content.decode(encoding, "replace")
    return "" if b"\0" in content[:_LOOKED_AT] else content.decode("utf-8", "replace")


def _cut(text: str, title: str) -> Iterator[Passage]:
    first, size, lines = 1, 0, list[str]()
    for number, line in enumerate(text.split("\n"), 1):
        heading = _HEADING.match(line)
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


class _Reader(HTMLParser):
    """The text of a page, each line where it stands in the file."""

    _silent = frozenset(("script", "style", "template", "noscript"))

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._lines: dict[int, str] = {}
        self._hidden = 0
        self._heading = False

    @property
    def text(self) -> str:
        last = max(self._lines, default=0)
        return "\n".join(self._lines.get(number, "") for number in range(1, last + 1))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self._hidden += tag in self._silent
        self._heading = tag in ("h1", "h2", "h3")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._silent and self._hidden:
            self._hidden -= 1
        self._heading = self._heading and tag not in ("h1", "h2", "h3")

    def handle_data(self, data: str) -> None:
        if self._hidden:
            return
        number, _ = self.getpos()
        for place, line in enumerate(data.split("\n"), number):
            before = self._lines.get(place, "")
            mark = "# " if self._heading and line.strip() and not before else ""
            self._lines[place] = f"{before} {mark}{line.strip()}".strip()
