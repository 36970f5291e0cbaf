"""`conveyor models`: the models known by name."""

from __future__ import annotations

from typing import Annotated

import typer

from conveyor_cli.commands.completion import model_names

app = typer.Typer(
    name="models", help="List, fetch and remove models known by name.", no_args_is_help=True
)

Name = Annotated[
    str, typer.Argument(help="A name of `conveyor models list`.", autocompletion=model_names)
]


@app.command("list")
def list_models() -> None:
    """List the models known by name. Hugging Face ids and local folders work as well."""
    from conveyor_cli.backends.models import KNOWN, ModelStore

    installed = ModelStore().installed()
    for name, spec in KNOWN.items():
        state = "pulled" if name in installed else "not pulled"
        typer.echo(f"{name:<16} {state:<11} {spec.description}")


@app.command()
def pull(name: Name = "smollm2-135m") -> None:
    """Fetch a model and convert it, once, into the user's cache."""
    from rich.console import Console

    from conveyor_cli.backends.models import ModelStore
    from conveyor_cli.views.progress import shown_progress

    with shown_progress(Console(stderr=True)) as progress:
        folder = ModelStore().pull(name, progress)
    typer.echo(folder)


@app.command()
def remove(name: Name) -> None:
    """Delete a pulled model from the user's cache."""
    from conveyor_cli.backends.models import ModelStore

    removed = ModelStore().remove(name)
    typer.echo(f"removed {name}" if removed else f"{name} was not pulled", err=not removed)
