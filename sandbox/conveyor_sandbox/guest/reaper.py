"""Collects the dead: as the first process of its namespace, the supervisor inherits all orphans."""

from __future__ import annotations

import contextlib
import os
import signal
import time

from .checks import Checks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    from .host import Host
    from .polling import Poller
    from .runners import Runners


class Reaper:
    """Tells whom it concerns that a process has ended, and looks after checks of texts."""

    def __init__(
        self,
        host: Host,
        poller: Poller,
        runners: Runners,
        on_end: Callable[[int, int], bool],
    ) -> None:
        """`on_end`: told of a process and its wait status; returns whether it was the worker."""
        self._host = host
        self._runners = runners
        self._on_end = on_end
        self._checks = Checks()
        self._woken = _wake_on_signals()
        poller.watch(self._woken, self._reap)

    def check(self, call: int, text: str) -> None:
        """Find out whether a call's text is valid as a whole, and tell the host."""
        if not self._checks.begin(call, text):
            self._say_checked(call, "it could not be compiled")

    def forget_checks(self) -> None:
        """All processes were killed."""
        self._checks.forget()

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._woken, 4096)
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid or self._on_end(pid, status):
                    return
                if self._runners.ended(pid, status):
                    continue
                checked = self._checks.ended(pid, status)
                if checked is not None:
                    self._say_checked(*checked)

    def _say_checked(self, call: int, problem: str) -> None:
        now = time.monotonic()
        self._host.send({"ev": "checked", "call": call, "problem": problem, "t": now})


def _wake_on_signals() -> int:
    """A descriptor that can be read when a child has ended."""
    woken, wake = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return woken
