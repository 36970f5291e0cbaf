"""Functions that the model calls itself, with JSON: in both modes, through the real engine."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from conveyor_cli.backends.base import Message, Role
from conveyor_cli.comparison import Comparison, compare
from conveyor_cli.engine.approval import Ask
from conveyor_cli.performance import Performance
from conveyor_cli.task import Task
from conveyor_cli.trust import code_of, require_trust

TOOLS = '''
import asyncio, pathlib
from conveyor_tools.function import tool
from conveyor_tools.later import Later

LOG = pathlib.Path(__file__).with_name("log")
MET, LOOKED = asyncio.Event(), asyncio.Event()

def note(text):
    with LOG.open("a") as file:
        file.write(f"{text}\\n")

@tool(effects="pure", ready_when={"query"})
async def look(query: str, limit: Later[int] = 3) -> str:
    """Look something up."""
    note(f"look {query}")
    LOOKED.set()
    if query == "bad":
        raise ValueError("no luck")
    return f"{query} {await limit}"

@tool(effects="pure")
async def meet(who: str) -> str:
    """Wait until there are two."""
    if who == "first":
        MET.clear()
        await MET.wait()
    MET.set()
    return who

@tool(effects="reversible")
async def keep(what: str) -> str:
    """Keep something."""
    note(f"keep {what}")
    if what == "nothing":
        LOOKED.clear()
        await LOOKED.wait()
        raise ValueError("nothing to keep")
    return what

@tool(effects="external")
async def send(to: str) -> str:
    """Send a mail."""
    note(f"send {to}")
    return f"sent to {to}"

@tool(effects="external")
class Post:
    """Post a letter."""

    async def on_argument(self, name: str, value: str) -> None:
        raise ValueError(f"no {name}")

    async def __call__(self, letter: str) -> None:
        note("posted")

@tool(effects="pure")
class Desk:
    """Sit at a desk."""

    def __init__(self, *, city: str = "Oslo", folder: pathlib.Path = pathlib.Path()) -> None:
        self.city = city
        self.folder = folder

    async def prepare(self) -> None:
        note("prepare")

    async def __call__(self, hours: int) -> list[str]:
        return [self.city, (self.folder / "x").name, str(hours)]

    async def close(self) -> None:
        note("close")
'''


class Bench:
    """Runs scripts with these tools; what differs between the modes fails the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = folder / "mytools.py"
        path.write_text(f"{TOOLS}\n# {folder}\n")  # a module of its own for each test

    def compare(
        self,
        *responses: str,
        tools: list[Any] | None = None,
        ask: Ask | None = None,
        **settings: Any,
    ) -> Comparison:
        script = self.folder / "script.txt"
        script.write_text("\n<<<turn>>>\n".join([*responses, "done"]), "utf-8")
        names = tools or ["look", "meet", "keep", "send", "Desk"]
        model = {"backend": "scripted", "script": script, "rate": 400, "dialect": "hermes"}
        task = Task.model_validate(
            {
                "name": "calls",
                "prompt": "hi",
                "model": model | settings.pop("model", {}),
                "tools": [self.tool(name) for name in names],
            }
            | settings
        )
        require_trust(code_of(task.tools), given=True)
        found = asyncio.run(compare(task, 1, lambda *_: None, ask))
        assert found.differences == []
        return found

    def tool(self, name: Any) -> Any:
        if isinstance(name, dict):
            return {f"{self.folder}/mytools.py:{key}": value for key, value in name.items()}
        return f"{self.folder}/mytools.py:{name}" if name != "python" else name

    def run(self, *responses: str, **settings: Any) -> Performance:
        return self.compare(*responses, **settings).pairs[0][1]

    @property
    def log(self) -> list[str]:
        """What the tools noted, in both runs together."""
        path = self.folder / "log"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return Bench(tmp_path)


def call(tool: str, **arguments: Any) -> str:
    return written(json.dumps({"name": tool, "arguments": arguments}))


def written(text: str) -> str:
    return f"<tool_call>\n{text}\n</tool_call>"


def results(run: Performance) -> list[tuple[str, str | None, str | None]]:
    """Status, kind of error, and result of each call."""
    return [
        (it["status"], it["error"] and it["error"]["kind"], it["result"])
        for it in run.report["calls"]
    ]


def told(run: Performance) -> list[str]:
    return [it.content for it in run.conversation if it.role is Role.TOOL]


