"""How units look: a glyph, a colour and a word each, so that no meaning is in a colour alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from conveyor_cli.engine.tracks import Phase


@dataclass(frozen=True, slots=True)
class Mark:
    """The look of a phase. `plain` stands for `glyph` where the terminal knows only ASCII."""

    glyph: str
    plain: str
    style: str


MARKS: Mapping[Phase, Mark] = MappingProxyType(
    {
        Phase.WAITING: Mark("░", ":", "bright_black"),
        Phase.HELD: Mark("░", ":", "bright_black"),
        Phase.RUNNING: Mark("▶", ">", "bold green"),
        Phase.OK: Mark("✔", "+", "green"),
        Phase.FAILED: Mark("✘", "x", "bold red"),
        Phase.SKIPPED: Mark("⊘", "/", "bold yellow"),
        Phase.ROLLED_BACK: Mark("↶", "<", "bold magenta"),
    }
)


def glyph(phase: Phase, *, ascii_only: bool) -> str:
    """The phase's glyph, one cell wide."""
    mark = MARKS[phase]
    return mark.plain if ascii_only else mark.glyph
