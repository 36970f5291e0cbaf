"""One turn: the model's response while it is decoded, and the calls in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator

from conveyor_cli.backends.base import Delta, Finish, Message, Response, Role
from conveyor_cli.dialects.base import (
    CallText,
    Closed,
    Dialect,
    Invalid,
    Item,
    Opened,
    PieceReader,
    Prose,
    Resumed,
    TextEnded,
    Withdrawn,
)
from conveyor_cli.engine.call import OpenCall
from conveyor_cli.engine.clock import RunClock
from conveyor_cli.engine.events import (
    DecodeStopped,
    DeltaDecoded,
    Emit,
    FirstToken,
    StopReason,
    TurnEnded,
    TurnStarted,
)
from conveyor_cli.engine.opening import Opener, failure_of
from conveyor_cli.engine.places import place_of
from conveyor_cli.engine.policy import Mode, may_start
from conveyor_cli.engine.telling import WITHDRAWN, Call, ends_response, tell
from conveyor_cli.engine.verdict import Abandoned
from conveyor_cli.errors import ModelError
from conveyor_sandbox.reports import FileMade, Outcome
from conveyor_tools.function import Effects


class Turn:
    """One response and its calls.

    The calls run in the order in which they were opened, one when the one before it has ended
    well, whatever their lanes: a call that fails ends the response, and later ones do not run. Only
    calls of pure tools start at once, side by side; if one before them fails, they count no more.
    """

    def __init__(
        self,
        number: int,
        response: Response,
        dialect: Dialect,
        opener: Opener,
        mode: Mode,
        answers: Role,
        emit: Emit,
        clock: RunClock,
        *,
        early_stop: bool,
    ) -> None:
        self.number = number
        self.tokens = 0
        self.prose: list[str] = []
        self.calls: list[Call] = []
        self.stopped: StopReason | None = None
        self._response = response
        self._dialect = dialect
        self._opener = opener
        self._mode = mode
        self._answers = answers
        self._emit = emit
        self._clock = clock
        self._early_stop = early_stop
        self._open: OpenCall | None = None
        """The call that is being written."""
        self._unclosed: dict[int, OpenCall] = {}
        """That one, and others that are written beside it, by their places among the calls."""
        self._closed = False
        """Whether a call was closed."""
        self._settling: list[asyncio.Task[Outcome]] = []
        self._last: int | None = None
        """The call that ended the response, if one did: its place among the calls."""

    async def run(self) -> list[Message]:
        """Decode, run, settle. Returns what the turn adds to the conversation.

        Raises:
            ModelError: decoding failed; by then, what was open is taken back.
        """
        self._emit(TurnStarted(self._clock.now(), self.number))
        broken: ModelError | None = None
        try:
            try:
                await self._decode()
            except ModelError as error:
                broken = error
                self.stopped = self.stopped or StopReason.DROPPED
            self._finish_decoding()
            outcomes = [await settling for settling in self._settling]
        finally:
            for settling in self._settling:
                settling.cancel()
        told = self._tell(outcomes)
        self._emit(TurnEnded(self._clock.now(), self.number))
        if broken is not None:
            raise broken
        return told

    @property
    def files(self) -> Iterator[FileMade]:
        """What the tools of calls that count made on this side of the sandbox."""
        for call in self.calls:
            if isinstance(call, OpenCall) and call.counts:
                yield from call.files

    def halt(self, reason: StopReason) -> None:
        """End the turn early: it is cancelled, or a limit of the run was reached."""
        self._stop(reason)
        for call in self.calls:
            if isinstance(call, OpenCall) and not call.over:
                call.abandon(_ABANDONED.get(reason, Abandoned.CUT_OFF), self._clock.now())

    # Decoding

    async def _decode(self) -> None:
        async for delta in self._response:
            at = self._clock.at(delta.at)
            if not self.tokens:
                self._emit(FirstToken(at, self.number))
            self.tokens += delta.tokens
            self._emit(DeltaDecoded(at, self.number, delta.text, delta.tokens))
            self._act(self._read(delta), at)
            if self._closed and self._dialect.one_call:
                self._stop(StopReason.CALL_CLOSED)

    def _read(self, delta: Delta) -> Iterator[Item]:
        if delta.piece is not None and isinstance(self._dialect, PieceReader):
            return self._dialect.feed_piece(delta.piece, delta.text)
        return self._dialect.feed(delta.text)

    def _finish_decoding(self) -> None:
        at = self._clock.now()
        if self.stopped is None:
            self.stopped = _ENDS.get(self._response.finish, StopReason.LENGTH)
        if self.stopped in _ENDS.values():
            self._act(self._dialect.finish(complete=self.stopped is StopReason.EOS), at)
        for call in self._unclosed.values():
            if not call.closed:  # else it was rejected
                call.abandon(_ABANDONED.get(self.stopped, Abandoned.CUT_OFF), at)
        self._emit(DecodeStopped(at, self.number, self.stopped))

    def _failed(self) -> None:
        """A unit, or a whole call, ended the response before its text did."""
        if self._early_stop:
            self._stop(StopReason.UNIT_FAILED)

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
                case Opened():
                    self._open_call(item, at)
                case Resumed(number):
                    self._open = self._unclosed.get(number)
                case Invalid() if self._open is None:
                    self._refuse_call(item, at)
                case _ if self._open is not None:  # else it is of a call that is over
                    self._act_on_call(self._open, item, at)
                case Closed():
                    self._closed = True
            if self._closed and self._dialect.one_call:
                return

    def _act_on_call(
        self, call: OpenCall, item: CallText | TextEnded | Closed | Withdrawn | Invalid, at: float
    ) -> None:
        match item:
            case Closed() | Withdrawn() | Invalid() if call.closed:
                self._closed = True  # it was rejected, and ends only now
            case CallText() | TextEnded() if call.closed:
                return
            case CallText(text):
                call.feed(text, at)
                self._reject(call, at)
                return
            case TextEnded():
                call.flush(at)
                self._reject(call, at)
                return
            case Closed(length):
                self._closed = True
                call.close(at, length)
                if call.rejected_at is not None:
                    self._failed()
            case Withdrawn():
                call.invalidate(WITHDRAWN, at)
            case Invalid():
                call.invalidate(failure_of(item), at)
                self._failed()
        self._leave(call)

    def _leave(self, call: Call) -> None:
        """Nothing more is written of the call."""
        self._unclosed.pop(self.calls.index(call), None)
        if call is self._open:
            self._open = None

    def _reject(self, call: OpenCall, at: float) -> None:
        """End the call here if its text cannot become a valid one."""
        if call.rejected_at is not None and may_start(self._mode, call_closed=False):
            call.reject(at)
            self._failed()

    # Calls

    def _open_call(self, opened: Opened, at: float) -> None:
        place = place_of(self._dialect, opened, len(self.calls))
        call, admit = self._opener.open(
            self.number, opened, self._mode, at, self._emit, self._clock, self._failed, place
        )
        self._open = self._unclosed[len(self.calls)] = call
        self._dialect.watch(call.written)
        self._enter(call, admit, at_once=call.tool.effects is Effects.PURE)

    def _refuse_call(self, invalid: Invalid, at: float) -> None:
        if self._last is None:
            refused = self._opener.refuse(self.number, invalid, at, self._emit, self._clock)
            self._enter(refused)
            self._failed()

    def _enter(
        self, call: Call, admit: Callable[[], None] | None = None, *, at_once: bool = False
    ) -> None:
        """The call's turn comes when the one before it has ended, unless it may run `at_once`."""
        before = self._settling[-1] if self._settling else None
        at_once = at_once or before is None or before.done()
        if admit is not None and self._last is None and at_once:
            admit()
            admit = None
        self.calls.append(call)
        self._settling.append(asyncio.create_task(self._settle(call, admit, before)))

    async def _settle(
        self, call: Call, admit: Callable[[], None] | None, before: asyncio.Task[Outcome] | None
    ) -> Outcome:
        """See the call to its end, after the one before it, whose failure would make it void."""
        if before is not None:
            await before
        if self._last is not None:
            self._leave(call)
            call.skip()
        elif admit is not None:
            admit()
        outcome = await call.settle()
        if self._last is None and ends_response(call, outcome):
            self._last = self.calls.index(call)
            self._failed()
        return outcome

    def _tell(self, outcomes: list[Outcome]) -> list[Message]:
        """What the turn adds to the conversation: up to the call that ended it, and no more."""
        if not self.calls:
            return [Message(Role.ASSISTANT, "".join(self.prose).strip())]
        counted = self.calls if self._last is None else self.calls[: self._last + 1]
        return tell(self.number, self._dialect, self._answers, counted, outcomes)


_ENDS: dict[Finish | None, StopReason] = {
    Finish.EOS: StopReason.EOS,
    Finish.LENGTH: StopReason.LENGTH,
    Finish.DROPPED: StopReason.DROPPED,
}
"""How responses end by themselves."""

_ABANDONED = {
    StopReason.UNIT_FAILED: Abandoned.UNIT_FAILED,
    StopReason.CANCELLED: Abandoned.CANCELLED,
    StopReason.LIMIT: Abandoned.LIMIT,
}
"""What a decoding that was stopped means for its open call."""
