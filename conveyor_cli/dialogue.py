"""A conversation that stays: prompt after prompt, with one model and one sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from types import TracebackType
from typing import Self

import typer
from rich.console import Console

from conveyor_cli.app import complain
from conveyor_cli.compose import make_parts
from conveyor_cli.engine.clock import RunClock
from conveyor_cli.engine.events import RunStatus
from conveyor_cli.engine.policy import Mode
from conveyor_cli.errors import Terminated
from conveyor_cli.files.aftermath import Aftermath
from conveyor_cli.files.harvest import Change
from conveyor_cli.performance import Performance, ProgressRelay, Shown, Stage, end_parts
from conveyor_cli.task import Task
from conveyor_cli.views.progress import shown_progress
from conveyor_cli.views.text import safe
from conveyor_sandbox.client import GuestClient
from conveyor_sandbox.sandbox import Entry

_PATIENCE = 120.0
"""Seconds that fetching files may take."""


class Dialogue:
    """One agent, asked again and again. Each prompt is a run with a journal of its own."""

    def __init__(self, task: Task, *, plain: bool) -> None:
        self._task = task
        self._shown = Shown(plain=plain)
        self._progress = ProgressRelay()
        self._parts = make_parts(task, self._progress, spares=1)
        self._applied: dict[str, Entry | None] = {}
        self._applied_in: GuestClient | None = None
        """The guest whose changes those were: another one knows nothing of them."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await end_parts(self._parts)

    @property
    def label(self) -> str:
        """What answers."""
        return self._parts.backend.label

    @property
    def mode(self) -> Mode:
        """How calls are run."""
        return self._parts.agent.settings.mode

    def set_mode(self, mode: Mode) -> None:
        """Run the next calls so."""
        agent = self._parts.agent
        agent.settings = replace(agent.settings, mode=mode)
        self._task = self._task.model_copy(update={"mode": mode})

    def clear(self) -> None:
        """Forget the conversation."""
        self._parts.agent.forget()

    async def reset(self) -> None:
        """Empty the interpreter, end what tools hold; files and the conversation stay.

        The model will be told.
        """
        await self._parts.workplace.reset()

    async def get_ready(self) -> None:
        """Load the model, so that the first prompt does not wait. Raises ModelError.

        A sandbox is started meanwhile.
        """
        self._parts.pool.fill()
        with shown_progress(Console(stderr=True)) as progress:
            self._progress.show = progress
            try:
                await self._parts.backend.load(self._progress)
            except asyncio.CancelledError:
                self._progress.stopping = True  # else its thread would go on, and be waited for
                raise
            finally:
                self._progress.show = None

    async def collect(self, *, saving: bool) -> Aftermath:
        """Fetch what the code has changed so far, and save it if the task says so."""
        task = self._task if saving else self._task.model_copy(update={"save_files": None})
        guest = self._parts.workplace.guest
        if guest is not self._applied_in:
            self._applied_in = guest
            self._applied = {}
        aftermath = Aftermath(task, self._parts.brought, self._applied)
        files = None if guest is None else guest.files
        made = self._parts.agent.files
        await aftermath.collect(files, made, _PATIENCE, lambda _: None, RunClock())
        return aftermath

    def note_applied(self, changes: Iterable[Change]) -> None:
        """These changes are in the project now."""
        self._applied.update({change.path: change.after for change in changes})

    async def ask(self, prompt: str) -> None:
        """Answer a prompt and print the answer. What ends it early is said, and the talk goes on.

        Raises:
            ConveyorError, SandboxError: why it could not be answered. Another may be.
            Terminated: the process was told to end.
        """
        task = self._task.model_copy(update={"prompt": prompt})
        stage = Stage(task, self._parts, self._shown, self._progress)
        performance = await stage.perform(give_back=False)
        self._progress.stopping = False
        self._parts.pool.fill()  # now that nothing runs
        if performance.error is not None:
            raise performance.error
        if performance.status is RunStatus.TERMINATED:
            raise Terminated("terminated")
        if performance.report["answer"]:
            typer.echo(safe(performance.report["answer"]))
        if performance.report["reason"]:
            complain(performance.report["reason"])
        for what in self._lost(performance):
            complain(what)

    def _lost(self, performance: Performance) -> list[str]:
        """What earlier prompts had left and is no more."""
        if performance.timeline.sandboxes and self._parts.workplace.started is None:
            return ["the sandbox was ended: variables and files are gone"]
        calls = performance.timeline.calls.values()
        return list(dict.fromkeys(call.lost for call in calls if call.lost))
