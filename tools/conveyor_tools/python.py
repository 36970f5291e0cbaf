"""The `python` tool: statements, run one by one in the sandbox's interpreter."""

from __future__ import annotations

from collections.abc import Callable

from conveyor_sandbox.client import GuestClient
from conveyor_sandbox.reports import Report, UnitKey
from conveyor_tools.splitters.base import Splitter, Unit
from conveyor_tools.splitters.python import PythonSplitter


class PythonTool:
    """Python code; variables and files stay from call to call."""

    name = "python"
    tags = ("python", "py", "python3")
    lane = "python"
    language = "python"
    argument = "code"
    description = (
        "Runs Python code and shows its output: what it prints, and the value of its last "
        "expression. Variables and files stay for later calls."
    )
    instructions = (
        "Write Python code in one fenced block that begins with ```python. It is run for you, and "
        "you are shown its output; variables stay for later blocks. When the output answers the "
        "question, answer in words, without code."
    )

    def splitter(self, guest: GuestClient) -> Splitter:
        return PythonSplitter(guest.python)

    def open(self, guest: GuestClient) -> PythonSession:
        return PythonSession(guest)


class PythonSession:
    """The interpreter of one run, with its workspace."""

    def __init__(self, guest: GuestClient) -> None:
        self._guest = guest

    def listen(self, listener: Callable[[Report], None]) -> None:
        self._guest.listen(listener)

    def run(self, key: UnitKey, unit: Unit) -> None:
        self._guest.run(key, unit.text, unit.line)

    def end(self, call: int) -> None:
        self._guest.end(call)

    def cancel(self, call: int) -> None:
        self._guest.cancel(call)

    def reply(self, number: int, text: str, *, ok: bool) -> None:
        self._guest.reply(number, text, ok=ok)

    def check(self, call: int, text: str) -> None:
        self._guest.check(call, text)

    def roll_back(self, call: int) -> None:
        self._guest.roll_back(call)

    def commit(self) -> None:
        self._guest.checkpoint()
