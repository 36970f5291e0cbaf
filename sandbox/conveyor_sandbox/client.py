"""The host's side of a guest: sends units, turns frames into reports."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any

from conveyor_sandbox.channel import Channel
from conveyor_sandbox.errors import SandboxDied, SandboxUnavailable
from conveyor_sandbox.files import Files, put_frames
from conveyor_sandbox.guest.frames import LONGEST, FrameDecoder, encode
from conveyor_sandbox.reading import Reader
from conveyor_sandbox.reports import (
    Called,
    Checkpoint,
    Died,
    Dropped,
    Ended,
    Finished,
    Report,
    Restarted,
    RolledBack,
    Skipped,
    UnitKey,
)
from conveyor_sandbox.sandbox import Entry

Clock = Callable[[], float]
Listener = Callable[[Report], None]

_ANSWERS = Finished | Skipped | Ended | Checkpoint | RolledBack
"""What the guest owes for what it was asked."""
_PINGS = 5
_GRACE = 10.0
"""Seconds beyond a unit's own limit that the guest has to report its end."""
_MOST_UNSENT = 64 * 1024 * 1024
"""Bytes of replies that are kept for a guest that does not read them."""
_TICK = 1.0
"""Seconds between two looks at a guest that owes us an answer."""


class GuestClient:
    """One guest, from its hello to its end.

    `run`, `end`, `cancel`, `checkpoint`, `roll_back` and `restart` send and return at once; what
    comes of them is told to the listener, in the order in which it happened in the guest.

    The guest itself ends a unit that runs longer than `unit_timeout` (seconds). One that does not
    is given up soon after.
    """

    def __init__(
        self,
        channel: Channel,
        python: tuple[int, int, int],
        unit_timeout: float,
        clock: Clock = time.monotonic,
    ) -> None:
        self.python = python
        self.files = Files(self._send)
        """The workspace's files, once somebody listens (see `attend`)."""
        self._channel = channel
        self._patience = unit_timeout + _GRACE
        self._clock = clock
        self._decoder = FrameDecoder(LONGEST)
        self._reader = Reader()
        self._listener: Listener | None = None
        self._early: list[Report] = []
        """What happened before anyone listened."""
        self._listening: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._owed = 0
        """Units and ends of calls that the guest has not answered for."""
        self._silent = 0.0
        """Seconds since it answered for one, while it owed us one."""
        self._called: set[int] = set()
        """Calls of our functions that we have not answered."""
        self._given_up = False
        self._reason = "the sandbox ended unexpectedly"

    async def prepare(self, files: Mapping[str, Entry]) -> None:
        """Learn the guest's clock, write the task's files, and ask for the first checkpoint.

        Raises:
            SandboxUnavailable: a file cannot be written there.
            SandboxDied: the sandbox ended, or does not answer.
        """
        try:
            async with asyncio.timeout(self._patience):
                await self._learn_clock()
                await self._put(files)
                self.checkpoint()
        except TimeoutError:
            raise SandboxDied(f"the sandbox did not answer within {self._patience:g} s") from None
        except ValueError as error:
            raise SandboxDied(f"the sandbox broke the protocol: {error}") from error

    def listen(self, listener: Listener) -> None:
        """Tell the listener what happened since the start. `Died` is the last thing it is told.

        What the listener raises ends the listening with `Died`, and is raised by `close`.
        """
        if self._listening is None:
            self._attend(listener)
        else:  # after what is being told now, not within it
            asyncio.get_running_loop().call_soon(self._begin_to_tell, listener)

    def notice_death(self, on_death: Callable[[], None]) -> None:
        """Until there is a listener: call this when the guest has died."""

        def keep(report: Report) -> None:
            self._early.append(report)
            if isinstance(report, Died):
                on_death()

        self._attend(keep)

    def attend(self) -> None:
        """Hear what it answers though nobody listens, as where no call was made; that is kept."""
        if self._listening is None:
            self._attend(self._early.append)

    def _attend(self, listener: Listener) -> None:
        self._listener = listener
        self._listening = asyncio.create_task(self._listen())
        self._watching = asyncio.create_task(self._watch())

    def _begin_to_tell(self, listener: Listener) -> None:
        early, self._early = self._early, []
        self._listener = listener
        for report in early:
            listener(report)

    def run(self, unit: UnitKey, text: str, line: int) -> None:
        """Run a unit after all that was sent before. `line` is where it begins in its call."""
        frame = {"op": "run", "call": unit.call, "index": unit.index, "line": line, "text": text}
        self._owed += 1
        self._send(frame)

    def run_command(self, unit: UnitKey, text: str, *, is_open: bool) -> None:
        """The same in the shell. `is_open`: the text may end within a command."""
        frame = {"op": "run", "tool": "shell", "call": unit.call, "index": unit.index}
        self._owed += 1
        self._send({**frame, "text": text, "open": is_open})

    def run_operation(self, unit: UnitKey, arguments: Mapping[str, Any]) -> None:
        """The same for one of the `files` tool, with its arguments."""
        frame = {"op": "run", "tool": "files", "call": unit.call, "index": unit.index}
        self._owed += 1
        self._send({**frame, "arguments": dict(arguments)})

    def prepare_shell(self) -> None:
        """The shell will be needed."""
        self._send({"op": "prepare"})

    def end(self, call: int, tool: str = "python") -> None:
        """The call's text is complete: check it as a whole and show its last value."""
        self._owed += 1
        self._send({"op": "end", "call": call, "tool": tool})

    def cancel(self, call: int) -> None:
        """Interrupt what runs of the call, and skip the rest of it."""
        self._send({"op": "cancel", "call": call})

    def checkpoint(self) -> None:
        """What the calls so far did stays: from here on, `roll_back` goes back to this."""
        self._owed += 1
        self._send({"op": "checkpoint"})

    def roll_back(self, call: int) -> None:
        """Take the call back, which has ended: all is as it was at the checkpoint."""
        self._owed += 1
        self._send({"op": "roll_back", "call": call})

    def reply(self, number: int, text: str, *, ok: bool) -> None:
        """Answer a call of one of our functions: with its result as JSON, or with what is wrong."""
        self._called.discard(number)
        if self._channel.unsent > _MOST_UNSENT:
            self._give_up("the sandbox does not take what it asked for")
            return
        self._send({"op": "reply", "id": number, "ok": ok, "text": text})

    def check(self, call: int, text: str) -> None:
        """Ask whether a call's text is valid as a whole, while its units may be running."""
        self._send({"op": "check", "call": call, "text": text})

    def restart(self) -> None:
        """Start again with an empty interpreter; what was sent and did not end is cancelled."""
        self._send({"op": "restart"})

    async def close(self) -> None:
        """Hang up, and stop listening. Raises what the listener raised."""
        self._channel.close()
        tasks = (self._watching, self._listening)
        self._watching = self._listening = None
        for task in tasks:
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    def _send(self, frame: dict[str, Any]) -> None:
        self._channel.write(encode(frame))

    # Before it is listened to

    async def _learn_clock(self) -> None:
        """Map the guest's monotonic clock to ours (Cristian's algorithm, best of five).

        On one kernel both are the same clock: an offset within the error bound is none.
        """
        best = float("inf")
        offset = 0.0
        for _ in range(_PINGS):
            asked = self._clock()
            self._send({"op": "ping"})
            theirs = self._reader.time(await self._next_frame())
            answered = self._clock()
            if answered - asked < best:
                best = answered - asked
                offset = (asked + answered) / 2 - theirs
        self._reader.offset = 0.0 if abs(offset) <= best else offset

    async def _put(self, files: Mapping[str, Entry]) -> None:
        for path, entry in files.items():
            for frame in put_frames(path, entry):
                self._send(frame)
        self._send({"op": "ping"})
        frame = await self._next_frame()
        if frame.get("ev") == "refused":
            raise SandboxUnavailable(
                f"file {frame.get('path')} cannot be put into the sandbox ({frame.get('why')}): "
                "a larger sandbox.workspace_size, or fewer files, may help"
            )

    async def _next_frame(self) -> dict[str, Any]:
        while True:
            data = await self._channel.read()
            if not data:
                raise SandboxDied("the sandbox ended before it was ready")
            frames = self._decoder.feed(data)
            if frames:
                return frames[0]

    # While it is listened to

    async def _listen(self) -> None:
        try:
            await self._tell_all()
        except asyncio.CancelledError:
            if not self._given_up:
                raise
        except Exception as error:
            self._tell(Died(f"a report was not taken: {error!r}", self._clock()))
            raise
        finally:
            self.files.close()
        self._tell(Died(self._reason, self._clock()))

    def _tell(self, report: Report) -> None:
        assert self._listener is not None
        self._listener(report)

    async def _tell_all(self) -> None:
        while data := await self._channel.read():
            try:
                frames = self._decoder.feed(data)
                reports = [self._reader.read(it) for it in frames if not self.files.take(it)]
            except ValueError as error:
                self._reason = f"the sandbox broke the protocol: {error}"
                return
            for report in reports:
                if isinstance(report, _ANSWERS | Restarted):
                    self._silent = 0.0
                    self._owed -= not isinstance(report, Restarted)
                elif isinstance(report, Called):
                    self._called.add(report.number)
                elif isinstance(report, Dropped):
                    self._called.discard(report.number)
                self._tell(report)

    async def _watch(self) -> None:
        """Give the guest up when it owes an answer for too long.

        Counted in ticks: time in which this process itself was stopped does not count.
        """
        while self._silent < self._patience:
            await asyncio.sleep(_TICK)
            owes = self._owed > 0 and not self._called  # else it may be waiting for us
            self._silent = self._silent + _TICK if owes else 0.0
        self._give_up(f"the sandbox did not answer within {self._patience:g} s")

    def _give_up(self, reason: str) -> None:
        self._reason = reason
        self._given_up = True
        if self._listening is not None:
            self._listening.cancel()
