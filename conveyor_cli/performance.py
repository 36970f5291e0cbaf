"""Performs runs for a command: views, journal, signals, and everything given back at the end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from conveyor_cli.backends.base import Backend, Message, Progress
from conveyor_cli.compose import Parts, journal_path, make_parts, make_run, new_run_id
from conveyor_cli.engine.events import Event, RunStatus, StopReason
from conveyor_cli.engine.fanout import Fanout
from conveyor_cli.engine.journal import Journal, as_record
from conveyor_cli.engine.metrics import Metrics, measure
from conveyor_cli.engine.run import Run
from conveyor_cli.engine.timeline import Timeline
from conveyor_cli.errors import ConveyorError, Interrupted, Terminated, UsageError
from conveyor_cli.files.aftermath import Aftermath
from conveyor_cli.report import run_report
from conveyor_cli.signals import handling
from conveyor_cli.task import Task
from conveyor_cli.toolbox import Toolbox
from conveyor_cli.views.live import LiveView
from conveyor_cli.views.plain import PlainView
from conveyor_cli.views.question import asking, someone_types
from conveyor_cli.views.standard_error import NO_ROOM, StandardError
from conveyor_sandbox.errors import SandboxError
from conveyor_tools import apart
from conveyor_tools.printing import given_to

_AT_LEISURE = 120.0
_IN_A_HURRY = 3.0
"""Seconds that fetching a run's files may take; the second, of one that was told to end."""


@dataclass(frozen=True, slots=True)
class Shown:
    """How a run is shown while it happens, and where its journal goes."""

    stream: bool = False
    """Each event as a JSON line on standard output."""
    plain: bool = False
    quiet: bool = False
    """Not at all."""
    journal: Path | None = None
    collects: bool = False
    """Whether files are fetched at the end, as the task says."""


@dataclass(frozen=True, slots=True)
class Performance:
    """What came of a run. `error` is what ended it, if something did."""

    status: RunStatus
    timeline: Timeline
    metrics: Metrics
    report: dict[str, Any]
    conversation: tuple[Message, ...]
    error: ConveyorError | SandboxError | None
    aftermath: Aftermath


class ProgressRelay:
    """The one `Progress` that a run's parts are given; who shows it changes.

    When `stopping` is set, the next report of progress ends the work that reports it.
    """

    def __init__(self) -> None:
        self.show: Progress | None = None
        self.stopping = False

    def __call__(self, what: str, fraction: float | None) -> None:
        if self.stopping:
            raise Interrupted("interrupted")
        if self.show is not None:
            self.show(what, fraction)


def perform(
    task: Task, shown: Shown, backend: Backend | None = None, toolbox: Toolbox | None = None
) -> Performance:
    """Run a task to its end, whatever that is. Backend and tools may be given.

    Raises:
        UsageError, SandboxError: it cannot even begin.
        BrokenPipeError: nobody reads the events any more; the run was ended.
    """

    async def run() -> Performance:
        progress = ProgressRelay()
        parts = make_parts(task, progress, backend, toolbox=toolbox)
        parts.pool.fill()
        try:
            return await Stage(task, parts, shown, progress).perform(give_back=True)
        finally:
            await parts.pool.close()  # it may not even have begun

    return apart.run(run())


