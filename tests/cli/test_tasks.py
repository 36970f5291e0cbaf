"""The example tasks do what they show, run as a user runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conveyor_cli.backends.models import DEFAULT_MODEL, ModelStore
from tests.cli.backends.tiny_models import silent

ROOT = Path(__file__).parents[2]
SANDBOXES = [pytest.param("docker", marks=pytest.mark.docker), "local"]


def run_task(
    name: str, sandbox: str, tmp_path: Path
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The task's `--json` object and its journal."""
    journal = tmp_path / "journal.jsonl"
    command = [Path(sys.executable).parent / "conveyor", "run", ROOT / "tasks" / name, "--json"]
    ended = subprocess.run(
        [*map(str, command), "--sandbox", sandbox, "--journal", str(journal)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    return json.loads(ended.stdout), events


@pytest.mark.model
@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_quickstart_runs_real_code_while_the_model_decodes(sandbox: str, tmp_path: Path) -> None:
    """The real model's code prints the sum, a statement of it having started before it was done."""
    ModelStore().locate(DEFAULT_MODEL, silent)
    report, journal = run_task("quickstart.yaml", sandbox, tmp_path)
    assert "2550" in report["calls"][0]["output"]
    started = min(record["at"] for record in journal if record["event"] == "unit_started")
    stopped = min(record["at"] for record in journal if record["event"] == "decode_stopped")
    assert started < stopped


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_codegen_overlaps_decoding_and_running(sandbox: str, tmp_path: Path) -> None:
    """Nearly all that the analysis waits for lies within decoding."""
    report, _ = run_task("codegen.yaml", sandbox, tmp_path)
    metrics = report["metrics"]
    assert metrics["tool_s"] > 2.4  # the text sleeps for 2.4 s
    assert metrics["overlap_s"] > metrics["tool_s"] / 2
    assert [call["status"] for call in report["calls"]] == ["ok"]


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_calculator_is_asked_while_the_code_is_decoded(sandbox: str, tmp_path: Path) -> None:
    """By the model, with units; and by its code: all digits, and long before the text ended."""
    report, journal = run_task("calculator.yaml", sandbox, tmp_path)
    *asked, call = report["calls"]
    assert [it["result"] for it in asked] == ["1371.96576 liters", "55.3212 hours"]
    exact = str(1000 * 1001**30)
    digits = exact[:4] + "." + exact[4:].rstrip("0")
    assert f"owed: {digits}\n" in call["output"]
    assert [nested["status"] for nested in call["nested"]] == ["ok"] * 3
    stopped = [record["at"] for record in journal if record["event"] == "decode_stopped"]
    assert call["nested"][0]["finished_at"] < stopped[1]


def test_validation_stops_each_wrong_call_where_it_is_wrong() -> None:
    """In both modes the model is told the same; partially, less than half is decoded for it."""
    reports = {}
    for mode in ("partial", "sequential"):
        command = [Path(sys.executable).parent / "conveyor", "run", ROOT / "tasks/validation.yaml"]
        ended = subprocess.run(
            [*map(str, command), "--json", "--trust", "--mode", mode, "--rate", "2000"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        reports[mode] = json.loads(ended.stdout)
    told = [
        [(call["status"], call["result"], call["error"]) for call in report["calls"]]
        for report in reports.values()
    ]
    assert told[0] == told[1]
    assert [status for status, _, _ in told[0]] == [*["rolled_back"] * 4, "ok"]
    assert [error and error["message"].split(": ")[0] for _, _, error in told[0]] == [
        "shipping",
        "lines.0.quantity",
        "no argument is called 'p'… (arguments",
        "lines",
        None,
    ]
    tokens = {mode: report["metrics"]["tokens"] for mode, report in reports.items()}
    assert tokens["partial"] < tokens["sequential"] / 2


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_planning_asks_side_by_side(sandbox: str, tmp_path: Path) -> None:
    """Each step as soon as those have ended that it uses, or that share its state, no sooner."""
    report, journal = run_task("planning.yaml", sandbox, tmp_path)
    (call,) = report["calls"]
    assert call["result"] == "3666735"
    assert "$7 = 5 booths for 1118 cars an hour: they wait 4.2 s\n" in call["output"]
    stopped = min(record["at"] for record in journal if record["event"] == "decode_stopped")
    units = call["units"]
    assert units[0]["started_at"] < units[1]["started_at"] < stopped
    for index, before in ((5, (0,)), (6, (1, 5)), (7, (5,)), (8, (7,))):
        ends = [units[it]["finished_at"] for it in before]
        assert units[index]["started_at"] >= max(units[index]["ready_at"], *ends)


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_shell_counts_while_the_report_is_written(sandbox: str, tmp_path: Path) -> None:
    """The slow command runs beside decoding; a fence in a here-document is a part of it."""
    report, journal = run_task("shell.yaml", sandbox, tmp_path)
    assert [call["tool"] for call in report["calls"]] == ["shell", "files", "shell"]
    assert [call["status"] for call in report["calls"]] == ["ok"] * 3
    assert report["calls"][0]["output"] == "billing 1428\nmail 89\nsearch 0\n/workspace/logs\n"
    assert report["calls"][2]["output"] == "The service that fails most: billing\nbilling 1428\n"
    metrics = report["metrics"]
    assert metrics["tool_s"] > 0.5  # it sleeps for half a second
    assert metrics["overlap_s"] > metrics["tool_s"] / 2
    stopped = min(record["at"] for record in journal if record["event"] == "decode_stopped")
    assert report["calls"][0]["units"][4]["finished_at"] < stopped


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_research_asks_several_tools_at_once(sandbox: str, tmp_path: Path) -> None:
    """Those that change nothing side by side, the others in their order; one turn for all."""
    report, journal = run_task("research.yaml", sandbox, tmp_path)
    calls = report["calls"]
    assert [call["tool"] for call in calls] == ["search", "search", "calculator", "sql", "python"]
    assert {call["status"] for call in calls} == {"ok"}
    assert "humber.md" in calls[1]["result"]
    assert "1990 | 2 | 1991" in calls[3]["output"]
    ends = [max(unit["finished_at"] for unit in call["units"]) for call in calls]
    assert calls[3]["units"][0]["started_at"] >= max(ends[:3])
    assert calls[4]["units"][0]["started_at"] >= ends[3]
    opened = [record for record in journal if record["event"] == "call_opened"]
    assert [record["pure"] for record in opened] == [True, True, True, False, False]
