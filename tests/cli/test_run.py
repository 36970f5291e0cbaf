"""`conveyor run`: the answer, the report, and how a run ends by itself."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.command import Command, docker, named, records

DOCKER = pytest.param("docker", marks=pytest.mark.docker)
SANDBOXES = ["local", DOCKER]
MODES = ["partial", "sequential"]

COMPUTE = """\
Let me compute.
```python
import sys
x = 40
print("out", x)
print("err", file=sys.stderr)
x + 2
```"""
ANSWER = "It is 42."


def told(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The calls' outcomes, in their order."""
    return [event["outcome"] for event in named(events, "call_ended")]


def call_of(conveyor: Command, code: str, *args: str) -> dict[str, Any]:
    """The report of a run whose only call has this code."""
    script = conveyor.script(f"```python\n{code}\n```", "done")
    report = conveyor("run", "-p", "hi", "--script", script, "--rate", "2000", "--sandbox",
                      "local", "--json", *args).json  # fmt: skip
    call: dict[str, Any] = report["calls"][0]
    return call


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_both_modes_give_the_same(conveyor: Command, sandbox: str) -> None:
    """Answer, calls and what they wrote do not depend on the mode; when units start does."""
    script = conveyor.script(COMPUTE, ANSWER)
    reports = [
        conveyor("run", "-p", "hi", "--script", script, "--rate", "60", "--mode", mode,
                 "--sandbox", sandbox, "--json").json
        for mode in MODES
    ]  # fmt: skip
    calls = [report["calls"] for report in reports]
    starts = [[unit.pop("started_at") for unit in call["units"]] for (call,) in calls]
    closings = [[unit.pop("ready_at") for unit in call["units"]] for (call,) in calls]
    for (call,) in calls:
        for unit in call["units"]:
            del unit["finished_at"]
    assert calls[0] == calls[1]
    assert reports[0]["answer"] == reports[1]["answer"] == ANSWER
    assert starts[0][0] < closings[0][-1]
    assert starts[1][0] >= closings[1][-1]


def test_the_report_is_as_documented(conveyor: Command) -> None:
    """`--json` prints one object with these keys and types, and nothing else on stdout."""
    script = conveyor.script(COMPUTE, ANSWER)
    done = conveyor("run", "-p", "hi", "--script", script, "--sandbox", "local", "--json")
    report = done.json
    assert done.code == 0
    assert len(done.out.splitlines()) == 1
    assert report["schema"] == 1
    assert report["task"] == "prompt"
    assert report["mode"] == "partial"
    assert report["status"] == "done"
    assert report["answer"] == ANSWER
    assert report["turns"] == 2
    assert report["run_id"] in report["journal"]
    (call,) = report["calls"]
    units = call.pop("units")
    assert call == {
        "tool": "python",
        "turn": 1,
        "status": "ok",
        "output": "out 40\n",
        "stderr": "err\n",
        "result": "42",
        "error": None,
        "lost": "",
        "nested": [],
    }
    assert [unit["span"] for unit in units] == [[line, line] for line in range(1, 6)]
    assert [unit["index"] for unit in units] == list(range(5))
    for unit in units:
        assert unit["status"] == "ok"
        assert 0 < unit["ready_at"] <= unit["started_at"] <= unit["finished_at"]
    assert report["checkpoints"]
    for taken in report["checkpoints"]:
        assert taken["why_not"] == ""
        assert 0 < taken["seconds"] < 1
        assert taken["resident"] > 1_000_000
    metrics = report["metrics"]
    for name in ("wall_s", "decode_s", "tool_s", "overlap_s", "exposed_tool_s", "ideal_s",
                 "efficiency", "overhead_s", "ttft_s", "tokens_per_s"):  # fmt: skip
        assert isinstance(metrics[name], float), name
    assert isinstance(metrics["tokens"], int)


