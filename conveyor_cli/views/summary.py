"""A run's metrics in a line or two."""

from __future__ import annotations

from rich.text import Text

from conveyor_cli.engine.metrics import measure
from conveyor_cli.engine.timeline import Timeline
from conveyor_cli.views.chart import seconds


def summary(timeline: Timeline, now: float | None, width: int) -> list[Text]:
    """The metrics that people look at, in as many rows of `width` cells as they take.

    `now` is the time of the run's clock where it still goes on, otherwise None.
    """
    metrics = measure(timeline, now)
    facts = []
    if metrics.ttft_s is not None:
        facts.append(("ttft", seconds(metrics.ttft_s)))
    if metrics.tokens_per_s is not None:
        facts.append(("", f"{metrics.tokens_per_s:.0f} tok/s"))
    facts += [
        ("decode", seconds(metrics.decode_s)),
        ("tool", seconds(metrics.tool_s)),
        ("overlap", seconds(metrics.overlap_s)),
        ("exposed", seconds(metrics.exposed_tool_s)),
        ("wall", seconds(metrics.wall_s)),
    ]
    if metrics.tool_s and timeline.started is not None and timeline.started.mode == "partial":
        facts.append(("sequential would be ~", seconds(metrics.sequential_estimate_s)))
    if timeline.ended is not None and metrics.efficiency is not None and metrics.tool_s:
        facts.append(("efficiency", f"{metrics.efficiency:.1%}"))
    rows: list[Text] = []
    for name, value in facts:
        fact = Text.assemble((f"{name} " if name else "", "bright_black"), value)
        if rows and len(rows[-1]) + 3 + len(fact) <= width:
            rows[-1].append("   ").append_text(fact)
        else:
            rows.append(Text(" ", no_wrap=True).append_text(fact))
    if timeline.ended is not None and timeline.sandboxes:
        sandbox = timeline.sandboxes[-1]
        style = "bold red" if sandbox.kind == "unsafe" else ""
        rows += [Text(f" weaker sandbox: {it}", style) for it in sandbox.weaknesses]
    for row in rows:
        row.truncate(width, overflow="ellipsis")
    return rows
