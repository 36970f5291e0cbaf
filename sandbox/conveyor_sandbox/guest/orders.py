"""What the host has asked for: in turn, or at once."""

from __future__ import annotations

from collections import deque

from .frames import LineDecoder, decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Deque, Iterator, Optional

    from .current import Current
    from .frames import Frame
    from .host import Host

_IN_TURN = ("run", "end", "checkpoint", "roll_back", "list")
"""What is done one after another, as the host has said it."""
_CODE = ("run", "end")
"""What runs code, and may take as long as that likes."""


class Orders:
    """Those that wait. `do_at_once` is given what does not wait for anything before it."""

    def __init__(self, host: Host, current: Current, do_at_once: Callable[[Frame], None]) -> None:
        self._host = host
        self._current = current
        self._do_at_once = do_at_once
        self._lines = LineDecoder()
        self._waiting: Deque[Frame] = deque()

    def hear(self) -> None:
        """The host says something."""
        for line in self._lines.feed(self._host.receive()):
            frame = decode(line)
            if frame["op"] in _IN_TURN and not (frame["op"] == "list" and self._code_runs):
                frame["sent"] = line
                self._waiting.append(frame)
            else:
                self._do_at_once(frame)

    def next(self) -> Optional[Frame]:
        """What is to be done now; None: nothing, or something is being done."""
        if self._current.frame is not None or not self._waiting:
            return None
        return self._waiting.popleft()

    def put_back(self, frame: Frame) -> None:
        """It was begun, and comes first again."""
        self._waiting.appendleft(frame)

    def code_waiting(self) -> Iterator[Frame]:
        """Units and ends of calls that wait."""
        return (frame for frame in self._waiting if frame["op"] in _CODE)

    @property
    def _code_runs(self) -> bool:
        """Whether there is code to run."""
        current = self._current.frame
        return (current is not None and current["op"] in _CODE) or any(self.code_waiting())
