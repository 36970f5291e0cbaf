"""The `conveyor` command: its subcommands, and how every error ends."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer
from typer.exceptions import TyperException

from conveyor_cli import __version__
from conveyor_cli.commands import compare, config, doctor, models, repl, run, sandbox, split
from conveyor_cli.errors import ConveyorError, Exit, exit_code
from conveyor_sandbox.errors import SandboxError

app = typer.Typer(
    name="conveyor",
    help="Run agents whose tools start while the model is still writing the call.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command("run")(run.run)
app.command("repl")(repl.repl)
app.command("compare")(compare.compare)
app.command("split")(split.split)
app.add_typer(models.app)
app.add_typer(sandbox.app)
app.add_typer(config.app)
app.command("doctor")(doctor.doctor)


def _show_version(asked: bool) -> None:  # noqa: FBT001 - typer calls it so
    if asked:
        typer.echo(f"conveyor {__version__}")
        raise typer.Exit


@app.callback()
def root(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """What every subcommand has in common: nothing but `--version`."""


def main() -> None:
    """Run the command; end with the exit code of what happened."""
    code = _run()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = _pipe_closed()
    sys.exit(code)


def _run() -> int:
    try:
        code = app(standalone_mode=False)
    except typer.Abort:
        return Exit.INTERRUPTED
    except TyperException as error:
        words = getattr(error, "format_message", error.__str__)()
        complain(f"{words} (see --help)")
        return Exit.USAGE
    except (ConveyorError, SandboxError) as error:
        complain(str(error))
        return exit_code(error)
    except BrokenPipeError:
        return _pipe_closed()
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    return code if isinstance(code, int) else Exit.OK


def complain(message: str) -> None:
    """One line on standard error, harmless to the terminal."""
    from conveyor_cli.views.text import one_line  # noqa: PLC0415 - only when something is wrong

    typer.echo(f"conveyor: {one_line(message)}", err=True)


def _pipe_closed() -> int:
    """Whoever read our output is gone: end without another word."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return Exit.PIPE_CLOSED