def test_the_answer_alone_is_on_stdout(conveyor: Command) -> None:
    """Everything else, progress and chart, goes to standard error."""
    script = conveyor.script(COMPUTE, ANSWER)
    for flags in ([], ["--plain"]):
        done = conveyor("run", "-p", "hi", "--script", script, "--sandbox", "local", *flags)
        assert (done.code, done.out) == (0, f"{ANSWER}\n")
        assert "decode" in done.err


def test_stream_json_is_the_journal(conveyor: Command) -> None:
    """`--stream-json` prints the same records that the journal file holds, each on a line."""
    script = conveyor.script(COMPUTE, ANSWER)
    done = conveyor("run", "-p", "hi", "--script", script, "--sandbox", "local", "--stream-json",
                    "--journal", "deep/run.jsonl")  # fmt: skip
    events = records(done.out)
    assert events == records((conveyor.folder / "deep/run.jsonl").read_text())
    names = [event["event"] for event in events]
    assert names[0] == "run_started"
    assert names[-1] == "run_ended"
    assert {"model_loaded", "sandbox_started", "turn_started", "first_token", "delta_decoded",
            "call_opened", "unit_ready", "unit_started", "output_received", "unit_finished",
            "call_closed", "call_ended", "decode_stopped", "turn_ended"} < set(names)  # fmt: skip
    assert conveyor.journals() == []


def test_json_and_stream_json_exclude_each_other(conveyor: Command) -> None:
    """Both at once could not be told apart on stdout."""
    done = conveyor("run", "-p", "hi", "--json", "--stream-json")
    assert done.code == 2
    assert "--json" in done.only_complaint


@pytest.mark.parametrize("expected", ["out 40", "out 41"])
def test_expect_makes_the_run_a_check(conveyor: Command, expected: str) -> None:
    """What the task expects is met: 0; not met: 1 and a line that says what."""
    conveyor.script(COMPUTE, ANSWER)
    task = conveyor.write(
        "task.yaml",
        f"""\
prompt: hi
model: {{backend: scripted, script: script.txt}}
expect: {{output_contains: {expected}, result_contains: "42", answer_contains: It}}
""",
    )
    done = conveyor("run", task, "--sandbox", "local")
    assert done.code == (0 if expected == "out 40" else 1)
    if done.code:
        assert "output_contains" in done.complaint


def test_what_was_rolled_back_meets_no_expectation(conveyor: Command) -> None:
    """Output of a call that was taken back is no output: sequentially it would not be there."""
    script = conveyor.script("```python\nprint('out 40')\n)\n```", "sorry")
    done = conveyor("run", "-p", "hi", "--script", script, "--sandbox", "local", "--json",
                    "-c", "expect.output_contains=out 40")  # fmt: skip
    assert done.code == 1
    assert done.json["calls"][0]["output"] == ""


@pytest.mark.parametrize(
    ("limit", "word"),
    [("turns=1", "1 turns"), ("tokens=8", "8 tokens"), ("seconds=0.3", "time")],
)
@pytest.mark.parametrize("mode", MODES)
def test_a_limit_ends_the_run(conveyor: Command, limit: str, word: str, mode: str) -> None:
    """Turns, tokens and seconds: exit code 5, the reason on one line and in the journal."""
    script = conveyor.script("```python\nimport time\ntime.sleep(9)\n```", ANSWER)
    if limit == "turns=1":
        script = conveyor.script(COMPUTE, ANSWER)
    done = conveyor("run", "-p", "hi", "--script", script, "--mode", mode, "--sandbox", "local",
                    "-c", f"limits.{limit}", "--json")  # fmt: skip
    assert done.code == 5
    assert word in done.complaint
    assert done.json["status"] == "limit"
    assert named(conveyor.journal(), "run_ended")[0]["status"] == "limit"


def test_an_answer_cut_off_by_max_new_tokens_is_a_limit(conveyor: Command) -> None:
    """What there is of the answer is printed, and the exit code says that it is not all."""
    script = conveyor.script("A long answer that does not fit.")
    done = conveyor("run", "-p", "hi", "--script", script, "--sandbox", "local",
                    "-c", "model.max_new_tokens=3")  # fmt: skip
    assert (done.code, done.out) == (5, "A long answe\n")
    assert "cut off" in done.complaint


