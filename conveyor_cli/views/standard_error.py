"""Standard error, where a run is shown while it happens."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from typing import Any

from rich.console import Console

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
"""What a disk says that is full."""


class StandardError(Console):
    """A console on standard error.

    Where nobody reads it any more, that is an error like others; rich would end the process. Where
    it is a file on a full disk, nothing more is shown: the run and its answer are worth more.
    """

    def __init__(self) -> None:
        super().__init__(stderr=True, highlight=False)

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError

    def print(self, *objects: Any, **options: Any) -> None:
        try:
            super().print(*objects, **options)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            _give_up()


def _give_up() -> None:
    """Whatever is still buffered would fail again, at the latest when the program ends."""
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
    finally:
        os.close(null)
    with contextlib.suppress(OSError):
        sys.stderr.flush()
