"""Plans whose steps call the task's other tools: for real, in both modes, with the same result."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
from collections.abc import Sequence
from typing import Any

import pytest

from tests.cli.command import Command, Done, docker, finish, named, records

SANDBOXES = ["local", pytest.param("docker", marks=pytest.mark.docker)]
TOOLS = '''
import pathlib
from conveyor_tools.errors import ToolError
from conveyor_tools.function import tool

@tool(effects="external")
def send(text: str) -> str:
    """Send a mail."""
    with pathlib.Path(__file__).with_name("log").open("a") as file:
        file.write(f"{text}\\n")
    return f"sent {text}"

@tool(effects="pure")
def give(value: str) -> str:
    """The value itself."""
    return value
'''
TASK = """
name: steps
prompt: Go on.
model: {backend: scripted, script: script.txt, rate: 300, dialect: plan}
tools:
  [plan, python, shell, files, calculator, ./mytools.py:send, ./mytools.py:give,
   {sql: {url: "sqlite:///shop.db", write: true}}]
approve: never
limits: {turns: 6, tokens: 4000, seconds: 120}
sandbox: {unit_timeout: 5}
"""
UNDONE = "What the steps of this plan changed was undone."
LOOK = """```python
import os
print(sorted(os.listdir(".")), "kept" in globals())
```"""


def plan(steps: str) -> str:
    """A response with that plan."""
    return f">>>\n{steps.lstrip()}<<<\n"


def prepare(conveyor: Command, *responses: str) -> None:
    """A shop with one order, and a model that says this."""
    database = conveyor.folder / "shop.db"
    database.unlink(missing_ok=True)
    (conveyor.folder / "log").unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(database)) as shop:
        shop.execute("CREATE TABLE orders (id INTEGER, name TEXT)")
        shop.execute("INSERT INTO orders VALUES (1, 'ann')")
        shop.commit()
    conveyor.write("mytools.py", TOOLS)
    conveyor.write("task.yaml", TASK)
    conveyor.write("script.txt", "\n<<<turn>>>\n".join([*responses, "Done."]))


def names(conveyor: Command) -> list[str]:
    """Whose orders there are."""
    with contextlib.closing(sqlite3.connect(conveyor.folder / "shop.db")) as shop:
        return [row[0] for row in shop.execute("SELECT name FROM orders ORDER BY id")]


def log(conveyor: Command) -> list[str]:
    """What was sent."""
    path = conveyor.folder / "log"
    return path.read_text().splitlines() if path.exists() else []


def facts(conveyor: Command, done: Done) -> list[Any]:
    """What must not depend on the mode: what the model is told, and what is left."""
    calls = [
        {key: call[key] for key in ("tool", "status", "error", "result", "output")}
        for call in done.json["calls"]
    ]
    units = [
        [unit["status"] for unit in call["units"] if unit["status"] in ("ok", "error", "timeout")]
        for call in done.json["calls"]
    ]
    return [calls, units, done.json["answer"], names(conveyor), log(conveyor)]


def in_both_modes(
    conveyor: Command, sandbox: str, responses: Sequence[str], *args: str
) -> list[dict[str, Any]]:
    """The calls of a run of these responses, which comes to the same in both modes."""
    found = {}
    for mode in ("sequential", "partial"):
        prepare(conveyor, *responses)
        done = conveyor("run", "task.yaml", "--json", "--trust", "--sandbox", sandbox,
                        "--mode", mode, "--journal", f"{mode}.jsonl", *args)  # fmt: skip
        assert done.code == 0, done.err
        found[mode] = facts(conveyor, done)
    assert found["sequential"] == found["partial"]
    calls: list[dict[str, Any]] = done.json["calls"]
    return calls


def journal(conveyor: Command) -> list[dict[str, Any]]:
    """The events of the partial run."""
    return records((conveyor.folder / "partial.jsonl").read_text())


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_values_flow_through_every_tool(conveyor: Command, sandbox: str) -> None:
    """Rows as data, output as text; later steps and calls see the state that steps left."""
    steps = '''
$1 = sql(query="INSERT INTO orders VALUES (2, 'bob'), (3, NULL); SELECT * FROM orders")
$2 = python(code="""
kept = ${1}
print(kept[2]["name"], len(kept), "\\n", sep="\\t")""")
$3 = shell("""X=7; Y='\\t'; echo '${1[1].name}' > a.txt
echo -e "a${1[0].id}$${Y}$${X}"; cat a.txt""")
$4 = files(operation="read", path="a.txt")
$5 = python("import json; json.dumps({'sum': sum(row['id'] for row in kept)})")
$6 = python("print(json.dumps({'sum': sum(row['id'] for row in kept)}))")
$7 = calculator("${6.sum} * 7")
$8 = shell("echo $X ${7} ${4} >&2; echo fine")
'''
    look = '```python\nprint(kept[0]["name"], open("a.txt").read())\n```'
    calls = in_both_modes(conveyor, sandbox, [plan(steps), look])
    assert [call["status"] for call in calls] == ["ok", "ok"]
    assert calls[0]["output"].splitlines()[-7:] == [
        "a1\t7",
        "bob",
        "$4 = bob",
        """$5 = '{"sum": 6}'""",
        '$6 = {"sum": 6}',
        '$7 = "42"',
        "$8 = fine",
    ]
    assert "$2 = None\t3\n$3 =\n" in calls[0]["output"]
    assert calls[0]["result"] == "fine"
    assert calls[1]["output"] == "ann bob\n\n"
    assert len(names(conveyor)) == 3
    errors = [it["text"] for it in named(journal(conveyor), "output_received")
              if it["stream"] == "stderr"]  # fmt: skip
    assert errors == ["7 42 bob\n"]


def test_calls_beside_a_plan_see_its_state(conveyor: Command) -> None:
    """In one response: the calls behind it wait for all of it, and go on from there."""
    written = [
        ("plan", "plan", '$1 = python("kept = 6")\n$2 = sql("DELETE FROM orders")\n'),
        ("python", "code", "kept += 1\nprint(kept)"),
        ("plan", "plan", '$1 = python("kept * 6")\n$2 = python("1 / 0")\n'),
        ("python", "code", "print('never')"),
    ]
    calls = [{"name": name, "arguments": {key: text}} for name, key, text in written]
    response = "\n".join(f"<tool_call>\n{json.dumps(it)}\n</tool_call>" for it in calls)
    look = {"name": "python", "arguments": {"code": "print(kept)"}}
    told = in_both_modes(
        conveyor,
        "local",
        [response, f"<tool_call>\n{json.dumps(look)}\n</tool_call>"],
        "-c",
        "model.dialect=hermes",
    )
    ends = [(call["status"], call["output"]) for call in told]
    assert ends[:3] == [("ok", "$1 =\n$2 = DELETE: 1 row\n"), ("ok", "7\n"), ("error", "$1 = 42\n")]
    assert ends[-1] == ("ok", "7\n")
    assert names(conveyor) == []


def test_steps_of_one_lane_follow_each_other(conveyor: Command) -> None:
    """And run beside those of other lanes, while the plan is written."""
    steps = """
