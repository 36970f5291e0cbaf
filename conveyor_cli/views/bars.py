"""Bars drawn with eighths of a cell.

A strip is a row of slots, eight to a terminal cell, each holding what is there at that moment.
`Strip.cells` turns every eight slots into the one character that shows them best.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from rich.console import Console

EIGHTHS = 8
_THINNEST = 2
"""A bar is never thinner than this many slots, however short it was."""


class Fill(IntEnum):
    """What a slot shows. From `DECODE` on it is a solid bar."""

    EMPTY = 0
    WAITING = 1
    PREFILL = 2
    UNDONE = 3
    DECODE = 4
    OVERLAPPED = 5
    EXPOSED = 6
    FAILED = 7


STYLES = {
    Fill.EMPTY: "",
    Fill.WAITING: "bright_black",
    Fill.PREFILL: "blue",
    Fill.UNDONE: "magenta",
    Fill.DECODE: "blue",
    Fill.OVERLAPPED: "green",
    Fill.EXPOSED: "yellow",
    Fill.FAILED: "red",
}


@dataclass(frozen=True, slots=True)
class Ink:
    """What the terminal can draw.

    `reverse` lets a bar begin at any eighth (a left block in reverse video is a right block);
    without it, as in a file, only at halves. Without `colour` the decode lane is dimmed, so that it
    stands apart from the lane below it.
    """

    ascii_only: bool = False
    reverse: bool = True
    colour: bool = True

    @classmethod
    def of(cls, console: Console) -> Ink:
        """What this console can draw."""
        return cls(
            ascii_only=console.options.ascii_only,
            reverse=console.color_system is not None,
            colour=not console.no_color,
        )


class Strip:
    """One lane, `width` cells wide."""

    def __init__(self, width: int) -> None:
        self._slots = bytearray(width * EIGHTHS)
        self._bar = (-EIGHTHS, -EIGHTHS)  # the last bar

    def fill(self, begin: int, end: int, fill: Fill) -> None:
        """Fill the slots from `begin` up to `end`, over what is there."""
        begin, end = max(0, begin), min(end, len(self._slots))
        if end > begin:
            self._slots[begin:end] = bytes((fill,)) * (end - begin)

    def bar(self, begin: int, end: int, fill: Fill) -> tuple[int, int]:
        """Draw a bar, visibly apart from the one before it; return where it lies.

        Bars that touch are parted at the nearest edge of a cell, where a gap can be drawn.
        """
        begin = min(begin, len(self._slots) - _THINNEST)
        end = max(end, begin + _THINNEST)
        last_begin, last_end = self._bar
        if begin - last_end < _THINNEST:
            edge = round(begin / EIGHTHS) * EIGHTHS
            if last_begin < edge - _THINNEST and edge + _THINNEST <= end:
                begin = edge
                self.fill(edge - _THINNEST, edge, Fill.EMPTY)
        self.fill(begin, end, fill)
        self._bar = (begin, end)
        return self._bar

    def cells(self, ink: Ink) -> list[tuple[str, str]]:
        """A character and its style for every cell."""
        slots = bytes(self._slots)
        return [_cell(slots[i : i + EIGHTHS], ink) for i in range(0, len(slots), EIGHTHS)]


_LEFT = " ▏▎▍▌▋▊▉█"
_TEXTURES = {Fill.WAITING: "░", Fill.PREFILL: "╍", Fill.UNDONE: "▒"}
_ASCII = {Fill.EMPTY: " ", Fill.WAITING: ":", Fill.PREFILL: "-", Fill.UNDONE: "~"}


@lru_cache(maxsize=4096)
def _cell(slots: bytes, ink: Ink) -> tuple[str, str]:
    """The character that shows these eight slots best, and its style."""
    fill, begin, end = _largest_run(slots)
    style = STYLES[fill] if ink.colour or fill is not Fill.DECODE else "dim"
    if ink.ascii_only:
        return _ASCII.get(fill, "#"), style
    if fill is Fill.EMPTY:
        return " ", style
    if fill in _TEXTURES:
        return _TEXTURES[fill], style
    size = end - begin
    if begin <= EIGHTHS - end:  # nearer to the left edge: a block that grows from there
        return _LEFT[size], style
    if ink.reverse:
        return _LEFT[EIGHTHS - size], f"{style} reverse"
    return ("█" if size > EIGHTHS * 3 // 4 else "▐" if size > _THINNEST else "▕"), style


def _largest_run(slots: bytes) -> tuple[Fill, int, int]:
    """The longest stretch of solid slots; without one, the most frequent texture."""
    best = (0, 0)
    begin = None
    for i, slot in enumerate((*slots, Fill.EMPTY)):
        if slot >= Fill.DECODE:
            begin = i if begin is None else begin
        elif begin is not None:
            if i - begin > best[1] - best[0]:
                best = (begin, i)
            begin = None
    if best[1]:
        run = slots[best[0] : best[1]]
        return Fill(max(run, key=run.count)), *best
    textures = bytes(slot for slot in slots if slot)
    if textures:
        return Fill(max(textures, key=textures.count)), 0, EIGHTHS
    return Fill.EMPTY, 0, 0
