"""Plans in every dialect that can hold them: run for real, in both modes, with the same result."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from tests.cli.command import Command, finish, named

TOOLS = '''
import asyncio, pathlib
from conveyor_tools.errors import ToolError
from conveyor_tools.function import tool

LOG = pathlib.Path(__file__).with_name("log")

@tool(effects="pure")
async def slow(text: str, seconds: float = 0.4) -> dict[str, str]:
    """Think for a while."""
    await asyncio.sleep(seconds)
    return {"text": text.upper()}

@tool(effects="pure")
async def fail(text: str, seconds: float = 0.0) -> str:
    """Fail."""
    await asyncio.sleep(seconds)
    raise ToolError(f"cannot {text}")

@tool(effects="pure")
async def hang() -> None:
    """Never answer."""
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        with LOG.open("a") as file:
            file.write("cancelled\\n")
        raise

@tool(effects="external")
def send(text: str) -> str:
    """Send a mail."""
    with LOG.open("a") as file:
        file.write(f"{text}\\n")
    return f"sent {text}"
'''
NAMES = "plan, " + ", ".join(f"./mytools.py:{name}" for name in ("slow", "fail", "send", "hang"))
STEPS = """\
$1 = slow("a")
$2 = slow("b")
$3 = slow(text="${1.text}+${2.text}", seconds=0)
"""


def written(dialect: str, steps: str) -> str:
    """A response with a plan."""
    match dialect:
        case "plan":
            return f"So:\n>>>\n{steps}<<<\n"
        case "fences":
            return f"So:\n```plan\n{steps}```\n"
        case _:
            call = json.dumps({"name": "plan", "arguments": {"plan": steps}})
            return f"So:\n<tool_call>\n{call}\n</tool_call>"


def both(
    conveyor: Command, steps: str, dialect: str = "plan", code: int = 0, **options: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The comparison of the two modes, whose results are the same, and the partial run's report."""
    conveyor.write("mytools.py", TOOLS)
    script = conveyor.script(written(dialect, steps), "Done.")
    settings = {"tools": f"[{NAMES}]", "model.dialect": dialect} | options
    assigned = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
    done = conveyor("compare", "-p", "hi", "--script", script, "--rate", "100", "--trust", "--json",
                    *assigned)  # fmt: skip
    assert done.code == code, done.err
    assert done.json["differences"] == []
    return done.json, done.json["partial"]["runs"][0]


@pytest.mark.parametrize("dialect", ["plan", "fences", "hermes"])
def test_steps_run_side_by_side_while_the_plan_is_written(conveyor: Command, dialect: str) -> None:
    """Each from the end of its line, or of what it uses; the last result is the plan's."""
    _, run = both(conveyor, STEPS, dialect)
    (call,) = run["calls"]
    assert (call["status"], call["result"]) == ("ok", '{"text":"A+B"}')
    assert call["output"] == '$1 = {"text":"A"}\n$2 = {"text":"B"}\n$3 = {"text":"A+B"}\n'
    first, second, third = call["units"]
    assert first["started_at"] < second["ready_at"] < second["started_at"] < first["finished_at"]
    assert third["started_at"] >= second["finished_at"]
    assert run["answer"] == "Done."


def test_no_sandbox_is_started_for_a_plan(conveyor: Command) -> None:
    conveyor.write("mytools.py", TOOLS)
    script = conveyor.script(written("plan", STEPS), "Done.")
    conveyor("run", "-p", "hi", "--script", script, "--trust", "-c", f"tools=[{NAMES}]",
             "--sandbox", "docker", DOCKER_HOST="unix:///nowhere")  # fmt: skip
    events = conveyor.journal()
    assert [event["status"] for event in named(events, "run_ended")] == ["done"]
    assert named(events, "sandbox_started") == []
    ready = named(events, "unit_ready")
    assert [event["after"] for event in ready] == [[], [], [0, 1]]


@pytest.mark.parametrize("dialect", ["plan", "hermes"])
@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("$2 = find(", "no tool is called 'fi'… (there is: fail, hang, send, slow)"),
        ("$2 = slow(5", "text must be a string, not a number"),
        ("$2 = slow($3", "there is no step $3 before this one"),
        ("$2 = slow(tex", "text must be a string"),
    ],
)
def test_decoding_stops_where_it_is_no_plan_any_more(
    conveyor: Command, dialect: str, step: str, message: str
) -> None:
    """The rest is not written; nothing counts; the model is told why."""
    if step.endswith("tex"):
        step += "t=1"
    rest = "".join(f'$9{n:02} = slow("never", 1)\n' for n in range(40))
    found, run = both(conveyor, f'$1 = slow("a", 0)\n{step})\n{rest}', dialect)
    (call,) = run["calls"]
    assert (call["status"], call["output"]) == ("rolled_back", "")
    assert message in call["error"]["message"]
    assert found["saved_tokens"] > 200


