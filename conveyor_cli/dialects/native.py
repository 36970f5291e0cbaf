"""Calls that the server marks itself: it sends their arguments in pieces, beside the text.

Pieces of several calls may alternate. A call is closed at the last brace of its arguments; what a
server sends of it after that is ignored. One that turns out invalid ends the response only when
those before it are closed, since one of them may still win.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from conveyor_cli.backends.base import CallPiece
from conveyor_cli.dialects.base import (
    EndCheck,
    Fault,
    Invalid,
    Item,
    Opened,
    Prose,
    Resumed,
    Withdrawn,
    WrittenCall,
)
from conveyor_cli.dialects.json_call import JsonCall
from conveyor_cli.dialects.marked import CUT_OFF, MarkedDialect
from conveyor_cli.dialects.record import Record, written_calls


@dataclass(slots=True)
class _Call:
    """A call of the response. Places in its arguments count from their own beginning."""

    json: JsonCall
    records: list[Record]
    start: int
    """Where it begins in the response, as it is shown."""
    pieces: list[str] = field(default_factory=list)
    place: int | None = None
    """Among the calls that were opened or refused: of that which is open."""
    over: bool = False
    invalid: Invalid | None = None
    """What ends the response, once the calls before are closed."""


class NativeDialect:
    """Finds the calls of a response.

    `arguments` maps tools to the argument that is their text (None: all of the arguments are).
    """

    one_call = False

    def __init__(self, arguments: Mapping[str, str | None]) -> None:
        self._arguments = arguments
        self._text = MarkedDialect(arguments)
        self._prose: list[tuple[int, str]] = []
        self._seen = 0
        self._calls: list[_Call] = []
        self._entered: list[tuple[_Call, Record]] = []
        """Calls as the engine counts them."""
        self._current: int | None = None
        self._over = False

    def watch(self, call: EndCheck) -> None:
        """JSON says where the text ends, not its language."""

    def feed(self, text: str) -> Iterator[Item]:
        self._seen += len(text)
        if not self._over:
            yield from self._say(self._text.feed(text))

    def feed_piece(self, piece: CallPiece, shown: str) -> Iterator[Item]:
        start = self._seen + len(shown) - len(piece.arguments)
        self._seen += len(shown)
        if self._over:
            return
        if piece.name is not None:
            records: list[Record] = []
            call = _Call(JsonCall(self._arguments, 0, records, name=piece.name), records, start)
            self._calls.append(call)
            if problem := call.json.check_name():
                yield from self._give(call, [call.json.refuse(*problem, 0)])
        call = self._calls[piece.call]
        call.pieces.append(piece.arguments)
        if not call.over:
            yield from self._give(call, call.json.feed(piece.arguments))
            yield from self._close(call)

    def finish(self, *, complete: bool) -> Iterator[Item]:
        if not self._over:
            yield from self._say(self._text.finish(complete=complete))
        for call in self._calls:
            if self._over:
                return
            if call.invalid is not None:
                yield from self._end(call, call.invalid)
            elif not call.over and complete:
                blank = not "".join(call.pieces).strip()  # how some write that there are none
                yield from self._give(call, call.json.feed("{}") if blank else call.json.flush())
                yield from self._close(call)
            elif not call.over:
                if not call.json.is_open:
                    yield from self._end(call, call.json.refuse(Fault.CUT_OFF, CUT_OFF, 0))
                return

    def cut(self, length: int | None, call: int = 0) -> str:  # noqa: ARG002 - calls stand apart
        """The text before the call."""
        end = self._entered[call][0].start
        return "".join(text for start, text in self._prose if start < end).strip()

    def calls(self, length: int | None, call: int) -> list[WrittenCall]:
        """The calls up to that one."""
        written: list[WrittenCall] = []
        for place, (it, record) in enumerate(self._entered[: call + 1]):
            if place == call or not record.withdrawn:
                size = length if place == call else None
                text = "".join(it.pieces)
                written += written_calls([record], text, self._arguments, size)
        return written

    def _say(self, items: Iterable[Item]) -> Iterator[Item]:
        for item in items:
            if isinstance(item, Prose):
                self._prose.append((self._seen, item.text))
            yield item

    def _give(self, call: _Call, items: Iterable[Item]) -> Iterator[Item]:
        """Give out what is found of a call, and say which one it is where that has changed."""
        for item in items:
            if isinstance(item, Invalid):
                call.over, call.invalid = True, item
                before = self._calls[: self._calls.index(call)]
                if all(it.over and it.invalid is None for it in before):
                    yield from self._end(call, item)
                return
            if isinstance(item, Opened):
                call.place = self._current = len(self._entered)
                self._entered.append((call, call.records[-1]))
                yield replace(item, start=call.start + item.start)
                continue
            yield from self._resume(call)
            yield item
            if isinstance(item, Withdrawn):
                call.place = self._current = None

    def _close(self, call: _Call) -> Iterator[Item]:
        """Close the call, if its arguments are complete."""
        if call.over or call.json.object_end is None:
            return
        item = call.json.close(call.json.object_end)
        yield from self._give(call, [item])
        if isinstance(item, Invalid):
            return
        call.over = True
        self._current = None
        for it in self._calls:  # one that waited for this one may be next
            if not it.over:
                return
            if it.invalid is not None:
                yield from self._end(it, it.invalid)
                return

    def _end(self, call: _Call, invalid: Invalid) -> Iterator[Item]:
        """Nothing after this call counts."""
        self._over = True
        if call.place is None:
            call.place = len(self._entered)
            self._entered.append((call, call.records[-1]))
        yield from self._resume(call)
        yield replace(invalid, start=call.start)

    def _resume(self, call: _Call) -> Iterator[Item]:
        assert call.place is not None
        if self._current != call.place:
            self._current = call.place
            yield Resumed(call.place)
