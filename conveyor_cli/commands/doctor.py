"""`conveyor doctor`: what works on this machine, and how to mend what does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import typer

from conveyor_cli.errors import Exit


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at, and how to mend it where it is not fine."""

    name: str
    fine: bool
    detail: str
    remedy: str = ""


def doctor(
    *, as_json: Annotated[bool, typer.Option("--json", help="As a list of objects.")] = False
) -> None:
    """Check the engine, the image, the model, the torch device and the local sandbox.

    Ends with 3 if neither sandbox works here, with 4 if no model can be loaded.
    """
    import json
    from dataclasses import asdict

    from conveyor_cli.views.text import one_line

    engine = list(_engine())
    local = list(_local())
    model = list(_model())
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in (*engine, *local, *model)]))
    else:
        for finding in (*engine, *local, *model):
            typer.echo(
                f"{'ok  ' if finding.fine else 'LACK'}  {finding.name}: {one_line(finding.detail)}"
            )
            if finding.remedy:
                typer.echo(f"      → {one_line(finding.remedy)}")
    if not (engine[0].fine or all(finding.fine for finding in local)):
        raise typer.Exit(Exit.NO_SANDBOX)
    if not model[0].fine:
        raise typer.Exit(Exit.MODEL)


def _engine() -> Iterator[Finding]:
    from conveyor_sandbox import image
    from conveyor_sandbox.engine import connect
    from conveyor_sandbox.errors import SandboxError

    try:
        client = connect()
    except SandboxError as error:
        yield Finding("Docker engine", fine=False, detail=str(error))
        return
    try:
        version = client.version()
        detail = f"{version['Version']} ({version['Os']}/{version['Arch']})"
        yield Finding("Docker engine", fine=True, detail=detail)
        found = image.find(client, image.DEFAULT_IMAGE)
        if found is None:
            build = (
                "the first run builds it; or run `conveyor sandbox build` (--from-host: offline)"
            )
            yield Finding("sandbox image", fine=False, detail="not built yet", remedy=build)
        else:
            detail = f"{found.name}, {found.source}, {found.size / 1e6:.0f} MB"
            yield Finding("sandbox image", fine=True, detail=detail)
    except SandboxError as error:
        yield Finding("sandbox image", fine=False, detail=str(error))
    finally:
        client.close()


def _local() -> Iterator[Finding]:
    from conveyor_sandbox.abilities import abilities

    for ability in abilities():
        fine = ability.available or not ability.required
        yield Finding(f"local sandbox: {ability.name}", fine, ability.detail, ability.remedy)


def _model() -> Iterator[Finding]:
    from conveyor_cli.backends.models import DEFAULT_MODEL, ModelStore

    try:
        import torch
        import transformers
    except ImportError as error:
        remedy = "install conveyor-cli again, with its dependencies"
        yield Finding("torch and transformers", fine=False, detail=str(error), remedy=remedy)
        return
    detail = f"torch {torch.__version__}, transformers {transformers.__version__}"
    yield Finding("torch and transformers", fine=True, detail=detail)
    if torch.cuda.is_available():
        device = f"cuda: {torch.cuda.get_device_name()}"
    elif torch.backends.mps.is_available():
        device = "mps"
    else:
        device = f"cpu, {torch.get_num_threads()} threads (no GPU that torch can use)"
    yield Finding("torch device", fine=True, detail=device)
    pulled = DEFAULT_MODEL in ModelStore().installed()
    if pulled:
        yield Finding("default model", fine=True, detail=f"{DEFAULT_MODEL} is pulled")
    else:
        remedy = "the first run fetches it; or run `conveyor models pull`"
        detail = f"{DEFAULT_MODEL} is not pulled"
        yield Finding("default model", fine=False, detail=detail, remedy=remedy)