@pytest.mark.parametrize("early_stop", ["true", "false"])
def test_the_first_failure_in_the_text_is_told(conveyor: Command, early_stop: str) -> None:
    """Though another step fails sooner, and one behind it is done already."""
    steps = '$1 = slow("a", 0)\n$2 = fail("b", 0.5)\n$3 = fail("c")\n$4 = slow("d", 0)\n'
    _, run = both(conveyor, steps, early_stop=early_stop)
    (call,) = run["calls"]
    assert call["status"] == "error"
    assert call["error"]["message"] == "cannot b"
    assert call["output"] == '$1 = {"text":"A"}\n'
    statuses = [unit["status"] for unit in call["units"]]
    assert statuses[:2] == ["ok", "error"]
    assert "ok" not in statuses[2:]


def test_nobody_can_be_asked_about_effects(conveyor: Command) -> None:
    """Without a terminal they are denied, and nothing is sent."""
    _, run = both(conveyor, '$1 = slow("a", 0)\n$2 = send("${1.text}")\n$3 = slow("b", 0)\n')
    (call,) = run["calls"]
    assert (call["status"], call["error"]["kind"]) == ("error", "denied")
    assert not (conveyor.folder / "log").exists()


def test_effects_happen_once_and_in_order(conveyor: Command) -> None:
    """When the plan is complete; once in each of the two runs."""
    steps = '$1 = send("a")\n$2 = slow("b", 0.3)\n$3 = send("c ${1}")\n'
    _, run = both(conveyor, steps, approve="never")
    (call,) = run["calls"]
    assert call["result"] == "sent c sent a"
    assert (conveyor.folder / "log").read_text().splitlines() == ["a", "c sent a"] * 2
    first, second, third = call["units"]
    assert second["started_at"] < first["started_at"]
    assert third["started_at"] >= max(first["finished_at"], second["finished_at"])


def test_a_plan_that_is_cut_off_sends_nothing(conveyor: Command) -> None:
    """At the token limit: nothing of it counts."""
    steps = '$1 = slow("a", 0)\n$2 = send("b")\n$3 = slow("' + "c" * 400 + '")\n'
    options = {"model.max_new_tokens": "40", "approve": "never", "limits.turns": "1"}
    _, run = both(conveyor, steps, code=0, **options)
    (call,) = run["calls"]
    assert (call["status"], call["error"]["kind"]) == ("rolled_back", "cut_off")
    assert not (conveyor.folder / "log").exists()


def test_a_plan_can_be_tried(conveyor: Command) -> None:
    """With the calculator to call, or the functions of a task."""
    plan = '$1 = calculator("6 * 7")\n$2 = calculator("${1} + 1")\n'
    done = conveyor("tools", "try", "plan", plan, "--rate", "500")
    assert (done.code, done.out.splitlines()[-1]) == (0, "43")


def test_ctrl_c_cancels_the_steps(conveyor: Command) -> None:
    """The user's stop reaches the function on the host; nothing of the plan counts."""
    conveyor.write("mytools.py", TOOLS)
    script = conveyor.script(written("plan", "$1 = hang()\n"), "Done.")
    process = conveyor.start("run", "-p", "hi", "--script", script, "--trust",
                             "-c", f"tools=[{NAMES}]")  # fmt: skip
    conveyor.wait_for('"unit_started"')
    process.send_signal(signal.SIGINT)
    assert finish(process).code == 130
    assert (conveyor.folder / "log").read_text() == "cancelled\n"
    (ended,) = named(conveyor.journal(), "call_ended")
    assert ended["outcome"]["status"] == "cancelled"


def test_the_plan_dialect_needs_the_tool(conveyor: Command) -> None:
    script = conveyor.script("x")
    done = conveyor("run", "-p", "hi", "--script", script, "-c", "model.dialect=plan",
                    "-c", "tools=[python]", "--sandbox", "local")  # fmt: skip
    assert done.code == 2
    assert "plan tool" in done.complaint