FAILING = "Now.\n```python\nx = 1\nprint('a')\n1/0\n" + "y = 2\nprint('never')\n" * 30 + "```\nbye"


def conversation(conveyor: Command, script: str, *args: str) -> list[str]:
    """How comparing the two modes ends: the differences, and whether tokens were saved."""
    done = conveyor("compare", "-p", "hi", "--script", script, "--sandbox", "local", "--json",
                    "--rate", "400", *args)  # fmt: skip
    assert done.code in (0, 1), done.err
    differences: list[str] = done.json["differences"]
    return differences


def test_a_failed_unit_ends_the_response(conveyor: Command) -> None:
    """Decoding stops, the rest is skipped, and the model's message ends with the failed unit."""
    script = conveyor.script(FAILING, "sorry")
    done = conveyor("run", "-p", "hi", "--script", script, "--sandbox", "local", "--json",
                    "--rate", "100")  # fmt: skip
    events = conveyor.journal()
    assert named(events, "decode_stopped")[0]["reason"] == "unit_failed"
    text = "".join(event["text"] for event in named(events, "delta_decoded"))
    assert "bye" not in text
    (call,) = done.json["calls"]
    assert call["status"] == "error"
    assert call["error"]["type"] == "ZeroDivisionError"
    assert call["output"] == "a\n"
    assert [unit["status"] for unit in call["units"]][:3] == ["ok", "ok", "error"]
    assert {unit["status"] for unit in call["units"][3:]} <= {"skipped"}


def test_early_stop_changes_nothing_that_the_model_sees(conveyor: Command) -> None:
    """A failing unit gives the same conversation in both modes, and saves tokens in partial."""
    script = conveyor.script(FAILING, "sorry")
    done = conveyor("compare", "-p", "hi", "--script", script, "--sandbox", "local", "--json",
                    "--rate", "300")  # fmt: skip
    assert done.json["differences"] == []
    assert done.json["saved_tokens"] > 50


@pytest.mark.parametrize("sandbox", SANDBOXES)
@pytest.mark.parametrize("rate", [60, 250])
def test_a_failed_unit_stops_decoding_within_a_token(
    conveyor: Command, sandbox: str, rate: int
) -> None:
    """After its failure is known, at most the token under way is decoded."""
    script = conveyor.script(FAILING, "sorry")
    conveyor("run", "-p", "hi", "--script", script, "--sandbox", sandbox, "--json",
             "--rate", str(rate))  # fmt: skip
    events = conveyor.journal()
    failed = next(
        place
        for place, event in enumerate(events)
        if event["event"] == "unit_finished" and event["outcome"]["status"] == "error"
    )
    stopped = events.index(named(events, "decode_stopped")[0])
    between = [event["event"] for event in events[failed:stopped]]
    assert between.count("delta_decoded") <= 1


def test_without_early_stop_decoding_goes_on(conveyor: Command) -> None:
    """`early_stop: false`: all of the call is decoded, none of the rest runs."""
    script = conveyor.script(FAILING, "sorry")
    done = conveyor("run", "-p", "hi", "--script", script, "--sandbox", "local", "--json",
                    "--rate", "2000", "-c", "early_stop=false")  # fmt: skip
    assert done.json["calls"][0]["output"] == "a\n"
    (closed,) = named(conveyor.journal(), "call_closed")
    assert closed["complete"]
    assert closed["text"].count("never") == 30


BREAKING = {
    "syntax error further down": "x = 1\nprint(x)\nfor\nprint('never')",
    "statements on the line of the failing one": "x = 1; 1/0; y = 2\nprint(y)",
    "a late global": "def f():\n    print(q)\n    global q\nprint('never')",
    "exit in the middle": "import sys\nprint('a')\nsys.exit(0)\nprint('never')",
    "exit with a code": "import sys\nprint('a')\nsys.exit(3)\nprint('never')",
    "exit by the last statement": "print('a')\nraise SystemExit",
    "a crash": "import os\nprint('a')\nos._exit(7)\nprint('never')",
    "an interrupt of its own": "print('a')\nraise KeyboardInterrupt\nprint('never')",
    "a blank line and a comment at the end": "1/0\n\n# the end\n",
    "an unclosed string": "x = '''\n1/0",
    "a value shown": "x = [1]\nx",
    "nothing": "",
    "only a comment": "# nothing",
}


