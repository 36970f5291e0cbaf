"""The supervisor: the sandbox's first process, between the host and the worker.

It forwards one unit at a time to the worker, reads what the worker's process and its children
write, keeps the time limits, and starts a new worker when one is lost. It never runs the model's
code. When the host hangs up, it ends, and as the first process of its pid namespace takes every
other process with it.
"""

from __future__ import annotations

import base64
import codecs
import contextlib
import os
import select
import signal
import socket
import sys
import time
from collections import deque
from typing import Any, Deque, Dict, List, NoReturn, Optional, Tuple

from .frames import Frame, FrameDecoder, encode
from .worker import Worker

_GRACE = 1.0
"""Seconds that code has to react to an interrupt before its process is killed."""
_CONTROL = 500
"""The worker's control descriptor: out of the way of code that counts on low numbers."""


def leave() -> NoReturn:
    """End: the host is gone."""
    os._exit(0)


def receive(fd: int) -> bytes:
    """What can be read from one of the descriptors that end when the host is gone."""
    try:
        return os.read(fd, 65536) or leave()
    except OSError:
        leave()


class Host:
    """The way to the host: standard input and output, or a socket that it offers."""

    def __init__(self) -> None:
        self.read_fd = 0
        self._write_fd = 1

    def connect(self, path: str, token: str) -> bool:
        """Change to the Unix socket at `path`, if it can be reached from here."""
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            link.connect(path)
            link.sendall(token.encode("ascii") + b"\n")
        except OSError:
            link.close()
            return False
        self.read_fd = self._write_fd = link.detach()
        return True

    def send(self, frame: Frame) -> None:
        """Send a frame, waiting for room."""
        rest = encode(frame)
        try:
            while rest:
                rest = rest[os.write(self._write_fd, rest) :]
        except OSError:
            leave()

    def receive(self) -> bytes:
        """What the host sent."""
        return receive(self.read_fd)


class Output:
    """What a call writes to one stream: decoded, cut off at a limit, sent on as it comes."""

    def __init__(self, fd: int, stream: str) -> None:
        self.fd = fd
        self.stream = stream
        self.open = True
        os.set_blocking(fd, False)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._kept = 0
        self._dropped = 0

    def read(self, limit: int) -> Tuple[str, bool]:
        """What there is to read now (within the limit of bytes), and whether there may be more."""
        try:
            data = os.read(self.fd, 65536)
        except BlockingIOError:
            return "", False
        if not data:
            self.open = False  # the code closed it in every process
            return "", False
        kept = data[: max(0, limit - self._kept)]
        self._kept += len(kept)
        self._dropped += len(data) - len(kept)
        return self._decoder.decode(kept), True

    def end_call(self) -> str:
        """What is left to say of the call's output; the next call starts afresh."""
        text = self._decoder.decode(b"", final=True)
        if self._dropped:
            text += "\n[%d more bytes were written and not kept]\n" % self._dropped
        self._decoder.reset()
        self._kept = self._dropped = 0
        return text


class Process:
    """The worker's process, its control socket and its two output pipes."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        out, out_write = os.pipe()
        err, err_write = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            _become_worker(theirs, out_write, err_write)
        theirs.close()
        os.close(out_write)
        os.close(err_write)
        self.control = ours
        self.frames = FrameDecoder()
        self.outputs = [Output(out, "stdout"), Output(err, "stderr")]

    def close(self) -> None:
        """Let go of its descriptors. It is dead already."""
        self.control.close()
        for output in self.outputs:
            os.close(output.fd)


def _become_worker(control: socket.socket, out: int, err: int) -> None:
    """The child's side of the fork. Never returns."""
    code = 1
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (out, 1), (err, 2), (control.fileno(), _CONTROL)):
            os.dup2(source, target, inheritable=target != _CONTROL)
        os.closerange(3, _CONTROL)
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
            score.write("1000")  # out of memory, the worker goes first
        _prepare_interpreter()
        Worker(socket.socket(fileno=_CONTROL)).serve()
        code = 0
    finally:
        os._exit(code)


def _prepare_interpreter() -> None:
    """Make this look like a fresh interpreter that runs a script in the workspace."""
    sys.argv[:] = [""]
    sys.path[0] = os.getcwd()
    sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__name__ != "Sent"]
    options: Dict[str, Any] = {"encoding": "utf-8", "line_buffering": True}
    sys.stdout.reconfigure(errors="strict", **options)  # type: ignore[union-attr]
    sys.stderr.reconfigure(errors="backslashreplace", **options)  # type: ignore[union-attr]


