"""Runs with MCP servers: how far their calls have come, and the pictures that they give."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from conveyor_cli.engine import events as ev
from tests.cli.command import Command, Done, named
from tests.cli.views import scenes
from tests.cli.views.terminal import show
from tests.cli.views.test_plain import printed
from tests.tools.mcp_client.servers import hostile, published


def call(name: str, **arguments: Any) -> str:
    text = json.dumps({"name": name, "arguments": arguments})
    return f"<tool_call>\n{text}\n</tool_call>"


def run(conveyor: Command, command: list[str], response: str, *args: str) -> Done:
    """A run of that response, with the server's tools and no sandbox."""
    script = conveyor.script(response, "done")
    tools = json.dumps(["plan", {"mcp": {"command": command, "effects": {"echo": "pure"}}}])
    return conveyor("run", "-p", "hi", "--script", script, "--trust", "-c", f"tools={tools}",
                    "-c", "model.dialect=hermes", *args)  # fmt: skip


def test_a_picture_is_saved_and_named_in_the_answer(conveyor: Command) -> None:
    """Without any sandbox."""
    command = published("mcp-server-everything")
    response = call("get_tiny_image") + call("get_tiny_image")
    done = run(conveyor, command, response, "--save-files", "out", "--json")
    assert done.code == 0, done.err
    names = ["get_tiny_image-1.png", "get_tiny_image-2.png"]
    assert [it["path"] for it in done.json["files"]] == names
    for name, made in zip(names, done.json["calls"], strict=False):
        assert f"saved as {name}]" in made["result"]
        content = (conveyor.folder / "out" / name).read_bytes()
        assert content.startswith(b"\x89PNG")
        assert re.search(rf"image/png, {len(content)} bytes", made["result"])
    assert [it["path"] for it in named(conveyor.journal(), "file_saved")] == names


def test_pictures_of_a_call_that_failed_are_not_saved(conveyor: Command) -> None:
    """Those of a pure call that ran, but stands behind one that failed."""
    response = call("echo", text="later") + call("echo", text="x")
    done = run(conveyor, hostile("pictures"), response, "--save-files", "out", "--json")
    assert [it["status"] for it in done.json["calls"]] == ["error", "skipped"]
    assert len(named(conveyor.journal(), "unit_started")) == 2
    assert done.json["files"] == []
    assert not any((conveyor.folder / "out").iterdir())


def run_plan(conveyor: Command, command: list[str], steps: str, *args: str) -> Done:
    """A run of a plan of these steps."""
    return run(conveyor, command, f">>>\n{steps}<<<\n", "-c", "model.dialect=plan", *args)


def saved(conveyor: Command) -> list[str]:
    """The names of what lies in the folder of saved files."""
    return sorted(it.name for it in (conveyor.folder / "out").iterdir())


@pytest.mark.parametrize(
    ("more", "status"), [("", "ok"), ("$4 = echo(message=$3[0].text)\n", "error")]
)
def test_pictures_of_steps_are_saved(conveyor: Command, more: str, status: str) -> None:
    """Those of steps that ended well before one that fails, too: the model is told of them."""
    command = published("mcp-server-everything")
    steps = f'$1 = get_tiny_image()\n$2 = echo(message="x")\n$3 = get_tiny_image()\n{more}'
    done = run_plan(conveyor, command, steps, "--save-files", "out", "--json")
    assert done.code == 0, done.err
    (made,) = done.json["calls"]
    assert made["status"] == status
    names = ["get_tiny_image-1-step1.png", "get_tiny_image-1-step3.png"]
    told = re.findall(r"saved as (.*?)\]", made["output"])
    assert told == [it["path"] for it in done.json["files"]] == saved(conveyor) == names


def test_pictures_of_a_plan_that_is_none_are_not_saved(conveyor: Command) -> None:
    """Though the step ran that made them, before the text was seen to be wrong."""
    steps = '$1 = echo(text="")\n$2 = nobody()\n'
    done = run_plan(conveyor, hostile("pictures"), steps, "--save-files", "out", "--json")
    assert [it["status"] for it in done.json["calls"]] == ["rolled_back"]
    (ended,) = named(conveyor.journal(), "unit_finished")
    assert ended["outcome"]["status"] == "ok"
    assert done.json["files"] == saved(conveyor) == []


PICTURE_TOOLS = """
import pathlib, time
from conveyor_tools.errors import ToolError
from conveyor_tools.function import tool
from conveyor_tools.hearing import hearing

MARK = pathlib.Path(__file__).with_name("mark")

@tool(effects="pure")
def picture() -> str:
    \"""A picture.\"""
    return hearing.get().keep(b"picture", ".png")

@tool(effects="pure")
def mark(after: str) -> str:
    \"""Leave a mark.\"""
    MARK.touch()
    return after

@tool(effects="pure")
def late() -> str:
    \"""Fail once there is a mark.\"""
    hearing.get().keep(b"late", ".png")
    while not MARK.exists():
        time.sleep(0.02)
    raise ToolError("too late")
"""


