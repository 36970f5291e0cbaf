"""`conveyor tools`: what there is, and trying a tool without a model."""

from __future__ import annotations

import json
import signal
import time

import pytest

from tests.cli.command import Command

TOOLS = '''
from conveyor_tools.function import tool

@tool(effects="external")
async def send(to: str) -> str:
    """Send a mail."""
    return f"sent to {to}"
'''


DESK = '''
import pathlib
from conveyor_tools.function import tool

def note(text):
    with pathlib.Path(__file__).with_name("log").open("a") as file:
        file.write(f"{text}\\n")

@tool(effects="pure")
class Desk:
    """Sit at a desk."""

    async def prepare(self) -> None:
        note("ready")

    async def __call__(self, hours: int) -> None:
        note(hours)

    async def close(self) -> None:
        note("close")
'''


NOISY = '''
import sys
from conveyor_tools.function import tool
print("loaded")

@tool(effects="pure")
class Noisy:
    """Prints at every opportunity."""

    def __init__(self) -> None:
        print("made")

    def prepare(self) -> None:
        print("prepared")

    def check_argument(self, name, value) -> None:
        print("checked")

    async def on_argument(self, name, value) -> None:
        print("heard")

    def effects_of(self, arguments) -> str:
        print("asked")
        return "pure"

    def __call__(self, x: int) -> int:
        print("called", x)
        sys.stdout.writelines(["and", " listed\\n"])
        return x

    async def close(self) -> None:
        print("closed")
'''


LOUD = """
import asyncio, sys
from conveyor_tools.function import tool

@tool(effects="pure")
async def loud() -> str:
    'Say a lot.'
    for at in range(4):
        print("I say", at, "\\x1b[2J")
        print("errors say", at, "\\x1b[2J", file=sys.stderr)
        await asyncio.sleep(0.3)
    print("say no", end="")
    return "said"
"""


@pytest.fixture
def sender(conveyor: Command) -> str:
    conveyor.write("mytools.py", TOOLS)
    return "./mytools.py:send"


@pytest.mark.parametrize("columns", ["0", "1"])
def test_a_terminal_without_columns_is_not_believed(conveyor: Command, columns: str) -> None:
    assert conveyor("tools", "list", COLUMNS=columns).out == conveyor("tools", "list").out


@pytest.mark.parametrize("columns", ["60", "80", "120"])
def test_tools_are_listed(conveyor: Command, columns: str) -> None:
    """With what they do, however narrow the terminal."""
    done = conveyor("tools", "list", COLUMNS=columns)
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert all(len(line) <= int(columns) for line in lines)
    (calculator,) = [line.split() for line in lines if line.startswith("calculator")]
    assert calculator[:4] == ["calculator", "pure", "arguments", "here"]
    (python,) = [line.split() for line in lines if line.startswith("python ")]
    assert python[:4] == ["python", "reversible", "statements", "sandbox"]


def test_the_tools_of_a_task_are_listed(conveyor: Command, sender: str) -> None:
    """Its own ones, once they are trusted."""
    task = conveyor.write("task.yaml", f"prompt: hi\ntools: [calculator, {sender}]\n")
    refused = conveyor("tools", "list", "--task", task, stdin="")
    assert refused.code == 2
    assert f"task.yaml:2: tools: {conveyor.folder}/mytools.py:send" in refused.only_complaint
    done = conveyor("tools", "list", "--task", task, "--trust", "--json")
    assert [(it["name"], it["effects"]) for it in done.json] == [
        ("calculator", "pure"),
        ("send", "external"),
    ]


def test_what_a_database_is_called_changes_nothing(conveyor: Command) -> None:
    """Its calls are statements, by whatever name."""
    tools = ("-c", "tools=[{sql: {name: shop}}]")
    listed = conveyor("tools", "list", "--json", "--task", conveyor.write(
        "task.yaml", "prompt: hi\ntools: [{sql: {name: shop}}]\n"))  # fmt: skip
    assert [(it["name"], it["units"]) for it in listed.json] == [("shop", "statements")]
    known = conveyor("tools", "show", "shop", "--json", *tools).json
    assert known["starts"] == "each of the statements as soon as it is written"
    assert known["calls"]["fences"] == "```shop\nSELECT 1;\n```"
    assert known["calls"]["in a plan"] == "$1 = shop(query='SELECT 1;')"