class Supervisor:
    """Serves one host with one worker at a time."""

    def __init__(self, host: Host, limits: Dict[str, Any]) -> None:
        self._host = host
        self._limits = limits
        self._from_host = FrameDecoder()
        self._queue: Deque[Frame] = deque()
        self._current: Optional[Frame] = None
        self._last_unit: Tuple[int, int] = (0, 0)
        self._call = 0
        self._outcome: Optional[Frame] = None
        """How the current call failed, or that it ended itself; None while it goes on."""
        self._reason: Optional[str] = None
        """Why the current unit was interrupted: `timeout` or `cancelled`."""
        self._deadline: Optional[float] = None
        self._woken, wake = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._process = Process()

    def serve(self) -> None:
        """Until the host hangs up."""
        while True:
            for fd in self._wait():
                if fd == self._host.read_fd:
                    self._hear_host()
                elif fd == 0:
                    receive(0)  # the lifeline: nothing but its end comes there
                elif fd == self._woken:
                    self._reap()
                elif fd == self._process.control.fileno():
                    self._hear_worker()
                else:
                    self._drain()
            if self._deadline is not None and time.monotonic() >= self._deadline:
                self._interrupt("timeout")
            self._forward()

    def _wait(self) -> List[int]:
        poll = select.poll()
        watched = {0, self._host.read_fd, self._woken, self._process.control.fileno()}
        for fd in watched.union(output.fd for output in self._process.outputs if output.open):
            poll.register(fd, select.POLLIN)
        wait = None
        if self._deadline is not None:
            wait = max(0.0, self._deadline - time.monotonic()) * 1000 + 1
        return [fd for fd, _ in poll.poll(wait)]

    # From the host

    def _hear_host(self) -> None:
        for frame in self._from_host.feed(self._host.receive()):
            op = frame["op"]
            if op in ("run", "end"):
                self._queue.append(frame)
            elif op == "cancel":
                self._cancel(frame["call"])
            elif op == "restart":
                self._replace_worker("restart")
            elif op == "put":
                put_file(frame["path"], base64.b64decode(frame["data"]), append=frame["append"])
            elif op == "ping":
                self._host.send({"ev": "pong", "t": time.monotonic()})

    def _cancel(self, call: int) -> None:
        """Interrupt a call: what runs is stopped, what waits is skipped."""
        if call < self._call or (call == self._call and self._outcome is not None):
            return
        if self._current is not None and self._current["call"] == call:
            self._interrupt("cancelled")
        self._begin(call)
        self._outcome = _failed("cancelled", "cancelled", "interrupt", "stopped by the user")

    def _begin(self, call: int) -> None:
        if call != self._call:
            self._call, self._outcome = call, None

    # To the worker

    def _forward(self) -> None:
        """Give the worker its next unit; answer for the units of a call that is over."""
        while self._current is None and self._queue:
            frame = self._queue.popleft()
            call = frame["call"]
            self._begin(call)
            if self._outcome is None:
                self._drain()  # what was written until now is not this unit's
                self._current = frame
                if frame["op"] == "run":
                    self._last_unit = (call, frame["index"])
                self._deadline = time.monotonic() + self._limits["unit_timeout"]
                with contextlib.suppress(BrokenPipeError):  # its death is on its way to us
                    self._process.control.sendall(encode(frame))
            elif frame["op"] == "run":
                skipped = {"ev": "skipped", "call": call, "index": frame["index"]}
                self._host.send({**skipped, "t": time.monotonic()})
            else:
                self._end_call({"ev": "ended", "call": call, "result": None, **self._outcome})

    def _interrupt(self, reason: str) -> None:
        """First SIGINT; if that did not help within the grace time, SIGKILL to all."""
        if self._reason is None:
            self._reason = reason
            self._deadline = time.monotonic() + _GRACE
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGINT)
        else:
            self._deadline = None
            kill_others(self._process.pid)

    # From the worker

    def _hear_worker(self) -> None:
        try:
            data = self._process.control.recv(65536)
            frames = self._process.frames.feed(data)
        except (ConnectionError, ValueError):
            data = b""
        if not data:
            self._hung_up()
            return
        for frame in frames:
            self._hear_frame(frame)

    def _hear_frame(self, frame: Frame) -> None:
        current = self._current
        if current is None or frame.get("call") != current["call"]:
            return
        if frame.get("ev") == "started":
            self._host.send(frame)
            return
        self._drain()  # what the unit wrote comes before its end
        self._current = self._deadline = None
        if self._reason is not None:
            frame.update(_interrupted(self._reason, self._limits["unit_timeout"], frame["error"]))
            self._reason = None
        if frame.get("ev") == "ended":
            self._end_call(frame)
            return
        if frame["status"] != "ok" or frame["exited"]:
            self._outcome = {"status": frame["status"], "error": frame["error"]}
        self._host.send(frame)

    def _end_call(self, frame: Frame) -> None:
        self._drain()
        for output in self._process.outputs:
            self._say(output.stream, output.end_call())
        frame["t"] = time.monotonic()
        self._host.send(frame)

    def _drain(self) -> None:
        """Send on all that the worker's side has written so far."""
        for output in self._process.outputs:
            more = True
            while more:
                text, more = output.read(self._limits["output"])
                self._say(output.stream, text)

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
                if not pid:
                    return

    def _hung_up(self) -> None:
        """The control socket ended: the worker is dying, or its code has closed the socket."""
        alive_until = time.monotonic() + _GRACE
        while time.monotonic() < alive_until:
            pid, status = os.waitpid(self._process.pid, os.WNOHANG)
            if pid:
                self._worker_died(status)
                return
            time.sleep(0.001)
        message = "the code closed the interpreter's connection"
        self._lose_worker(_failed("error", "crash", "ConnectionError", message))

    def _worker_died(self, status: int) -> None:
        """Its unit is lost, the rest of its call is skipped, a new worker takes over."""
        self._drain()
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        if self._reason is not None:
            outcome = _interrupted(self._reason, self._limits["unit_timeout"], None)
        elif number == signal.SIGKILL:
            outcome = _failed("error", "memory", "MemoryError", "killed: out of memory")
        elif number:
            name = signal.Signals(number).name
            outcome = _failed("error", "crash", name, "the interpreter was killed by %s" % name)
        else:
            code = os.WEXITSTATUS(status)
            outcome = _failed(
                "error", "exit", "SystemExit", "the interpreter ended, code %d" % code
            )
        self._lose_worker(outcome)

    def _lose_worker(self, outcome: Frame) -> None:
        current, self._current = self._current, None
        self._outcome = self._outcome or outcome
        if current is not None and current["op"] == "run":
            now = time.monotonic()
            unit = {"ev": "finished", "call": current["call"], "index": current["index"]}
            self._host.send({**unit, **outcome, "exited": False, "t0": None, "t1": now})
        elif current is not None:
            self._queue.appendleft(current)
        self._replace_worker(outcome["error"]["message"])

    def _replace_worker(self, reason: str) -> None:
        """Start again with an empty interpreter. Files in the workspace stay."""
        kill_others(self._process.pid)
        with contextlib.suppress(ChildProcessError):  # where it is collected already
            os.waitpid(self._process.pid, 0)
        self._process.close()
        self._current = self._reason = self._deadline = None
        self._process = Process()
        self._host.send({"ev": "restarted", "reason": reason, "t": time.monotonic()})


