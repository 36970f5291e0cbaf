"""`conveyor config`: the settings in force, and where each comes from."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from conveyor_cli.commands import options

app = typer.Typer(name="config", help="Show the settings in force.", no_args_is_help=True)


@app.callback()
def config() -> None:
    """Settings come from: flag > CONVEYOR_* > task > ./conveyor.toml > the user's conveyor.toml."""


@app.command()
def show(
    task: options.TaskFile = None,
    set_: options.Assignments = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Show every setting, its value, and the file and line, variable or flag it comes from."""
    import json

    from rich.console import Console
    from rich.table import Table

    from conveyor_cli.views.text import one_line

    settings = options.read_settings(task, {}, set_)
    settings.merged.setdefault("name", "prompt")
    settings.merged.setdefault("prompt", "(none)")
    values = settings.task().model_dump(mode="json")
    rows = [(path, value, settings.origin(path)) for path, value in _leaves(values, ())]
    if as_json:
        shown = {".".join(path): {"value": v, "from": origin} for path, v, origin in rows}
        typer.echo(json.dumps(shown))
        return
    table = Table("setting", "value", "from", box=None, pad_edge=False)
    for path, value, origin in rows:
        table.add_row(".".join(path), one_line(json.dumps(value)), one_line(origin))
    Console(highlight=False, markup=False).print(table)


def _leaves(value: dict[str, Any], path: tuple[str, ...]) -> list[tuple[tuple[str, ...], Any]]:
    leaves: list[tuple[tuple[str, ...], Any]] = []
    for key, item in value.items():
        if isinstance(item, dict) and item:
            leaves += _leaves(item, (*path, key))
        else:
            leaves.append(((*path, key), item))
    return leaves