def message(run: Performance) -> Message:
    """The model's first."""
    return next(it for it in run.conversation if it.role is Role.ASSISTANT)


def test_what_is_called_is_told(bench: Bench) -> None:
    """Results as JSON, and no sandbox is started for it."""
    run = bench.run(f"Now:\n{call('look', query='x', limit=5)}\n{call('keep', what='y')}")
    assert results(run) == [("ok", None, "x 5"), ("ok", None, "y")]
    assert told(run) == ["Result: x 5", "Result: y"]
    assert run.timeline.sandboxes == []
    assert "Look something up" in run.conversation[0].content


def test_a_call_starts_while_it_is_written(bench: Bench) -> None:
    """Once all is there that it declares to need; what comes later it waits for."""
    slow = written('{"name": "look", "arguments": {"query": "x", ' + " " * 400 + '"limit": 7}}')
    found = bench.compare(slow)
    sequential, partial = found.pairs[0]
    (early,) = [it for it in partial.timeline.calls.values() for it in it.units[:1]]
    (late,) = [it for it in sequential.timeline.calls.values() for it in it.units[:1]]
    assert early.started_at is not None
    assert late.started_at is not None
    assert early.started_at < partial.timeline.calls[1].closed_at
    assert late.started_at >= sequential.timeline.calls[1].closed_at
    assert results(partial) == [("ok", None, "x 7")]


def test_pure_calls_run_side_by_side(bench: Bench) -> None:
    """The first waits for the second, which is written after it: in both modes."""
    run = bench.run(call("meet", who="first") + call("meet", who="second"))
    assert results(run) == [("ok", None, "first"), ("ok", None, "second")]


def test_what_ran_beside_a_call_that_failed_counts_no_more(bench: Bench) -> None:
    """It is not told of, and the response ends with the one that failed."""
    run = bench.run(call("keep", what="nothing") + call("look", query="x") + call("keep", what="z"))
    assert results(run)[0] == ("error", "exception", None)
    assert {status for status, _, _ in results(run)[1:]} == {"skipped"}
    assert bench.log.count("look x") == 2
    assert told(run) == ["Error: ValueError: nothing to keep"]
    assert message(run).content == call("keep", what="nothing")
    assert "keep z" not in bench.log


def test_a_call_that_fails_early_is_cut_there(bench: Bench) -> None:
    """The message ends, as JSON that closes, with what it had when it failed."""
    text = '{"name": "look", "arguments": {"query": "bad", ' + " " * 400 + '"limit": 7}}'
    found = bench.compare(f"So\n{written(text)}")
    assert results(found.pairs[0][1]) == [("error", "exception", None)]
    assert message(found.pairs[0][1]).content == f"So\n{call('look', query='bad')}"
    assert found.saved_tokens > 50


@pytest.mark.parametrize(
    ("arguments", "upto", "words"),
    [
        ('{"query": 5, "limit": 1}', '{"query": 5', "query"),
        ('{"quantity": 5}', '{"qua": null', "quer"),
        ('{"query": "x", "limit": "many"}', '{"query": "x", "limit": ""', "limit"),
        ('["query"]', None, "{"),
    ],
)
@pytest.mark.parametrize("chunk", [1, 4, 50])
def test_decoding_stops_where_arguments_are_wrong(
    bench: Bench, arguments: str, upto: str | None, words: str, chunk: int
) -> None:
    """In partial mode with the delta that shows it; the conversation is the same in both."""
    text = '{"name": "look", "arguments": ' + arguments + " " * 400 + "}"
    found = bench.compare(written(text) + call("look", query="z"), model={"chunk": chunk})
    run = found.pairs[0][1]
    assert results(run)[0][:2] == ("rolled_back", "arguments")
    assert words in told(run)[0]
    decoded = run.timeline.turns[1].text.partition('"arguments": ')[2]
    assert len(decoded) <= len(arguments) + chunk
    assert found.saved_tokens * chunk >= 300
    if upto is not None:
        assert message(run).content == written('{"name": "look", "arguments": ' + upto + "}}")
    assert "look z" not in bench.log


def test_decoding_stops_where_no_tool_is_called_so(bench: Bench) -> None:
    """The model is told what there is."""
    run = bench.run(written('{"name": "lurk", "arguments": {' + " " * 400 + "}}"))
    assert results(run) == [("error", "unknown_tool", None)]
    assert len(run.timeline.turns[1].text) <= len('<tool_call>\n{"name": "lu') + 4
    assert "look, meet, keep, send, Desk" in told(run)[0]


