"""Cuts a plan into steps, each as soon as its line has ended outside of brackets and strings.

A step names the units that it waits for: those whose results it uses and, where it touches a state,
the one before it on that lane. One whose effects cannot be taken back waits for all before it,
since none of them may have failed then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from conveyor_sandbox.reports import Failure
from conveyor_tools.declaration import Effects
from conveyor_tools.plan_schema import Parameters, StepTool
from conveyor_tools.plan_step import StepReader
from conveyor_tools.plan_strings import END, StepNumbers
from conveyor_tools.plan_tools import SessionTool
from conveyor_tools.plan_values import Step, StepProblem, references
from conveyor_tools.splitters.base import Unit

_TYPES = {"arguments": "InvalidArguments", "unknown_tool": "UnknownTool"}
_MOST = 1000
"""Steps of a plan."""


@dataclass(frozen=True, slots=True)
class PlanUnit(Unit):
    """A unit with the step that it holds; None if it is blank."""

    step: Step | None = None


class PlanSplitter:
    """Cuts one plan. `tools` are those that steps may call; None: any, with any arguments."""

    def __init__(self, tools: Mapping[str, StepTool] | None = None) -> None:
        self._tools = tools
        self._parameters: dict[str, Parameters] | None = None
        if tools is not None:
            self._parameters = {name: Parameters(name, tool) for name, tool in tools.items()}
        self._steps: dict[int, int] = {}  # by the steps' numbers, their units
        self._on_lane: dict[str, int] = {}  # by the lanes, the last step's unit
        self._numbers = StepNumbers()
        self._count = 0
        self._released = 0
        self._line = 1
        self._pending: list[str] = []  # what is in no unit yet
        self._held = ""  # a CR, which may be followed by its LF
        self._problem: Failure | None = None
        self._begin_step()

    def _begin_step(self) -> None:
        self._reader = StepReader(self._parameters, self._numbers, self._line)

    @property
    def released(self) -> int:
        """How many characters of the text have been given out in units."""
        return self._released

    @property
    def problem(self) -> Failure | None:
        """Why the text can no longer become a plan, if it cannot."""
        return self._problem

    def feed(self, text: str) -> list[Unit]:
        """Take more text; return the steps that it closed."""
        text = self._held + text
        self._held = "\r" if text.endswith("\r") else ""
        return self._take(text[: len(text) - len(self._held)])

    def flush(self) -> list[Unit]:
        """The text is complete: return the last step, and what follows it as a blank unit."""
        units = self._take(self._held)
        self._held = ""
        if self._problem is None and any(self._pending) and self._read(END):
            units.append(self._close())
        return units

    def may_end(self) -> bool:
        """Whether the text could end here: False in a string that may hold line breaks."""
        return self._problem is not None or not self._reader.in_string

    def truncate(self, length: int) -> None:
        """Forget the text beyond its first `length` characters, none of which is released."""
        kept = ("".join(self._pending) + self._held)[: length - self._released]
        self._pending.clear()
        self._held = ""
        self._problem = None
        self._begin_step()
        self.feed(kept)

    def _take(self, text: str) -> list[Unit]:
        units = []
        begin = pos = 0
        while pos < len(text) and self._problem is None:
            char = text[pos]
            pos += 2 if text.startswith("\r\n", pos) else 1
            if self._read("\n" if char == "\r" else char):
                self._pending.append(text[begin:pos])
                begin = pos
                units.append(self._close())
        self._pending.append(text[begin:])
        return units

    def _read(self, char: str) -> bool:
        """Read a character; say whether it closed the step."""
        try:
            return self._reader.take(char)
        except StepProblem as problem:
            where = f"line {self._reader.line}, column {self._reader.column}: "
            self._problem = Failure(problem.kind, _TYPES[problem.kind], f"{where}{problem}")
            return False

    def _close(self) -> Unit:
        """The unit of the step that was just read."""
        text = "".join(self._pending)
        self._pending.clear()
        reader, line, index = self._reader, self._line, self._count
        self._line = reader.line + 1
        self._released += len(text)
        self._count += 1
        span = (line, line) if reader.first_line is None else (reader.first_line, reader.line)
        step = reader.step
        after: tuple[int, ...] = ()
        external = False
        if step is not None:
            after, external = self._waits(step)
            self._steps[step.number] = index
            self._numbers.add(step.number)
        self._begin_step()
        return PlanUnit(index, text, line, span, step is None, after, external, step)

    def _waits(self, step: Step) -> tuple[tuple[int, ...], bool]:
        """The units that a step comes after, and whether it waits for the end of the plan."""
        tool = None if self._tools is None else self._tools[step.tool]
        lane = tool.lane if isinstance(tool, SessionTool) else None
        effects = self._effects(step)
        after = {self._steps[number] for number in step.uses}
        if lane is not None:
            after |= {self._on_lane[lane]} if lane in self._on_lane else set()
            self._on_lane[lane] = self._count - 1
        undone = effects is Effects.PURE or (lane is not None and effects is Effects.REVERSIBLE)
        return (tuple(sorted(after)), False) if undone else (tuple(self._steps.values()), True)

    def _effects(self, step: Step) -> Effects:
        """What the step may do, as far as its arguments are known."""
        if self._tools is None:
            return Effects.PURE
        tool = self._tools[step.tool]
        known = not any(references(step.arguments))
        return tool.effects_of(step.arguments) if known else tool.effects