$1 = python("import time; time.sleep(0.7)")
$2 = shell("sleep 0.1")
$3 = sql("INSERT INTO orders VALUES (2, 'bob')")
$4 = sql("SELECT count(*) AS n FROM orders")
$5 = calculator("${4[0].n} + 1")
"""
    (call,) = in_both_modes(conveyor, "local", [plan(steps)])
    assert call["result"] == "3"
    python, shell, insert, select, calculator = call["units"]
    assert shell["started_at"] >= python["finished_at"]
    assert insert["started_at"] < python["finished_at"]
    assert select["started_at"] >= insert["finished_at"]
    assert calculator["started_at"] >= select["finished_at"]
    ready = named(journal(conveyor), "unit_ready")
    assert [event["after"] for event in ready] == [[], [0], [], [2], [3]]


FAILURES = {
    "python": (
        "python(\"import time; open('a.txt', 'w'); time.sleep(0.4); print('out'); 1 / 0\")",
        "division by zero",
    ),
    "syntax": ('python("x = (")', "'(' was never closed (<step $3>, line 1)"),
    "shell": ('shell("echo out; ls nothing")', "2"),
    "files": ('files("read", "nothing.txt")', "nothing.txt is not there"),
    "sql": ('sql("SELECT nope")', "no such column: nope"),
    "a path": ('calculator("${1.name}")', "$1 is text, no JSON that has parts"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_step_that_fails_undoes_the_plan(conveyor: Command, case: str) -> None:
    """On all lanes, before and behind it; the model is told so, and what the step wrote."""
    step, message = FAILURES[case]
    steps = f"""