def test_the_type_of_an_error_is_said_once(conveyor: Command) -> None:
    conveyor.write("broken.py", "def f(x: int) -> int:\n    'F.'\n    raise KeyError(x)\n")
    tools = ("-c", "approve=never", "--trust", "--rate", "1000")
    done = conveyor("tools", "try", "./broken.py:f", '{"x": 3}', *tools, stdin="")
    assert done.code == 1
    assert "error    │ KeyError: 3\n" in done.err
    assert done.complaint == "f: error: KeyError: 3"


def test_a_tool_is_shown(conveyor: Command) -> None:
    """Its schema, when it starts, and a call in each dialect."""
    done = conveyor("tools", "show", "calculator", "--json")
    known = done.json
    assert known["schema"]["required"] == ["expression"]
    assert (known["ready_when"], known["effects"]) == (["expression"], "pure")
    assert known["calls"]["fences"].startswith('```calculator\n{"expression": ')
    assert json.loads(known["calls"]["hermes"].split("\n")[1])["name"] == "calculator"
    page = conveyor("tools", "show", "calculator")
    assert "starts      when expression is written" in page.out
    assert conveyor("tools", "show", "python").out.count("```python") == 1
    http = conveyor("tools", "show", "http").out
    assert "when the call is complete and is allowed; with arguments that do less, sooner" in http
    assert "timeout     30 s, tried again once\n" in http


def test_options_are_shown(conveyor: Command) -> None:
    """Beside the tool; alone, where it cannot be made without them."""
    assert "`write`: whether statements may change it" in conveyor("tools", "show", "sql").out
    shown = conveyor("tools", "show", "search")
    assert shown.code == 0
    assert "Searches for words" in shown.out
    assert "give one of its options" in shown.out
    assert "`searxng`: the URL" in shown.out
    assert "options, which a task gives" not in conveyor("tools", "show", "files").out


def test_a_tool_is_tried(conveyor: Command) -> None:
    """The result on standard output, and nothing else there; it starts before the call ends."""
    text = '{"expression": "1/4"' + " " * 100 + "}"
    done = conveyor("tools", "try", "calculator", text, "--rate", "200")
    assert (done.code, done.out) == (0, "0.25\n"), done.err
    assert "1.0 started" in done.err
    for mode, early in (("partial", True), ("sequential", False)):
        report = conveyor("tools", "try", "calculator", text, "--rate", "200", "--mode", mode,
                          "--json").json  # fmt: skip
        (call,) = report["calls"]
        began = call["units"][0]["started_at"] < report["metrics"]["per_turn"][0]["decode_s"]
        assert began is early


def test_what_is_wrong_with_arguments_is_said(conveyor: Command) -> None:
    """In one line, and decoding has stopped there."""
    done = conveyor("tools", "try", "calculator", '{"expr": 1' + " " * 400 + "}", "--rate", "500")
    assert done.code == 1
    assert "calculator: rolled back: no argument is called 'expr" in done.complaint
    assert "decode     stopped: unit failed" in done.err
    assert done.out == ""


@pytest.mark.parametrize("text", ['{"expr', '{"expression": "1+', '{"expression": "1+1"', "{"])
def test_arguments_that_end_too_early_are_said_to(conveyor: Command, text: str) -> None:
    """What closes the call is not taken for a part of them."""
    done = conveyor("tools", "try", "calculator", text, "--rate", "500")
    assert done.code == 1
    assert "the object is not complete" in done.complaint
    assert done.complaint.endswith(f"{text}'")


@pytest.mark.docker
def test_code_is_tried_from_standard_input(conveyor: Command) -> None:
    """It is a text, not JSON."""
    done = conveyor("tools", "try", "python", "-", stdin='print("a")\n6 * 7')
    assert (done.code, done.out) == (0, "a\n42\n")


