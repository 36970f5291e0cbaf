"""The text of HTML pages that nobody here has read.

The time is linear in the page, which that of `html.parser` is not: there, 60 kB of tags that do not
end take a minute.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

_TAG = re.compile(r"</?([a-zA-Z][^\s/>]{0,30})")
_IN_TAG = re.compile(r"=\s{0,20}([\"'])|>")
_RAW_END = {name: re.compile(f"</{name}", re.IGNORECASE) for name in ("script", "style")}
_SILENT = frozenset(("template", "noscript"))
_HEADINGS = frozenset(("h1", "h2", "h3"))
_LARGE_NUMBER = re.compile(r"&#(?:[0-9]{8}|[xX][0-9a-fA-F]{7})[0-9a-fA-F]*;?")
"""No character, and more digits than Python makes a number of."""


def unescaped(text: str) -> str:
    """The text with its character references replaced."""
    return html.unescape(_LARGE_NUMBER.sub("\ufffd", text))


def text_of(page: str) -> str:
    """The text of a page, each line where it stands in the file; headings begin with `# `."""
    lines: dict[int, list[str]] = {}
    hidden, heading = 0, False
    for piece in _pieces(page):
        if piece.tag:
            hidden = max(0, hidden + (-1 if piece.ends else 1)) if piece.tag in _SILENT else hidden
            if not piece.ends or piece.tag in _HEADINGS:
                heading = not piece.ends and piece.tag in _HEADINGS
        elif not hidden:
            for number, line in enumerate(unescaped(piece.text).split("\n"), piece.line):
                words = line.strip()
                known = lines.setdefault(number, [])
                if words:
                    known.append(f"# {words}" if heading and not known else words)
    last = max(lines, default=0)
    return "\n".join(" ".join(lines.get(number, ())) for number in range(1, last + 1))


@dataclass(frozen=True, slots=True)
class _Piece:
    """A tag, or what stands between two."""

    line: int
    text: str = ""
    tag: str = ""
    ends: bool = False


def _pieces(page: str) -> Iterator[_Piece]:
    """Each character is looked at a few times at most: what has no end ends the page."""
    pos, line = 0, 1
    while pos < len(page):
        begin = page.find("<", pos)
        begin = len(page) if begin < 0 else begin
        if begin > pos:
            yield _Piece(line, page[pos:begin])
        if begin == len(page):
            return
        tag = _TAG.match(page, begin)
        if tag is None and page[begin + 1 : begin + 2] not in ("!", "?"):
            yield _Piece(line + page.count("\n", pos, begin), "<")
            after = begin + 1
        else:
            after = _end_of_tag(page, begin, tag)
        line += page.count("\n", pos, after)
        pos = after
        if tag is not None:
            yield _Piece(line, tag=tag[1].lower(), ends=page[begin + 1] == "/")


def _end_of_tag(page: str, begin: int, tag: re.Match[str] | None) -> int:
    """Behind the tag or comment that begins there, and behind a script that it begins."""
    if tag is None:
        end = "-->" if page.startswith("<!--", begin) else ">"
        return _behind(end, page, begin + 2)
    after = tag.end()
    while found := _IN_TAG.search(page, after):
        after = _behind(found[1], page, found.end()) if found[1] else found.end()
        if not found[1]:
            break
    else:
        return len(page)
    raw = _RAW_END.get(tag[1].lower()) if page[begin + 1] != "/" else None
    if raw is None:
        return after
    closing = raw.search(page, after)
    return len(page) if closing is None else closing.start()


def _behind(mark: str, page: str, begin: int) -> int:
    found = page.find(mark, begin)
    return len(page) if found < 0 else found + len(mark)
