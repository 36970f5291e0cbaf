"""The `shell` tool: commands, run one by one in the sandbox's shell."""

from __future__ import annotations

from conveyor_sandbox.reports import UnitKey
from conveyor_tools.function import Effects
from conveyor_tools.guest_session import GuestSession
from conveyor_tools.place import Place
from conveyor_tools.splitters.base import Splitter, Unit
from conveyor_tools.splitters.shell import OpenUnit, ShellSplitter
from conveyor_tools.tool import text_schema


class ShellTool:
    """Shell commands; variables, folder and files stay from call to call."""

    name = "shell"
    tags = ("shell", "bash", "sh", "console")
    lane = "workspace"
    language = "bash"
    argument = "command"
    schema = text_schema(argument)
    effects = Effects.REVERSIBLE
    needs_sandbox = True
    description = (
        "Runs commands in a shell (bash) and shows their output and a last exit status that is not "
        "0. The folder, variables and files stay for later calls. Standard input is empty."
    )
    instructions = (
        "Write shell commands in one fenced block that begins with ```bash. They are run for you, "
        "and you are shown their output; the folder, variables and files stay for later blocks. "
        "When the output answers the question, answer in words, without commands."
    )

    def splitter(self, place: Place) -> Splitter:  # noqa: ARG002 - it is the same everywhere
        return ShellSplitter()

    def open(self, place: Place) -> ShellSession:
        assert place.guest is not None
        return ShellSession(place.guest)


class ShellSession(GuestSession):
    """The shell of one run. It shares its sandbox, and so all undo, with the interpreter."""

    def prepare(self, call: int) -> None:  # noqa: ARG002 - one shell serves all
        self._guest.prepare_shell()

    def run(self, key: UnitKey, unit: Unit) -> None:
        self._guest.run_command(key, unit.text, is_open=isinstance(unit, OpenUnit))

    def end(self, call: int) -> None:
        self._guest.end(call, "shell")
