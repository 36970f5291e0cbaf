"""`conveyor bench`: the figures of docs/benchmarks.md, measured on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from conveyor_cli.commands import options
from conveyor_cli.commands.bench_tools import tools

if TYPE_CHECKING:
    from conveyor_cli.backends.transformers import TransformersBackend
    from conveyor_cli.task import Task

app = typer.Typer(
    name="bench",
    help="Measure, on this machine, the figures that docs/benchmarks.md shows.",
    no_args_is_help=True,
)

app.command()(tools)

Json = Annotated[bool, typer.Option("--json", help="As one JSON object.")]


@app.command()
def pipeline(
    sandbox: options.SandboxKind = None,
    repeat: Annotated[int, typer.Option(min=1, help="Runs of each case.")] = 3,
    *,
    json: Json = False,
) -> None:
    """How close a run comes to the perfect pipeline: scripted text, statements that sleep.

    Efficiency is the perfect pipeline's time by the achieved one: once from the text, the rate and
    the sleeps alone against a clock outside, once by the run's own metrics. Medians of the runs.
    """
    import asyncio
    from json import dumps
    from statistics import median

    from rich.console import Console

    from conveyor_cli.bench.pipeline import CASES, measure_case
    from conveyor_cli.views.progress import shown_progress

    task = _task(sandbox)
    rows: list[dict[str, object]] = []
    with shown_progress(Console(stderr=True)) as progress:
        for case in CASES:
            results = [asyncio.run(measure_case(case, task, progress)) for _ in range(repeat)]
            row = {
                "perfect_s": case.perfect(),
                "wall_s": median(result.wall for result in results),
                "efficiency": median(result.efficiency for result in results),
                "overhead_s": median(result.overhead for result in results),
                "own_efficiency": median(result.metrics.efficiency or 0.0 for result in results),
                "own_overhead_s": median(result.metrics.overhead_s for result in results),
            }
            rows.append({"case": case.name, **{name: round(row[name], 6) for name in row}})
    if json:
        typer.echo(dumps(rows))
    else:
        print_table(rows)


@app.command()
def decode(
    model: options.Model = None,
    pairs: Annotated[int, typer.Option(min=1, help="Pairs of runs that count.")] = 9,
    tokens: Annotated[int, typer.Option(min=2, help="Tokens of each run.")] = 48,
    dtype: Annotated[
        str | None, typer.Option(metavar="auto|bf16|fp16|fp32", help="What it computes in.")
    ] = None,
    *,
    json: Json = False,
) -> None:
    """Our decode loop against `model.generate`: same model, dtype and prompt, in turn.

    The ratio of tokens a second, ours by theirs; its median and the median's 95 % interval.
    """
    import asyncio
    from json import dumps

    from conveyor_cli.bench.decode import Comparison, Pair, compare_decode

    settings = options.read_settings(None, {"model": model, "prompt": "-"}, _dtype(dtype))
    settings.merged["name"] = "bench"
    task = settings.task()

    def tell(pair: Pair) -> None:
        typer.echo(
            f"{pair.ours:.1f} tok/s, generate {pair.generate:.1f}: {pair.ratio:.3f}", err=True
        )

    async def run() -> Comparison:
        backend = _transformers(task)
        try:
            await backend.load(lambda _what, _fraction: None)
            return await compare_decode(backend, pairs=pairs, new_tokens=tokens, on_pair=tell)
        finally:
            await backend.close()

    found = asyncio.run(run())
    low, high = found.interval
    row = {
        "model": found.label,
        "ratio": round(found.median, 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "pairs": len(found.pairs),
    }
    if json:
        typer.echo(dumps(row))
    else:
        print_table([row])


@app.command()
def start(
    sandbox: options.SandboxKind = None,
    units: Annotated[int, typer.Option(min=10, help="Statements that count.")] = 300,
    *,
    beside_model: Annotated[
        bool, typer.Option("--beside-model", help="While the default model decodes.")
    ] = False,
    json: Json = False,
) -> None:
    """How soon a statement runs after it was sent to an idle sandbox, by the guest's clock."""
    import asyncio
    from contextlib import AsyncExitStack
    from json import dumps
    from statistics import quantiles

    from conveyor_cli.bench.decode import decoding
    from conveyor_cli.bench.start import measure_gaps, measure_starts
    from conveyor_cli.compose import sandbox_maker

    task = _task(sandbox)
    make = sandbox_maker(task.sandbox)

    async def run() -> dict[str, list[float]]:
        async with AsyncExitStack() as stack:
            if beside_model:
                await stack.enter_async_context(decoding(_transformers(task)))
            return {
                "closed to started": await measure_starts(make(), units),
                "end to next start": await measure_gaps(make(), units),
            }

    rows: list[dict[str, object]] = [
        {
            "what": what,
            "p50_ms": round(quantiles(seconds, n=100)[49] * 1000, 3),
            "p99_ms": round(quantiles(seconds, n=100)[98] * 1000, 3),
        }
        for what, seconds in asyncio.run(run()).items()
    ]
    if json:
        typer.echo(dumps(rows))
    else:
        print_table(rows)


