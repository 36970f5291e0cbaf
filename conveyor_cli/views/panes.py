"""The two panes of the live view: what the model writes, and what its calls print.

Both show the end of something that grows without bound, so both are built from the end backwards
and stop as soon as the pane is full: what a frame costs does not depend on how much came before.

Not covered: calls whose pieces a server sends by turns. What is in no unit yet is shown mixed.
"""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console
from rich.syntax import Syntax
from rich.text import Text

from conveyor_cli.engine.timeline import Timeline
from conveyor_cli.engine.tracks import CallTrack, Phase, TurnTrack, UnitTrack
from conveyor_cli.views.marks import MARKS, glyph
from conveyor_cli.views.text import failure_line, safe
from conveyor_sandbox.reports import Stream, UnitKey
from conveyor_tools.json_literal import literal_end, literal_rest

_TAB = 4
_MARKUP = (
    "```",
    *("<tool_call>", "</tool_call>", "<function=", "</function>", "<parameter=", "</parameter>"),
)
_MARGIN = 2
"""Cells left of every row, for its mark."""
_RANK = (Phase.FAILED, Phase.RUNNING, Phase.ROLLED_BACK, Phase.SKIPPED, Phase.WAITING, Phase.HELD)
"""Which unit's mark a line shows that several share."""


@dataclass(slots=True)
class _CodeLine:
    """A line of a call, and the units with code on it."""

    text: Text
    units: list[UnitTrack]


class ModelPane:
    """The model's responses, code highlighted, with each unit's state beside its lines."""

    def __init__(self, timeline: Timeline, console: Console) -> None:
        self._timeline = timeline
        self._console = console
        self._ascii = console.options.ascii_only
        self._highlighted: dict[UnitKey, list[Text]] = {}
        self._read: dict[int, tuple[int, int]] = {}
        """Of calls in JSON strings: how much is in units, and where that ends in the response."""

    def rows(self, width: int, limit: int) -> list[Text]:
        """The last `limit` rows, each at most `width` cells wide."""
        rows: list[Text] = []
        for turn in reversed(self._timeline.turns.values()):
            if len(rows) >= limit:
                break
            rows = self._turn_rows(turn, width, limit - len(rows)) + rows
            if turn.number > 1 and len(rows) < limit:
                rows.insert(0, Text(f"turn {turn.number}", style="bright_black"))
        return rows[-limit:] if limit > 0 else []

    def _turn_rows(self, turn: TurnTrack, width: int, limit: int) -> list[Text]:
        text = turn.text
        end = len(text)
        rows: list[Text] = []
        for call in reversed(turn.calls):
            rest, code_end = self._unreleased(call, text, end, limit * 4 * width)
            rows = self._prose(text, code_end, end, width, limit - len(rows)) + rows
            if len(rows) < limit:
                rows = self._code(call, rest, width, limit - len(rows)) + rows
            end = call.start
            if len(rows) >= limit:
                return rows
        return self._prose(text, 0, end, width, limit - len(rows)) + rows

    def _unreleased(self, call: CallTrack, text: str, end: int, most: int) -> tuple[str, int]:
        """The call's text that is in no unit yet, or the end of it, and where it ends."""
        if not call.literal:
            done = call.start + call.released if call.released_end is None else call.released_end
            code_end = end
            if call.text is not None:
                own = call.start + len(call.text) if call.end is None else call.end
                code_end = min(end, own)
            return text[max(done, code_end - most) : code_end], code_end
        released, start = self._read.get(call.number, (0, call.start))
        start = literal_end(text, start, call.released - released)
        self._read[call.number] = (call.released, start)
        if call.text is None:
            start = max(start, end - most)  # perhaps inside an escape, in a row above the pane
        rest, code_end = literal_rest(text, start)
        unfinished = text.startswith("\\", code_end)  # an escape
        return rest, end if unfinished else min(end, code_end)

    def _prose(self, text: str, start: int, end: int, width: int, limit: int) -> list[Text]:
        """The end of `text[start:end]`, wrapped; the marks of calls are dimmed."""
        start = max(start, end - max(0, limit) * width)
        shown = safe(text[start:end]).expandtabs(_TAB).strip("\n")
        rows: list[Text] = []
        for line in shown.split("\n") if shown.strip() else []:
            style = "bright_black" if line.lstrip().startswith(_MARKUP) else ""
            rows += Text(line, style=style).wrap(self._console, max(1, width - 1)) or [Text()]
        for row in rows:
            row.rstrip()
        return rows[-limit:] if limit > 0 else []

    def _code(self, call: CallTrack, rest: str, width: int, limit: int) -> list[Text]:
        """The end of a call's code, `rest` being what of it is in no unit."""
        pieces: list[tuple[list[Text], UnitTrack | None]] = [(self._lines(call, rest), None)]
        count = rest.count("\n")
        for unit in reversed(call.units):
            if count > limit:
                break
            if unit.key not in self._highlighted:
                self._highlighted[unit.key] = self._lines(call, unit.text)
            pieces.insert(0, (self._highlighted[unit.key], unit))
            count += unit.text.count("\n")
        lines = [_CodeLine(Text(), [])]
        for texts, owner in pieces:
            for i, line in enumerate(texts):
                if i:
                    lines.append(_CodeLine(Text(), []))
                if line:
                    lines[-1].text = Text.assemble(lines[-1].text, line) if i == 0 else line
                if owner is not None and _has_code(owner, i):
                    lines[-1].units.append(owner)
        if not lines[-1].text:
            lines.pop()
        first = max(0, len(lines) - limit)
        return [self._marked(lines, i, width) for i in range(first, len(lines))]

    def _lines(self, call: CallTrack, text: str) -> list[Text]:
        """A piece of a call's code, highlighted in the language that the tool is named after."""
        shown = safe(text).expandtabs(_TAB)
        if not shown:
            return [Text()]
        syntax = Syntax("", call.tool, theme="ansi_dark", background_color="default")
        highlighted = syntax.highlight(shown)
        highlighted = highlighted[: len(shown)]  # without the newline that it may append
        return list(highlighted.split("\n", allow_blank=True))

    def _marked(self, lines: list[_CodeLine], i: int, width: int) -> Text:
        """A code line with the mark of its unit: a glyph on the first line, then a rule."""
        units = lines[i].units
        mark, style = " ", ""
        if units:
            phases = {unit.phase for unit in units}
            phase = next((p for p in _RANK if p in phases), Phase.OK)
            begins = i == 0 or units != lines[i - 1].units
            rule = "|" if self._ascii else "│"
            mark = glyph(phase, ascii_only=self._ascii) if begins else rule
            style = MARKS[phase].style
        row = Text.assemble((mark, style), " ", lines[i].text)
        row.truncate(width, overflow="ellipsis")
        return row


