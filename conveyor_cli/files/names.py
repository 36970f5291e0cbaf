"""Which names of a sandbox's files may become names of the user's files.

The model's code chooses them. What a terminal would act on, or what no encoding carries, and what
git would run is no name that we make.
"""

from __future__ import annotations

import unicodedata

from conveyor_cli.views.text import safe

_LONGEST_PART = 255
_GIT = (".git", "git~1")


def refusal(path: str) -> str:
    """Why no file of this path is made in a project; empty if it may be."""
    for part in path.split("/"):
        if not _is_printable(part):
            return "control characters, or bytes that are not UTF-8, in its name"
        if part in ("", ".", "..") or "\\" in part or len(part.encode()) > _LONGEST_PART:
            return "not a usable name"
        if is_git(part):
            return "it belongs to git"
    return ""


def is_git(part: str) -> bool:
    """Whether some file system takes this for `.git`: in other case, with dots or blanks behind."""
    plain = unicodedata.normalize("NFKC", part).casefold().partition(":")[0].rstrip(". ")
    return plain in _GIT


def made_safe(path: str) -> str:
    """A path for a saved file, as near to this one as is harmless."""
    return "/".join("".join(_plain(character) for character in part) for part in path.split("/"))


def is_hidden(path: str) -> bool:
    """Whether it lies in a hidden place or is a by-product of Python: nothing that anyone wants."""
    return any(part.startswith(".") or part == "__pycache__" for part in path.split("/"))


def folded(path: str) -> str:
    """What a file system that ignores case takes the path for."""
    return unicodedata.normalize("NFC", path).casefold()


def _is_printable(part: str) -> bool:
    return safe(part) == part and not set(part) & set("\t\n\r")


def _plain(character: str) -> str:
    return character if _is_printable(character) and character != "\\" else "_"
