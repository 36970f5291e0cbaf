"""What runs units beside the worker: the shell, and the operations on files."""

from __future__ import annotations

from .editor import Editor
from .shell import Shell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Optional, Set, Union

    from .frames import Frame
    from .guard import Guard
    from .outputs import Outputs
    from .polling import Poller

    Runner = Union[Shell, Editor]


class Runners:
    """Both of them. `on_end` is told how a unit ended, or a call: status, error, result, exited."""

    def __init__(
        self,
        poller: Poller,
        outputs: Outputs,
        guard: Guard,
        on_end: Callable[[Frame], None],
    ) -> None:
        self.shell = Shell(poller, outputs, guard, on_end)
        self._editor = Editor(poller, guard, on_end)
        self._on_end = on_end

    def of(self, frame: Optional[Frame]) -> Optional[Runner]:
        """Whose a unit is; None: the worker's."""
        tool = "" if frame is None else frame.get("tool")
        if tool == "shell":
            return self.shell
        return self._editor if tool == "files" else None

    def begin(self, frame: Frame) -> None:
        """Run a unit, or end a call, all of whose units went well."""
        runner = self.of(frame)
        assert runner is not None
        if frame["op"] == "run":
            runner.begin(frame)
        else:
            self._on_end(runner.outcome)

    def ended(self, pid: int, status: int) -> bool:
        """A process has ended. Returns whether it was one of theirs."""
        return self.shell.ended(pid, status) or self._editor.ended(pid)

    def forget(self) -> None:
        """Their processes are gone."""
        self.shell.forget()
        self._editor.forget()

    @property
    def pids(self) -> Set[int]:
        """The processes that stay between calls."""
        return set() if self.shell.pid is None else {self.shell.pid}
