"""`conveyor tools`: what a model can be given to call, and a way to try it without a model."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from conveyor_cli.commands import options
from conveyor_cli.commands.completion import tool_names
from conveyor_cli.commands.ending import exit_of
from conveyor_cli.errors import Exit, UsageError

if TYPE_CHECKING:
    from conveyor_cli.performance import Performance
    from conveyor_cli.task import Task
    from conveyor_cli.tool_choice import ToolChoice
    from conveyor_cli.tool_facts import ToolFacts
    from conveyor_cli.toolbox import Toolbox
    from conveyor_tools.tool import Tool

app = typer.Typer(
    name="tools", help="List tools, show them, try one without a model.", no_args_is_help=True
)

_BESIDE = {"plan": ("calculator",)}
"""Tools that are there, too, when one is tried that could do nothing alone."""

Name = Annotated[
    str,
    typer.Argument(
        help="A tool of `conveyor tools list`, or ./file.py:function.", autocompletion=tool_names
    ),
]
TaskOption = Annotated[
    str | None,
    typer.Option("--task", metavar="FILE", help="A task, whose tools and settings are used."),
]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


@app.command("list")
def list_tools(
    task: TaskOption = None,
    set_: options.Assignments = None,
    *,
    trust: options.Trust = False,
    as_json: AsJson = False,
) -> None:
    """List the tools that a task can name; with --task, those that this one has.

    A task names them under `tools:`, with options as in `{search: {folder: docs}}`.
    """
    import json

    from conveyor_cli.tool_listing import all_tools, table, task_tools

    settings = options.read_settings(task, {}, set_)
    if "tools" in settings.merged:
        rows = task_tools(options.trusted_task(_with_prompt(settings), trust=trust))
    else:
        rows = all_tools()
    if as_json:
        typer.echo(json.dumps([row.as_dict() for row in rows]))
        return
    from rich.console import Console

    Console(highlight=False, markup=False).print(table(rows))


@app.command()
def show(
    name: Name,
    task: TaskOption = None,
    set_: options.Assignments = None,
    *,
    trust: options.Trust = False,
    as_json: AsJson = False,
) -> None:
    """Show a tool: its arguments, its effects, when it starts, and how a model calls it."""
    import json

    from conveyor_tools import apart
    from conveyor_tools.registry import options_told

    try:
        chosen, toolbox = _open(name, task, set_, {}, trust=trust)
    except UsageError as error:
        if as_json or task or set_ or not options_told(name):
            raise
        from conveyor_cli.tool_listing import page_of_options

        typer.echo(page_of_options(name, str(error)))
        return

    async def find() -> ToolFacts:
        from conveyor_cli.tool_facts import ToolFacts

        try:
            await toolbox.start()
            return ToolFacts(toolbox.tools[_called(name, chosen, toolbox)], options_told(name))
        finally:
            await toolbox.close()

    facts = apart.run(find())
    if as_json:
        typer.echo(json.dumps(facts.as_dict()))
    else:
        from conveyor_cli.tool_listing import page

        typer.echo(page(facts))


@app.command("try")
def try_tool(
    name: Name,
    arguments: Annotated[
        str,
        typer.Argument(
            metavar="TEXT|-",
            help="What the model would write: arguments as JSON. Where all that is needed is a "
            "text, such as code, SQL or a query, that text will do. - reads standard input.",
        ),
    ],
    task: TaskOption = None,
    mode: options.Mode = None,
    rate: Annotated[float, typer.Option(metavar="TOK_PER_S", help="Tokens a second.")] = 30.0,
    chunk: Annotated[int, typer.Option(metavar="N", min=1, help="Characters a token.")] = 4,
    sandbox: options.SandboxKind = None,
    set_: options.Assignments = None,
    *,
    trust: options.Trust = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the run as JSON.")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="Lines instead of the live view.")] = False,
) -> None:
    """Call a tool as a model would, its arguments written at a rate, and watch when it starts.

    The result goes to standard output. Nothing but the model is pretended: with other settings of a
    tool, name a --task, or use -c 'tools=[{search: {folder: docs}}]'. Exit code 1: it failed.

    Example: conveyor tools try calculator '{"expression": "1/3 + 2"}' --rate 10
    """
    import json

    text = sys.stdin.read() if arguments == "-" else arguments
    flags = {"mode": mode, "sandbox": sandbox}
    chosen, toolbox = _open(name, task, set_, flags, trust=trust)
    called = _called(name, chosen, toolbox)
    performance = _perform(chosen, toolbox, called, text, (rate, chunk), plain=plain)
    if performance.error is not None:
        raise performance.error
    if as_json:
        typer.echo(json.dumps(performance.report))
    code = _conclude(name, performance.report["calls"], show=not as_json)
    raise typer.Exit(exit_of(performance.status) or code)


def _perform(
    task: Task, toolbox: Toolbox, called: str, text: str, pace: tuple[float, int], *, plain: bool
) -> Performance:
    """The run of a script with one call in it."""
    import json

    from conveyor_cli.backends.scripted import ScriptedBackend
    from conveyor_cli.performance import Shown, perform

    if pace[0] <= 0:
        raise UsageError("--rate: must be more than 0")
    tool = toolbox.tools.get(called)
    if tool is not None:
        text = _as_json(tool, text)
    call = f'<tool_call>\n{{"name": {json.dumps(called)}, "arguments": {text}'
    if not _ends_early(text):  # nothing of ours may stand in an open string
        call += "}\n</tool_call>"
    script = ScriptedBackend([call, ""], rate=pace[0], chunk=pace[1])
    return perform(task, Shown(plain=plain), script, toolbox)


def _as_json(tool: Tool, text: str) -> str:
    """The arguments as JSON of a tool that needs no more than a text, which may stand alone."""
    import json

    argument = tool.argument
    if argument is None:
        needed = tool.schema.get("required", ())
        if text.lstrip().startswith("{") or len(needed) != 1:
            return text
        (argument,) = needed
        is_text = tool.schema["properties"][argument].get("type") == "string"
        return json.dumps({argument: text}) if is_text else text
    try:
        given = json.loads(text)
    except ValueError:
        given = None
    if isinstance(given, dict) and given.keys() == {argument} and isinstance(given[argument], str):
        return text
    return json.dumps({argument: text})


def _ends_early(text: str) -> bool:
    """Whether it is the beginning of an object of JSON, and no more."""
    from pydantic_core import from_json

    try:
        from_json(text)
    except ValueError:
        if not text.lstrip().startswith("{"):
            return False
    else:
        return False
    try:
        from_json(text, allow_partial=True)
    except ValueError:
        return False
    return True


def _conclude(name: str, calls: list[dict[str, Any]], *, show: bool) -> int:
    """Print what came of the call; the exit code. Raises UsageError: no server has the tool."""
    from conveyor_cli.app import complain
    from conveyor_cli.views.text import safe

    if not calls:
        complain("no call was made")
        return Exit.FAILED
    call = calls[0]
    if show:
        for text in filter(None, (call["output"], call["result"])):
            typer.echo(safe(text) if sys.stdout.isatty() else text, nl=not text.endswith("\n"))
    error = call["error"]
    if error is not None:
        why = error["message"]
        if error["kind"] == "unknown_tool":
            _, there, names = why.partition(" (there is: ")
            raise UsageError(f"no tool is called {name!r}{there}{names}")
        if error["kind"] == "exit":
            between = ": " if error["type"] == "SystemExit" else " "
            why = f"{error['type']}{between}{why}"
        complain(f"{call['tool']}: {call['status'].replace('_', ' ')}: {why}")
        return Exit.FAILED
    return Exit.OK


def _open(
    name: str,
    task: str | None,
    assignments: list[str] | None,
    flags: dict[str, Any],
    *,
    trust: bool,
) -> tuple[Task, Toolbox]:
    """The task that has the tool, and its tools: the given one, or one of that tool alone."""
    from conveyor_cli import config
    from conveyor_cli.toolbox import open_toolbox

    settings = _with_prompt(options.read_settings(task, flags, assignments))
    if "tools" not in settings.merged:
        tools = [_choice(it) for it in (name, *_BESIDE.get(name, ()))]
        settings.put(config.Layer("command line", {"tools": tools}))
    settings.merged["model"] = {"backend": "scripted", "script": "-", "dialect": "hermes"}
    settings.merged["limits"] = {"turns": 2, "tokens": 1_000_000}
    settings.merged["model"]["max_new_tokens"] = 1_000_000
    chosen = options.trusted_task(settings, trust=trust)
    return chosen, open_toolbox(chosen.tools)


def _choice(name: str) -> ToolChoice:
    from dataclasses import replace

    from conveyor_cli.tool_choice import read_choice

    try:
        return replace(read_choice(name), alone=True)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _with_prompt(settings: Any) -> Any:
    settings.merged.setdefault("name", "tools")
    settings.merged.setdefault("prompt", "(a tool is tried)")
    return settings


def _called(name: str, task: Task, toolbox: Toolbox) -> str:
    """What the model calls the tool by that was named so. Raises UsageError."""
    from conveyor_cli.toolbox import open_toolbox

    if name in toolbox.tools:
        return name
    same = [choice for choice in task.tools if choice.name == name]
    alone = list(open_toolbox(same).tools) if same else []
    if alone:
        return alone[0]
    if toolbox.has_servers and not toolbox.started:
        return name  # it may be one of theirs
    raise UsageError(f"no tool is called {name!r} (there is: {', '.join(toolbox.tools)})")
