"""A sandbox for each test, its guest, and a record of what it reports."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

import pytest

from conveyor_sandbox.client import GuestClient
from conveyor_sandbox.docker import DockerSandbox
from conveyor_sandbox.local import LocalSandbox
from conveyor_sandbox.reports import (
    Checkpoint,
    Died,
    Ended,
    Finished,
    Outcome,
    Output,
    Report,
    Restarted,
    RolledBack,
    Skipped,
    Started,
    Stream,
    UnitKey,
)
from conveyor_sandbox.sandbox import Limits, Sandbox, SandboxSpec
from tests.sandbox.docker_engine import engine, nothing_left  # noqa: F401 - fixtures
from tests.sandbox.local_host import host, shared  # noqa: F401 - fixtures

KINDS = [pytest.param("docker", marks=pytest.mark.docker), "local"]


@dataclass
class Call:
    """What a guest reported until a call's end."""

    reports: list[Report] = field(default_factory=list)

    def of(self, kind: type) -> list:
        return [report for report in self.reports if isinstance(report, kind)]

    @property
    def outcome(self) -> Outcome:
        return self.of(Ended)[-1].outcome

    @property
    def units(self) -> list[Outcome]:
        return [report.outcome for report in self.of(Finished)]

    @property
    def kinds(self) -> list[str]:
        """Each unit's end: `ok`, or the kind of its failure; then `skipped` for each skipped."""
        ended = [it.failure.kind if it.failure else it.status.value for it in self.units]
        return ended + ["skipped" for _ in self.of(Skipped)]

    def text(self, stream: Stream, unit: int | None = None) -> str:
        return "".join(
            report.text
            for report in self.of(Output)
            if report.stream is stream and unit in (None, report.unit.index)
        )

    @property
    def stdout(self) -> str:
        return self.text(Stream.STDOUT)

    @property
    def stderr(self) -> str:
        return self.text(Stream.STDERR)

    @property
    def restarted(self) -> bool:
        return bool(self.of(Restarted))


class Lab:
    """A started sandbox, used from plain code: its event loop runs while something is awaited."""

    def __init__(self, runner: asyncio.Runner, sandbox: Sandbox, guest: GuestClient) -> None:
        self.sandbox = sandbox
        self.guest = guest
        self.calls = 0
        self._runner = runner
        self._reports: asyncio.Queue[Report] = asyncio.Queue()
        self.do(self._listen())
        self.until(Checkpoint)

    async def _listen(self) -> None:
        self.guest.listen(self._reports.put_nowait)

    def do(self, work):  # noqa: ANN001, ANN201
        """Await something in the lab's loop."""
        return self._runner.run(work)

    def send(self, *units: str, end: bool = True) -> int:
        """Begin a call; returns its number."""
        self.calls += 1
        self.do(self._send(self.calls, 0, units, end=end))
        return self.calls

    def add(self, first: int, *units: str, line: int, end: bool = True) -> None:
        """More units of the call that was begun last."""
        self.do(self._send(self.calls, first, units, line=line, end=end))

    async def _send(
        self, call: int, first: int, units: tuple[str, ...], *, line: int = 1, end: bool
    ) -> None:
        for index, text in enumerate(units, first):
            self.guest.run(UnitKey(call, index), text, line)
            line += text.count("\n")
        if end:
            self.guest.end(call)

    def until(self, *kinds: type) -> list[Report]:
        """What is reported, up to a report of one of these kinds (or the sandbox's death)."""
        return self.until_report(lambda it: isinstance(it, kinds))

    async def _until(self, wanted: Callable[[Report], bool]) -> list[Report]:
        reports = []
        async with asyncio.timeout(60):
            while not (reports and wanted(reports[-1])):
                reports.append(await self._reports.get())
        return reports

    def until_report(self, wanted: Callable[[Report], bool]) -> list[Report]:
        """What is reported, up to the report that is wanted (or the sandbox's death)."""
        return self.do(self._until(lambda it: wanted(it) or isinstance(it, Died)))

    def until_output(self, text: str) -> None:
        """Until the code has written this text."""
        seen = ""
        while text not in seen:
            report = self.until(Output)[-1]
            assert isinstance(report, Output), report
            seen += report.text

    def finish(self) -> Call:
        """The rest of a call."""
        return Call(self.until(Ended))

    def call(self, *units: str) -> Call:
        """A call of these units, from its begin to its end."""
        self.send(*units)
        return self.finish()

    def checkpoint(self) -> Checkpoint:
        """What was done so far stays."""
        self.guest.checkpoint()
        return self.until(Checkpoint)[-1]

    def roll_back(self) -> RolledBack:
        """Take the last call back."""
        self.guest.roll_back(self.calls)
        return self.until(RolledBack)[-1]

    def alive(self) -> bool:
        """Whether a fresh call works, exactly once. What others still write is theirs."""
        call = self.call("print('alive')\n", "6 * 7\n")
        outputs = (it for it in call.of(Output) if it.unit.call == self.calls)
        stdout = "".join(it.text for it in outputs if it.stream is Stream.STDOUT)
        return (stdout, call.outcome.result, call.kinds, len(call.of(Started))) == (
            "alive\n",
            "42",
            ["ok", "ok"],
            2,
        )


LabMaker = Callable[..., AbstractContextManager[Lab]]


@contextmanager
def open_lab(sandbox: Sandbox, lab: type[Lab] = Lab) -> Iterator[Lab]:
    with asyncio.Runner() as runner:
        try:
            guest = runner.run(sandbox.start(lambda _text, _fraction: None))
            yield lab(runner, sandbox, guest)
        finally:
            runner.run(sandbox.stop())


@pytest.fixture(params=KINDS)
def make_lab(request: pytest.FixtureRequest) -> LabMaker:
    """Starts a sandbox of each kind, with limits and files."""
    kind = DockerSandbox if request.param == "docker" else LocalSandbox

    def make(files: dict[str, bytes] | None = None, **limits: float) -> AbstractContextManager[Lab]:
        return open_lab(kind(SandboxSpec(limits=Limits(**limits), files=files or {})))

    return make


@pytest.fixture
def lab(make_lab: LabMaker) -> Iterator[Lab]:
    with make_lab() as lab:
        yield lab
