"""What the model's code writes to its standard output and error."""

from __future__ import annotations

import array
import codecs
import fcntl
import os
import termios

_AT_ONCE = 65536
"""Bytes read from a stream in one go: one that is filled without end must not hold us."""


class Capture:
    """One stream: decoded and cut off at a limit (bytes a call), whichever process writes it.

    Outlives the worker's process: what it counts belongs to the call.
    """

    def __init__(self, stream: str, limit: int) -> None:
        self.stream = stream
        self.fd = -1
        """The pipe's end, or -1 where nobody can write any more."""
        self._limit = limit
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._kept = 0
        self._dropped = 0

    def attach(self, fd: int) -> None:
        """Read from this pipe from now on."""
        self.close()
        os.set_blocking(fd, False)
        self.fd = fd

    def close(self) -> None:
        """Let go of the pipe."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def read(self) -> str:
        """Some of what there is to read. Closes the pipe at its end."""
        try:
            data = os.read(self.fd, _AT_ONCE)
        except BlockingIOError:
            return ""
        if not data:
            self.close()
            return ""
        return self._keep(data)

    def drain(self) -> str:
        """All that was written before this moment, and not what is written meanwhile."""
        if self.fd < 0:
            return ""
        waiting = array.array("i", [0])
        fcntl.ioctl(self.fd, termios.FIONREAD, waiting)
        size = waiting[0]
        text = ""
        while size > 0:
            data = os.read(self.fd, min(size, _AT_ONCE))
            size -= len(data)
            text += self._keep(data)
        return text

    def _keep(self, data: bytes) -> str:
        kept = data[: max(0, self._limit - self._kept)]
        self._kept += len(kept)
        self._dropped += len(data) - len(kept)
        return self._decoder.decode(kept)

    def end_call(self) -> str:
        """What is left to say of the call's output; the next call starts afresh."""
        text = self._decoder.decode(b"", final=True)
        if self._dropped:
            text += "\n[%d more bytes were written and not kept]\n" % self._dropped
        self._decoder.reset()
        self._kept = self._dropped = 0
        return text
