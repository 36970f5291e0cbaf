"""What is done now, for the host or between its calls, and since when."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

    from .frames import Frame
    from .timer import Timer


class Current:
    """One thing at a time: a unit, the end of a call, or an errand. Its time runs with it."""

    def __init__(self, timer: Timer) -> None:
        self.frame: Optional[Frame] = None
        """What it is, as it was asked for; None: nothing is done."""
        self.sent_at = 0.0
        """When it was given to whoever does it."""
        self._timer = timer
        self._started = False

    def begin(self, frame: Frame, seconds: float) -> None:
        """It may take that long."""
        self.frame = frame
        self._started = False
        self.give_time(seconds)

    def give_time(self, seconds: float) -> None:
        """It may take that long from now on."""
        self.sent_at = self._timer.start(seconds)

    def note_start(self) -> bool:
        """Whoever does it says that it began. Returns whether that is news."""
        is_news, self._started = not self._started, True
        return is_news

    def is_answered_by(self, answer: Frame) -> bool:
        """Whether the answer bears its numbers."""
        if self.frame is None:
            return False
        numbers = (self.frame["call"], self.frame.get("index"))
        return (answer["call"], answer["index"]) == numbers

    def end(self) -> Optional[Frame]:
        """It is over, and its time too."""
        frame, self.frame = self.frame, None
        self._timer.stop()
        return frame
