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

from . import files
from .answers import failed, interrupted
from .calls import Calls
from .contact import Contact
from .current import Current
from .errands import Errands
from .guard import adopt_orphans, hide
from .host import Host, receive
from .ledger import Ledger
from .memory import MemoryWatch
from .orders import Orders
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
    from typing import List

    from .frames import Frame

UNSAFE = "CONVEYOR_UNSAFE"
"""A variable that says: there is no sandbox around this, and the user knows."""


class Supervisor:
    """Serves one host with one worker at a time."""

    def __init__(self, host: Host, opening: Frame) -> None:
        limits = opening["limits"]
        self._host = host
        self._root = os.getcwdb()
        self._timeout = limits["unit_timeout"]
        self._poller = Poller()
        self._outputs = Outputs(host, self._poller, limits["output"])
        self._ledger = Ledger(host, self._outputs)
        self._undo = Undo(self._poller, limits)
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
        self._current = current = Current(self._timer)
        self._orders = Orders(host, current, self._do_at_once)
        self._contact = Contact(current, self._timer, self._hear_answer, self._break_off)
        self._post = Post(
            opening,
            self._poller,
            self._outputs,
            self._undo,
            self._calls,
            lambda: self._contact.hear(self._post),
            lambda: current.frame is not None,
        )
        self._errands = Errands(
            self._root, host, current, self._undo, self._post, self._runners, self._reaper
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
        self._orders.hear()

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

    def _cancel(self, call: int) -> None:
        """What runs of a call is interrupted, what waits is skipped."""
        if self._ledger.may_be_cancelled(call):
            current = self._current.frame
            if current is not None and current["call"] == call:
                self._interrupt("cancelled")
            outcome = failed("cancelled", "interrupt", "KeyboardInterrupt", "stopped")
            self._ledger.end_early(call, outcome)

    def _restart(self) -> None:
        """Start again with an empty interpreter, without what was asked for and not done."""
        outcome = failed("cancelled", "interrupt", "KeyboardInterrupt", "the interpreter restarted")
        for frame in self._orders.code_waiting():
            self._ledger.end_early(frame["call"], outcome)
        self._undo.drop_copy("the interpreter was restarted")
        self._shell.reset()
        self._lose_worker(outcome, "restart")

    # To the worker

    def _forward(self) -> None:
        """Give the worker its next unit; answer for the units of a call that is over."""
        for frame in iter(self._orders.next, None):
            if frame["op"] == "checkpoint":
                self._errands.take_checkpoint(frame)
            elif frame["op"] == "roll_back":
                self._errands.roll_back(frame["call"])
            elif frame["op"] == "list":
                self._errands.list_files(frame)
            elif self._ledger.admit(frame):
                self._give(frame)

    def _give(self, frame: Frame) -> None:
        if frame["op"] == "run":
            self._outputs.unit = (frame["call"], frame["index"])
        self._undo.unit_runs()
        self._current.begin(frame, self._timeout)
        if self._runners.of(frame) is None:
            self._post.give(frame)
            return
        if frame["op"] == "run":
            unit = {"call": frame["call"], "index": frame["index"]}
            self._host.send({"ev": "started", **unit, "t": self._current.sent_at})
        self._runners.begin(frame)

    def _prepare_shell(self) -> None:
        """It will be needed: where nothing is done, it gets ready."""
        if self._current.frame is None:
            with contextlib.suppress(OSError):  # said when it is needed
                self._shell.prepare()

    # Time

    def _interrupt(self, reason: str) -> None:
        if self._timer.interrupt(reason):
            self._interrupt_runner()

    def _interrupt_runner(self) -> None:
        (self._runners.of(self._current.frame) or self._post.process).interrupt()

    def _expire(self) -> None:
        """The time is up: interrupt; if that did not help within the grace time, kill."""
        if self._contact.hung_up:
            self._break_off("the code closed the interpreter's connection")
        elif self._errands.are_done:
            self._errands.expire()
        elif self._timer.reason is None:
            if not self._timer.extend():
                self._interrupt("timeout")
        elif self._timer.interrupt_again():
            self._interrupt_runner()
        else:
            self._timer.stop_waiting()
            runner = self._runners.of(self._current.frame)
            if runner is not None:
                runner.kill()
            else:
                kill_all(spared=self._undo.spared)

    # From the worker

    def _hear_answer(self, answer: Frame) -> None:
        """It has said something about what is done now, if that is for it to do."""
        if self._errands.are_done:
            self._errands.hear(answer)
        elif self._runners.of(self._current.frame) is None:
            if answer["ev"] == "started":
                if self._current.note_start():
                    self._host.send(answer)
            elif answer["ev"] in ("finished", "ended"):
                self._finish_unit(answer)

    def _finish_unit(self, answer: Frame) -> None:
        """The current unit, or end of a call, is done."""
        self._outputs.say()  # what the unit wrote comes before its end
        reason = self._timer.reason
        current = self._current.end()
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
        if not self._contact.hear_last_words(self._post):
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
        lost, _ = self._errands.replace_worker(restore_files=False)
        if between and not lost:
            lost.append("variables of the last call")
        current = self._current.end()
        self._contact.hung_up = False
        self._ledger.end_current_early(outcome)
        if current is not None and current["op"] == "run":
            self._ledger.finish(current, {**outcome, "exited": False, "t": time.monotonic()})
        elif current is not None:
            self._orders.put_back(current)
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