def _failed(status: str, kind: str, name: str, message: str) -> Frame:
    error = {"kind": kind, "type": name, "message": message, "traceback": ""}
    return {"status": status, "error": error}


def _interrupted(reason: str, timeout: float, error: Optional[Frame]) -> Frame:
    """The outcome of a unit that was interrupted, with its traceback where it left one."""
    if reason == "timeout":
        outcome = _failed("timeout", "timeout", "TimeoutError", "ran longer than %g s" % timeout)
    else:
        outcome = _failed("cancelled", "interrupt", "KeyboardInterrupt", "stopped by the user")
    if error is not None:
        outcome["error"]["traceback"] = error["traceback"]
    return outcome


def kill_others(worker: int) -> None:
    """Kill the worker and all that it started: everything else in this pid namespace."""
    with contextlib.suppress(ProcessLookupError):
        if os.getpid() == 1:
            os.kill(-1, signal.SIGKILL)
        else:
            os.killpg(worker, signal.SIGKILL)


def put_file(path: str, content: bytes, *, append: bool) -> None:
    """Write a file of the task into the workspace. The host has checked the path."""
    folder = os.path.dirname(path)
    if folder:
        os.makedirs(folder, exist_ok=True)
    with open(path, "ab" if append else "wb") as file:
        file.write(content)


def main() -> None:
    """Say hello, find the better way to the host, serve."""
    host = Host()
    decoder = FrameDecoder()
    frames: List[Frame] = []
    while not frames:
        frames = decoder.feed(receive(0))
    opening = frames[0]
    hello = {"ev": "hello", "python": list(sys.version_info[:3]), "channel": "stdio"}
    if opening["socket"] and host.connect(opening["socket"], opening["token"]):
        hello["channel"] = "socket"
    os.write(1, encode(hello))
    Supervisor(host, opening["limits"]).serve()
