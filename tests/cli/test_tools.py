"""Tools called from inside code, with the installed command and the real sandboxes."""

from __future__ import annotations

import signal
import time
from typing import Any

import pytest

from conveyor_cli.tool_choice import ToolChoice
from conveyor_cli.toolbox import open_toolbox
from tests.cli.command import Command, Done, Typed, finish, named

DOCKER = pytest.param("docker", marks=pytest.mark.docker)
TOOLS = '''
import asyncio, os, pathlib, sys, time
from conveyor_tools.function import tool

LOG = pathlib.Path(__file__).with_name("log")

def note(text):
    with LOG.open("a") as file:
        file.write(f"{text}\\n")

@tool(effects="pure")
def weather(city: str, days: int = 1) -> dict[str, float]:
    """The weather in a city."""
    note(f"weather {city}")
    time.sleep(0.3)
    return {city: 20.5 + days}

@tool(effects="external")
def send(to: str) -> str:
    """Send a mail."""
    note(f"send {to}")
    return f"sent to {to}"

@tool(effects="reversible")
async def draft(to: str) -> str:
    """Write a draft."""
    note(f"draft {to}")
    return f"draft for {to}"

@tool(effects="pure")
async def hang(x: int) -> int:
    """Never answer."""
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        note("hang cancelled")
        raise

@tool(effects="pure", timeout=0.2)
def late(x: int) -> int:
    """Answer too late."""
    time.sleep(30)

@tool(effects="pure")
def fail(x: int) -> int:
    """Fail."""
    raise ValueError(f"no {x}\\x1b[2J")

@tool(effects="pure")
def odd(x: int):
    """Return what is no data."""
    return sys

async def insist():
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            note("insists")

@tool(effects="pure", timeout=0.2)
async def leave(x: int) -> int:
    """Leave something behind, and wait for more of it."""
    leave.task = asyncio.create_task(insist())
    return await asyncio.gather(insist())

@tool(effects="pure")
async def cancelled(x: int) -> int:
    """Wait for what was cancelled."""
    work = asyncio.create_task(asyncio.sleep(60))
    work.cancel()
    await work

@tool(effects="pure")
def large(n: int) -> str:
    """Return much."""
    return "x" * n
'''
NAMES = "weather send draft hang late fail odd leave cancelled large".split()  # noqa: SIM905


def arguments(conveyor: Command, *code: str, sandbox: str = "local", rate: int = 2000) -> list[str]:
    """What to give to `conveyor run` for calls with this code."""
    conveyor.write("mytools.py", TOOLS)
    script = conveyor.script(*(f"```python\n{each}\n```" for each in code), "done")
    names = ", ".join(f"./mytools.py:{name}" for name in NAMES)
    tools = f"tools=[python, calculator, {names}]"
    return ["run", "-p", "hi", "--script", str(script), "--rate", str(rate), "--sandbox", sandbox,
            "--trust", "-c", tools]  # fmt: skip


def run(conveyor: Command, code: str, *args: str, **options: Any) -> Done:
    done = conveyor(*arguments(conveyor, code, **options), "--json", *args, stdin="")
    assert done.code == 0, done.err
    return done


def call_of(done: Done) -> dict[str, Any]:
    call: dict[str, Any] = done.json["calls"][0]
    return call


def log(conveyor: Command) -> list[str]:
    """What the tools noted."""
    path = conveyor.folder / "log"
    return path.read_text().splitlines() if path.exists() else []


MIXED = """\
a = weather("Oslo")
print(a, calculator("0.1 + 0.2"))
import asyncio
async def both():
    return await asyncio.gather(weather("Rome", days=2), weather("Bonn"))
print(asyncio.run(both()))
for tool in (send, draft):
    try:
        print(tool("bob"))
    except ToolError as problem:
        print("no:", problem)
try:
    fail(1)
except ToolError as problem:
    print(repr(problem))
weather(5)"""


