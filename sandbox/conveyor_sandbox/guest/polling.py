"""The supervisor's one wait: for whatever descriptor can be read next."""

from __future__ import annotations

import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Dict, Optional, Set


class Poller:
    """Calls a handler for each descriptor that can be read."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._handlers: Dict[int, Callable[[], None]] = {}
        self._last: Set[int] = set()

    def watch(
        self,
        fd: int,
        handler: Callable[[], None],
        events: int = select.POLLIN,
        *,
        last: bool = False,
    ) -> None:
        """Call this at such an event (something to read), or when the other side is gone.

        `last`: after all others to which something happened meanwhile.
        """
        self._handlers[fd] = handler
        (self._last.add if last else self._last.discard)(fd)
        self._poll.register(fd, events)

    def unwatch(self, fd: int) -> None:
        """No longer; a descriptor that is not watched may be named."""
        if self._handlers.pop(fd, None) is not None:
            self._poll.unregister(fd)

    def await_room(self, fd: int, *, wanted: bool) -> None:
        """Call the handler also (or no longer) when there is room to write."""
        if fd in self._handlers:
            self._poll.modify(fd, select.POLLIN | (select.POLLOUT if wanted else 0))

    def wait(self, seconds: Optional[float]) -> None:
        """Wait for at most so long (None: without end), and call the handlers."""
        ready = self._poll.poll(None if seconds is None else max(0.0, seconds) * 1000 + 1)
        for fd, _ in sorted(ready, key=lambda it: it[0] in self._last):
            handler = self._handlers.get(fd)
            if handler is not None:  # an earlier one may have taken it away
                handler()
