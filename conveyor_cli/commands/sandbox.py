"""`conveyor sandbox`: images, a prompt in a sandbox, and what killed runs left."""

from __future__ import annotations

import re
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from conveyor_cli.commands import options
from conveyor_cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    import docker

    from conveyor_cli.task import Task
    from conveyor_sandbox.image import ImageInfo
    from conveyor_sandbox.sandbox import Progress

app = typer.Typer(
    name="sandbox",
    help="Build, list and clean up what sandboxes are made from, or look into one.",
    no_args_is_help=True,
)


@app.command()
def build(
    name: Annotated[str, typer.Option(help="Name of the image, with or without a tag.")] = (
        "conveyor-sandbox"
    ),
    base: Annotated[
        str | None,
        typer.Option(
            metavar="IMAGE",
            help="Image to build on; it must have python3 and pip. Default: python:3.12-slim.",
        ),
    ] = None,
    *,
    from_host: Annotated[
        bool,
        typer.Option(
            "--from-host",
            help="Pack this machine's Python and core utilities instead: "
            "no registry, no network, a few seconds, no packages but those of --with.",
        ),
    ] = False,
    with_: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            metavar="PACKAGES",
            help="With --from-host: packages from the package index, e.g. numpy,pandas,matplotlib.",
        ),
    ] = None,
) -> None:
    """Build a sandbox image.

    An image of the same name is replaced, once the new one is complete.
    """
    from conveyor_sandbox import image

    if from_host and base is not None:
        raise UsageError("--base and --from-host exclude each other: leave one out")
    if with_ and not from_host:
        raise UsageError("--with needs --from-host: a Dockerfile names its own packages")
    with _engine() as client, _shown_progress() as progress:
        if from_host:
            built = image.build_from_host(client, name, progress, _packages(with_))
        else:
            built = _build_dockerfile(client, name, base or image.DEFAULT_BASE, progress)
    _print_images([built])


def _packages(given: list[str] | None) -> list[str]:
    """The packages of `--with`, which may hold several: `numpy,pandas>=2,<3`."""
    return [it.strip() for text in given or () for it in re.split(r",(?=\s*[A-Za-z])", text)]


def _build_dockerfile(
    client: docker.DockerClient, name: str, base: str, progress: Progress
) -> ImageInfo:
    from conveyor_sandbox import image
    from conveyor_sandbox.errors import SandboxImageError

    try:
        return image.build(client, name, base, progress)
    except SandboxImageError as error:
        raise SandboxImageError(f"{error}; --from-host needs no registry and no network") from error


@app.command("list")
def list_images() -> None:
    """List the sandbox images that Conveyor built."""
    from conveyor_sandbox import image

    with _engine() as client:
        images = image.built(client)
    if images:
        _print_images(images)
    else:
        typer.echo("no sandbox image yet: run `conveyor sandbox build`", err=True)


@app.command()
def prune() -> None:
    """Remove what killed runs and replaced builds left behind.

    Containers and temporary folders whose process is gone, and images that lost their name to a
    newer build. Nothing that a living run or another host owns.
    """
    from conveyor_sandbox import image, leftovers

    with _engine() as client:
        removed = [*leftovers.prune(client), *image.prune_replaced(client)]
    for line in removed:
        typer.echo(f"removed {line}")
    if not removed:
        typer.echo("nothing to remove", err=True)


@app.command()
def shell(
    task: Annotated[
        str | None,
        typer.Argument(
            metavar="[TASK]", help="Task file whose sandbox to open.", show_default=False
        ),
    ] = None,
    sandbox: options.SandboxKind = None,
    image: Annotated[str | None, typer.Option(metavar="NAME", help="The image to use.")] = None,
    file: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=PATH", help="Copy a file into the workspace, by this name."),
    ] = None,
    code: Annotated[
        str | None, typer.Option(metavar="CODE", help="Run this Python code, and leave.")
    ] = None,
    set_: options.Assignments = None,
) -> None:
    """Open a Python prompt in a fresh sandbox, as a model's code sees it.

    Try there what a model could do: which modules and files are there, what the limits are, what is
    refused. An empty line ends a block; Ctrl-C interrupts what runs; Ctrl-D leaves, and nothing is
    left. Code can also come from a pipe: conveyor sandbox shell < program.py
    """
    import asyncio

    settings = options.read_settings(task, {"sandbox": sandbox, "image": image}, set_)
    settings.merged.setdefault("name", "shell")
    settings.merged.setdefault("prompt", "-")
    for it in file or ():
        name, equals, path = it.partition("=")
        if not equals:
            raise UsageError(f"--file {it}: write NAME=PATH")
        settings.merged.setdefault("sandbox", {}).setdefault("files", {})[name] = path
    raise typer.Exit(asyncio.run(_open_shell(settings.task(), code)))


async def _open_shell(task: Task, code: str | None) -> int:
    """In a sandbox of the task; the exit code of what ran, or 0 where someone typed."""
    import sys
    from contextlib import aclosing

    from rich.console import Console

    from conveyor_cli import prompting
    from conveyor_cli.compose import bring, sandbox_maker
    from conveyor_cli.performance import ended_by_signals
    from conveyor_cli.shell import Shell
    from conveyor_cli.views.progress import shown_progress

    place = sandbox_maker(task.sandbox, brought=bring(task))()
    with ended_by_signals():
        try:
            with shown_progress(Console(stderr=True)) as progress:
                guest = await place.start(progress)
            opened = Shell(guest)
            if code is not None:
                return await opened.run(_once(code))
            if not sys.stdin.isatty():
                return await opened.run(prompting.piped_text())
            version = ".".join(map(str, guest.python))
            typer.echo(f"Python {version} in the {place.kind} sandbox; Ctrl-D leaves", err=True)
            async with aclosing(prompting.typed_code(opened.is_complete)) as texts:
                async for text in texts:
                    await opened.run(_once(text))
            return 0
        finally:
            await place.stop()


async def _once(text: str) -> AsyncIterator[str]:
    yield text


@contextmanager
def _engine() -> Iterator[docker.DockerClient]:
    from conveyor_sandbox.engine import connect

    with closing(connect()) as client:
        yield client


@contextmanager
def _shown_progress() -> Iterator[Progress]:
    """A bar on a terminal's stderr; elsewhere a line for each new stage."""
    from rich.console import Console
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines()
        return
    with Bar(console=console, transient=True) as bar:
        task = bar.add_task("", total=None)

        def show(text: str, fraction: float | None) -> None:
            total = None if fraction is None else 1.0
            bar.update(task, description=_plain(text), total=total, completed=fraction or 0.0)

        yield show


def _lines() -> Progress:
    last = ""

    def show(text: str, _fraction: float | None) -> None:
        nonlocal last
        if text != last:
            typer.echo(text, err=True)
        last = text

    return show


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _print_images(images: list[ImageInfo]) -> None:
    rows = [("NAME", "SOURCE", "VERSION", "SIZE", "ID", "STATE")]
    for it in images:
        state = f"out of date: {it.out_of_date}" if it.out_of_date else "current"
        number = it.id.removeprefix("sha256:")[:12]
        rows.append((it.name, it.source, it.version, f"{it.size / 1e6:.0f} MB", number, state))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        typer.echo("  ".join(map(str.ljust, row, widths)).rstrip())