class Stage:
    """What is around one run: its views, its journal, and the signals that end it."""

    def __init__(self, task: Task, parts: Parts, shown: Shown, progress: ProgressRelay) -> None:
        self._task = task
        self._parts = parts
        self._shown = shown
        self._progress = progress
        self._console = StandardError()
        self._timeline = Timeline()
        self._fanout = Fanout(self._sink_failed)
        self._sink_error: Exception | None = None
        self._running: asyncio.Future[Any] | None = None
        self._aftermath = Aftermath(task, parts.brought)

    async def perform(self, *, give_back: bool) -> Performance:
        """Run the task's prompt, and end its parts afterwards if asked to."""
        run_id = new_run_id()
        run = make_run(self._task, run_id, self._parts, self._fanout.emit, self._progress)
        if self._shown.collects:
            run.at_end = partial(self._collect, run)
        with contextlib.closing(self._fanout):
            journal = self._open_journal(run_id)
            with contextlib.nullcontext() if journal is None else contextlib.closing(journal):
                error = await self._run_shown(run, give_back=give_back)
        if self._sink_error is not None:
            raise self._sink_error
        journal_written = None if journal is None else str(journal.path)
        metrics = measure(self._timeline)
        ended = self._timeline.ended
        status = ended.status if ended else RunStatus.FAILED
        report = run_report(self._timeline, metrics, self._task.expect, journal_written)
        messages = tuple(self._parts.agent.messages)
        report |= self._aftermath.report()
        return Performance(
            status, self._timeline, metrics, report, messages, error, self._aftermath
        )

    async def _collect(self, run: Run) -> None:
        """Fetch what the run leaves; quickly if someone waits for its end."""
        guest = self._parts.workplace.guest
        patience = _IN_A_HURRY if self._progress.stopping else _AT_LEISURE
        if guest is not None:
            guest.attend()
        files = None if guest is None else guest.files
        made = self._parts.agent.files
        await self._aftermath.collect(files, made, patience, self._fanout.emit, run.clock)

    async def _run_shown(self, run: Run, *, give_back: bool) -> ConveyorError | SandboxError | None:
        """With views and signals around it; what it leaves is given back within them."""
        with self._signals(run), self._views(run):
            try:
                return await self._run(run)
            finally:
                if give_back:
                    await end_parts(self._parts)

    async def _run(self, run: Run) -> ConveyorError | SandboxError | None:
        """In a task of its own, so that a signal can end it and nothing else.

        A run that was ended in its middle leaves a sandbox in an unknown state: it ends with it.
        """
        work = run.run(self._task.prompt, self._task.limits.seconds)
        self._running = asyncio.ensure_future(work)
        try:
            await self._running
        except (asyncio.CancelledError, Interrupted):
            await self._parts.workplace.close()  # that it was ended, its events say
        except (ConveyorError, SandboxError) as problem:
            return problem
        return None

    def _open_journal(self, run_id: str) -> Journal | None:
        """The run's journal; None where there is no place for one. Raises UsageError."""
        path = self._shown.journal or journal_path(run_id)
        journal = None
        try:
            journal = Journal(path, self._journal_failed)
        except OSError as problem:
            if self._shown.journal is not None and problem.errno not in NO_ROOM:
                raise UsageError(f"--journal {path}: {problem.strerror}") from None
            self._journal_failed(problem)
        else:
            self._fanout.add(journal.apply)
        self._fanout.add(self._timeline.apply)
        return journal

    def _journal_failed(self, problem: OSError) -> None:
        why = problem.strerror or str(problem)
        text = f"conveyor: the run goes on, but its journal cannot be written: {why}"
        self._console.print(text, markup=False, soft_wrap=True)

    @contextlib.contextmanager
    def _views(self, run: Run) -> Iterator[None]:
        if self._shown.stream:
            self._fanout.add(_print_record)
        if self._shown.quiet:
            yield
            return
        if self._shown.plain or not self._console.is_terminal or self._console.is_dumb_terminal:
            lines = PlainView(self._console)
            self._fanout.add(lines.apply)
            self._progress.show = lines.progress
            if someone_types() and self._console.is_terminal:
                self._parts.approval.ask = asking(lines.question)
            yield
        else:
            view = LiveView(Timeline(), self._console, run.clock.now)
            with view, given_to(view.printed):
                self._fanout.add(view.apply)
                self._progress.show = view.progress
                if someone_types():
                    self._parts.approval.ask = asking(view.question)
                yield
        self._progress.show = self._parts.approval.ask = None

    @contextlib.contextmanager
    def _signals(self, run: Run) -> Iterator[None]:
        """Ctrl-C: first stop decoding, then end. SIGTERM and SIGHUP: end."""
        agent = self._parts.agent

        def interrupt() -> None:
            if agent.busy and not agent.halted:
                agent.halt(StopReason.CANCELLED)
            else:
                self._end()

        def terminate() -> None:
            run.terminated = True
            self._end()

        ends = (signal.SIGTERM, signal.SIGHUP)
        with handling({signal.SIGINT: interrupt, **dict.fromkeys(ends, terminate)}):
            yield

    def _end(self) -> None:
        self._progress.stopping = True
        if self._running is not None:
            self._running.cancel()

    def _sink_failed(self, problem: Exception) -> None:
        self._sink_error = self._sink_error or problem
        self._end()


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Around and between runs, SIGTERM and SIGHUP cancel what the current task waits for.

    Raises:
        Terminated: one of them came.
    """
    task = asyncio.current_task()
    assert task is not None
    came = False

    def end() -> None:
        nonlocal came
        came = True
        task.cancel()

    try:
        with handling({signal.SIGTERM: end, signal.SIGHUP: end}):
            yield
    except asyncio.CancelledError:
        if came:
            raise Terminated("terminated") from None
        raise


async def end_parts(parts: Parts) -> None:
    """End the sandbox and the model."""
    await asyncio.gather(parts.workplace.close(), parts.pool.close(), parts.backend.close())


def _print_record(event: Event) -> None:
    print(json.dumps(as_record(event)), flush=True)  # noqa: T201 - what the user asked for
