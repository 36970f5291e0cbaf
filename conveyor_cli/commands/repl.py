"""`conveyor repl`: an agent to talk to, with one sandbox and one conversation that stay."""

from __future__ import annotations

import sys
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated

import typer

from conveyor_cli.commands import options
from conveyor_cli.commands.ending import settle_files
from conveyor_cli.errors import Exit
from conveyor_cli.views.text import one_line

if TYPE_CHECKING:
    from conveyor_cli.dialogue import Dialogue
    from conveyor_cli.files.aftermath import Aftermath
    from conveyor_cli.task import Task

_HELP = """\
Type what you want; the answer may run code, whose variables and files stay.
  /mode partial|sequential   run code while it is written, or when it is complete
  /clear                     forget the conversation; variables and files stay
  /reset                     empty the interpreter; files and the conversation stay
  /diff                      what the code has changed in the --workspace folder's copy
  /apply                     change the folder itself so
  /help                      this text
  /quit                      leave (also Ctrl-D)
Ctrl-C stops the answer and takes back its code; once more ends the answer at once."""


def repl(
    context: typer.Context,
    task: options.TaskFile = None,
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
    *,
    undo: options.Undo = None,
    trust: options.Trust = False,
    plain: Annotated[bool, typer.Option("--plain", help="Lines instead of the live view.")] = False,
) -> None:
    """Talk to an agent. Sandbox, variables, files and conversation stay until you leave."""
    from conveyor_cli.app import complain
    from conveyor_cli.engine.events import RunStatus
    from conveyor_tools import apart

    settings = options.read_settings(task, options.flags(context), set_)
    settings.merged.update(name="repl", prompt="(what the user types)")
    aftermath = apart.run(_talk(options.saving_task(settings, trust=trust), plain=plain))
    problems = settle_files(aftermath, RunStatus.DONE, aftermath.report())
    for problem in problems:
        complain(problem)
    raise typer.Exit(Exit.FAILED if problems else Exit.OK)


async def _talk(task: Task, *, plain: bool) -> Aftermath:
    """Until they leave; what the code has changed by then."""
    from conveyor_cli.dialogue import Dialogue
    from conveyor_cli.performance import ended_by_signals
    from conveyor_cli.prompting import piped_lines, typed_lines

    typed = sys.stdin is not None and sys.stdin.isatty()
    async with (
        Dialogue(task, plain=plain) as dialogue,
        aclosing(typed_lines() if typed else piped_lines()) as lines,
    ):
        with ended_by_signals():
            await dialogue.get_ready()
            if typed:
                typer.echo(f"{one_line(dialogue.label)} — /help for help", err=True)
            while True:
                line = await anext(lines, "/quit")
                if line.startswith("/"):
                    if line in ("/diff", "/apply"):
                        await _show_changes(dialogue, apply=line == "/apply")
                    elif line == "/reset":
                        await dialogue.reset()
                        typer.echo("the interpreter is empty; files and the conversation stay")
                    elif not _command(dialogue, line):
                        return await dialogue.collect(saving=True)
                elif line:
                    await _ask(dialogue, line, stay=typed)


async def _ask(dialogue: Dialogue, line: str, *, stay: bool) -> None:
    """Ask; what goes wrong ends the talk unless someone is there who can try something else."""
    from conveyor_cli.app import complain
    from conveyor_cli.errors import ConveyorError, Terminated
    from conveyor_sandbox.errors import SandboxError

    try:
        await dialogue.ask(line)
    except Terminated:
        raise
    except (ConveyorError, SandboxError) as error:
        if not stay:
            raise
        complain(str(error))


async def _show_changes(dialogue: Dialogue, *, apply: bool) -> None:
    from rich.console import Console

    from conveyor_cli.app import complain
    from conveyor_cli.engine.events import RunStatus
    from conveyor_cli.files.settling import settle, tell_files

    aftermath = await dialogue.collect(saving=False)
    if aftermath.workspace is None:
        complain("there is no --workspace folder")
        return
    console = Console(stderr=True, highlight=False)
    tell_files(aftermath, console)
    if not aftermath.changes:
        typer.echo("nothing has changed", err=True)
        return
    how = "always" if apply else "never"
    aftermath.workspace = aftermath.workspace.model_copy(update={"apply": how})
    report = aftermath.report()
    wrong = settle(aftermath, RunStatus.DONE, report, console, None)
    if report["workspace"]["applied"]:
        dialogue.note_applied(aftermath.changes)
    if wrong:
        complain(wrong)


def _command(dialogue: Dialogue, line: str) -> bool:
    """Obey a command. Returns whether to go on."""
    from conveyor_cli.engine.policy import Mode

    name, _, argument = line.partition(" ")
    match name, argument.strip():
        case "/quit" | "/exit", "":
            return False
        case "/help", "":
            typer.echo(_HELP)
        case "/clear", "":
            dialogue.clear()
            typer.echo("the conversation is forgotten; variables and files stay")
        case "/mode", ("partial" | "sequential") as mode:
            dialogue.set_mode(Mode(mode))
            typer.echo(f"mode: {mode}")
        case "/mode", "":
            typer.echo(f"mode: {dialogue.mode.value}")
        case _:
            typer.echo(f"unknown: {one_line(line)} (see /help)", err=True)
    return True