@pytest.mark.parametrize("name", BREAKING)
def test_partial_tells_the_model_what_sequential_does(conveyor: Command, name: str) -> None:
    """However a call ends, status, answer, conversation and calls are those of the other mode."""
    again = "```python\nprint('x' in globals())\n```"
    script = conveyor.script(f"So:\n```python\n{BREAKING[name]}\n```", again, "done")
    assert conversation(conveyor, str(script)) == []


@pytest.mark.parametrize("tokens", [9, 13, 16])
def test_a_call_cut_off_is_the_same_in_both_modes(conveyor: Command, tokens: int) -> None:
    """The tail never runs, the head is taken back, and the model is told the same."""
    script = conveyor.script(
        "```python\nx = 1\nprint('head')\nprint('more')\nprint('tail')\nprint('end')\n```",
        "```python\nprint('x' in globals())\n```",
        "done",
    )
    args = ("-c", f"model.max_new_tokens={tokens}")
    assert conversation(conveyor, str(script), *args) == []
    done = conveyor("run", "-p", "hi", "--script", script, "--sandbox", "local", "--json", *args)
    first, second = done.json["calls"]
    assert first["status"] == "rolled_back"
    assert first["error"]["kind"] == "cut_off"
    assert second["output"] in ("False\n", "")


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_a_syntax_error_takes_the_call_back(conveyor: Command, sandbox: str) -> None:
    """What ran before it is undone, and the call says so."""
    script = conveyor.script(
        "```python\nx = 1\nprint(x)\ny = = 2\n```", "```python\nprint('x' in globals())\n```", "ok"
    )
    done = conveyor("run", "-p", "hi", "--script", script, "--sandbox", sandbox, "--json")
    first, second = done.json["calls"]
    assert (first["status"], first["error"]["kind"]) == ("rolled_back", "syntax")
    assert second["output"] == "False\n"
    assert len(named(conveyor.journal(), "rolled_back")) == 1


def test_exit_0_ends_its_call_well(conveyor: Command) -> None:
    """`sys.exit(0)` in the middle: the call is ok, the rest is skipped; other codes are errors."""
    call = call_of(conveyor, "import sys\nprint('a')\nsys.exit(0)\nprint('never')")
    assert (call["status"], call["output"], call["error"]) == ("ok", "a\n", None)
    call = call_of(conveyor, "import sys\nprint('a')\nsys.exit(4)\nprint('never')")
    assert (call["status"], call["output"], call["error"]["kind"]) == ("error", "a\n", "exit")


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_a_unit_that_takes_too_long_is_stopped(conveyor: Command, sandbox: str) -> None:
    """`unit_timeout`: the call's status is `timeout`, and the run goes on with the next turn."""
    code = "print('a')\nwhile True: pass\nprint('never')"
    call = call_of(conveyor, code, "-c", "sandbox.unit_timeout=0.3", "--sandbox", sandbox)
    assert (call["status"], call["output"]) == ("timeout", "a\n")


def test_a_crash_costs_the_call_and_not_the_session(conveyor: Command) -> None:
    """Variables are what they were before the call, files stay, and the model is told so."""
    script = conveyor.script(
        "```python\nbefore = 1\n```",
        "```python\nopen('f', 'w').write('kept')\nimport os, signal\n"
        "os.kill(os.getpid(), signal.SIGSEGV)\n```",
        "```python\nprint(open('f').read(), before, 'os' in globals())\n```",
        "ok",
    )
    assert conversation(conveyor, str(script)) == []
    done = conveyor("run", "-p", "hi", "--script", script, "--sandbox", "local", "--json")
    _, crashed, after = done.json["calls"]
    assert (crashed["status"], crashed["error"]["kind"]) == ("error", "crash")
    assert crashed["lost"].startswith("the interpreter was lost")
    assert after["output"] == "kept 1 False\n"


