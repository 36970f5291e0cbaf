"""The journal: every event of a run, one JSON object a line, appended as it happens.

A line reaches the operating system before the next event is looked at, so after `kill -9` the
journal holds all that happened before. Not covered: a machine that loses power.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from conveyor_cli.engine.events import Event

SCHEMA = 1


def as_record(event: Event) -> dict[str, Any]:
    """An event as plain data: its name in snake case, its time, its fields."""
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()
    record: dict[str, Any] = {"event": name}
    for field in fields(event):
        record[field.name] = _plain(getattr(event, field.name))
    return record


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float):
        return round(value, 6)
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


class Journal:
    """An event sink that appends to a file.

    If the file cannot be written (disk full), `on_error` is told once and the run goes on: what
    the user asked for is worth more than the record of it. The file then ends with a whole line.

    Raises:
        OSError: the file cannot be opened.
    """

    def __init__(self, path: Path, on_error: Callable[[OSError], None]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._on_error = on_error
        # Whole lines to one descriptor, unbuffered: a kill cannot tear or hold back an event.
        self._fd: int | None = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._length = 0

    def apply(self, event: Event) -> None:
        """Append an event."""
        if self._fd is None:
            return
        line = rest = json.dumps(as_record(event), ensure_ascii=True).encode() + b"\n"
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
            self._length += len(line)
        except OSError as error:
            with contextlib.suppress(OSError):  # a device cannot be cut, and need not be
                os.ftruncate(self._fd, self._length)
            self.close()
            self._on_error(error)

    def close(self) -> None:
        """Close the file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
