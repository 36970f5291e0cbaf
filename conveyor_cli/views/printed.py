"""What tools print while the live view has the terminal: it stands above the frame."""

from __future__ import annotations

import threading

from conveyor_cli.views.text import safe

_MOST = 64 * 1024
"""Characters between two frames; a terminal, and who reads it, take no more."""


class Printed:
    """Keeps what is printed, from any thread, until the next frame."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._parts: list[str] = []
        self._size = self._left_out = 0

    def write(self, text: str) -> None:
        """Take some text. Returns at once."""
        with self._lock:
            kept = text[: _MOST - self._size]
            self._parts.append(kept)
            self._size += len(kept)
            self._left_out += len(text) - len(kept)

    def take(self, *, final: bool = False) -> str:
        """The complete lines since the last time, safe to show; at the end all that is left."""
        with self._lock:
            text = "".join(self._parts)
            end = len(text) if final or self._left_out else text.rfind("\n") + 1
            self._parts, self._size = [text[end:]], len(text) - end
            left_out, self._left_out = self._left_out, 0
        shown = safe(text[:end]).removesuffix("\n")
        return f"{shown}… ({left_out} characters more)" if left_out else shown
