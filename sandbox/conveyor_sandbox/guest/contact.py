"""The supervisor's contact with the worker: its words are checked, and its silence is noticed."""

from __future__ import annotations

import time

from .answers import check

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    from .current import Current
    from .frames import Frame
    from .post import Post
    from .timer import Timer


class Contact:
    """Hears whoever holds the post.

    `on_answer` is told what answers that which is done now; `on_misuse` that the connection, which
    the code can reach, is of no use any more, and why.
    """

    def __init__(
        self,
        current: Current,
        timer: Timer,
        on_answer: Callable[[Frame], None],
        on_misuse: Callable[[str], None],
    ) -> None:
        self.hung_up = False
        """Whether its connection has ended, though not yet its process."""
        self._current = current
        self._timer = timer
        self._on_answer = on_answer
        self._on_misuse = on_misuse

    def hear(self, post: Post) -> None:
        """There is something to read, or room to write."""
        process = post.process
        if process.unsent:
            process.flush()
            post.await_room()
        try:
            frames = process.receive()
        except ValueError:
            self._give_up()
            return
        if frames is None:  # it is dying, or its code has closed the socket: time will tell
            post.stop_hearing()
            self.hung_up = True
            self._timer.give_grace()
            return
        for frame in frames:
            if process is post.process:
                self._hear_frame(frame)

    def hear_last_words(self, post: Post) -> bool:
        """The process has ended. Returns whether it still holds the post, all being heard."""
        process = post.process
        if not self.hung_up:
            self.hear(post)
        return process is post.process

    def _hear_frame(self, frame: Frame) -> None:
        try:
            answer = check(frame, self._current.sent_at, time.monotonic())
        except ValueError:
            self._give_up()
            return
        if self._current.is_answered_by(answer):
            self._on_answer(answer)

    def _give_up(self) -> None:
        self._on_misuse("the code wrote to the interpreter's connection")