def run_own(conveyor: Command, dialect: str, response: str) -> Done:
    """A run with those tools."""
    conveyor.write("mytools.py", PICTURE_TOOLS)
    own = [f"./mytools.py:{it}" for it in ("picture", "mark", "late")]
    tools = json.dumps(["plan", {"mcp": {"command": hostile("pictures")}}, *own])
    script = conveyor.script(response, "done")
    return conveyor("run", "-p", "hi", "--script", script, "--trust", "-c", f"tools={tools}",
                    "-c", f"model.dialect={dialect}", "--save-files", "out", "--json")  # fmt: skip


def test_pictures_that_a_failed_call_made_are_not_saved(conveyor: Command) -> None:
    response = call("picture") + call("mark", after="") + call("late")
    done = run_own(conveyor, "hermes", response)
    assert [it["status"] for it in done.json["calls"]] == ["ok", "ok", "error"]
    assert [it["path"] for it in done.json["files"]] == saved(conveyor) == ["picture-1.png"]


def test_pictures_of_a_failed_step_and_of_those_behind_it_are_not_saved(conveyor: Command) -> None:
    """Though one ended well, beside it."""
    steps = "$1 = picture()\n$2 = late()\n$3 = picture()\n$4 = mark(after=$3)\n"
    done = run_own(conveyor, "plan", f">>>\n{steps}<<<\n")
    (made,) = done.json["calls"]
    assert [unit["status"] for unit in made["units"]][:3] == ["ok", "error", "rolled_back"]
    assert [it["path"] for it in done.json["files"]] == saved(conveyor) == ["picture-1-step1.png"]


def test_progress_is_told_and_reported(conveyor: Command) -> None:
    command = published("mcp-server-everything")
    response = call("trigger_long_running_operation", duration=2, steps=4)
    done = run(conveyor, command, response, "--plain", "--json")
    assert done.code == 0, done.err
    (unit,) = done.json["calls"][0]["units"]
    assert re.fullmatch(r"[34] of 4", unit["progress"])
    told = named(conveyor.journal(), "unit_progressed")
    assert (told[0]["text"], told[0]["fraction"]) == ("1 of 4", 0.25)
    assert "1.0 at 1 of 4" in done.err


def test_progress_of_a_step_is_told_and_reported(conveyor: Command) -> None:
    command = published("mcp-server-everything")
    steps = "$1 = trigger_long_running_operation(duration=2, steps=4)\n"
    done = run_plan(conveyor, command, steps, "--plain", "--json")
    assert done.code == 0, done.err
    (unit,) = done.json["calls"][0]["units"]
    assert re.fullmatch(r"[34] of 4", unit["progress"])
    assert "1.0 at 1 of 4" in done.err


def test_progress_of_steps_side_by_side_is_in_view(conveyor: Command) -> None:
    """Each under its own number and tool, and none once they have ended."""
    slow = "trigger_long_running_operation"
    steps = f"$1 = {slow}(duration=4, steps=4)\n$2 = {slow}(duration=6, steps=6)\n"
    script = conveyor.script(f">>>\n{steps}<<<\n", "done")
    server = {"command": published("mcp-server-everything"), "tools": [slow]}
    tools = json.dumps(["plan", {"mcp": server}])
    typed = conveyor.terminal("run", "-p", "hi", "--script", script, "--trust", "-c",
                              f"tools={tools}", "-c", "model.dialect=plan",
                              size=(110, 30))  # fmt: skip
    typed.until(f"$1 = {slow}  1 of 4")
    typed.until(f"$2 = {slow}  4 of 6")  # by then, the first one has ended
    assert "of 4" not in typed.terminal.text
    assert typed.wait() == 0
    assert "of 6" not in typed.terminal.text


def progressing(text: str) -> scenes.Scene:
    scene = scenes.analysis()
    begun = next(it for it in scene.events if isinstance(it, ev.UnitStarted))
    at = scene.events.index(begun) + 1
    scene.events.insert(at, ev.UnitProgressed(begun.at, begun.unit, text, 0.5))
    return scene


def test_progress_is_in_view_while_the_unit_runs() -> None:
    """On the live view as a bar, and gone when the unit is; in the plain view as a line."""
    scene = progressing("2 of 4: on \x1b[31mit")
    began = next(it.at for it in scene.events if isinstance(it, ev.UnitProgressed))
    shown = show(scene.until(began), began, (80, 24)).text
    assert re.search(r"python +2 of 4: on .*it +━+ +50%", shown)
    assert "2 of 4" not in show(scene.events, None, (80, 24)).text
    assert any("1.0 at 2 of 4" in line for line in printed(scene))


@pytest.mark.parametrize("name", ["get-sum", "nope"])
def test_a_tool_that_no_server_has_is_a_wrong_argument(conveyor: Command, name: str) -> None:
    """The user named it, not the model: all of the name is told, and what there is."""
    tools = json.dumps([{"mcp": {"command": published("mcp-server-everything")}}])
    done = conveyor("tools", "try", name, "{}", "--trust", "-c", f"tools={tools}", "--rate", "500")
    assert done.code == 2
    assert done.complaint.startswith(f"no tool is called {name!r} (there is: echo, ")
    assert "get_sum" in done.complaint
