"""What the supervisor does between calls: checkpoints, lists of files, and taking calls back."""

from __future__ import annotations

import time

from . import files
from .frames import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional, Tuple

    from .current import Current
    from .frames import Frame
    from .host import Host
    from .post import Post
    from .reaper import Reaper
    from .runners import Runners
    from .undo import Undo

_PATIENCE = 3.0
"""Seconds that the worker has to leave a copy of itself, or to flush its files."""
_ANSWERS = {"checkpoint": "checkpointed", "list": "flushed"}
"""What the worker is asked for, and its answers."""


class Errands:
    """The worker's part in them bears a number of its own, and ends with its answer."""

    def __init__(
        self,
        root: bytes,
        host: Host,
        current: Current,
        undo: Undo,
        post: Post,
        runners: Runners,
        reaper: Reaper,
    ) -> None:
        self._root = root
        self._host = host
        self._current = current
        self._undo = undo
        self._post = post
        self._runners = runners
        self._reaper = reaper
        self._number = 0

    @property
    def are_done(self) -> bool:
        """Whether what is done now is one of them."""
        frame = self._current.frame
        return frame is not None and frame["op"] in _ANSWERS

    def list_files(self, frame: Frame) -> None:
        """First, what the code has written to open files is to be in them."""
        self._begin(frame)
        self._post.process.send(encode({"op": "flush", "call": 0, "index": self._number})[:-1])

    def take_checkpoint(self, frame: Frame) -> None:
        """The shell says what it has, then the worker leaves a copy of itself."""
        self._begin(frame)
        self._runners.shell.save(self._copy_worker)

    def hear(self, answer: Frame) -> None:
        """The worker has answered."""
        assert self._current.frame is not None
        if answer["ev"] != _ANSWERS[self._current.frame["op"]]:
            return
        if answer["ev"] == "checkpointed":
            self._undo.worker_answered(answer["why_not"])
        else:
            self._end()

    def expire(self) -> None:
        """There was no answer in time: go on without it."""
        self._current.give_time(_PATIENCE)
        if not self._runners.shell.give_up():
            self._undo.give_up()
            self._end()

    def roll_back(self, call: int) -> None:
        """Make the interpreter and the workspace what they were at the checkpoint."""
        lost: List[str] = []
        if self._undo.interpreter_is_clean:
            not_undone = self._undo.restore_files()
        else:
            lost, not_undone = self.replace_worker(restore_files=True)
        rolled_back = {"ev": "rolled_back", "call": call, "lost": lost, "not_undone": not_undone}
        self._host.send({**rolled_back, "t": time.monotonic()})

    def replace_worker(self, *, restore_files: bool) -> Tuple[List[str], List[str]]:
        """The checkpoint takes over, or an empty interpreter.

        Returns what is lost, and what could not be undone, in words.
        """
        lost, not_undone = self._post.replace(restore_files=restore_files)
        self._reaper.forget_checks()  # their processes are killed with all others
        self._runners.forget()
        return lost + self._runners.shell.lost, not_undone

    def _begin(self, frame: Frame) -> None:
        self._number += 1
        self._current.begin({**frame, "call": 0, "index": self._number}, _PATIENCE)

    def _copy_worker(self) -> None:
        pids = self._runners.pids
        if not self._undo.begin(self._post.process, self._number, self._end, companions=pids):
            self._end()

    def _end(self) -> None:
        """It is done, or the worker does not answer in its time."""
        errand: Optional[Frame] = self._current.end()
        assert errand is not None
        if errand["op"] == "checkpoint":
            self._host.send(self._undo.report())
            self._post.prepare()
        else:
            files.serve(self._root, errand, self._host.send)
