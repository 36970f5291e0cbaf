"""The documented tool works as documented: written, tested, watched."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from conveyor_cli.backends.scripted import ScriptedBackend
from conveyor_cli.engine.approval import Approve
from conveyor_cli.errors import ModelError
from conveyor_cli.rehearsal import rehearse
from conveyor_tools.errors import ToolError
from conveyor_tools.function import tool
from conveyor_tools.later import Later

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


def test_what_code_called_is_closed_too(tmp_path: Path) -> None:
    """A function that only code called has been used as well."""
    (tmp_path / "kept.py").write_text(
        "class Kept:\n"
        '    """Keep."""\n'
        "    def __call__(self, x: int) -> int:\n"
        "        return x\n"
        "    def close(self) -> None:\n"
        f"        open({str(tmp_path / 'closed')!r}, 'a').write('closed')\n"
    )
    (tmp_path / "script.txt").write_text("```python\nKept(1)\n```\n<<<turn>>>\nDone.\n")
    command = Path(sys.executable).parent / "conveyor"
    ended = subprocess.run(
        [str(command), "run", "-p", "x", "--script", "script.txt", "--trust", "--sandbox", "local",
         "-c", 'tools=[python, "./kept.py:Kept"]', "-c", "approve=never"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "closed").read_text() == "closed"


@tool(effects="pure", ready_when={"word"}, early={"seed"})
class Fragile:
    """Fail where the arguments say so."""

    def check_argument(self, name: str, value: object) -> None:
        if value == "refused":
            raise ToolError(f"{name} is refused")

    async def on_argument(self, name: str, value: object) -> None:
        await asyncio.sleep(0)
        if value == 13:
            raise ToolError(f"{name} is unlucky")

    async def __call__(
        self,
        word: Annotated[str, Field(max_length=8)],
        seed: Later[int] = Later(1),  # noqa: B008
        tail: Later[Literal["cut", "keep"]] = Later("keep"),  # noqa: B008
    ) -> str:
        if word == "fails":
            raise ToolError("it fails at once")
        if await seed == 7:
            raise ToolError("it fails in the end")
        return f"{word} {await seed} {await tail}"


@tool(effects="external")
def write(text: str) -> str:
    """Write."""
    return f"wrote {text}"


CALLS = st.one_of(
    st.tuples(
        st.just("Fragile"),
        st.permutations(
            [
                ("word", st.sampled_from(["a", "fails", "refused", "much too long", 5])),
                ("seed", st.sampled_from([1, 7, 13, "x", 2.5])),
                ("tail", st.sampled_from(["cut", "keep", "kept", None])),
            ]
        )
        .flatmap(lambda names: st.tuples(*(st.tuples(st.just(n), v) for n, v in names)))
        .flatmap(lambda items: st.integers(1, 3).map(lambda count: dict(items[:count]))),
    ),
    st.tuples(st.just("write"), st.fixed_dictionaries({"text": st.sampled_from(["x", 1])})),
)


@given(st.lists(CALLS, min_size=1, max_size=3), st.integers(1, 40), st.sampled_from(["}", ""]))
@settings(max_examples=80)
def test_partial_is_sequential_with_argument_tools(
    calls: list[tuple[str, dict[str, object]]], chunk: int, end: str
) -> None:
    """Whatever fails, wherever it is wrong: the same is told, however the text is chopped."""
    text = "".join(CALL.format(name, json.dumps(arguments)) for name, arguments in calls)
    script = [text.removesuffix("}</tool_call>") + end + "</tool_call>", "Done."]
    told = []
    for mode, size in (("partial", chunk), ("partial", 1), ("sequential", chunk)):
        backend = ScriptedBackend(script, rate=None, chunk=size)
        report = rehearse([Fragile, write], backend, mode=mode)
        told.append([(it["status"], it["result"], it["error"]) for it in report["calls"]])
    # What stands behind the call that ended the response was not decoded, or skipped.
    counted = [[it for it in calls if it[0] != "skipped"] for calls in told]
    assert counted[0] == counted[1] == counted[2]