@pytest.mark.parametrize("sandbox", ["local", DOCKER])
@pytest.mark.parametrize("approve", ["never", "external"])
def test_both_modes_give_the_same(conveyor: Command, sandbox: str, approve: str) -> None:
    """Results, failures and what was called do not depend on the mode; when does."""
    calls, logs = [], []
    for mode in ("partial", "sequential"):
        args = ["--mode", mode, "-c", f"approve={approve}"]
        calls.append(call_of(run(conveyor, MIXED, *args, sandbox=sandbox, rate=150)))
        logs.append(sorted(log(conveyor)))
        (conveyor.folder / "log").unlink()
    assert logs[0] == logs[1]
    first, second = ([(it["tool"], it["arguments"], it["status"], it["error"])
                      for it in call["nested"]] for call in calls)  # fmt: skip
    assert first == second
    started = [call["nested"][0]["started_at"] < call["units"][-1]["ready_at"] for call in calls]
    assert started == [True, False]
    for call in calls:
        del call["nested"], call["units"]
    assert calls[0] == calls[1]
    sent = "sent to bob" if approve == "never" else (
        "no: send needs the user's approval, and there is no terminal to ask on"
    )  # fmt: skip
    assert calls[0]["output"] == (
        "{'Oslo': 21.5} 0.3\n[{'Rome': 22.5}, {'Bonn': 21.5}]\n"
        f"{sent}\ndraft for bob\nToolError('ValueError: no 1\\x1b[2J')\n"
    )
    assert calls[0]["error"]["message"] == "city: must be a string, not a number (given: 5)"
    assert ("send bob" in logs[0]) == (approve == "never")


def test_effects_wait_for_the_complete_call(conveyor: Command) -> None:
    """A pure tool begins while the call is decoded; others when it is closed."""
    code = "weather('Oslo')\ndraft('bob')\nsend('bob')\n" + "# so much to say\n" * 20
    run(conveyor, code, "-c", "approve=never", rate=60)
    events = conveyor.journal()
    (closed,) = named(events, "call_closed")
    pure, draft, send = named(events, "nested_call_started")
    made = [event["at"] for event in named(events, "nested_call_made")]
    assert pure["at"] - made[0] < 0.1
    assert pure["at"] < closed["at"] - 0.5
    assert made[1] < closed["at"] - 0.5
    assert closed["at"] <= draft["at"] <= send["at"]


@pytest.mark.parametrize("caller", ["send('bob')", "Thread(target=send, args=['bob']).start()"])
def test_a_call_that_is_cut_off_calls_nothing_external(conveyor: Command, caller: str) -> None:
    """The text never became complete, so what waited for that never runs, in a thread neither."""
    code = f"weather('Oslo')\nfrom threading import Thread\n{caller}\n" + "x = 1\n" * 40
    args = arguments(conveyor, code, rate=200)
    done = conveyor(*args, "-c", "approve=never", "-c", "model.max_new_tokens=60", "--json")
    call = call_of(done)
    assert call["status"] == "rolled_back"
    assert log(conveyor) == ["weather Oslo"]
    assert [it["status"] for it in call["nested"]][-1] in ("error", "cancelled")


@pytest.mark.parametrize("sandbox", ["local", DOCKER])
@pytest.mark.parametrize("mode", ["partial", "sequential"])
def test_an_invalid_call_calls_nothing_external(conveyor: Command, sandbox: str, mode: str) -> None:
    """The invalid place lies further down, and is met before anything leaves the machine."""
    args = arguments(conveyor, "weather('Oslo')\nsend('bob')\ndef f(:\n", sandbox=sandbox)
    done = conveyor(*args, "-c", "approve=never", "--mode", mode, "--json")
    assert log(conveyor) == ["weather Oslo"]
    message = call_of(done)["error"]["message"]
    assert message.startswith("send was not called: the code is not valid: SyntaxError: invalid ")
    assert message.endswith("(<call>, line 3)")


def test_the_model_is_told_of_the_functions() -> None:
    """Name, signature and description stand in the system prompt."""
    chosen = map(ToolChoice, ("python", "calculator"))
    functions = open_toolbox(chosen).functions_told
    assert "- calculator(expression: str) -> str\n  Calculates an expression" in functions


def test_the_unit_timeout_is_paused(conveyor: Command) -> None:
    """A tool may take longer than a statement."""
    args = ["-c", "sandbox.unit_timeout=0.2"]
    call = call_of(run(conveyor, "a = weather('Oslo')\nwhile True: pass", *args))
    assert [unit["status"] for unit in call["units"]] == ["ok", "timeout"]


@pytest.mark.parametrize("sandbox", ["local", DOCKER])
def test_tools_that_misbehave(conveyor: Command, sandbox: str) -> None:
    """One that raises, hangs, or returns no data is an exception of the code that called it."""
    code = """\
much = 'x' * 2_000_000
for tool, x in ((late, 1), (odd, 1), (fail, 2), (cancelled, 1), (large, 5_000_000), (large, much)):
    try:
        print(tool(x)[-30:])
    except ToolError as problem:
        print(str(problem)[:60])"""
    assert call_of(run(conveyor, code, sandbox=sandbox))["output"].splitlines() == [
        "no answer within 0.2 s",
        "its result is not plain data: Unable to serialize unknown ty",
        "ValueError: no 2\x1b[2J",
        "CancelledError",
        "xxx… (4737857 characters more)",
        "the arguments have more than 1048576 characters as JSON",
    ]


