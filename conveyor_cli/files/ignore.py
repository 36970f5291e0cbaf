"""What git ignores, decided as git does: folder by folder, the last rule that matches wins.

pathspec reads the rules. It is not asked about whole paths, since a rule that matches a folder says
nothing of what is in it once a later rule has let the folder in again.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from re import Pattern

from pathspec import GitIgnoreSpec

from conveyor_sandbox.sandbox import MIB

_LARGEST = MIB
"""Bytes of a file of rules that are looked at."""
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_AS_FOLDER = "ps_d"
"""In pathspec's expressions, the group that is the slash behind a folder that matches."""

Rule = tuple[Pattern[str], bool]
"""An expression, and whether what it matches is ignored or let in."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of several files, the stronger ones last.

    Paths are relative to the copied folder, which lies at `above` (a path with a slash behind it,
    or empty) below the folder that the rules' own places are relative to.
    """

    above: str = ""
    files: tuple[tuple[str, tuple[Rule, ...]], ...] = ()

    def with_file(self, base: str, file: Path) -> Rules:
        """And those of one more file, which hold in the folder `base`, if there is such a file."""
        try:
            with os.fdopen(
                os.open(file, _READ), "rb"
            ) as opened:  # git follows no link there either
                if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
                    return self
                text = opened.read(_LARGEST).decode("utf-8", "surrogateescape")
        except OSError:
            return self
        return Rules(self.above, (*self.files, (base, tuple(_rules(text.split("\n"))))))

    def ignore(self, path: str, *, folder: bool = False) -> bool:
        """Whether the path is ignored, where nothing above it is."""
        whole = self.above + path
        for base, rules in reversed(self.files):
            if not whole.startswith(base):
                continue
            for expression, ignored in reversed(rules):
                if _matches(expression, whole[len(base) :], folder=folder):
                    return ignored
        return False

    def ignore_any(self, path: str) -> bool:
        """Whether it or a folder above it is ignored."""
        parts = path.split("/")
        above = ("/".join(parts[:depth]) for depth in range(1, len(parts)))
        return any(self.ignore(it, folder=True) for it in above) or self.ignore(path)


def _rules(lines: Iterable[str]) -> Iterable[Rule]:
    for line in lines:
        for pattern in GitIgnoreSpec.from_lines([line.removesuffix("\r")]).patterns:
            if pattern.include is not None and pattern.regex is not None:
                yield pattern.regex, pattern.include


def _matches(expression: Pattern[str], path: str, *, folder: bool) -> bool:
    """Whether it matches this path itself, not only a folder above it."""
    if _AS_FOLDER not in expression.groupindex:
        return expression.search(path) is not None
    text = f"{path}/" if folder else path
    for match in expression.finditer(text):
        slash = match.start(_AS_FOLDER)
        if slash == -1 or (folder and slash == len(path)):
            return True
    return False
