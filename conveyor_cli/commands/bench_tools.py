"""`conveyor bench tools`: what running early saves, tool by tool, on tasks with given texts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from conveyor_cli.commands import options
from conveyor_cli.errors import Exit, UsageError


def tools(
    tasks: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TASK]...", help="Task files; without any, those in ./tasks."),
    ] = None,
    sandbox: options.SandboxKind = None,
    runs: Annotated[int, typer.Option(min=1, max=100, help="Runs of a task in each mode.")] = 3,
    set_: options.Assignments = None,
    *,
    trust: options.Trust = False,
    json: Annotated[bool, typer.Option("--json", help="As one JSON list.")] = False,
) -> None:
    """How much sooner a task is done when each piece of a call runs as soon as it is written.

    Each task is run once uncounted, then sequentially and partially, in turn. Medians of the runs;
    efficiency is the perfect pipeline's time by the partial run's, both by its own metrics. Of the
    tasks in ./tasks, those are run whose text a script gives. Exit code 1: the two modes' results
    differ somewhere, or what a task expects was not met.
    """
    import asyncio
    from json import dumps

    from rich.console import Console

    from conveyor_cli.app import complain
    from conveyor_cli.bench.tools import measure_task
    from conveyor_cli.commands.bench import print_table
    from conveyor_cli.views.progress import shown_progress

    chosen = []
    for name in tasks or _scripted():
        settings = options.read_settings(name, {"sandbox": sandbox}, set_)
        task = options.trusted_task(settings, trust=trust)
        if tasks or task.model.backend == "scripted":
            chosen.append(task)
    if not chosen:
        raise UsageError("no task to measure: name task files, or run it where ./tasks has some")
    rows = []
    bad = False
    for task in chosen:
        with shown_progress(Console(stderr=True)) as progress:
            row = asyncio.run(measure_task(task, runs, progress))
        rows.append(row.as_dict())
        for problem in row.problems:
            bad = True
            complain(f"{task.name}: {problem}")
    if json:
        typer.echo(dumps(rows))
    else:
        print_table(rows)
    if bad:
        raise typer.Exit(Exit.FAILED)


def _scripted() -> list[str]:
    return [str(path) for path in sorted(Path("tasks").glob("*.yaml"))]