@pytest.mark.parametrize(
    ("approve", "outcome"),
    [("never", ("ok", None, "sent to bob")), ("external", ("error", "denied", None))],
)
def test_external_calls_wait(
    bench: Bench, approve: str, outcome: tuple[str, str | None, str | None]
) -> None:
    """For the end of the call, in both modes; where nobody can be asked, they are denied."""
    text = '{"name": "send", "arguments": {"to": "bob"}' + " " * 400 + "}"
    run = bench.run(written(text), approve=approve)
    assert results(run) == [outcome]
    (unit,) = run.timeline.calls[1].units
    assert unit.external
    assert unit.held
    assert (unit.started_at is not None) == (approve == "never")
    if unit.started_at is not None:
        assert unit.started_at >= run.timeline.calls[1].closed_at
    assert bench.log == (["send bob"] * 2 if approve == "never" else [])
    if approve == "external":
        assert "It was not run: send needs the user's approval" in told(run)[0]


@pytest.mark.parametrize("allowed", [True, False])
def test_the_user_is_asked(bench: Bench, *, allowed: bool) -> None:
    """Once for both modes, with all arguments; only what they allow is run."""
    asked = []

    async def ask(tool: str, arguments: str) -> bool:
        asked.append((tool, arguments, list(bench.log)))
        return allowed

    run = bench.run(call("keep", what="x") + call("send", to="bob"), ask=ask)
    assert asked == [("send", '{"to": "bob"}', ["keep x"])]
    assert [it[0] for it in results(run)] == ["ok", "ok" if allowed else "error"]
    assert bench.log.count("send bob") == 2 * allowed
    assert ("the user did not allow" in told(run)[-1]) is not allowed


def test_nobody_is_asked_about_what_does_not_count(bench: Bench) -> None:
    """A call before it failed."""
    asked = []

    async def ask(tool: str, _arguments: str) -> bool:
        asked.append(tool)
        return True

    run = bench.run(call("look", query="bad") + call("send", to="bob"), ask=ask)
    assert results(run)[0] == ("error", "exception", None)
    assert asked == []
    assert "send bob" not in bench.log


def test_nobody_is_asked_about_what_has_failed(bench: Bench) -> None:
    """What is done about an argument early is done first, also where it is not early."""
    asked = []

    async def ask(tool: str, _arguments: str) -> bool:
        asked.append(tool)
        return True

    run = bench.run(call("Post", letter="x"), tools=["Post"], ask=ask)
    assert results(run) == [("error", "exception", None)]
    assert asked == []


def test_all_are_asked_about_where_the_task_says_so(bench: Bench) -> None:
    """Pure ones, too: they wait for the end of the call then."""
    asked = []

    async def ask(_tool: str, arguments: str) -> bool:
        asked.append(arguments)
        return True

    run = bench.run(call("look", query="x", limit=4), ask=ask, approve="all")
    assert asked == ['{"query": "x", "limit": 4}']
    assert results(run) == [("ok", None, "x 4")]


def test_what_is_cut_off_sends_nothing(bench: Bench) -> None:
    """Whether or not all of its arguments are there."""
    text = '<tool_call>\n{"name": "send", "arguments": {"to": "bob"}' + " " * 400
    run = bench.run(text, approve="never", model={"max_new_tokens": 40})
    assert results(run)[0][:2] == ("rolled_back", "cut_off")
    assert bench.log == []


def test_a_fenced_block_holds_json(bench: Bench) -> None:
    """Where there is no code that could call."""
    run = bench.run('So:\n```look\n{"query":\n "x"}\n```\nnever', model={"dialect": "fences"})
    assert results(run) == [("ok", None, "x 3")]
    assert message(run).content == 'So:\n```look\n{"query":\n "x"}\n```'
    assert "```look" in run.conversation[0].content
    run = bench.run(
        'So:\n```look\n{"query": "bad",\n  "limit": 1}\n```', model={"dialect": "fences"}
    )
    assert message(run).content == 'So:\n```look\n{"query": "bad"}\n```'


def test_a_class_is_made_with_options_and_closed(bench: Bench) -> None:
    """It is told of calls before they are complete, and of the conversation's end once."""
    run = bench.run(call("Desk", hours=2), tools=[{"Desk": {"city": "Rome", "folder": "docs"}}])
    assert results(run) == [("ok", None, '["Rome","x","2"]')]
    assert bench.log == ["prepare", "close"] * 2
