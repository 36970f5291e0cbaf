"""Runs with a model behind a server: calls that it marks itself, and what can go wrong there."""

from __future__ import annotations

import json
import subprocess
import threading
from typing import Any

import pytest

from tests.cli.backends.chat_server import Answer, ReplayServer, serving
from tests.cli.backends.streams import DONE, chunk, part
from tests.cli.command import Command, Done, finish, named

END = chunk({}, "tool_calls") + DONE
SAYS_DONE = chunk({"content": "done"}, "stop") + DONE
FIRST = json.dumps({"code": "x = [1]\nprint(x)\n"})
SECOND = json.dumps({"code": "x.append(2)\nprint(x)\n"})


def begin(index: int, arguments: str) -> str:
    return chunk({"tool_calls": [part(index, arguments, "python", f"id{index}")]})


def go_on(index: int, arguments: str) -> str:
    return chunk({"tool_calls": [part(index, arguments)]})


def run(conveyor: Command, server: ReplayServer, *args: str, **environment: str) -> Done:
    return conveyor("run", "-p", "hi", "--base-url", server.url, "--model", "m",
                    "--sandbox", "local", "--json", *args, **environment)  # fmt: skip


def start(conveyor: Command, server: ReplayServer) -> subprocess.Popen[Any]:
    return conveyor.start("run", "-p", "hi", "--base-url", server.url, "--model", "m",
                          "--sandbox", "local", "--json")  # fmt: skip


def made(done: Done) -> list[tuple[str, str | None, str]]:
    """Status, kind of error, and output of each call."""
    return [
        (call["status"], call["error"] and call["error"]["kind"], call["output"])
        for call in done.json["calls"]
    ]


def conversation(server: ReplayServer) -> list[dict[str, Any]]:
    """What the server was told last."""
    messages: list[dict[str, Any]] = server.asked[-1].body["messages"]
    return messages


@pytest.mark.parametrize("mode", ["partial", "sequential"])
def test_calls_whose_pieces_alternate(conveyor: Command, mode: str) -> None:
    """They run in their order, with one state, and are told with their ids."""
    stream = (
        begin(0, FIRST[:20]) + begin(1, SECOND[:20]) + go_on(0, FIRST[20:]) + go_on(1, SECOND[20:])
    )
    with serving(chunk({"content": "Now:"}) + stream + END, SAYS_DONE) as server:
        done = run(conveyor, server, "--mode", mode)
    assert done.code == 0, done.err
    assert made(done) == [("ok", None, "[1]\n"), ("ok", None, "[1, 2]\n")]
    assert done.json["answer"] == "done"
    assert server.asked[0].body["tools"][0]["function"]["name"] == "python"
    _, said, one, two = conversation(server)
    assert said["content"] == "Now:"
    assert [json.loads(it["function"]["arguments"]) for it in said["tool_calls"]] == [
        json.loads(FIRST), json.loads(SECOND),
    ]  # fmt: skip
    assert [it["id"] for it in said["tool_calls"]] == [one["tool_call_id"], two["tool_call_id"]]
    assert "[1, 2]" in two["content"]


def test_argument_tools_side_by_side(conveyor: Command) -> None:
    """Each gets its own arguments, though the pieces alternate; a failure ends the response."""
    one, two = (json.dumps({"expression": it}) for it in ("6 * 7", "1 / 0"))
    stream = (
        chunk({"tool_calls": [part(0, one[:9], "calculator", "a")]})
        + chunk({"tool_calls": [part(1, two[:9], "calculator", "b")]})
        + go_on(1, two[9:])
        + go_on(0, one[9:])
    )
    with serving(stream + END, SAYS_DONE) as server:
        done = run(conveyor, server, "-c", "tools=[calculator]")
    assert done.code == 0, done.err
    assert [it["status"] for it in done.json["calls"]] == ["ok", "error"]
    _, said, first, second = conversation(server)
    assert [it["function"]["arguments"] for it in said["tool_calls"]] == [one, two]
    assert "42" in first["content"]
    assert "zero" in second["content"]


def test_statements_run_while_the_server_is_still_sending(conveyor: Command) -> None:
    """The first one has ended before the call's text has."""
    cut = FIRST.index("print") + 1
    with serving(Answer(begin(0, FIRST[:cut]), then="wait")) as server:
        running = start(conveyor, server)
        conveyor.wait_for('"unit_finished"')
        assert not named(conveyor.journal(), "call_closed")
        running.terminate()
        finish(running)
        assert server.hung_up.wait(60)


