"""What the model's code writes, sent on to the host as its units' output."""

from __future__ import annotations

import os
import time
from functools import partial

from .capture import Capture

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Tuple

    from .host import Host
    from .polling import Poller


class Outputs:
    """Both output streams of the worker and of its children."""

    def __init__(self, host: Host, poller: Poller, limit: int) -> None:
        self.unit: Tuple[int, int] = (0, 0)
        """Call and index of the unit whose the output is that comes now."""
        self._host = host
        self._poller = poller
        self._captures = [Capture(name, limit) for name in ("stdout", "stderr")]
        self.ends: List[int] = []
        """The ends to write to: standard output and error."""

    def open(self) -> List[int]:
        """New pipes, read from now on. Returns copies of the ends to write to, for the worker."""
        for end in self.ends:
            os.close(end)
        self.ends = []
        for capture in self._captures:
            self._poller.unwatch(capture.fd)
            read, write = os.pipe()
            capture.attach(read)
            # That a unit began was said before it wrote anything: it is heard first, too.
            self._poller.watch(read, partial(self._hear, capture), last=True)
            self.ends.append(write)
        return [os.dup(end) for end in self.ends]

    def say(self) -> None:
        """Send on all that has been written so far."""
        for capture in self._captures:
            self._say(capture.stream, capture.drain())

    def end_call(self) -> None:
        """The call's output is complete: send on what is left to say of it."""
        self.say()
        for capture in self._captures:
            self._say(capture.stream, capture.end_call())

    def _hear(self, capture: Capture) -> None:
        fd = capture.fd
        text = capture.read()
        if capture.fd < 0:
            self._poller.unwatch(fd)  # the code closed it in every process
        self._say(capture.stream, text)

    def _say(self, stream: str, text: str) -> None:
        if text:
            call, index = self.unit
            frame = {"ev": "output", "call": call, "index": index, "stream": stream, "text": text}
            self._host.send({**frame, "t": time.monotonic()})