$1 = python("kept = 1; open('kept.txt', 'w').write('x'); print('a')")
$2 = sql("INSERT INTO orders VALUES (2, 'bob')")
$3 = {step}
$4 = sql("INSERT INTO orders VALUES (3, 'cy')")
$5 = shell("touch b.txt")
"""
    failed, look = in_both_modes(conveyor, "local", [plan(steps), LOOK])
    assert failed["status"] == "error"
    assert failed["error"]["message"].startswith(message)
    assert failed["error"]["message"].endswith(UNDONE)
    assert look["output"] == "[] False\n"
    assert names(conveyor) == ["ann"]
    wrote = "out\n" if "out" in step else ""
    assert failed["output"] == f"$1 = a\n$2 = INSERT: 1 row\n{wrote}"


@pytest.mark.parametrize("undo", ["--undo", "--no-undo"])
def test_what_cannot_be_undone_is_named(conveyor: Command, undo: str) -> None:
    """Where a plan fails, nothing is called undone that stays."""
    steps = """
$1 = python("kept = 1; open('kept.txt', 'w').write('x')")
$2 = send("a")
$3 = sql("SELECT nope")
"""
    failed, look = in_both_modes(conveyor, "local", [plan(steps), LOOK], undo)
    assert failed["error"]["message"].endswith(f"{UNDONE[:-1]} in part.")
    (lost,) = (it["lost"] for it in named(journal(conveyor), "rolled_back"))
    if undo == "--undo":
        assert lost == "not undone: what send did ($2)"
        assert look["output"] == "[] False\n"
    else:
        assert lost.endswith("(undo is off); not undone: what send did ($2), files that it wrote")
        assert look["output"] == "['kept.txt'] False\n"
    assert log(conveyor) == ["a"]


ENDS = {
    "wrong further down": ("$3 = calculator(5)\n", "expression must be a string"),
    "a plan in it": ('$3 = plan("$1 = give(1)")\n', "a plan is no step of a plan"),
    "an argument that is none": ('$3 = python(text="x")\n', "python has no argument"),
    "a path out of the workspace": ('$3 = files("read", "../../x")\n', "leads out of"),
}


@pytest.mark.parametrize("case", ENDS)
def test_a_plan_that_is_none_leaves_nothing(conveyor: Command, case: str) -> None:
    """What ran of it is taken back, on all lanes."""
    wrong, message = ENDS[case]
    steps = f"""
$1 = python("kept = 1; open('kept.txt', 'w').write('x')")
$2 = sql("INSERT INTO orders VALUES (2, 'bob')")
{wrong}"""
    refused, look = in_both_modes(conveyor, "local", [plan(steps), LOOK])
    assert refused["status"] == "rolled_back"
    assert message in refused["error"]["message"]
    assert look["output"] == "[] False\n"
    assert names(conveyor) == ["ann"]


def test_effects_of_code_wait_for_the_plan(conveyor: Command) -> None:
    """What code in a step does for good happens when all before it has ended well; once."""
    steps = """
