"""Counts what splitting costs, in numbers that do not depend on the machine."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any, SupportsIndex

from conveyor_tools.splitters.base import Splitter
from tests.tools.splitters.feeding import pieces


class _Watched(str):
    """A text that notes how many of its characters are copied."""

    __slots__ = ()
    copied = 0

    def __getitem__(self, key: SupportsIndex | slice) -> str:
        part = _Watched(super().__getitem__(key))
        _Watched.copied += len(part)
        return part

    def __radd__(self, other: str) -> str:
        _Watched.copied += len(other) + len(self)
        return _Watched(str(other) + str(self))


def calls(splitter: Splitter, text: str, chunk: int) -> int:
    """How many functions are called, C functions included, while the text is split."""
    count = 0

    def profile(_frame: FrameType, event: str, _arg: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        for piece in pieces(text, chunk):
            splitter.feed(piece)
        splitter.flush()
    finally:
        sys.setprofile(None)
    return count


def copied(splitter: Splitter, text: str, chunk: int) -> int:
    """How many characters are copied while the text is split."""
    _Watched.copied = 0
    for piece in pieces(text, chunk):
        splitter.feed(_Watched(piece))
    splitter.flush()
    return _Watched.copied