@pytest.mark.parametrize("sandbox", SANDBOXES)
@pytest.mark.parametrize("mode", ["partial", "sequential"])
def test_a_call_taken_back_leaves_nothing(conveyor: Command, sandbox: str, mode: str) -> None:
    """Variables, files and folder are those of before; earlier calls' own stay."""
    script = conveyor.script(
        "```python\nimport os\nx = [1]\nopen('f', 'w').write('one')\n```",
        "```python\nx.append(2)\nopen('f', 'a').write('two')\nos.mkdir('d')\nos.chdir('d')\n"
        "os.environ['E'] = '1'\nprint('gone')\ndef g():\n    return x\n    global x\n```",
        "```python\nprint(x, open('f').read(), os.listdir(), os.getcwd(), 'E' in os.environ)\n```",
        "ok",
    )
    done = conveyor(
        "run", "-p", "hi", "--script", script, "--sandbox", sandbox, "--json", "--mode", mode
    )
    _, invalid, after = done.json["calls"]
    assert (invalid["status"], invalid["error"]["kind"]) == ("rolled_back", "syntax")
    assert (invalid["output"], invalid["lost"]) == ("", "")
    assert after["output"] == "[1] one ['f'] /workspace False\n"


def test_without_undo_a_call_taken_back_costs_the_variables(conveyor: Command) -> None:
    """`--no-undo`: that is the price, and it is said to user and model."""
    script = conveyor.script(
        "```python\nx = 1\n```",
        "```python\ny = 1\nz = = 2\n```",
        "```python\nprint('x' in globals())\n```",
        "ok",
    )
    done = conveyor(
        "run", "-p", "hi", "--script", script, "--sandbox", "local", "--json", "--no-undo"
    )
    _, invalid, after = done.json["calls"]
    assert invalid["lost"] == (
        "gone with it: variables of earlier code (undo is off); not undone: files that it wrote"
    )
    assert after["output"] == "False\n"
    assert {taken["why_not"] for taken in done.json["checkpoints"]} == {"undo is off"}


@pytest.mark.docker
def test_a_sandbox_that_dies_is_replaced_once(conveyor: Command) -> None:
    """The model is told, and goes on in a fresh one."""
    slow = "```python\nprint('begun')\nimport time\ntime.sleep(30)\n```"
    script = conveyor.script(slow, "```python\nprint('time' in globals())\n```", "ok")
    process = conveyor.start("run", "-p", "hi", "--script", script, "--sandbox", "docker",
                             "--json", "--plain")  # fmt: skip
    for line in process.stderr:
        if b"begun" in line and b"stdout" in line:
            break
    docker("kill", *conveyor.containers())
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    events = conveyor.journal()
    first, second = told(events)
    assert (first["status"], first["failure"]["kind"]) == ("error", "sandbox_died")
    assert second["status"] == "ok"
    assert b"False\\n" in out
    assert len(named(events, "sandbox_died")) == 1
    assert len(named(events, "sandbox_started")) == 2


@pytest.mark.docker
def test_a_sandbox_that_dies_twice_ends_the_run(conveyor: Command) -> None:
    """The second time is one time too many: exit code 3, and the journal is whole."""
    slow = "```python\nprint('begun')\nimport time\ntime.sleep(30)\n```"
    script = conveyor.script(slow, slow, "ok")
    process = conveyor.start("run", "-p", "hi", "--script", script, "--sandbox", "docker",
                             "--plain")  # fmt: skip
    for line in process.stderr:
        if b"begun" in line and b"stdout" in line:
            docker("kill", *conveyor.containers())
        if b"conveyor: " in line:
            break
    process.communicate(timeout=60)
    assert process.returncode == 3
    assert b"died twice" in line
    assert named(conveyor.journal(), "run_ended")[0]["status"] == "failed"
