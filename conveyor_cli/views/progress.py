"""Progress of long work on standard error: a bar on a terminal, elsewhere a line a stage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from conveyor_cli.views.text import one_line

if TYPE_CHECKING:
    from rich.console import Console

    from conveyor_cli.backends.base import Progress


@contextmanager
def shown_progress(console: Console) -> Iterator[Progress]:
    """A `Progress` to hand to long work; what it shows is gone from a terminal at the end."""
    if not console.is_terminal or console.is_dumb_terminal:
        yield stage_lines(console)
        return
    from rich.progress import (  # noqa: PLC0415 - only here
        BarColumn,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )
    from rich.progress import Progress as Bars  # noqa: PLC0415

    text = TextColumn("{task.description}", markup=False)
    columns = (SpinnerColumn(), text, BarColumn(), TimeElapsedColumn())
    with Bars(*columns, console=console, transient=True) as bars:
        bar = bars.add_task("", total=None)

        def show(what: str, fraction: float | None) -> None:
            total = None if fraction is None else 1.0
            bars.update(bar, description=one_line(what), total=total, completed=fraction or 0.0)

        yield show


def stage_lines(console: Console) -> Progress:
    """A line for each new stage."""
    last = ""

    def show(what: str, _fraction: float | None) -> None:
        nonlocal last
        if what != last:
            console.print(one_line(what), markup=False, highlight=False)
        last = what

    return show
