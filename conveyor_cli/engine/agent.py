"""The agent loop: the model responds, its call is run, it is told what came of it, and again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from conveyor_cli.backends.base import Backend, Finish, Message, Response, Role, Sampling
from conveyor_cli.dialects.base import CallText, Closed, Dialect, Item, Opened, Prose
from conveyor_cli.engine.call import Abandoned, OpenCall
from conveyor_cli.engine.clock import RunClock
from conveyor_cli.engine.events import (
    CallOpened,
    DecodeStopped,
    DeltaDecoded,
    Emit,
    FirstToken,
    RunStatus,
    StopReason,
    TurnEnded,
    TurnStarted,
)
from conveyor_cli.engine.policy import Mode
from conveyor_cli.engine.workplace import Workplace
from conveyor_cli.messages import observation
from conveyor_sandbox.sandbox import Progress
from conveyor_tools.tool import Tool


@dataclass(frozen=True, slots=True)
class Settings:
    """How the agent works. Limits: turns and tokens for one prompt, all responses together."""

    mode: Mode
    sampling: Sampling
    early_stop: bool = True
    turns: int = 8
    tokens: int = 2048


@dataclass(frozen=True, slots=True)
class Ending:
    """How a prompt ended. `answer` is the response without a call, if it came to one."""

    status: RunStatus
    answer: str | None
    reason: str


class Agent:
    """One conversation with one model and one workplace."""

    def __init__(
        self,
        backend: Backend,
        workplace: Workplace,
        tools: dict[str, Tool],
        dialect: Callable[[], Dialect],
        settings: Settings,
        system: str,
        progress: Progress,
    ) -> None:
        self.settings = settings
        self.messages = [Message(Role.SYSTEM, system)]
        self._backend = backend
        self._workplace = workplace
        self._tools = tools
        self._dialect = dialect
        self._progress = progress
        self._calls = 0
        self._turns = 0
        self._turn: Turn | None = None
        self._halted: StopReason | None = None

    @property
    def busy(self) -> bool:
        """Whether a turn is under way."""
        return self._turn is not None

    @property
    def halted(self) -> StopReason | None:
        """Why the prompt was told to end, if it was."""
        return self._halted

    def halt(self, reason: StopReason) -> None:
        """Stop decoding and take back the open call; the prompt ends. Returns at once."""
        if self._halted is None:
            self._halted = reason
        if self._turn is not None:
            self._turn.halt(reason)

    async def ask(self, prompt: str, emit: Emit, clock: RunClock) -> Ending:
        """Answer a prompt. One that comes to no ending leaves nothing in the conversation.

        Raises:
            ModelError, SandboxError: what it could not be answered for.
        """
        self._halted = None
        before = list(self.messages)
        self._add(Message(Role.USER, prompt))
        try:
            return await self._run_turns(emit, clock)
        except BaseException:
            self.messages = before
            raise

    async def _run_turns(self, emit: Emit, clock: RunClock) -> Ending:
        tokens = 0
        for number in range(self.settings.turns):
            if number:
                await self._workplace.replace_dead(self._progress, emit, clock)
            turn = await self._run_turn(self.settings.tokens - tokens, emit, clock)
            tokens += turn.tokens
            if self.halted is not None:
                return _halted(self.halted)
            if turn.call is None:
                return self._answer(turn)
            if tokens >= self.settings.tokens:
                reason = f"limit reached: {self.settings.tokens} tokens"
                return Ending(RunStatus.LIMIT, None, reason)
        return Ending(RunStatus.LIMIT, None, f"limit reached: {self.settings.turns} turns")

    async def _run_turn(self, tokens: int, emit: Emit, clock: RunClock) -> Turn:
        self._turns += 1
        sampling = self.settings.sampling
        sampling = replace(sampling, max_new_tokens=min(sampling.max_new_tokens, tokens))
        response = self._backend.respond(self.messages, sampling)
        turn = self._turn = Turn(
            self._turns, response, self._dialect(), self._open_call, self.settings, emit, clock
        )
        if self._halted is not None:
            turn.halt(self._halted)
        try:
            for message in await turn.run():
                self._add(message)
        finally:
            response.stop()
            self._turn = None
        return turn

    def _add(self, message: Message) -> None:
        """Add to the conversation. Chat templates want its sides to take turns."""
        last = self.messages[-1]
        if message.role is last.role:
            self.messages[-1] = Message(last.role, f"{last.content}\n\n{message.content}")
        else:
            self.messages.append(message)

    def _open_call(
        self, turn: Turn, name: str, start: int, at: float, emit: Emit, clock: RunClock
    ) -> OpenCall:
        self._calls += 1
        tool = self._tools[name]
        lane = self._workplace.lane(tool)
        emit(CallOpened(at, turn.number, self._calls, name, lane.name, start))
        call = OpenCall(
            turn.number,
            self._calls,
            lane.name,
            self._workplace.splitter(tool),
            lane.session,
            self.settings.mode,
            emit,
            clock,
            turn.unit_failed,
        )
        lane.open(call)
        return call

    def _answer(self, turn: Turn) -> Ending:
        answer = "".join(turn.prose).strip()
        if turn.stopped is StopReason.LENGTH:
            return Ending(RunStatus.LIMIT, answer, "the answer was cut off at the token limit")
        return Ending(RunStatus.DONE, answer, "")


OpenCallFor = Callable[["Turn", str, int, float, Emit, RunClock], OpenCall]


class Turn:
    """One response and its call."""

    def __init__(
        self,
        number: int,
        response: Response,
        dialect: Dialect,
        open_call: OpenCallFor,
        settings: Settings,
        emit: Emit,
        clock: RunClock,
    ) -> None:
        self.number = number
        self.tokens = 0
        self.prose: list[str] = []
        self.call: OpenCall | None = None
        self.stopped: StopReason | None = None
        self._response = response
        self._dialect = dialect
        self._open_call = open_call
        self._settings = settings
        self._emit = emit
        self._clock = clock
        self._call_closed = False

    async def run(self) -> list[Message]:
        """Decode, run, settle. Returns what the turn adds to the conversation."""
        self._emit(TurnStarted(self._clock.now(), self.number))
        async for delta in self._response:
            at = self._clock.at(delta.at)
            if not self.tokens:
                self._emit(FirstToken(at, self.number))
            self.tokens += delta.tokens
            self._emit(DeltaDecoded(at, self.number, delta.text, delta.tokens))
            self._act(self._dialect.feed(delta.text), at)
            if self._call_closed and self._dialect.one_call:
                self._stop(StopReason.CALL_CLOSED)
        self._finish_decoding()
        told = await self._settle()
        self._emit(TurnEnded(self._clock.now(), self.number))
        return told

    def unit_failed(self) -> None:
        """A unit ended the call before its text did."""
        if self._settings.early_stop and not self._call_closed:
            self._stop(StopReason.UNIT_FAILED)

    def halt(self, reason: StopReason) -> None:
        """End the turn early: it is cancelled, or a limit of the run was reached."""
        self._stop(reason)
        if self.call is not None:
            self.call.abandon(_ABANDONED.get(reason, Abandoned.CUT_OFF), self._clock.now())

    def _stop(self, reason: StopReason) -> None:
        if self.stopped is None:
            self.stopped = reason
        self._response.stop()

    def _act(self, items: Iterable[Item], at: float) -> None:
        """Act on what the dialect finds, one item at a time."""
        for item in items:
            match item:
                case Prose(text):
                    self.prose.append(text)
                case Opened(tool, start):
                    self.call = self._open_call(self, tool, start, at, self._emit, self._clock)
                    self._dialect.watch(self.call.splitter)
                case CallText(text):
                    assert self.call is not None
                    self.call.feed(text, at)
                case Closed(length):
                    assert self.call is not None
                    self._call_closed = True
                    self.call.close(at, length)
                    if self._dialect.one_call:
                        return

    def _finish_decoding(self) -> None:
        at = self._clock.now()
        if self.stopped is None:
            ended = self._response.finish is Finish.EOS
            self.stopped = StopReason.EOS if ended else StopReason.LENGTH
        if not self._call_closed and self.stopped in (StopReason.EOS, StopReason.LENGTH):
            self._act(self._dialect.finish(complete=self.stopped is StopReason.EOS), at)
        if self.call is not None and not self._call_closed:
            self.call.abandon(_ABANDONED.get(self.stopped, Abandoned.CUT_OFF), at)
        self._emit(DecodeStopped(at, self.number, self.stopped))

    async def _settle(self) -> list[Message]:
        if self.call is None:
            return [Message(Role.ASSISTANT, "".join(self.prose).strip())]
        call = self.call
        outcome = await call.settle()
        length = None
        if call.last_unit is not None:
            ran = [unit for unit in call.units if unit.index <= call.last_unit]
            length = sum(len(unit.text) for unit in ran)
        told = observation(
            outcome, call.units, call.last_unit, call.output, crashed=call.crashed, lost=call.lost
        )
        return [
            Message(Role.ASSISTANT, self._dialect.cut(length)),
            Message(Role.USER, told),
        ]


_ABANDONED = {
    StopReason.UNIT_FAILED: Abandoned.UNIT_FAILED,
    StopReason.CANCELLED: Abandoned.CANCELLED,
    StopReason.LIMIT: Abandoned.LIMIT,
}
"""What a decoding that was stopped means for its open call."""


def _halted(reason: StopReason) -> Ending:
    if reason is StopReason.LIMIT:
        return Ending(RunStatus.LIMIT, None, "limit reached: the run's time")
    return Ending(RunStatus.INTERRUPTED, None, "interrupted")