def test_a_flood_of_calls_is_refused(conveyor: Command) -> None:
    """After a thousand, a call's code gets no more; the run and its journal stay small."""
    code = """\
from concurrent.futures import ThreadPoolExecutor
def ask(i):
    try:
        return calculator(str(i))
    except ToolError as problem:
        return str(problem)
with ThreadPoolExecutor(16) as pool:
    answers = list(pool.map(ask, range(3000)))
from collections import Counter
Counter(answers).most_common(1), len(set(answers))"""
    call = call_of(run(conveyor, code))
    assert call["result"] == "([('more than 1000 calls of tools in one call', 2000)], 1001)"
    assert len(call["nested"]) == 1000


def test_ctrl_c_cancels_the_tool(conveyor: Command) -> None:
    """The user's stop reaches the function on the host."""
    process = conveyor.start(*arguments(conveyor, "hang(1)"))
    conveyor.wait_for('"nested_call_started"')
    process.send_signal(signal.SIGINT)
    assert finish(process).code == 130
    assert log(conveyor) == ["hang cancelled"]
    (ended,) = named(conveyor.journal(), "nested_call_finished")
    assert ended["status"] == "cancelled"


def test_code_that_waits_no_more_cancels_the_tool(conveyor: Command) -> None:
    """At once, and not only when the run ends."""
    code = """\
import asyncio, time
async def main():
    try:
        await asyncio.wait_for(hang(1), 0.2)
    except asyncio.TimeoutError:
        print("gave up")
asyncio.run(main())
time.sleep(0.5)"""
    assert call_of(run(conveyor, code))["output"] == "gave up\n"
    names = [event["event"] for event in conveyor.journal()]
    assert log(conveyor) == ["hang cancelled"]
    assert names.index("nested_call_finished") < names.index("call_ended") - 1


def test_a_tool_that_blocks_does_not_keep_the_command(conveyor: Command) -> None:
    """Its thread is left behind when the run ends."""
    began = time.monotonic()
    call = call_of(run(conveyor, "late(1)"))
    assert call["error"]["type"] == "ToolError"
    assert time.monotonic() - began < 15


def test_what_a_tool_leaves_behind_does_not_keep_the_command(conveyor: Command) -> None:
    """It was told to end, with the call or with the run, and goes on."""
    call = call_of(run(conveyor, "leave(1)"))
    assert call["error"]["message"] == "no answer within 0.2 s"
    assert set(log(conveyor)) == {"insists"}


def test_waiting_is_drawn(conveyor: Command) -> None:
    """The bar of a unit that waits for a tool is hatched."""
    done = conveyor(*arguments(conveyor, "weather('Oslo')"), "--plain")
    assert 'tool       1.0 calls weather {"city":"Oslo","days":1}' in done.err
    assert "1.0 has its answer: ok" in done.err
    (lane,) = (line for line in done.err.splitlines() if line.startswith(" python"))
    assert lane.count("░") > 20


# Approval


def asked(conveyor: Command, *args: str) -> Typed:
    """A run on a terminal, at its question."""
    code = "print(send('bob'))\nprint(send('eve'))"
    typed = conveyor.terminal(*arguments(conveyor, code), *args, size=(100, 30))
    typed.until('Allow the model to call send {"to":"bob"}? [y/N]')
    return typed


def test_the_user_is_asked_on_a_terminal(conveyor: Command) -> None:
    """One call at a time; y allows, n does not, what is neither is no answer."""
    typed = asked(conveyor, "-c", "early_stop=false")
    typed.type("xy")
    typed.until('Allow the model to call send {"to":"eve"}? [y/N]')
    typed.type("xn")
    assert typed.wait() == 0
    assert log(conveyor) == ["send bob"]
    answers = named(conveyor.journal(), "nested_call_finished")
    assert [it["message"] for it in answers] == ["", "the user did not allow this call of send"]


def test_a_comparison_says_how_often_a_call_is_made(conveyor: Command) -> None:
    """It asks once, and each of its runs does it."""
    args = ["compare", *arguments(conveyor, "print(send('bob'))")[1:], "--warm-up"]
    typed = conveyor.terminal(*args, size=(100, 30))
    typed.until('Allow the model to call send {"to":"bob"}, in each of 3 runs? [y/N]')
    typed.type("y")
    assert typed.wait() == 0
    assert log(conveyor) == ["send bob"] * 3


