"""The `python` tool: statements, run one by one in the sandbox's interpreter."""

from __future__ import annotations

from conveyor_sandbox.reports import UnitKey
from conveyor_tools.function import Effects
from conveyor_tools.guest_session import GuestSession
from conveyor_tools.place import Place
from conveyor_tools.splitters.base import Splitter, Unit
from conveyor_tools.splitters.python import PythonSplitter
from conveyor_tools.tool import text_schema


class PythonTool:
    """Python code; variables and files stay from call to call."""

    name = "python"
    tags = ("python", "py", "python3")
    lane = "workspace"
    language = "python"
    argument = "code"
    schema = text_schema(argument)
    effects = Effects.REVERSIBLE
    needs_sandbox = True
    description = (
        "Runs Python code and shows its output: what it prints, and the value of its last "
        "expression. Variables and files stay for later calls."
    )
    instructions = (
        "Write Python code in one fenced block that begins with ```python. It is run for you, and "
        "you are shown its output; variables stay for later blocks. When the output answers the "
        "question, answer in words, without code."
    )

    def splitter(self, place: Place) -> Splitter:
        assert place.guest is not None
        return PythonSplitter(place.guest.python)

    def open(self, place: Place) -> PythonSession:
        assert place.guest is not None
        return PythonSession(place.guest)


class PythonSession(GuestSession):
    """The interpreter of one run, with its workspace."""

    def run(self, key: UnitKey, unit: Unit) -> None:
        self._guest.run(key, unit.text, unit.line)

    def end(self, call: int) -> None:
        self._guest.end(call)