$1 = sql("SELECT count(*) AS n FROM orders")
$2 = python("print(send('${1[0].n}'), give('pure'))")
$3 = send("${2}")
"""
    (call,) = in_both_modes(conveyor, "local", [plan(steps)])
    assert call["result"] == "sent sent 1 pure"
    assert log(conveyor) == ["1", "sent 1 pure"]
    assert [nested["tool"] for nested in call["nested"]] == ["send", "give"]


COUNT = "WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < 2000000)"
FOR_NOTHING = {
    "behind a step that fails later": f'$1 = sql("{COUNT} SELECT max(n) FROM i; SELECT nope")\n',
    "in a text that is no plan": f'$1 = python("1")\n# {"and so on " * 50}\n$3 = give(5)\n',
}


@pytest.mark.parametrize("case", FOR_NOTHING)
def test_effects_of_code_do_not_happen_for_nothing(conveyor: Command, case: str) -> None:
    """Though its step runs at once."""
    first, *rest = FOR_NOTHING[case].splitlines(keepends=True)
    steps = f"{first}$2 = python(\"print(send('a'))\")\n{''.join(rest)}"
    (call,) = in_both_modes(conveyor, "local", [plan(steps)])
    assert call["status"] != "ok"
    assert log(conveyor) == []


@pytest.mark.parametrize("step", ['files("list")', 'python("print(1)")'])
def test_who_asks_about_all_asks_about_steps(conveyor: Command, step: str) -> None:
    """As about calls: not about code. Without a terminal, what is asked about is denied."""
    steps = f"$1 = sql(\"INSERT INTO orders VALUES (2, 'bob')\")\n$2 = {step}\n"
    (call,) = in_both_modes(conveyor, "local", [plan(steps)], "-c", "approve=all")
    if step.startswith("files"):
        assert (call["status"], call["error"]["kind"]) == ("error", "denied")
        assert call["error"]["message"].endswith(f"; {UNDONE[0].lower()}{UNDONE[1:-1]}")
        assert names(conveyor) == ["ann"]
    else:
        assert (call["status"], names(conveyor)) == ("ok", ["ann", "bob"])


def test_rows_that_are_too_many_are_not_used(conveyor: Command) -> None:
    """They are shown, cut; a step that uses them fails, and is told why."""
    query = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10001) "
        "SELECT i FROM n"
    )
    steps = f'$1 = sql("{query}")\n$2 = give("${{1[0].i}}")\n'
    shown, failed = in_both_modes(
        conveyor, "local", [plan(steps.splitlines(keepends=True)[0]), plan(steps)]
    )
    assert shown["status"] == "ok"
    assert "(cut: the first 100 rows; there are more)" in shown["result"]
    assert failed["error"]["message"].startswith("$1 cannot be used: it has more than 10000 rows")


def test_a_step_has_the_time_limit_of_its_tool(conveyor: Command) -> None:
    steps = '$1 = python("kept = 1")\n$2 = python("while True: pass")\n'
    failed, look = in_both_modes(
        conveyor, "local", [plan(steps), LOOK], "-c", "sandbox.unit_timeout=1"
    )
    assert failed["status"] == "timeout"
    assert look["output"] == "[] False\n"


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_ctrl_c_stops_the_steps_of_every_lane(conveyor: Command, sandbox: str) -> None:
    """And takes back what they did."""
    steps = """
$1 = sql("INSERT INTO orders VALUES (2, 'bob')")
$2 = python("give('begun')\\nwhile True: pass")
"""
    prepare(conveyor, plan(steps))
    process = conveyor.start("run", "task.yaml", "--trust", "--sandbox", sandbox)
    conveyor.wait_for("nested_call_finished")
    process.send_signal(signal.SIGINT)
    assert finish(process).code == 130
    (ended,) = named(conveyor.journal(), "call_ended")
    assert ended["outcome"]["status"] == "cancelled"
    assert names(conveyor) == ["ann"]


def test_a_call_after_a_plan_can_be_stopped(conveyor: Command) -> None:
    """The calls of steps have higher numbers than the model's next call."""
    loop = "```python\nif give('begun'):\n    while True: pass\n```"
    prepare(conveyor, plan('$1 = python("kept = 1")\n'), loop)
    process = conveyor.start("run", "task.yaml", "--trust", "--sandbox", "local")
    conveyor.wait_for("nested_call_finished")
    process.send_signal(signal.SIGINT)
    assert finish(process).code == 130
    ended = named(conveyor.journal(), "unit_finished")
    assert [event["outcome"]["status"] for event in ended] == ["ok", "cancelled"]


@pytest.mark.docker
def test_a_sandbox_that_dies_in_a_step(conveyor: Command) -> None:
    """The plan fails, other lanes are taken back, and the next call has a new sandbox."""
    steps = """
$1 = sql("INSERT INTO orders VALUES (2, 'bob')")
$2 = python("give('begun')\\nwhile True: pass")
"""
    again = '$1 = python("6 * 7")\n$2 = sql("SELECT name FROM orders")\n'
    prepare(conveyor, plan(steps), plan(again))
    process = conveyor.start("run", "task.yaml", "--json", "--trust", "--sandbox", "docker")
    conveyor.wait_for("nested_call_finished")
    (container,) = conveyor.containers()
    docker("kill", container)
    done = finish(process)
    assert done.code == 0, done.err
    undone = named(conveyor.journal(), "rolled_back")
    assert [it["lost"] for it in undone] == ["gone with it: what other steps of this plan changed"]
    lost, whole = done.json["calls"]
    assert (lost["status"], lost["error"]["kind"]) == ("error", "sandbox_died")
    assert (whole["status"], whole["output"][:8]) == ("ok", "$1 = 42\n")
    assert names(conveyor) == ["ann"]
