"""The supervisor: the sandbox's first process, between the host and the worker.

It forwards one unit at a time to the worker, reads what the worker's process and its children
write, keeps the time limits, and starts a new worker when one is lost. It never runs the model's
code, and believes nothing that it cannot check: what the worker says may be the code's own words.
When the host hangs up, it ends, and as the first process of its pid namespace takes every other
process with it.
"""

from __future__ import annotations

import base64
import contextlib
import os
import select
import signal
import time
from collections import deque
from functools import partial

from .answers import check, failed, interrupted
from .calls import Calls
from .capture import Capture
from .checks import Checks
from .frames import LineDecoder, decode
from .host import Host, receive
from .nested import Nested
from .process import Process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Deque, Dict, Optional, Tuple

    from .frames import Frame

_GRACE = 1.0
"""Seconds that code has to react to an interrupt before its process is killed."""


_LOOK = 0.05
"""Seconds between two looks whether code that is out of time still waits for a tool."""


class Supervisor:
    """Serves one host with one worker at a time."""

    def __init__(self, host: Host, limits: Dict[str, Any], functions: Any) -> None:
        self._host = host
        self._timeout = limits["unit_timeout"]
        self._from_host = LineDecoder()
        self._queue: Deque[Frame] = deque()
        self._current: Optional[Frame] = None
        """What the worker does now: a unit, or the end of a call."""
        self._started = False
        """Whether it said that it began with it."""
        self._sent_at = 0.0
        self._reason: Optional[str] = None
        """Why it was interrupted in that: `timeout` or `cancelled`."""
        self._deadline: Optional[float] = None
        """When to interrupt it, or to kill it if that has been done."""
        self._waited = 0.0
        """What of the time it waited for tools of the host is in the deadline."""
        self._hung_up = False
        """Whether its connection has ended, though not yet its process."""
        self._call = self._ended = 0
        """The call that was begun last, and the one that ended last."""
        self._over: Dict[int, Frame] = {}
        """Of calls not ended, those that nothing more may run of: how they failed, or left off."""
        self._last_unit: Tuple[int, int] = (0, 0)
        """Whose the output is that comes now."""
        self._captures = [Capture(name, limits["output"]) for name in ("stdout", "stderr")]
        self._poll = select.poll()
        self._handlers: Dict[int, Callable[[], None]] = {}
        self._woken = _wake_on_signals()
        self._watch(self._woken, self._reap)
        self._watch(0, self._check_lifeline)
        self._watch(host.read_fd, self._hear_host)
        self._checks = Checks()
        self._calls = Calls(functions, self._watch, self._unwatch, self._hear_call)
        self._process = self._start_worker()

    def serve(self) -> None:
        """Until the host hangs up."""
        while True:
            wait = None
            if self._deadline is not None:
                wait = max(0.0, self._deadline - time.monotonic()) * 1000 + 1
            for fd, _ in self._poll.poll(wait):
                handler = self._handlers.get(fd)
                if handler is not None:  # it may have gone since
                    handler()
            if self._deadline is not None and time.monotonic() >= self._deadline:
                self._expire()
            self._forward()

    def _watch(self, fd: int, handler: Callable[[], None], events: int = select.POLLIN) -> None:
        self._handlers[fd] = handler
        self._poll.register(fd, events)

    def _unwatch(self, fd: int) -> None:
        if self._handlers.pop(fd, None) is not None:
            self._poll.unregister(fd)

    # From the host

    def _check_lifeline(self) -> None:
        receive(0)  # beside a socket, nothing but its end comes there

    def _hear_host(self) -> None:
        for line in self._from_host.feed(self._host.receive()):
            frame = decode(line)
            op = frame["op"]
            if op in ("run", "end"):
                frame["sent"] = line
                self._queue.append(frame)
            elif op == "cancel":
                self._cancel(frame["call"])
            elif op == "restart":
                self._restart()
            elif op == "put":
                self._put(frame)
            elif op == "reply":
                self._calls.reply(frame)
            elif op == "check" and not self._checks.begin(frame["call"], frame["text"]):
                self._say_checked(frame["call"], "it could not be compiled")
            elif op == "ping":
                self._host.send({"ev": "pong", "t": time.monotonic()})

    def _cancel(self, call: int) -> None:
        """What runs of a call is interrupted, what waits is skipped."""
        if call <= self._ended or call in self._over:
            return
        if self._current is not None and self._current["call"] == call:
            self._interrupt("cancelled")
        self._over[call] = failed("cancelled", "interrupt", "KeyboardInterrupt", "stopped")

    def _restart(self) -> None:
        """Start again, without what was asked for and not done."""
        outcome = failed("cancelled", "interrupt", "KeyboardInterrupt", "the interpreter restarted")
        for frame in self._queue:
            self._over.setdefault(frame["call"], outcome)
        self._lose_worker(outcome, "restart")

    def _put(self, frame: Frame) -> None:
        """Write a file of the task into the workspace. The host has checked the path."""
        path = frame["path"]
        try:
            os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
            with open(path, "ab" if frame["append"] else "wb") as file:
                file.write(base64.b64decode(frame["data"]))
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            self._host.send({"ev": "refused", "path": path, "why": why, "t": time.monotonic()})

    # To the worker

    def _forward(self) -> None:
        """Give the worker its next unit; answer for the units of a call that is over."""
        while self._current is None and self._queue:
            frame = self._queue.popleft()
            call = self._call = frame["call"]
            over = self._over.get(call)
            if over is None:
                self._give(frame)
            elif frame["op"] == "run":
                skipped = {"ev": "skipped", "call": call, "index": frame["index"]}
                self._host.send({**skipped, "t": time.monotonic()})
            else:
                self._end_call({**over, "result": None})

    def _give(self, frame: Frame) -> None:
        self._current = frame
        self._started = False
        if frame["op"] == "run":
            self._last_unit = (frame["call"], frame["index"])
        self._sent_at = time.monotonic()
        self._deadline = self._sent_at + self._timeout
        self._waited = self._calls.waited()
        self._process.send(frame["sent"])
        if self._process.unsent:
            self._await_room()

    def _await_room(self) -> None:
        """Where the worker's socket is full, be told of room in it."""
        fd = self._process.control.fileno()
        if fd in self._handlers:
            room = select.POLLOUT if self._process.unsent else 0
            self._poll.modify(fd, select.POLLIN | room)

    def _interrupt(self, reason: str) -> None:
        if self._reason is None:
            self._reason = reason
            self._deadline = time.monotonic() + _GRACE
            self._process.interrupt()

    def _expire(self) -> None:
        """The time is up: interrupt; if that did not help within the grace time, kill."""
        if self._hung_up:
            self._break_off("the code closed the interpreter's connection")
        elif self._reason is None:
            if not self._extend():
                self._interrupt("timeout")
        else:
            self._deadline = None
            self._process.kill()

    def _extend(self) -> bool:
        """Whether it has time left: none passes while it waits for a tool of the host."""
        waited = self._calls.waited()
        now = time.monotonic()
        assert self._deadline is not None
        self._deadline += waited - self._waited
        self._waited = waited
        if self._calls.waiting:
            self._deadline = max(self._deadline, now + _LOOK)
        return self._deadline > now

    # From the worker

    def _hear_worker(self) -> None:
        if self._process.unsent:
            self._process.flush()
            self._await_room()
        try:
            frames = self._process.receive()
        except ValueError:
            self._break_off("the code wrote to the interpreter's connection")
            return
        if frames is None:  # it is dying, or its code has closed the socket: time will tell
            self._unwatch(self._process.control.fileno())
            self._hung_up = True
            self._deadline = time.monotonic() + _GRACE
            return
        process = self._process
        for frame in frames:
            if process is self._process:
                self._hear_frame(frame)

    def _hear_frame(self, frame: Frame) -> None:
        now = time.monotonic()
        try:
            answer = check(frame, self._sent_at, now)
        except ValueError:
            self._break_off("the code wrote to the interpreter's connection")
            return
        current = self._current
        if current is None or (answer["call"], answer["index"]) != (
            current["call"],
            current.get("index"),
        ):
            return
        if answer["ev"] == "started":
            if not self._started:
                self._started = True
                self._host.send(answer)
            return
        self._say_output()  # what the unit wrote comes before its end
        self._current = self._deadline = None
        if self._reason is not None:
            answer.update(interrupted(self._reason, self._timeout, answer["error"]), exited=False)
            self._reason = None
        self._finish(current, answer)

    def _finish(self, done: Frame, answer: Frame) -> None:
        outcome = {name: answer[name] for name in ("status", "error")}
        if done["op"] == "end":
            self._end_call({**outcome, "result": answer["result"]})
            return
        if outcome["status"] != "ok" or answer["exited"]:
            self._over.setdefault(done["call"], outcome)
        unit = {"ev": "finished", "call": done["call"], "index": done["index"]}
        self._host.send({**unit, **outcome, "exited": answer["exited"], "t": answer["t"]})

    def _end_call(self, outcome: Frame) -> None:
        """The current call is over, and its output complete."""
        self._say_output()
        for capture in self._captures:
            self._say(capture.stream, capture.end_call())
        self._over.pop(self._call, None)
        self._ended = self._call
        self._host.send({"ev": "ended", "call": self._call, "t": time.monotonic(), **outcome})

    def _hear_call(self, frame: Frame) -> None:
        """The code calls a tool of the host, or no longer waits for it."""
        self._say_output()  # what it wrote before
        call, index = self._last_unit
        self._host.send({**frame, "call": call, "index": index})

    def _hear_output(self, capture: Capture) -> None:
        fd = capture.fd
        text = capture.read()
        if capture.fd < 0:
            self._handlers.pop(fd)  # the code closed it in every process
            self._poll.unregister(fd)
        self._say(capture.stream, text)

    def _say_output(self) -> None:
        """Send on all that has been written so far."""
        for capture in self._captures:
            self._say(capture.stream, capture.drain())

    def _say(self, stream: str, text: str) -> None:
        if text:
            call, index = self._last_unit
            frame = {"ev": "output", "call": call, "index": index, "stream": stream, "text": text}
            self._host.send({**frame, "t": time.monotonic()})

    # The worker's end

    def _reap(self) -> None:
        """Collect the dead. As first process of the namespace, all orphans are ours."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._woken, 4096)
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == self._process.pid:
                    self._worker_died(status)
                    return
                if not pid:
                    return
                checked = self._checks.ended(pid, status)
                if checked is not None:
                    self._say_checked(*checked)

    def _say_checked(self, call: int, problem: str) -> None:
        now = time.monotonic()
        self._host.send({"ev": "checked", "call": call, "problem": problem, "t": now})

    def _worker_died(self, status: int) -> None:
        """What it was doing is lost, unless its last words say otherwise."""
        if not self._hung_up:
            process = self._process
            self._hear_worker()
            if process is not self._process:
                return
        if self._reason is not None:
            outcome = interrupted(self._reason, self._timeout, None)
        else:
            outcome = self._process.cause_of_death(status)
        self._lose_worker(outcome, outcome["error"]["message"])

    def _break_off(self, message: str) -> None:
        """It can no longer be used."""
        self._lose_worker(failed("error", "crash", "ConnectionError", message), message)

    def _lose_worker(self, outcome: Frame, reason: str) -> None:
        """The outcome is that of its unit, the rest of its call is skipped, a new one takes over.

        Files in the workspace stay.
        """
        self._process.collect()
        self._say_output()
        current, self._current = self._current, None
        if self._call > self._ended:
            self._over.setdefault(self._call, outcome)
        if current is not None and current["op"] == "run":
            self._finish(current, {**outcome, "exited": False, "t": time.monotonic()})
        elif current is not None:
            self._queue.appendleft(current)
        self._unwatch(self._process.control.fileno())
        for capture in self._captures:
            self._unwatch(capture.fd)
        self._process.control.close()
        self._reason = self._deadline = None
        self._hung_up = False
        self._process = self._start_worker()
        self._host.send({"ev": "restarted", "reason": reason, "t": time.monotonic()})

    def _start_worker(self) -> Process:
        process = Process(self._captures, Nested(self._calls.address, self._calls.functions))
        self._watch(process.control.fileno(), self._hear_worker)
        for capture in self._captures:
            self._watch(capture.fd, partial(self._hear_output, capture))
        return process


def _wake_on_signals() -> int:
    """A descriptor that can be read when a child has ended."""
    woken, wake = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return woken


def main() -> None:
    """Greet the host, then serve it."""
    host = Host()
    opening = host.greet()
    Supervisor(host, opening["limits"], opening["functions"]).serve()