@app.command()
def cold(
    sandbox: options.SandboxKind = None,
    pairs: Annotated[int, typer.Option(min=2, help="Pairs that count.")] = 15,
    *,
    json: Json = False,
) -> None:
    """How long until a sandbox is ready: cold, beside a bare `docker run` in turn; from the pool.

    Medians. The ratio is the median over the pairs. Without Docker there is nothing beside it.
    """
    import asyncio
    from json import dumps
    from statistics import median

    from conveyor_cli.bench.cold import measure_cold, measure_pairs, measure_pool
    from conveyor_cli.compose import sandbox_maker

    task = _task(sandbox)
    make = sandbox_maker(task.sandbox)

    async def run() -> dict[str, object]:
        row: dict[str, object] = {"kind": make().kind}
        if row["kind"] == "docker":
            found = await measure_pairs(make, task.sandbox.image, pairs)
            row["cold_ms"] = round(median(ours for ours, _ in found) * 1000, 1)
            row["docker_run_ms"] = round(median(bare for _, bare in found) * 1000, 1)
            row["ratio"] = round(median(ours / bare for ours, bare in found), 4)
        else:
            times = [await measure_cold(make) for _ in range(pairs)]
            row["cold_ms"] = round(median(times) * 1000, 1)
        row["from_pool_ms"] = round(median(await measure_pool(make, pairs)) * 1000, 3)
        return row

    row = asyncio.run(run())
    if json:
        typer.echo(dumps(row))
    else:
        print_table([row])


@app.command()
def jupyter(
    sandbox: options.SandboxKind = None,
    image: Annotated[
        str | None, typer.Option(metavar="NAME", help="An image with ipykernel, for both.")
    ] = None,
    units: Annotated[int, typer.Option(min=10, help="Statements that count.")] = 300,
    *,
    json: Json = False,
) -> None:
    """A statement's round trip, to a sandbox and to a Jupyter kernel.

    From sending `x = 1` until its end is told. With --image the kernel runs in a container of the
    same image, without a network; else, or if ipykernel is installed beside Conveyor, on this
    machine as an ordinary process. Both need jupyter_client beside Conveyor.
    """
    import asyncio
    from json import dumps
    from statistics import median, quantiles

    from conveyor_cli.bench import jupyter as kernel
    from conveyor_cli.bench.cold import measure_cold
    from conveyor_cli.bench.start import measure_round_trips
    from conveyor_cli.compose import sandbox_maker

    asked = _task(sandbox).sandbox
    if image is not None:
        asked = asked.model_copy(update={"kind": "docker", "image": image})
    make = sandbox_maker(asked)

    def row(what: str, ready: float, trips: list[float]) -> dict[str, object]:
        p50, p99 = (round(quantiles(trips, n=100)[it] * 1000, 3) for it in (49, 98))
        return {"what": what, "ready_ms": round(ready * 1000, 1), "p50_ms": p50, "p99_ms": p99}

    ready = median(asyncio.run(measure_cold(make)) for _ in range(3))
    rows = [row(make().kind, ready, asyncio.run(measure_round_trips(make(), units)))]
    if image is not None and kernel.is_installed(kernel=False):
        contained = kernel.measure_contained_kernel(image, asked.limits(), units)
        rows.append(row("jupyter kernel, same image", *contained))
    if kernel.is_installed(kernel=True):
        rows.append(row("jupyter kernel, no sandbox", *kernel.measure_kernel(units)))
    elif len(rows) == 1:
        typer.echo("no Jupyter kernel to compare with: pip install ipykernel jupyter_client",
                   err=True)  # fmt: skip
    if json:
        typer.echo(dumps(rows))
    else:
        print_table(rows)


