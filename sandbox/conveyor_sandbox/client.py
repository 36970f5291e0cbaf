"""The host's side of a guest: sends units, turns frames into reports."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any

from conveyor_sandbox.channel import Channel
from conveyor_sandbox.errors import SandboxDied
from conveyor_sandbox.guest.frames import FrameDecoder, encode
from conveyor_sandbox.reports import (
    Died,
    Ended,
    Failure,
    Finished,
    Outcome,
    Output,
    Report,
    Restarted,
    Skipped,
    Started,
    Status,
    Stream,
    UnitKey,
)

Clock = Callable[[], float]
_PINGS = 5
_FILE_CHUNK = 512 * 1024
"""Bytes of a file in one frame."""


class GuestClient:
    """One guest, from its hello to its end.

    `run`, `end`, `cancel` and `restart` send and return at once; what comes of them is told to
    the listener, in the order in which it happened in the guest.
    """

    def __init__(
        self, channel: Channel, python: tuple[int, int, int], clock: Clock = time.monotonic
    ) -> None:
        self.python = python
        self._channel = channel
        self._clock = clock
        self._decoder = FrameDecoder()
        self._listener: Callable[[Report], None] | None = None
        self._listening: asyncio.Task[None] | None = None
        self._offset = 0.0
        self._started: dict[UnitKey, float] = {}

    async def prepare(self, files: Mapping[str, bytes]) -> None:
        """Learn the guest's clock and write the task's files. Raises SandboxDied."""
        await self._learn_clock()
        for path, content in files.items():
            for start in range(0, max(1, len(content)), _FILE_CHUNK):
                data = base64.b64encode(content[start : start + _FILE_CHUNK]).decode()
                self._send({"op": "put", "path": path, "data": data, "append": start > 0})

    def listen(self, listener: Callable[[Report], None]) -> None:
        """From now on, tell the listener what happens. `Died` is the last thing it is told."""
        self._listener = listener
        self._listening = asyncio.create_task(self._listen())

    def run(self, unit: UnitKey, text: str, line: int) -> None:
        """Run a unit after all that was sent before. `line` is where it begins in its call."""
        frame = {"op": "run", "call": unit.call, "index": unit.index, "line": line, "text": text}
        self._send(frame)

    def end(self, call: int) -> None:
        """The call's text is complete: check it as a whole and show its last value."""
        self._send({"op": "end", "call": call})

    def cancel(self, call: int) -> None:
        """Interrupt what runs of the call, and skip the rest of it."""
        self._send({"op": "cancel", "call": call})

    def restart(self) -> None:
        """Start again with an empty interpreter."""
        self._send({"op": "restart"})

    async def close(self) -> None:
        """Hang up, and stop listening."""
        self._channel.close()
        if self._listening is not None:
            self._listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listening

    def _send(self, frame: dict[str, Any]) -> None:
        self._channel.write(encode(frame))

    async def _learn_clock(self) -> None:
        """Map the guest's monotonic clock to ours (Cristian's algorithm, best of five).

        On one kernel both are the same clock: an offset within the error bound is none.
        """
        best = float("inf")
        for _ in range(_PINGS):
            asked = self._clock()
            self._send({"op": "ping"})
            pong = await self._next_frame()
            answered = self._clock()
            if answered - asked < best:
                best = answered - asked
                self._offset = (asked + answered) / 2 - pong["t"]
        if abs(self._offset) <= best:
            self._offset = 0.0

    async def _next_frame(self) -> dict[str, Any]:
        while True:
            data = await self._channel.read()
            if not data:
                raise SandboxDied("the sandbox ended before it was ready")
            frames = self._decoder.feed(data)
            if frames:
                return frames[0]

    async def _listen(self) -> None:
        assert self._listener is not None
        reason = "the sandbox ended unexpectedly"
        while data := await self._channel.read():
            try:
                reports = [self._report(frame) for frame in self._decoder.feed(data)]
            except (ValueError, KeyError, TypeError) as error:
                # Frames of the worker pass through the supervisor: hostile code can forge them.
                reason = f"the guest broke the protocol: {error!r}"
                break
            for report in reports:
                self._listener(report)
        self._listener(Died(reason, self._clock()))

    def _report(self, frame: dict[str, Any]) -> Report:
        at = frame["t1" if frame["ev"] == "finished" else "t"] + self._offset
        match frame["ev"]:
            case "ended":
                return Ended(frame["call"], _outcome(frame), at)
            case "restarted":
                return Restarted(frame["reason"], at)
        unit = UnitKey(frame["call"], frame["index"])
        match frame["ev"]:
            case "started":
                self._started[unit] = at
                return Started(unit, at)
            case "output":
                return Output(unit, Stream(frame["stream"]), frame["text"], at)
            case "skipped":
                return Skipped(unit, at)
        return Finished(unit, _outcome(frame), self._started.pop(unit, at), at)


def _outcome(frame: dict[str, Any]) -> Outcome:
    error = frame["error"]
    return Outcome(
        status=Status(frame["status"]),
        failure=Failure(**error) if error else None,
        result=frame.get("result"),
        exited=frame.get("exited", False),
    )