def test_all_asks_for_pure_tools_too(conveyor: Command) -> None:
    """Where the task says so."""
    args = [*arguments(conveyor, "weather('Oslo')"), "-c", "approve=all"]
    typed = conveyor.terminal(*args, size=(100, 30))
    typed.until('Allow the model to call weather {"city":"Oslo","days":1}? [y/N]')
    typed.type("\r")
    typed.wait()
    assert log(conveyor) == []


def test_ctrl_c_at_the_question(conveyor: Command) -> None:
    """It stops the run, and the terminal is as it was."""
    typed = asked(conveyor)
    typed.type("\x03")
    assert typed.wait() == 130
    assert log(conveyor) == []


# Trust


def test_a_tasks_own_code_is_run_after_it_was_trusted(conveyor: Command) -> None:
    """Once, by its content: without a terminal by --trust, and then without it."""
    args = arguments(conveyor, "print(weather('Oslo'))")
    untrusted = [arg for arg in args if arg != "--trust"]
    refused = conveyor(*untrusted, stdin="")
    assert refused.code == 2
    assert "mytools.py:weather would run code of this machine" in refused.only_complaint
    assert conveyor(*args, stdin="").code == 0
    assert conveyor(*untrusted, stdin="").code == 0
    with (conveyor.folder / "mytools.py").open("a") as file:
        file.write("# changed\n")
    assert conveyor(*untrusted, stdin="").code == 2


def test_trust_that_cannot_be_remembered(conveyor: Command) -> None:
    """A home that cannot be written: the user has said it, so it holds for this once."""
    (conveyor.home / ".local").write_text("in the way")
    conveyor.write("mytools.py", "def double(x: int) -> int:\n    'Double.'\n    return 2 * x\n")
    args = ("tools", "try", "./mytools.py:double", '{"x": 21}', "-c", "approve=never")
    done = conveyor(*args, "--rate", "1000", "--trust", stdin="")
    assert (done.code, done.out) == (0, "42\n")
    assert "trusted is not remembered" in done.err
    assert conveyor(*args, stdin="").code == 2


def test_trust_is_asked_for_on_a_terminal(conveyor: Command) -> None:
    """And nothing is run where it is not given."""
    args = [arg for arg in arguments(conveyor, "print(weather('Oslo'))") if arg != "--trust"]
    for answer, code in (("n\r", 2), ("y\r", 0)):
        typed = conveyor.terminal(*args, "--plain", size=(120, 40))
        typed.until("outside the sandbox. Trust it? [y/N]")
        typed.type(answer)
        assert typed.wait() == code
    assert log(conveyor) == ["weather Oslo"]


def test_paths_of_tools_are_relative_to_the_task(conveyor: Command) -> None:
    """As all paths in a task file are."""
    script = conveyor.script("```python\nprint(weather('Oslo'))\n```", "done")
    (conveyor.folder / "deep").mkdir()
    conveyor.write("deep/mytools.py", TOOLS)
    conveyor.write("deep/task.yaml", "prompt: hi\ntools: [python, ./mytools.py:weather]\n")
    done = conveyor("run", "deep/task.yaml", "--script", script, "--rate", "2000", "--trust",
                    "--sandbox", "local", "--json")  # fmt: skip
    assert call_of(done)["output"] == "{'Oslo': 21.5}\n"


@pytest.mark.parametrize(
    ("tools", "why"),
    [
        ("[python, nope]", "tools.1: no tool is called 'nope' (there is: python,"),
        ("[python, './none.py:f']", "tools: ./none.py:f: there is no such file"),
        ("[python, './mytools.py']", "'./mytools.py': name its function or class, too"),
        ("[python, './mytools.py:']", "tools.1: not a tool: './mytools.py:'"),
        ("[python, './mytools.py:LOG']", "LOG: it is no function, but of type PosixPath"),
        ("[python, './mytools.py:note']", "note: it has no docstring"),
        ("[]", "tools: name at least one tool"),
        ("[python, {calculator: {a: 1}}]", "calculator: it takes no options"),
        ("[python, {calculator: 1}]", "tools.1: options of calculator are fields"),
        ("[python, {a: {}, b: {}}]", "tools.1: write a name, or {name: {option: value}}"),
        (
            "[python, './mytools.py:weather', './mytools.py:again']",
            "called 'weather' already",
        ),
    ],
)
def test_tools_that_cannot_be_had(conveyor: Command, tools: str, why: str) -> None:
    """One line, exit code 2, nothing started."""
    conveyor.write("mytools.py", f"{TOOLS}\nagain = weather\n")
    script = conveyor.script("done")
    done = conveyor("run", "-p", "hi", "--script", script, "--trust", "-c", f"tools={tools}")
    assert done.code == 2
    assert why in done.only_complaint