@app.command()
def undo(
    sandbox: options.SandboxKind = None,
    rounds: Annotated[int, typer.Option(min=3, help="Calls at each size.")] = 20,
    *,
    json: Json = False,
) -> None:
    """What undo costs a call, at interpreters of 30, 100 and 500 MB; medians, in milliseconds.

    The checkpoint is taken between calls. What it costs a call itself is the difference between the
    same call with undo and without: until it starts, and while it writes to 4 MiB of memory.
    """
    import asyncio
    from dataclasses import fields
    from json import dumps

    from conveyor_cli.bench.undo import SIZES, Cost, measure_undo
    from conveyor_cli.compose import sandbox_maker
    from conveyor_sandbox.sandbox import Sandbox

    task = _task(sandbox)

    def make(undo: bool) -> Sandbox:  # noqa: FBT001 - what the caller knows
        options = task.sandbox.model_copy(update={"undo": undo, "memory": 2 << 30})
        return sandbox_maker(options)()

    rows: list[dict[str, object]] = []
    for size in SIZES:
        cost = asyncio.run(measure_undo(make, size, rounds))
        times = {
            f"{it.name}_ms": round(getattr(cost, it.name) * 1000, 3)
            for it in fields(Cost)
            if it.name != "resident"
        }
        rows.append({"resident_mb": cost.resident // 1_000_000, **times})
    if json:
        typer.echo(dumps(rows))
    else:
        print_table(rows)


@app.command()
def split(
    chunk: Annotated[int, typer.Option(min=1, help="Characters a delta.")] = 4,
    *,
    json: Json = False,
) -> None:
    """How fast the splitters are, on texts that are hard on them in different ways."""
    from dataclasses import asdict
    from json import dumps

    from conveyor_cli.bench.split import measure

    rows = [asdict(speed) for speed in measure(chunk)]
    if json:
        typer.echo(dumps(rows))
    else:
        print_table(rows)


def _transformers(task: Task) -> TransformersBackend:
    """The task's model; the benchmarks of decoding need a real one."""
    from conveyor_cli.backends.models import ModelStore
    from conveyor_cli.backends.precision import Device, Dtype, Quantization
    from conveyor_cli.backends.transformers import TransformersBackend

    return TransformersBackend(
        task.model.id,
        store=ModelStore(),
        quantization=Quantization(task.model.quantization),
        dtype=Dtype(task.model.dtype),
        device=Device(task.model.device),
    )


def _dtype(dtype: str | None) -> list[str]:
    return [] if dtype is None else [f"model.dtype={dtype}"]


def _task(sandbox: str | None) -> Task:
    """A task with the user's settings, for measurements that bring their own text."""
    settings = options.read_settings(None, {"sandbox": sandbox, "prompt": "-"}, None)
    settings.merged["name"] = "bench"
    return settings.task()


def print_table(rows: list[dict[str, object]]) -> None:
    """Show rows with the same columns."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in rows[0]:
        table.add_column(name, justify="left" if isinstance(rows[0][name], str) else "right")
    for row in rows:
        table.add_row(*(f"{it:.4f}" if isinstance(it, float) else str(it) for it in row.values()))
    console = Console(highlight=False)
    console.width = max(console.width, 120)  # a cut heading would say nothing
    console.print(table)
