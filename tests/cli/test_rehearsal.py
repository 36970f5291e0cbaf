"""The documented tool works as documented: written, tested, watched."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from conveyor_cli.backends.scripted import ScriptedBackend
from conveyor_cli.engine.approval import Approve
from conveyor_cli.errors import ModelError
from conveyor_cli.rehearsal import rehearse
from conveyor_tools.function import tool

ROOT = Path(__file__).parents[2]
CALL = '<tool_call>{{"name": "{}", "arguments": {}}}</tool_call>'


def blocks(heading: str) -> list[tuple[str, str]]:
    """The fenced blocks of a section of docs/tools.md: language and text."""
    text = (ROOT / "docs" / "tools.md").read_text()
    section = text.split(f"### {heading}\n", 1)[1].split("\n### ", 1)[0]
    return re.findall(r"```(\w+)\n(.*?)```", section, re.DOTALL)


def test_the_streaming_tool_of_the_docs(tmp_path: Path) -> None:
    """Its file, its test and its command, as they stand there, in less than 20 lines."""
    (_, code), (_, its_test), (_, command) = blocks("A tool that starts early")
    lines = [line for line in code.splitlines() if line.strip()]
    assert len(lines) < 20
    (tmp_path / "find.py").write_text(code)
    (tmp_path / "test_find.py").write_text(its_test)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "cities.txt").write_text("Oslo is in Norway.\n")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    source = os.pathsep.join([str(ROOT), str(ROOT / "tools"), str(ROOT / "sandbox")])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": source}
    for line in ("python -m pytest -q -p no:cacheprovider test_find.py",
                 command.replace("conveyor run", "conveyor run --trust --json")):  # fmt: skip
        ended = subprocess.run(
            ["sh", "-c", line],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
    assert '"answer": "In Norway."' in ended.stdout
    assert "Oslo is in Norway." in ended.stdout


def test_a_rehearsal_runs_the_tools_it_is_given() -> None:
    """Really, in both modes; a script that is too short is a mistake of the test."""
    seen = []

    @tool(effects="external")
    def send(text: str) -> str:
        """Send."""
        seen.append(text)
        return f"sent {text}"

    script = [CALL.format("send", '{"text": "x"}'), "Done."]
    for mode in ("partial", "sequential"):
        report = rehearse([send], ScriptedBackend(script, rate=None), mode=mode)
        assert (report["calls"][0]["result"], report["answer"]) == ("sent x", "Done.")
    assert seen == ["x", "x"]
    report = rehearse([send], ScriptedBackend(script, rate=None), approve=Approve.EXTERNAL)
    assert report["calls"][0]["error"]["kind"] == "denied"
    assert seen == ["x", "x"]
    with pytest.raises(ModelError, match="the script ended"):
        rehearse([send], ScriptedBackend(script[:1], rate=None))
