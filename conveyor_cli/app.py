"""The `conveyor` command: its subcommands, and how every error ends."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import sys
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from conveyor_cli import __version__
from conveyor_cli.commands import (
    bench,
    compare,
    config,
    doctor,
    models,
    repl,
    run,
    sandbox,
    split,
    tools,
)
from conveyor_cli.errors import ConveyorError, Exit, exit_code
from conveyor_sandbox.errors import SandboxError

_LEAST_COLUMNS = 10
_NOT_WRITTEN = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)

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
app.add_typer(tools.app)
app.add_typer(sandbox.app)
app.add_typer(config.app)
app.add_typer(bench.app)
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


def _forget_useless_sizes() -> None:
    """Some shells and editors say that a terminal has no columns: nothing would be seen in them."""
    for name, least in (("COLUMNS", _LEAST_COLUMNS), ("LINES", 1)):
        value = os.environ.get(name)
        if value is not None and not (value.isdecimal() and int(value[:9]) >= least):
            del os.environ[name]


def main() -> None:
    """Run the command; end with the exit code of what happened."""
    _forget_useless_sizes()
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # as Python does for standard error
    try:
        code = _run()
        if sys.stdout is not None:  # the caller may have closed it
            sys.stdout.flush()
    except KeyboardInterrupt:
        code = Exit.INTERRUPTED
    except BrokenPipeError:
        code = Exit.PIPE_CLOSED
        _discard_output()
    except OSError as error:
        if error.errno not in _NOT_WRITTEN:
            raise
        code = Exit.FAILED
        _discard_output()
        complain(f"the output cannot be written: {error.strerror}")
    _leave(code)


def _run() -> int:
    try:
        code = app(standalone_mode=False)
    except typer.Abort as abort:
        # typer's word for an EOFError, as if all came from its own questions; we ask none.
        if abort.__cause__ is not None:
            raise abort.__cause__ from None
        return Exit.INTERRUPTED
    except TyperException as error:
        words = getattr(error, "format_message", error.__str__)()
        if words:  # else it is the help that was asked for by giving no arguments
            complain(f"{words} (see --help)")
        return Exit.USAGE
    except (ConveyorError, SandboxError) as error:
        complain(str(error))
        return exit_code(error)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except SystemExit as end:
        # typer and rich end so, with 1, when whoever read our output is gone.
        if isinstance(end.__context__, BrokenPipeError):
            raise end.__context__ from None
        raise
    return code if isinstance(code, int) else Exit.OK


def complain(message: str) -> None:
    """One line on standard error, harmless to the terminal."""
    from conveyor_cli.views.text import one_line  # noqa: PLC0415 - only when something is wrong

    typer.echo(f"conveyor: {one_line(message)}", err=True)


def _leave(code: int) -> NoReturn:
    """End the process: at once if torch is loaded, which takes a second or two to take down.

    All that was started is given back by now, so there is nothing that an orderly end would do, and
    nothing that a last Ctrl-C could end sooner.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if "torch" in sys.modules:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
    sys.exit(code)


def _discard_output() -> None:
    """What is still buffered cannot be written: without this, Python would try again at its end."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream, number in ((sys.__stdout__, 1), (sys.__stderr__, 2)):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            os.dup2(null, number)