@pytest.mark.parametrize(
    ("text", "out"),
    [
        ("select 4 * 5 as n", "n\n20\n(1 row)\n"),
        ('{"query": "select 4 * 5 as n"}', "n\n20\n(1 row)\n"),
        ('{"query": 1}', None),
        ("[1]", None),
    ],
)
def test_a_text_is_tried_alone_or_as_json(conveyor: Command, text: str, out: str | None) -> None:
    """Of a tool whose one argument is a text. JSON that is not its argument is its text."""
    done = conveyor("tools", "try", "sql", text, "--rate", "500", "--plain")
    assert (done.code, done.out) == ((1, "") if out is None else (0, out))


@pytest.mark.parametrize(
    ("text", "code", "out"),
    [
        ("6 * 7 km in m", 0, "42000 m\n"),
        ('{"expression": "6 * 7"}', 0, "42\n"),
        ('{"expression": 42}', 1, ""),
        (' {"expression"', 1, ""),
    ],
)
def test_a_text_is_tried_alone_where_no_more_is_needed(
    conveyor: Command, text: str, code: int, out: str
) -> None:
    """But what begins as JSON does is that, right or wrong."""
    done = conveyor("tools", "try", "calculator", text, "--rate", "500", "--plain")
    assert (done.code, done.out) == (code, out)


def test_a_try_that_is_stopped_says_so_to_the_shell(conveyor: Command) -> None:
    """As a run does: 130, not that of a call that failed."""
    process = conveyor.start("tools", "try", "shell", "echo begun; sleep 60", "--sandbox", "local",
                             "--rate", "500", "--plain")  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if b"stdout" in line and b"begun" in line:
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"conveyor: shell: cancelled: stopped by the user" in err


