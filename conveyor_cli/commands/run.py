"""`conveyor run`: one task, live timeline, answer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from conveyor_cli.commands import options
from conveyor_cli.commands.ending import exit_of, settle_files
from conveyor_cli.errors import Exit, UsageError

if TYPE_CHECKING:
    from conveyor_cli.performance import Performance


def run(
    context: typer.Context,
    task: options.TaskFile = None,
    prompt: options.Prompt = None,
    mode: options.Mode = None,
    backend: options.Backend = None,
    model: options.Model = None,
    base_url: options.BaseUrl = None,
    script: options.Script = None,
    rate: options.Rate = None,
    chunk: options.Chunk = None,
    sandbox: options.SandboxKind = None,
    save_files: options.SaveFiles = None,
    workspace: options.WorkspaceFolder = None,
    apply: options.Apply = None,
    set_: options.Assignments = None,
    journal: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write the run's journal.")
    ] = None,
    *,
    undo: options.Undo = None,
    trust: options.Trust = False,
    json: Annotated[bool, typer.Option("--json", help="Print the run as one JSON object.")] = False,
    stream_json: Annotated[
        bool, typer.Option("--stream-json", help="Print each event as a JSON line.")
    ] = False,
    plain: Annotated[bool, typer.Option("--plain", help="Lines instead of the live view.")] = False,
) -> None:
    """Run a task: the model answers, its code runs statement by statement while it is written.

    The answer goes to standard output, the live view to standard error. Exit codes: 0 done,
    1 failed or not as expected, 2 usage, 3 no sandbox, 4 model, 5 a limit, 130 interrupted.
    """
    from conveyor_cli.performance import Shown, perform

    if json and stream_json:
        raise UsageError("--json and --stream-json exclude each other: leave one out")
    settings = options.read_settings(task, options.flags(context), set_)
    options.require_prompt(settings, task)
    shown = Shown(stream=stream_json, plain=plain, journal=journal, collects=True)
    performance = perform(options.saving_task(settings, trust=trust), shown)
    raise typer.Exit(_conclude(performance, as_json=json, stream=stream_json))


def _conclude(performance: Performance, *, as_json: bool, stream: bool) -> int:
    """Print what was asked for; the exit code."""
    import json

    from conveyor_cli.app import complain
    from conveyor_cli.views.text import safe

    report = performance.report
    if not as_json and not stream and report["answer"]:
        typer.echo(safe(str(report["answer"])))
    try:
        problems = settle_files(performance.aftermath, performance.status, report)
    finally:  # also if Ctrl-C comes meanwhile
        if as_json:
            typer.echo(json.dumps(report))
    for problem in problems:
        complain(problem)
    if performance.error is not None:
        raise performance.error
    code = exit_of(performance.status)
    if code is not None:
        complain(str(report["reason"]))
        return code
    for problem in report["unmet"]:
        complain(problem)
    return Exit.FAILED if problems or report["unmet"] else Exit.OK
