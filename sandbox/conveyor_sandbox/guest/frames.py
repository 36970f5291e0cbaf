"""Frames: one JSON object a line, in both directions, at every hop."""

from __future__ import annotations

import json
from typing import Any, Dict, List

Frame = Dict[str, Any]


def encode(frame: Frame) -> bytes:
    """A frame as bytes. Pure ASCII: no line separator or half surrogate can break it."""
    return json.dumps(frame, separators=(",", ":")).encode("ascii") + b"\n"


class FrameDecoder:
    """Cuts a byte stream into frames. Linear: each byte is looked at once."""

    def __init__(self) -> None:
        self._parts: List[bytes] = []

    def feed(self, data: bytes) -> List[Frame]:
        """Take more bytes; return the frames that they complete.

        Raises:
            ValueError: a line is not JSON.
        """
        head, newline, rest = data.partition(b"\n")
        self._parts.append(head)
        if not newline:
            return []
        lines = [b"".join(self._parts)]
        *complete, last = rest.split(b"\n")
        lines += complete
        self._parts = [last]
        return [json.loads(line) for line in lines if line]
