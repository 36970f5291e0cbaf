"""`conveyor repl`: an agent to talk to, with one sandbox and one conversation that stay."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated

import typer

from conveyor_cli.commands import options

if TYPE_CHECKING:
    from conveyor_cli.dialogue import Dialogue
    from conveyor_cli.task import Task

_HELP = """\
Type what you want; the answer may run code, whose variables and files stay.
  /mode partial|sequential   run code while it is written, or when it is complete
  /clear                     forget the conversation; variables and files stay
  /help                      this text
  /quit                      leave (also Ctrl-D)
Ctrl-C stops the answer and takes back its code; once more ends the answer at once."""


def repl(
    task: options.TaskFile = None,
    mode: options.Mode = None,
    backend: options.Backend = None,
    model: options.Model = None,
    script: options.Script = None,
    rate: options.Rate = None,
    chunk: options.Chunk = None,
    sandbox: options.SandboxKind = None,
    set_: options.Assignments = None,
    *,
    plain: Annotated[bool, typer.Option("--plain", help="Lines instead of the live view.")] = False,
) -> None:
    """Talk to an agent. Sandbox, variables, files and conversation stay until you leave."""
    import asyncio

    flags = {
        "mode": mode,
        "backend": backend,
        "model": model,
        "script": script,
        "rate": rate,
        "chunk": chunk,
        "sandbox": sandbox,
    }
    settings = options.read_settings(task, flags, set_)
    settings.merged.update(name="repl", prompt="(what the user types)")
    asyncio.run(_talk(settings.task(), plain=plain))


async def _talk(task: Task, *, plain: bool) -> None:
    from conveyor_cli.dialogue import Dialogue

    async with Dialogue(task, plain=plain) as dialogue, aclosing(_lines()) as lines:
        await dialogue.get_ready()
        if sys.stdin.isatty():
            typer.echo(f"{dialogue.label} — /help for help", err=True)
        async for line in lines:
            if line.startswith("/"):
                if not _command(dialogue, line):
                    return
            elif line:
                await dialogue.ask(line)


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
            typer.echo(f"unknown: {line} (see /help)", err=True)
    return True


async def _lines() -> AsyncGenerator[str, None]:
    """What the user types, or what is piped in, line by line."""
    import asyncio

    if not sys.stdin.isatty():
        while line := await asyncio.to_thread(sys.stdin.readline):
            yield line.strip()
        return
    import platformdirs
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import FileHistory

    state = platformdirs.user_state_path("conveyor", ensure_exists=True)
    session: PromptSession[str] = PromptSession(history=FileHistory(str(state / "repl_history")))
    while True:
        try:
            line = await session.prompt_async("> ")
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        yield line.strip()