class OutputPane:
    """What the calls printed, showed and raised. Standard error is marked with `!`."""

    def __init__(self, timeline: Timeline, console: Console) -> None:
        self._timeline = timeline
        self._ascii = console.options.ascii_only

    def rows(self, width: int, limit: int) -> list[Text]:
        """The last `limit` rows, each at most `width` cells wide."""
        rows: list[Text] = []
        for call in reversed(self._timeline.calls.values()):
            if len(rows) >= limit:
                break
            rows = self._call_rows(call, width, limit - len(rows)) + rows
        return rows[-limit:] if limit > 0 else []

    def _call_rows(self, call: CallTrack, width: int, limit: int) -> list[Text]:
        rows: list[Text] = []
        if call.outcome is not None and call.outcome.result is not None:
            rows += _prefixed("= ", call.outcome.result[-limit * width :], "bold", width)
        failed = next((unit for unit in call.units if unit.failure is not None), None)
        failure = failed.failure if failed else call.outcome.failure if call.outcome else None
        if failure is not None:
            mark = glyph(Phase.FAILED, ascii_only=self._ascii)
            what = failure_line(failure)[: limit * width]
            rows += _prefixed(f"{mark} ", what, MARKS[Phase.FAILED].style, width)
        if call.rolled_back_at is not None:
            mark = glyph(Phase.ROLLED_BACK, ascii_only=self._ascii)
            what = "rolled back" + (f" ({call.lost})" if call.lost else "")
            rows += _prefixed(f"{mark} ", what, MARKS[Phase.ROLLED_BACK].style, width)
        return _written(call, width, limit - len(rows)) + rows


def _written(call: CallTrack, width: int, limit: int) -> list[Text]:
    """The end of what a call wrote, a change of stream beginning a new row."""
    taken: list[tuple[Stream, str]] = []
    newlines = size = 0
    for stream, text in reversed(call.output):
        if newlines > limit or size > limit * width:
            break
        tail = text[-limit * width :]
        newlines += tail.count("\n")
        size += len(tail)
        if taken and taken[0][0] is stream:
            taken[0] = (stream, tail + taken[0][1])
        else:
            taken.insert(0, (stream, tail))
    rows: list[Text] = []
    for stream, text in taken:
        prefix, style = ("! ", "red") if stream is Stream.STDERR else ("", "")
        rows += _prefixed(prefix, text.removesuffix("\n"), style, width)
    return rows[-limit:] if limit > 0 else []


def _prefixed(prefix: str, text: str, style: str, width: int) -> list[Text]:
    """The lines of a text, each behind a prefix, cut to the width."""
    rows = []
    for line in safe(text).expandtabs(_TAB).split("\n"):
        row = Text(prefix + line, style=style)
        row.truncate(width, overflow="ellipsis")
        rows.append(row)
    return rows


def _has_code(unit: UnitTrack, offset: int) -> bool:
    """Whether line `offset` of the unit's text lies in its span (and not in a comment before)."""
    return unit.span[0] <= unit.line + offset <= unit.span[1]
