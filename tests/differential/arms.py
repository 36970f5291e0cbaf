"""Runs a program as a call of the real engine, in a real sandbox, in either mode."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from conveyor_cli.backends.base import Delta, Finish, Message, Progress, Sampling, ToolOffer
from conveyor_cli.compose import make_parts
from conveyor_cli.engine.clock import RunClock
from conveyor_cli.engine.events import (
    CallEnded,
    Event,
    OutputReceived,
    StopReason,
    UnitFinished,
    UnitReady,
)
from conveyor_cli.engine.policy import Mode
from conveyor_cli.task import LimitOptions, ModelOptions, SandboxOptions, Task
from conveyor_sandbox.reports import Outcome, Status, Stream
from tests.differential.oracle import OBSERVER
from tests.differential.results import Result, read_observation

Pieces = Sequence[tuple[float, str]]
"""A response as it is decoded: seconds to wait, then the text that comes."""
UNTIL_IT_RAN = -1.0
"""In the place of seconds: until a unit has ended."""

_OPEN, _CLOSE = "```python\n", "```\n"
_BEGIN = f"exec(compile({OBSERVER!r}, '<observer>', 'exec'), {{'__name__': 'observer'}})\n"
_LOOK = "__import__('sys')._observe()\n"
_ENDLESS = 1_000_000
"""Tokens: more than any response has."""


@dataclass
class Chopped:
    """A backend that gives one response in given pieces."""

    pieces: Pieces = ()
    finish: Finish = Finish.EOS
    ran: Callable[[], bool] = bool
    """Whether a unit of the response has ended."""
    label = "chopped"
    template = None

    async def load(self, progress: Progress) -> None:
        """Nothing to load."""

    def respond(
        self,
        messages: Sequence[Message],  # noqa: ARG002
        sampling: Sampling,  # noqa: ARG002
        tools: Sequence[ToolOffer] = (),  # noqa: ARG002
    ) -> ChoppedResponse:
        return ChoppedResponse(self.pieces, self.finish, self.ran)

    async def forget(self) -> None:
        """Nothing is remembered."""

    async def close(self) -> None:
        """Nothing to give back."""


class ChoppedResponse:
    """One response: its pieces at their times."""

    def __init__(self, pieces: Pieces, finish: Finish, ran: Callable[[], bool]) -> None:
        self.finish: Finish | None = None
        self._pieces = pieces
        self._end = finish
        self._ran = ran
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        self._stopped.set()

    async def __aiter__(self) -> AsyncIterator[Delta]:
        for delay, text in self._pieces:
            await self._pause(delay)
            if self._stopped.is_set():
                break
            yield Delta(text, 1, time.monotonic())
        self.finish = Finish.STOPPED if self._stopped.is_set() else self._end

    async def _pause(self, delay: float) -> None:
        """As long as that, or until we are stopped."""
        if delay == UNTIL_IT_RAN:
            async with asyncio.timeout(30):
                while not (self._ran() or self._stopped.is_set()):  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
            return
        if not delay:
            await asyncio.sleep(0)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await self._stopped.wait()


def in_fences(program: str) -> str:
    """A response whose call is exactly this text. Only after a whole line can a fence follow."""
    return _OPEN + program + (_CLOSE if program.endswith("\n") else "")


def in_json(program: str) -> str:
    """The same as a call with JSON arguments."""
    call = {"name": "python", "arguments": {"code": program}}
    return f"<tool_call>\n{json.dumps(call)}\n</tool_call>"


class Arm:
    """One mode's engine with its sandbox. Each program gets a fresh interpreter, if asked for."""

    tools: tuple[str, ...] = ("python",)

    def __init__(self, mode: Mode, dialect: Literal["fences", "hermes"] = "fences") -> None:
        self._backend = Chopped(ran=lambda: bool(self.finished))
        task = Task(
            name="differential",
            prompt="go",
            mode=mode,
            tools=[*self.tools],
            model=ModelOptions(dialect=dialect, max_new_tokens=_ENDLESS),
            sandbox=SandboxOptions(kind="docker"),
            limits=LimitOptions(turns=1, tokens=_ENDLESS),
        )
        parts = make_parts(task, lambda _text, _fraction: None, self._backend)
        self._workplace, self._agent = parts.workplace, parts.agent
        self._write = in_fences if dialect == "fences" else in_json
        self._clock = RunClock()
        self.events: list[Event] = []
        """Of the last response."""

    async def start(self) -> None:
        await self._workplace.get_ready(lambda _text, _fraction: None, self._emit, self._clock)

    async def stop(self) -> None:
        await self._workplace.close()

    def _emit(self, event: Event) -> None:
        self.events.append(event)

    async def respond(self, pieces: Pieces, finish: Finish = Finish.EOS) -> None:
        """Let the model respond once; returns when all that it asked for is over."""
        self.events = []
        self._backend.pieces, self._backend.finish = pieces, finish
        await self._agent.ask("go", self._emit, self._clock)
        del self._agent.messages[1:]  # all but what the system says

    def halt(self, reason: StopReason) -> None:
        """Stop the response that is under way."""
        self._agent.halt(reason)

    async def begin(self) -> None:
        """An empty interpreter and workspace, and the observer in them."""
        assert self._workplace.guest is not None
        self._workplace.guest.restart()
        await self.respond([(0, self._write(_BEGIN))])
        assert self.outcome.status is Status.OK, self.outcome

    async def call(self, pieces: Pieces, finish: Finish = Finish.EOS) -> Result:
        """One call, and what came of it; nothing is observed."""
        await self.respond(pieces, finish)
        outcome = self.outcome
        failure = outcome.failure
        error = None
        if failure is not None:
            parts = (failure.type, failure.message, failure.traceback)
            error = dict(zip(("type", "message", "traceback"), parts, strict=True))
        return Result(
            self.written(Stream.STDOUT),
            self.written(Stream.STDERR),
            error,
            outcome.result,
            invalid=outcome.status is Status.ROLLED_BACK,
        )

    async def observe(self) -> dict[str, object] | None:
        """What is there now: variables, files, settings."""
        await self.respond([(0, self._write(_LOOK))])
        return read_observation(self.written(Stream.STDOUT))

    async def run(self, pieces: Pieces) -> Result:
        """A call in a fresh interpreter and workspace, and what it left."""
        await self.begin()
        result = await self.call(pieces)
        found = await self.observe()
        return Result(
            result.stdout, result.stderr, result.error, result.shown, result.invalid, found
        )

    # Of the last response

    @property
    def outcome(self) -> Outcome:
        """Of its call."""
        (ended,) = [event for event in self.events if isinstance(event, CallEnded)]
        return ended.outcome

    def written(self, stream: Stream) -> str:
        """What came on a stream."""
        return "".join(
            event.text
            for event in self.events
            if isinstance(event, OutputReceived) and event.stream is stream
        )

    @property
    def ready(self) -> list[UnitReady]:
        """The units that were released."""
        return [event for event in self.events if isinstance(event, UnitReady)]

    @property
    def finished(self) -> list[UnitFinished]:
        """The units that ended."""
        return [event for event in self.events if isinstance(event, UnitFinished)]
