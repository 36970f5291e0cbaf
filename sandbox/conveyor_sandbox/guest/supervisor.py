"""The supervisor: the sandbox's first process, between the host and the worker.

It forwards one unit at a time to the worker, reads what the worker's process and its children
write, keeps the time limits, and takes calls back: by the worker's checkpoint and the mirror of the
workspace (see `undo`). It never runs the model's code, and believes nothing that it cannot check:
what the worker says may be the code's own words. When the host hangs up, it ends, and as the first
process of its pid namespace takes every other process with it.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections import deque

from . import files
from .answers import check, failed, interrupted
from .calls import Calls
from .frames import LineDecoder, decode, encode
from .guard import adopt_orphans, hide
from .host import Host, receive
from .ledger import Ledger
from .memory import MemoryWatch
from .outputs import Outputs
from .polling import Poller
from .post import Post
from .processes import ALONE, kill_all
from .reaper import Reaper
from .runners import Runners
from .timer import Timer
from .undo import Undo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Deque, List, Optional

    from .frames import Frame

UNSAFE = "CONVEYOR_UNSAFE"
"""A variable that says: there is no sandbox around this, and the user knows."""
_PATIENCE = 3.0
"""Seconds that the worker has to leave a copy of itself, or to flush its files."""
_IN_TURN = ("run", "end", "checkpoint", "roll_back", "list")
"""What is done one after another, as the host has said it."""
_ERRANDS = {"checkpoint": "checkpointed", "list": "flushed"}
"""What is done between calls, and what the worker answers."""


class Supervisor:
    """Serves one host with one worker at a time."""

    def __init__(self, host: Host, opening: Frame) -> None:
        limits = opening["limits"]
        self._host = host
        self._root = os.getcwdb()
        self._timeout = limits["unit_timeout"]
        self._from_host = LineDecoder()
        self._queue: Deque[Frame] = deque()
        self._current: Optional[Frame] = None
        """What the worker does now: a unit, the end of a call, or a checkpoint."""
        self._started = False
        """Whether it said that it began with it."""
        self._sent_at = 0.0
        self._hung_up = False
        """Whether its connection has ended, though not yet its process."""
        self._poller = Poller()
        self._outputs = Outputs(host, self._poller, limits["output"])
        self._ledger = Ledger(host, self._outputs)
        self._undo = Undo(self._poller, limits)
        self._errands = 0
        self._poller.watch(0, self._check_lifeline)
        self._poller.watch(host.read_fd, self._hear_host)
        self._runners = Runners(self._poller, self._outputs, opening["guard"], self._finish_unit)
        self._shell = self._runners.shell
        self._reaper = Reaper(host, self._poller, self._runners, self._hear_end)
        self._calls = Calls(opening["functions"], self._poller, self._hear_call)
        self._timer = Timer(self._calls)
        self._memory = MemoryWatch(limits["watched"])
        self._took_too_much = False
        """Whether the worker is killed for the memory of all."""
        self._post = Post(
            opening,
            self._poller,
            self._outputs,
            self._undo,
            self._calls,
            self._hear_worker,
            lambda: self._current is not None,
        )

    def serve(self) -> None:
        """Until the host hangs up."""
        while True:
            waits = (self._timer.left, self._shell.look_within, self._memory.look_within)
            self._poller.wait(min((it for it in waits if it is not None), default=None))
            self._shell.look()
            if self._timer.is_up:
                self._expire()
            if self._memory.is_exceeded(self._undo.spared):
                self._took_too_much = self._shell.took_too_much = True
                kill_all(spared=self._undo.spared)
            self._forward()

    # From the host

    def _check_lifeline(self) -> None:
        receive(0)  # beside a socket, nothing but its end comes there

    def _hear_host(self) -> None:
        for line in self._from_host.feed(self._host.receive()):
            frame = decode(line)
            if frame["op"] in _IN_TURN and not (frame["op"] == "list" and self._code_runs):
                frame["sent"] = line
                self._queue.append(frame)
            else:
                self._do_at_once(frame)

    def _do_at_once(self, frame: Frame) -> None:
        """What does not wait for the worker."""
        op = frame["op"]
        if op == "cancel":
            self._cancel(frame["call"])
        elif op == "restart":
            self._restart()
        elif op == "prepare":
            self._prepare_shell()
        elif op == "reply":
            self._calls.reply(frame)
        elif op == "check":
            self._reaper.check(frame["call"], frame["text"])
        elif op == "ping":
            self._host.send({"ev": "pong", "t": time.monotonic()})
        else:
            files.serve(self._root, frame, self._host.send)

    @property
    def _code_runs(self) -> bool:
        """Whether there is code to run, which may take as long as it likes."""
        frames = [*self._queue] if self._current is None else [self._current, *self._queue]
        return any(frame["op"] in ("run", "end") for frame in frames)

    def _cancel(self, call: int) -> None:
        """What runs of a call is interrupted, what waits is skipped."""
        if self._ledger.may_be_cancelled(call):
            if self._current is not None and self._current["call"] == call:
                self._interrupt("cancelled")
            outcome = failed("cancelled", "interrupt", "KeyboardInterrupt", "stopped")
            self._ledger.end_early(call, outcome)

    def _restart(self) -> None:
        """Start again with an empty interpreter, without what was asked for and not done."""
        outcome = failed("cancelled", "interrupt", "KeyboardInterrupt", "the interpreter restarted")
        for frame in self._queue:
            if frame["op"] in ("run", "end"):
                self._ledger.end_early(frame["call"], outcome)
        self._undo.drop_copy("the interpreter was restarted")
        self._shell.reset()
        self._lose_worker(outcome, "restart")

    # To the worker

    def _forward(self) -> None:
        """Give the worker its next unit; answer for the units of a call that is over."""
        while self._current is None and self._queue:
            frame = self._queue.popleft()
            if frame["op"] == "checkpoint":
                self._take_checkpoint(frame)
            elif frame["op"] == "roll_back":
                self._roll_back(frame["call"])
            elif frame["op"] == "list":
                self._list_files(frame)
            elif self._ledger.admit(frame):
                self._give(frame)

    def _give(self, frame: Frame) -> None:
        self._current = frame
        self._started = False
        if frame["op"] == "run":
            self._outputs.unit = (frame["call"], frame["index"])
        self._undo.unit_runs()
        self._sent_at = self._timer.start(self._timeout)
        if self._runners.of(frame) is None:
            self._post.give(frame)
            return
        if frame["op"] == "run":
            unit = {"call": frame["call"], "index": frame["index"]}
            self._host.send({"ev": "started", **unit, "t": self._sent_at})
        self._runners.begin(frame)

    def _prepare_shell(self) -> None:
        """It will be needed: where nothing is done, it gets ready."""
        if self._current is None:
            with contextlib.suppress(OSError):  # said when it is needed
                self._shell.prepare()

    # Undo

    def _begin_errand(self, frame: Frame) -> None:
        """The worker is asked for something between calls: its answer bears a number of its own."""
        self._errands += 1
        self._current = {**frame, "call": 0, "index": self._errands}
        self._sent_at = self._timer.start(_PATIENCE)

    def _end_errand(self) -> None:
        """It is done, or the worker does not answer in its time."""
        errand, self._current = self._current, None
        self._timer.stop()
        assert errand is not None
        if errand["op"] == "checkpoint":
            self._host.send(self._undo.report())
            self._post.prepare()
        else:
            files.serve(self._root, errand, self._host.send)

    def _list_files(self, frame: Frame) -> None:
        """First, what the code has written to open files is to be in them."""
        self._begin_errand(frame)
        self._post.process.send(encode({"op": "flush", "call": 0, "index": self._errands})[:-1])

    def _take_checkpoint(self, frame: Frame) -> None:
        self._begin_errand(frame)
        self._shell.save(self._copy_worker)

    def _copy_worker(self) -> None:
        done, pids = self._end_errand, self._runners.pids
        if not self._undo.begin(self._post.process, self._errands, done, companions=pids):
            done()

    def _replace_worker(self, *, restore_files: bool) -> List[str]:
        lost = self._post.replace(restore_files=restore_files)
        self._reaper.forget_checks()  # their processes are killed with all others
        self._runners.forget()
        return lost + self._shell.lost

    def _roll_back(self, call: int) -> None:
        """Make the interpreter and the workspace what they were at the checkpoint."""
        lost: List[str] = []
        if not self._undo.interpreter_is_clean:
            lost += self._replace_worker(restore_files=True)
        else:
            lost += self._undo.restore_files()
        self._host.send({"ev": "rolled_back", "call": call, "lost": lost, "t": time.monotonic()})

    def _interrupt(self, reason: str) -> None:
        if self._timer.interrupt(reason):
            self._interrupt_runner()

    def _interrupt_runner(self) -> None:
        (self._runners.of(self._current) or self._post.process).interrupt()

    def _expire(self) -> None:
        """The time is up: interrupt; if that did not help within the grace time, kill."""
        if self._hung_up:
            self._break_off("the code closed the interpreter's connection")
        elif self._current is not None and self._current["op"] in _ERRANDS:
            self._sent_at = self._timer.start(_PATIENCE)
            if not self._shell.give_up():
                self._undo.give_up()
                self._end_errand()
        elif self._timer.reason is None:
            if not self._timer.extend():
                self._interrupt("timeout")
        elif self._timer.interrupt_again():
            self._interrupt_runner()
        else:
            self._timer.stop_waiting()
            runner = self._runners.of(self._current)
            if runner is not None:
                runner.kill()
            else:
                kill_all(spared=self._undo.spared)

    # From the worker

    def _hear_worker(self) -> None:
        if self._post.process.unsent:
            self._post.process.flush()
            self._post.await_room()
        try:
            frames = self._post.process.receive()
        except ValueError:
            self._break_off("the code wrote to the interpreter's connection")
            return
        if frames is None:  # it is dying, or its code has closed the socket: time will tell
            self._post.stop_hearing()
            self._hung_up = True
            self._timer.give_grace()
            return
        process = self._post.process
        for frame in frames:
            if process is self._post.process:
                self._hear_frame(frame)

    def _hear_frame(self, frame: Frame) -> None:
        now = time.monotonic()
        try:
            answer = check(frame, self._sent_at, now)
        except ValueError:
            self._break_off("the code wrote to the interpreter's connection")
            return
        current = self._current
        if current is None or self._runners.of(current) is not None:
            return
        if (answer["call"], answer["index"]) != (current["call"], current.get("index")):
            return
        if current["op"] in _ERRANDS:
            if answer["ev"] == "checkpointed" == _ERRANDS[current["op"]]:
                self._undo.worker_answered(answer["why_not"])
            elif answer["ev"] == _ERRANDS[current["op"]]:
                self._end_errand()
            return
        if answer["ev"] in _ERRANDS.values():
            return
        if answer["ev"] == "started":
            if not self._started:
                self._started = True
                self._host.send(answer)
            return
        self._finish_unit(answer)

    def _finish_unit(self, answer: Frame) -> None:
        """The current unit, or end of a call, is done."""
        self._outputs.say()  # what the unit wrote comes before its end
        reason = self._timer.reason
        current, self._current = self._current, None
        self._timer.stop()
        assert current is not None
        if reason is not None:
            answer.update(interrupted(reason, self._timeout, answer["error"]), exited=False)
        self._ledger.finish(current, answer)
        if "restarted" in answer and reason != "cancelled":  # then it is rolled back anyway
            self._say_restarted(answer["restarted"], self._shell.lost)

    def _hear_call(self, frame: Frame) -> None:
        """The code calls a tool of the host, or no longer waits for it."""
        self._outputs.say()  # what it wrote before
        call, index = self._outputs.unit
        self._host.send({**frame, "call": call, "index": index})

    # The worker's end

    def _hear_end(self, pid: int, status: int) -> bool:
        """A process has ended. Returns whether it was the worker."""
        is_worker = pid == self._post.process.pid
        if is_worker:
            self._worker_died(status)
        return is_worker

    def _worker_died(self, status: int) -> None:
        """What it was doing is lost, unless its last words say otherwise."""
        if not self._hung_up:
            process = self._post.process
            self._hear_worker()
            if process is not self._post.process:
                return
        if self._took_too_much:
            self._took_too_much = False
            outcome = failed(
                "error", "memory", "MemoryError", "killed: out of memory, all together"
            )
        elif self._timer.reason is not None:
            outcome = interrupted(self._timer.reason, self._timeout, None)
        else:
            outcome = self._post.process.cause_of_death(status)
        self._lose_worker(outcome, outcome["error"]["message"])

    def _break_off(self, message: str) -> None:
        """It can no longer be used."""
        self._lose_worker(failed("error", "crash", "ConnectionError", message), message)

    def _lose_worker(self, outcome: Frame, reason: str) -> None:
        """The outcome is that of its unit, the rest of its call is skipped.

        The interpreter is then what it was at the checkpoint; files in the workspace stay.
        """
        self._undo.give_up()
        between = self._ledger.between_calls and not self._undo.interpreter_is_clean
        lost = self._replace_worker(restore_files=False)
        if between and not lost:
            lost.append("variables of the last call")
        current, self._current = self._current, None
        self._timer.stop()
        self._hung_up = False
        self._ledger.end_current_early(outcome)
        if current is not None and current["op"] == "run":
            self._ledger.finish(current, {**outcome, "exited": False, "t": time.monotonic()})
        elif current is not None:
            self._queue.appendleft(current)
        self._say_restarted(reason, lost)

    def _say_restarted(self, reason: str, lost: List[str]) -> None:
        restarted = {"ev": "restarted", "reason": reason, "lost": lost}
        self._host.send({**restarted, "t": time.monotonic()})


def main() -> None:
    """Greet the host, then serve it."""
    if not ALONE:
        own_folder = os.path.basename(os.getcwd()).startswith("conveyor-")  # removed at the end
        if os.environ.pop(UNSAFE, None) is None or not own_folder:
            sys.exit("the guest must be the first process of a pid namespace")
        adopt_orphans()
    hide()  # before there is another process
    host = Host()
    opening = host.greet()
    Supervisor(host, opening).serve()
