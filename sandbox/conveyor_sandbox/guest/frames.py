"""Frames: one JSON object a line, in both directions, at every hop."""

from __future__ import annotations

import json

TYPE_CHECKING = False  # importing `typing` would cost a tenth of the guest's start
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    Frame = Dict[str, Any]

LONGEST = 8 * 1024 * 1024
"""Bytes that a guest's frame may have. The longest lawful one is a shown value or a traceback."""

_encode = json.JSONEncoder(separators=(",", ":")).encode
_decode = json.JSONDecoder().raw_decode


def encode(frame: Frame) -> bytes:
    """A frame as bytes. Pure ASCII: no line separator or half surrogate can break it."""
    return _encode(frame).encode("ascii") + b"\n"


def decode(line: bytes) -> Frame:
    """The frame in a line that lacks its newline.

    Half as long as `json.loads` in a process that has just woken, which is most of a unit's way.

    Raises:
        ValueError: it is not a JSON object.
    """
    text = line.decode("utf-8")
    try:
        frame, end = _decode(text)
    except RecursionError:
        raise ValueError("a frame is nested too deeply") from None
    if end != len(text) or not isinstance(frame, dict):
        raise ValueError("a frame is not an object: %.80r" % line)
    return frame


class LineDecoder:
    """Cuts a byte stream into lines. Linear: each byte is looked at once.

    With a limit, a longer line is an error: whoever sends it could fill our memory.
    """

    def __init__(self, limit: Optional[int] = None) -> None:
        self._limit = limit
        self._size = 0
        self._parts: List[bytes] = []

    @property
    def held(self) -> int:
        """Bytes that are kept until their line is complete."""
        return self._size

    def feed(self, data: bytes) -> List[bytes]:
        """Take more bytes; return the lines that they complete, without their newlines.

        Raises:
            ValueError: a line is too long.
        """
        head, newline, rest = data.partition(b"\n")
        self._parts.append(head)
        self._size += len(head)
        if self._limit is not None and self._size > self._limit:
            raise ValueError("a frame is longer than %d bytes" % self._limit)
        if not newline:
            return []
        lines = [b"".join(self._parts)]
        *complete, last = rest.split(b"\n")
        self._parts = [last]
        self._size = len(last)
        return lines + complete


class FrameDecoder:
    """Cuts a byte stream into frames, of a limited length in bytes."""

    def __init__(self, limit: Optional[int] = None) -> None:
        self._lines = LineDecoder(limit)

    def feed(self, data: bytes) -> List[Frame]:
        """Take more bytes; return the frames that they complete.

        Raises:
            ValueError: a line is not a JSON object, or is too long.
        """
        return [decode(line) for line in self._lines.feed(data)]