def test_a_dropped_connection_undoes_its_call(conveyor: Command) -> None:
    """The model is told so, in a conversation that any server takes, and the run goes on."""
    ran = threading.Event()
    torn = Answer(begin(0, FIRST[:-4]), then="drop", hold=ran)
    again = begin(0, json.dumps({"code": "print('x' in globals())"})) + END
    with serving(torn, again, SAYS_DONE) as server:
        running = start(conveyor, server)
        conveyor.wait_for('"unit_finished"')
        ran.set()
        done = finish(running)
    assert done.code == 0, done.err
    assert made(done) == [("rolled_back", "cut_off", ""), ("ok", None, "False\n")]
    assert done.json["calls"][0]["units"][0]["status"] == "ok"
    (said, told) = conversation(server)[1:3]
    (call,) = said["tool_calls"]
    assert json.loads(call["function"]["arguments"])["code"].startswith("x = [1]")
    assert "cut off" in told["content"]
    assert told["tool_call_id"] == call["id"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(chunk({"content": "It i"}), then="drop"), "the connection to the model ended"),
        (Answer(begin(0, FIRST[:-4]) + "data: {\n\n"), "no chunk of a chat completion"),
        (Answer("no", 500, "text/plain"), "failed with status 500"),
    ],
)
def test_a_server_that_fails_ends_the_run(conveyor: Command, answer: Answer, words: str) -> None:
    """With one line and exit code 4; a call that was open is undone first."""
    with serving(answer) as server:
        done = run(conveyor, server)
    assert done.code == 4
    assert words in done.complaint
    for ended in named(conveyor.journal(), "call_ended"):
        assert ended["outcome"]["status"] == "rolled_back"


def test_invalid_arguments_are_told_and_left_out(conveyor: Command) -> None:
    """Servers refuse a conversation that holds what is no JSON."""
    broken = begin(0, FIRST) + begin(1, '{"code": [}') + begin(2, FIRST)
    with serving(broken + END, SAYS_DONE) as server:
        done = run(conveyor, server)
    assert [it[:2] for it in made(done)][:2] == [("ok", None), ("rolled_back", "arguments")]
    _, said, _, told = conversation(server)
    assert [it["function"]["arguments"] for it in said["tool_calls"]][1] == "{}"
    assert "not valid JSON" in told["content"]


def test_a_failed_statement_closes_the_connection(conveyor: Command) -> None:
    """What comes after it is not waited for; the message is cut there."""
    text = json.dumps({"code": "x = 1\n1 / 0\nprint('never')\n"})
    body = begin(0, text[: text.index("never")])
    with serving(Answer(body, then="wait"), SAYS_DONE) as server:
        done = run(conveyor, server)
        assert server.hung_up.wait(60)
    assert done.code == 0, done.err
    assert made(done) == [("error", "exception", "")]
    (call,) = conversation(server)[1]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"code": "x = 1\n1 / 0\n"}


def test_a_dialect_of_text_over_a_server(conveyor: Command) -> None:
    """For one that knows no tools."""
    fenced = chunk({"content": "```python\nprint(6 * 7)\n```\n"}, "stop") + DONE
    with serving(fenced, SAYS_DONE) as server:
        done = run(conveyor, server, "-c", "model.dialect=fences")
    assert made(done) == [("ok", None, "42\n")]
    assert "tools" not in server.asked[0].body
    assert "```python" in conversation(server)[0]["content"]
    assert [it["role"] for it in conversation(server)] == ["system", "user", "assistant", "user"]


def test_the_key_is_nowhere(conveyor: Command) -> None:
    """Neither in what is printed nor in the journal."""
    key = "sk-0123456789abcdef"
    refusal = Answer(json.dumps({"error": f"wrong key {key}"}), 401, "application/json")
    with serving(SAYS_DONE, refusal) as server:
        for code in (0, 4):
            done = run(conveyor, server, OPENAI_API_KEY=key)
            assert done.code == code
            assert key not in done.out + done.err
    assert server.asked[0].headers["authorization"] == f"Bearer {key}"
    assert all(key not in path.read_text() for path in conveyor.journals())


def task(conveyor: Command, url: str) -> str:
    text = f"prompt: hi\nmodel: {{backend: openai, base_url: '{url}', id: m}}\n"
    path = conveyor.folder / "task.yaml"
    path.write_text(text)
    return str(path)


def test_a_task_does_not_send_the_conversation_anywhere(conveyor: Command) -> None:
    """Unless its user says so; a server of this machine may be named by anybody."""
    done = conveyor("run", task(conveyor, "https://models.example/v1"))
    assert done.code == 2
    assert "would send the conversation and your key to models.example" in done.only_complaint
    with serving(SAYS_DONE) as server:
        assert conveyor("run", task(conveyor, server.url), "--sandbox", "local").code == 0


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--backend", "openai"], "needs the server's address: give it with --base-url"),
        (["--base-url", "localhost:8000"], "not a web address: 'localhost:8000'"),
        (["-c", "model.dialect=native"], "it needs backend openai"),
    ],
)
def test_what_does_not_fit_together(conveyor: Command, args: list[str], words: str) -> None:
    """One line, exit code 2."""
    done = conveyor("run", "-p", "hi", *args)
    assert done.code == 2
    assert words in done.only_complaint


def test_forgetting_a_conversation_that_has_no_system_text(conveyor: Command) -> None:
    """Nothing of it is told again."""
    with serving(SAYS_DONE, SAYS_DONE) as server:
        talk = conveyor("repl", "--base-url", server.url, "--model", "m", "--sandbox", "local",
                        stdin="one\n/clear\ntwo\n/quit\n")  # fmt: skip
    assert talk.code == 0, talk.err
    assert [it["content"] for it in conversation(server)] == ["two"]
