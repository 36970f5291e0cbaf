"""`conveyor compare`: the same task sequentially and partially, side by side."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from conveyor_cli.commands import options
from conveyor_cli.errors import Exit

if TYPE_CHECKING:
    from rich.console import Console

    from conveyor_cli.backends.base import Progress
    from conveyor_cli.comparison import Comparison
    from conveyor_cli.engine.approval import Ask

_LABELS = {
    "wall_s": "wall",
    "decode_s": "decode",
    "tool_s": "tool",
    "overlap_s": "overlap",
    "exposed_tool_s": "exposed",
    "efficiency": "efficiency",
}


def compare(
    context: typer.Context,
    task: options.TaskFile = None,
    prompt: options.Prompt = None,
    backend: options.Backend = None,
    model: options.Model = None,
    base_url: options.BaseUrl = None,
    script: options.Script = None,
    rate: options.Rate = None,
    chunk: options.Chunk = None,
    sandbox: options.SandboxKind = None,
    set_: options.Assignments = None,
    runs: Annotated[int, typer.Option(min=1, max=100, help="Runs in each mode, in turn.")] = 1,
    *,
    warm_up: Annotated[
        bool,
        typer.Option(
            "--warm-up",
            help="Run it once before, uncounted: what tools load when first used counts for none.",
        ),
    ] = False,
    undo: options.Undo = None,
    trust: options.Trust = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Run a task in both modes, and show what running early saves.

    What its calls do outside of the sandbox is done in each run.
    Both runs decode for themselves: with a script, or greedily, the text is the same. The answer
    to *same result* says whether status, answer, conversation and all output agree. Exit code: 0 if
    so, 1 if not or if the task's `expect` is not met.
    """
    from json import dumps

    from rich.console import Console

    from conveyor_cli import comparison
    from conveyor_cli.app import complain
    from conveyor_cli.views.progress import shown_progress
    from conveyor_tools import apart

    settings = options.read_settings(task, options.flags(context), set_)
    options.require_prompt(settings, task)
    chosen = options.trusted_task(settings, trust=trust)
    with shown_progress(Console(stderr=True)) as progress:
        found = apart.run(
            comparison.compare(
                chosen, runs, progress, _asking(progress, 2 * runs + warm_up), warm_up=warm_up
            )
        )
    if json:
        typer.echo(dumps(found.as_dict()))
    else:
        _show(found, Console(highlight=False))
    for problem in found.unmet:
        complain(problem)
    if found.differences or found.unmet:
        raise typer.Exit(Exit.FAILED)


def _asking(progress: Progress, runs: int) -> Ask | None:
    """Asks in the line that shows progress, if there is someone to ask."""
    from conveyor_cli.views.question import asking, someone_types

    if not (someone_types() and sys.stderr is not None and sys.stderr.isatty()):
        return None
    return asking(lambda question: progress(question or "running", None), runs)


def _show(found: Comparison, console: Console) -> None:
    from conveyor_cli.engine.policy import Mode
    from conveyor_cli.views.chart import Chart, chart_end

    sequential, partial = found.pairs[-1]
    timelines = {Mode.SEQUENTIAL: sequential.timeline, Mode.PARTIAL: partial.timeline}
    span = max(chart_end(each, None) - each.origin for each in timelines.values())
    for mode, timeline in timelines.items():
        console.print(f"[bold]{mode.value}[/bold]")
        console.print(Chart(timeline, span=span))
        console.print()
    console.print(_table(found))
    console.print()
    same = "yes" if not found.differences else f"no ({', '.join(found.differences)} differ)"
    saved = f"  ·  {found.saved_tokens} tokens not decoded" if found.saved_tokens > 0 else ""
    runs = "" if len(found.pairs) == 1 else f"  (medians of {len(found.pairs)} runs each)"
    console.print(
        f"reduction {found.reduction:.1%}{runs}  ·  same result: {same}{saved}",
        markup=False,
        soft_wrap=True,
    )


def _table(found: Comparison) -> object:
    from rich.table import Table

    from conveyor_cli.comparison import COMPARED
    from conveyor_cli.engine.policy import Mode

    table = Table("", box=None, pad_edge=False)
    for heading in ("sequential", "partial", "difference"):
        table.add_column(heading, justify="right")
    for name in COMPARED:
        one, other = found.median(Mode.SEQUENTIAL, name), found.median(Mode.PARTIAL, name)
        unit = "" if name == "efficiency" else " s"
        table.add_row(
            _LABELS[name], f"{one:.3f}{unit}", f"{other:.3f}{unit}", f"{other - one:+.3f}{unit}"
        )
    return table
