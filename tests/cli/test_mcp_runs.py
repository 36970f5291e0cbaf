"""Runs with MCP servers: how far their calls have come, and the pictures that they give."""

from __future__ import annotations

import json
import re
from typing import Any

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
    tools = json.dumps([{"mcp": {"command": command, "effects": {"echo": "pure"}}}])
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