BLOCKS = """
import sys, time
from conveyor_tools.function import tool

@tool(effects="pure")
async def blocks(seconds: int) -> int:
    "Block the event loop, as no `async def` should."
    print("it blocks", file=sys.stderr, flush=True)
    time.sleep(seconds)
    return 1
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_tool_that_blocks_everything_can_be_stopped(conveyor: Command, number: int) -> None:
    """By the second signal, which interrupts it where it stands."""
    conveyor.write("mytools.py", BLOCKS)
    process = conveyor.start("tools", "try", "./mytools.py:blocks", '{"seconds": 600}', "--trust",
                             "--rate", "500", "--plain")  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if line == b"it blocks\n":
            break
    process.send_signal(number)
    time.sleep(1.5)  # a loop that was not held up would have heard of it by then
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert b"Traceback" not in err


def test_an_exit_status_is_called_that(conveyor: Command) -> None:
    """A number alone says nothing."""
    done = conveyor("tools", "try", "shell", "(exit 7)", "--sandbox", "local", "--rate", "500")
    assert (done.code, done.complaint) == (1, "shell: error: exit status 7")
    code = "import sys; sys.exit(7)"
    done = conveyor("tools", "try", "python", code, "--sandbox", "local", "--rate", "500")
    assert (done.code, done.complaint) == (1, "python: error: SystemExit: 7")


def test_an_external_tool_needs_approval(conveyor: Command, sender: str) -> None:
    """Of someone at a terminal."""
    args = ["tools", "try", sender, '{"to": "bob"}', "--trust", "--rate", "500"]
    denied = conveyor(*args, stdin="")
    assert denied.code == 1
    assert "send: error: send needs the user's approval" in denied.complaint
    for key, code, words in (("y", 0, "sent to bob"), ("n", 1, "the user did not allow")):
        typed = conveyor.terminal(*args, "--plain", size=(120, 40))
        typed.until('Allow the model to call send {"to":"bob"}? [y/N]')
        typed.type(key)
        assert typed.wait() == code
        assert words in typed.terminal.text


@pytest.mark.parametrize("form", ["--json", "--stream-json", "--plain"])
def test_what_tools_print_is_not_the_answer(conveyor: Command, form: str) -> None:
    """It goes to standard error: standard output can still be read by a program."""
    conveyor.write("noisy.py", NOISY)
    call = '<tool_call>\n{"name": "Noisy", "arguments": {"x": 7}}\n</tool_call>'
    done = conveyor("run", "-p", "x", "--script", conveyor.script(call, "Done."), "--trust", form,
                    "-c", "model.dialect=hermes", "-c", "tools=['./noisy.py:Noisy']")  # fmt: skip
    assert done.code == 0, done.err
    if form == "--plain":
        assert done.out == "Done.\n"
    else:
        assert all(isinstance(json.loads(line), dict) for line in done.out.splitlines())
    printed = (
        "loaded",
        "made",
        "prepared",
        "checked",
        "heard",
        "asked",
        "called 7",
        "and listed",
        "closed",
    )
    assert set(printed) <= set(done.err.splitlines())


def test_what_tools_print_stands_above_the_live_view(conveyor: Command) -> None:
    """On either stream, and only as text: the frame stays whole."""
    conveyor.write("loud.py", LOUD)
    typed = conveyor.terminal("tools", "try", "./loud.py:loud", "{}", "--trust", size=(90, 40))
    assert typed.wait() == 0
    lines = typed.terminal.text.splitlines()
    header = next(at for at, line in enumerate(lines) if "scripted, 30 tokens/s" in line)
    said = [line.strip() for line in lines[:header] if "say" in line]
    assert said == [f"{it} say {at} ␛[2J" for at in range(4) for it in ("I", "errors")] + ["say no"]
    for part in ("─ model ─", "─ output ─", " overlap  ┬", "scripted, 30"):
        assert sum(part in line for line in lines) == 1, lines


def test_a_reset_ends_what_tools_hold(conveyor: Command) -> None:
    """And the next call begins anew; so does a run without any sandbox."""
    conveyor.write("mytools.py", DESK)
    call = '<tool_call>\n{"name": "Desk", "arguments": {"hours": 2}}\n</tool_call>'
    script = conveyor.script(call, "a", call, "b")
    done = conveyor("repl", "--script", script, "--trust", "-c", "model.dialect=hermes",
                    "-c", "tools=['./mytools.py:Desk']", stdin="hi\n/reset\nhi\n")  # fmt: skip
    assert done.code == 0, done.err
    assert done.out.splitlines()[0] == "a"
    assert (conveyor.folder / "log").read_text().split() == ["ready", "2", "close"] * 2


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["try", "nope", "{}"], "no tool is called 'nope' (there is: python,"),
        (["show", "nope"], "no tool is called 'nope'"),
        (["try", "calculator", "{}", "--rate", "0"], "--rate: must be more than 0"),
        (["try", "./none.py:f", "{}", "--trust"], "^./none.py:f: there is no such file"),
        (["show", "./none.py:f"], "^./none.py:f: there is no such file"),
        (["show", "./a.py:f"], "^./a.py:f would run code of this machine: read it, then trust it"),
        (["show", "./a.py:g", "--trust"], "^./a.py:g: ./a.py has no 'g'"),
        (
            ["try", "search", "{}"],
            "^search: give one of its options: folder, searxng, brave or tavily",
        ),
        (["try", "./a.py", "{}"], "'./a.py': name its function or class, too: ./a.py:NAME"),
        (["show", "x", "-c", "tools=[a.py]"], "'a.py': name its function or class, too: a.py:NAME"),
        (
            ["list", "-c", "tools=[sql, {sql: {rows: 9}}]"],
            "there is a tool called 'sql' already: name one of them otherwise (option name of sql,",
        ),
        (["show", "x", "-c", "tools=['./a.py:g']", "--trust"], "^command line: tools: ./a.py:g: "),
        (["try", "calculator", "{}", "-c", "tools=[python]"], "no tool is called 'calculator'"),
        (["list", "--task", "none.yaml"], "there is no such task file"),
        (["try", "calculator"], "TEXT"),
    ],
)
def test_wrong_arguments_are_one_line(conveyor: Command, args: list[str], words: str) -> None:
    """And exit code 2."""
    conveyor.write("a.py", DESK)
    done = conveyor("tools", *args, stdin="")
    assert done.code == 2
    assert words in f"^{done.only_complaint}"
