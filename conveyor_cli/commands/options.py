"""Options that several subcommands share, and the settings that they amount to."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from conveyor_cli.commands.completion import model_names, words
from conveyor_cli.errors import UsageError

if TYPE_CHECKING:
    from conveyor_cli.config import Settings
    from conveyor_cli.task import Task

TaskFile = Annotated[
    str | None,
    typer.Argument(
        metavar="[TASK|-]",
        help="Task file (YAML); - reads it from standard input.",
        show_default=False,
    ),
]
Prompt = Annotated[
    str | None, typer.Option("--prompt", "-p", help="What to ask, instead of the task's prompt.")
]
Mode = Annotated[
    str | None,
    typer.Option(
        metavar="partial|sequential",
        autocompletion=words("partial", "sequential"),
        help="Run units while the model writes, or each call when it is complete.",
    ),
]
Backend = Annotated[
    str | None,
    typer.Option(
        metavar="transformers|openai|scripted",
        help="Where text comes from: a model here, one behind a server, or a script.",
        autocompletion=words("transformers", "openai", "scripted"),
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        metavar="ID",
        help="Model: a name of `conveyor models list`, a folder, a hub id.",
        autocompletion=model_names,
    ),
]
BaseUrl = Annotated[
    str | None,
    typer.Option(
        "--base-url",
        metavar="URL",
        help="Server for --backend openai (implies it); its key is in OPENAI_API_KEY.",
    ),
]
Script = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Responses for --backend scripted (implies it)."),
]
Rate = Annotated[
    float | None, typer.Option(metavar="TOK_PER_S", help="Tokens a second of a script.")
]
Chunk = Annotated[int | None, typer.Option(metavar="N", help="Characters a token of a script.")]
SandboxKind = Annotated[
    str | None,
    typer.Option(
        "--sandbox",
        metavar="auto|docker|local|unsafe",
        autocompletion=words("auto", "docker", "local", "unsafe"),
        help="Where code runs; auto: Docker if an engine answers, else local. unsafe: no sandbox.",
    ),
]
Undo = Annotated[
    bool | None,
    typer.Option(
        "--undo/--no-undo",
        help="Keep checkpoints, so that calls which were invalid, cut off or stopped are undone.",
        show_default=False,
    ),
]
Trust = Annotated[
    bool,
    typer.Option("--trust", help="Trust the code of the task's own tools, now and from now on."),
]
SaveFiles = Annotated[
    Path | None,
    typer.Option(
        "--save-files", metavar="DIR", help="Where to save files that the run makes or changes."
    ),
]
WorkspaceFolder = Annotated[
    Path | None,
    typer.Option("--workspace", metavar="DIR", help="Folder to work on: a copy of it is changed."),
]
Apply = Annotated[
    str | None,
    typer.Option(
        metavar="never|ask|always",
        autocompletion=words("never", "ask", "always"),
        help="Whether the changes are made in the --workspace folder itself at the end.",
    ),
]
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "-c",
        metavar="KEY=VALUE",
        help="Set any field of the task; the value is YAML, e.g. -c sandbox.memory=2g.",
    ),
]


_FLAGS = {
    "prompt": ("prompt",),
    "mode": ("mode",),
    "backend": ("model", "backend"),
    "model": ("model", "id"),
    "base-url": ("model", "base_url"),
    "script": ("model", "script"),
    "rate": ("model", "rate"),
    "chunk": ("model", "chunk"),
    "sandbox": ("sandbox", "kind"),
    "image": ("sandbox", "image"),
    "undo": ("sandbox", "undo"),
    "save-files": ("save_files",),
    "workspace": ("workspace", "from"),
    "apply": ("workspace", "apply"),
}


def flags(context: typer.Context) -> dict[str, Any]:
    """What the command line says of the options above that the command has, by their flags.

    They stand in each command's signature, since that is what typer reads, and nowhere else.
    """
    return {flag: context.params.get(flag.replace("-", "_")) for flag in _FLAGS}


def read_settings(
    task: str | None, flags: Mapping[str, Any], assignments: list[str] | None
) -> Settings:
    """All settings of a command: its flags over environment, task and configuration files.

    Raises:
        UsageError: a file or a value is wrong.
    """
    from conveyor_cli import config

    given = config.assignments_layer(assignments or [])
    names = {}
    for flag, value in flags.items():
        if value is not None:
            config.place(given, _FLAGS[flag], str(value) if isinstance(value, Path) else value)
            names[_FLAGS[flag]] = f"--no-{flag}" if value is False else f"--{flag}"
    if flags.get("backend") is None:
        for flag, backend in (("base-url", "openai"), ("script", "scripted")):
            if flags.get(flag) is not None:
                config.place(given, ("model", "backend"), backend)
    layers = [
        config.Layer("command line", given, names=names, own=True),
        config.environment_layer(),
    ]
    if task == "-":
        layers.append(config.read_task(Path("stdin"), _standard_input()))
    elif task is not None:
        layers.append(config.read_task(Path(task)))
    layers += [config.read_config(path) for path in config.config_files()]
    return config.Settings(layers)


def _standard_input() -> str:
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError("stdin: not text in UTF-8") from None


def trusted_task(settings: Settings, *, trust: bool) -> Task:
    """The task, whose own tools the user trusts, and what it would do with what is theirs.

    Raises:
        UsageError: they do not, or it is no task.
    """
    from conveyor_cli.reach import wishes
    from conveyor_cli.trust import code_of, require_trust

    task = settings.task()
    require_trust((*code_of(task.tools), *wishes(settings, task)), given=trust)
    if task.sandbox.kind == "unsafe":
        _say_unsafe()
    return task


def saving_task(settings: Settings, *, trust: bool) -> Task:
    """The same, for a run whose files are saved: that there is a place for them is known before.

    Raises UsageError.
    """
    task = trusted_task(settings, trust=trust)
    if task.save_files is not None:
        there = next(it for it in (task.save_files, *task.save_files.parents) if os.path.exists(it))  # noqa: PTH110 - which asks of places it may not see
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            why = "cannot be written to" if there.is_dir() else "is no folder"
            origin = settings.origin(("save_files",))
            raise UsageError(f"{origin}: save_files: {there} {why}: name another folder")
    return task


def _say_unsafe() -> None:
    """That code runs without a sandbox is said in red."""
    from rich.console import Console

    from conveyor_sandbox.unsafe import NOTHING

    Console(stderr=True).print(NOTHING, style="bold red", soft_wrap=True)


def require_prompt(settings: Settings, task: str | None) -> None:
    """Check that there is something to ask, or a task file, which says better what it lacks.

    Raises:
        UsageError: there is neither.
    """
    if task is None and "prompt" not in settings.merged:
        raise UsageError("nothing to do: give a task file or --prompt TEXT (see --help)")
    settings.merged.setdefault("name", "prompt")
