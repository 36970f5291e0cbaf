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


def encode(frame: Frame) -> bytes:
    """A frame as bytes. Pure ASCII: no line separator or half surrogate can break it."""
    return _encode(frame).encode("ascii") + b"\n"


class FrameDecoder:
    """Cuts a byte stream into frames. Linear: each byte is looked at once.

    With a limit, a longer frame is an error: whoever sends it could fill our memory.
    """

    def __init__(self, limit: Optional[int] = None) -> None:
        self._limit = limit
        self._size = 0
        self._parts: List[bytes] = []

    def feed(self, data: bytes) -> List[Frame]:
        """Take more bytes; return the frames that they complete.

        Raises:
            ValueError: a line is not a JSON object, or is too long.
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
        lines += complete
        self._parts = [last]
        self._size = len(last)
        return [_decode(line) for line in lines]


def _decode(line: bytes) -> Frame:
    try:
        frame = json.loads(line)
    except RecursionError:
        raise ValueError("a frame is nested too deeply") from None
    if not isinstance(frame, dict):
        raise ValueError("a frame is not an object: %r" % line[:80])  # noqa: TRY004 - as promised
    return frame
