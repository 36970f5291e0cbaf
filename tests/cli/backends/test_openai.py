"""Models behind servers: what they stream, and what can go wrong with them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest
from chat_server import Answer, ReplayServer, serving
from decoding import Decoded
from streams import (
    CODE,
    DONE,
    INTERLEAVED,
    LLAMA_CPP,
    MISTRAL,
    NAME_AGAIN,
    OPENAI,
    VLLM,
    WHOLE_AT_ZERO,
    WITH_CRLF,
    chunk,
    event,
    part,
)
from tiny_models import silent

from conveyor_cli.backends.base import Finish, Message, Role, SaidCall, Sampling
from conveyor_cli.backends.openai import OpenAIBackend
from conveyor_cli.dialects.native import NativeDialect
from conveyor_cli.errors import ModelError
from tests.cli.dialects.calls import Read

T = TypeVar("T")
KEY = "sk-secret-0123456789"
HI = [Message(Role.USER, "hi")]
TOOL = {"type": "function", "function": {"name": "python", "parameters": {"type": "object"}}}


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def with_server(
    server: ReplayServer,
    work: Callable[[OpenAIBackend], Awaitable[T]],
    *,
    model: str | None = "m",
    timeout: float = 60,
) -> T:
    """Connect, do the work, close."""

    async def main() -> T:
        backend = OpenAIBackend(server.url, model, timeout=timeout)
        try:
            await backend.load(silent)
            return await work(backend)
        finally:
            await backend.close()

    return asyncio.run(main())


async def decode(backend: OpenAIBackend, sampling: Sampling | None = None, **more: Any) -> Decoded:
    response = backend.respond(HI, sampling or Sampling(), **more)
    deltas = [delta async for delta in response]
    return Decoded("".join(delta.text for delta in deltas), deltas, response.finish)


def read(decoded: Decoded) -> Read:
    """What the dialect makes of it."""
    found = Read(NativeDialect({"python": "code"}))
    for delta in decoded.deltas:
        dialect = found.dialect
        assert isinstance(dialect, NativeDialect)
        given = (
            dialect.feed_piece(delta.piece, delta.text) if delta.piece else dialect.feed(delta.text)
        )
        found.act(given)
    found.act(found.dialect.finish(complete=decoded.finish is Finish.EOS))
    return found


RAN = ("python", CODE, "closed")


@pytest.mark.parametrize("chop", [1, 2, 3, 7, 100_000])
@pytest.mark.parametrize(
    ("stream", "prose", "calls", "shown"),
    [
        (OPENAI, "", 2, "python {"),
        (VLLM, "\n\n\n\nNow", 1, "<think>\nHmm.\n</think>\n\n\n\nNow\npython {"),
        (LLAMA_CPP, "Now", 1, "Now\npython {"),
        (WHOLE_AT_ZERO, "", 2, "python {"),
        (NAME_AGAIN, "", 1, "python {"),
        (INTERLEAVED, "", 2, "python {"),
        (MISTRAL, "\n\nNow", 1, "<think>\nHmm.\n</think>\n\nNow\npython {"),
        (WITH_CRLF, "", 2, "python {"),
    ],
    ids=["openai", "vllm", "llama.cpp", "whole", "name again", "interleaved", "mistral", "crlf"],
)
def test_streams_are_read(stream: str, prose: str, calls: int, shown: str, chop: int) -> None:
    """However a server marks its calls and its reasoning, and the network cuts its bytes."""
    with serving(Answer(stream, chop=chop)) as server:
        decoded = with_server(server, decode)
    assert decoded.finish is Finish.EOS
    found = read(decoded)
    assert (found.prose, [it.found for it in found.calls]) == (prose, [RAN] * calls)
    assert decoded.text.startswith(shown)


def test_calls_lie_in_the_response_where_they_say() -> None:
    """What is shown of a response that is written in order holds the text of its calls."""
    with serving(OPENAI) as server:
        decoded = with_server(server, decode)
    escaped = json.dumps(CODE)[1:-1]
    for call in read(decoded).calls:
        assert decoded.text[call.start : call.start + len(escaped)] == escaped


def test_tokens_are_those_that_the_server_counts() -> None:
    """A chunk is taken for one; the rest comes with the count at the end."""
    with serving(OPENAI, LLAMA_CPP) as server:
        decoded = with_server(server, decode)
    assert sum(delta.tokens for delta in decoded.deltas) == 12
    assert [delta.tokens for delta in decoded.deltas][:3] == [1, 1, 1]


@pytest.mark.parametrize(
    ("reason", "finish"),
    [("stop", Finish.EOS), ("length", Finish.LENGTH), ("tool_calls", Finish.EOS)],
)
def test_why_a_response_ended(reason: str, finish: Finish) -> None:
    """In the server's words; a stream that just ends is over then, too."""
    with serving(chunk({"content": "x"}) + chunk({}, reason)) as server:
        assert with_server(server, decode).finish is finish


def test_a_connection_that_drops_cuts_the_response_off() -> None:
    """What had come by then is there."""
    body = chunk({"content": "x"}) + chunk({"tool_calls": [part(0, '{"code": "a', "python", "c")]})
    for answer in (
        Answer(body, then="drop"),
        Answer(body),
        Answer(body + 'data: {"cho', then="drop"),
    ):
        with serving(answer) as server:
            decoded = with_server(server, decode)
        assert decoded.finish is Finish.DROPPED
        assert [it.found for it in read(decoded).calls] == [("python", "a", "")]


def test_a_server_that_does_not_end_its_stream_is_not_waited_for() -> None:
    """Once the model has ended."""
    with serving(Answer(chunk({"content": "x"}, "stop"), then="wait")) as server:
        assert with_server(server, decode).finish is Finish.EOS
        assert server.hung_up.wait(30)


def test_stopping_closes_the_connection() -> None:
    """At once, though the server has nothing more to say; the iteration ends."""

    async def stop(backend: OpenAIBackend) -> tuple[list[str], Finish | None]:
        response = backend.respond(HI, Sampling())
        texts = []
        async for delta in response:
            texts.append(delta.text)
            response.stop()
        return texts, response.finish

    body = chunk({"content": "a"}) + chunk({"content": "b"})
    with serving(Answer(body, then="wait")) as server:
        assert with_server(server, stop) == (["a"], Finish.STOPPED)
        assert server.hung_up.wait(30)


def test_stopping_before_anything_came() -> None:
    """A response that waits is woken."""

    async def stop(backend: OpenAIBackend) -> list[str]:
        response = backend.respond(HI, Sampling())
        asyncio.get_running_loop().call_later(0.1, response.stop)
        return [delta.text async for delta in response]

    with serving(Answer(then="wait")) as server:
        assert with_server(server, stop) == []
        assert server.hung_up.wait(30)


def failure(*answers: Answer | str, models: list[str] | int = 404, **more: Any) -> str:
    """What is said is wrong."""
    with serving(*answers, models=models) as server, pytest.raises(ModelError) as raised:
        with_server(server, lambda backend: decode(backend, tools=[TOOL]), **more)
    message = str(raised.value)
    assert KEY not in message
    assert "\n" not in message
    return message


def refused(status: int, message: str, **headers: str) -> Answer:
    body = json.dumps({"error": {"message": message, "type": "t", "code": None}})
    return Answer(body, status, "application/json", headers)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (refused(401, f"Incorrect API key provided: {KEY}"), "provided: …): OPENAI_API_KEY is not"),
        (refused(404, "The model `m` does not exist"), "has no model 'm', or the address is wrong"),
        (
            refused(429, "slow down", **{"retry-after": "99"}),
            "slow down); it asks to wait for 99 s",
        ),
        (refused(500, "boom"), "failed with status 500 (boom)"),
        (refused(400, "no tools"), "status 400 (no tools); if it knows no tools: -c model.dialect"),
        (Answer("<html>\n" * 99, 418, "text/html"), "status 418 (<html> <html>"),
        (Answer("", 403, "text/html"), "refuses with status 403 (Forbidden)"),
        (Answer('{"detail": "x"}', 422, "application/json"), "status 422 (x)"),
        (
            Answer("{}", 200, "application/json"),
            "does not stream: it answers with application/json",
        ),
        (Answer("data: {nonsense\n\n"), "no chunk of a chat completion: '{nonsense'"),
        (Answer("data: [1]\n\n"), "no chunk of a chat completion"),
        (Answer(event({"choices": "x"})), "no chunk of a chat completion"),
        (Answer(event({"choices": [{"delta": "x"}]})), "no chunk of a chat completion"),
        (Answer(event({"choices": [{"delta": {"content": 1}}]})), "no chunk of a chat completion"),
        (Answer(event({"error": {"message": "out of memory"}})), "response: out of memory"),
        (Answer(chunk({"content": "x"}, "content_filter")), "response: content_filter"),
    ],
)
def test_what_a_server_refuses(answer: Answer, words: str) -> None:
    """One line that says what is wrong and what to do, and never the key."""
    assert words in failure(answer)


def test_a_busy_server_is_asked_again() -> None:
    """As soon as it says; not for ever."""
    busy = refused(429, "busy", **{"retry-after": "0"})
    with serving(busy, refused(503, "busy", **{"retry-after": "0"}), LLAMA_CPP) as server:
        assert read(with_server(server, decode)).prose == "Now"
    assert "too many requests (busy)" in failure(busy, busy, busy)


def test_a_connection_that_was_closed_meanwhile() -> None:
    """Servers close those that are kept open, also just when one is used again: it is no error."""
    hung_up = Answer(then="hang up")
    with serving(hung_up, LLAMA_CPP) as server:
        assert read(with_server(server, decode)).prose == "Now"
    assert "does not speak HTTP as it should" in failure(hung_up, hung_up)


def test_a_server_that_says_nothing() -> None:
    """Neither before its answer nor in its middle is it waited for longer than was said."""
    body = chunk({"content": "x"})
    assert "has sent nothing for 0.3 s" in failure(Answer(body, then="wait"), timeout=0.3)


def test_no_server() -> None:
    """Nobody listens there."""
    with serving() as server:
        url = server.url
    backend = OpenAIBackend(url, "m", timeout=60)
    with pytest.raises(ModelError, match=r"no server can be reached at 127\.0\.0\.1:\d+"):
        asyncio.run(backend.load(silent))


def test_a_wrong_key_is_found_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the model is loaded."""
    assert "OPENAI_API_KEY is not the right one" in failure(models=401)
    monkeypatch.delenv("OPENAI_API_KEY")
    assert "OPENAI_API_KEY is not set" in failure(models=401)


def test_the_first_model_that_is_listed() -> None:
    """Where none is named."""

    async def label(backend: OpenAIBackend) -> str:
        await decode(backend)
        return backend.label

    with serving(LLAMA_CPP, models=["first", "second"]) as server:
        assert with_server(server, label, model=None).startswith("first at 127.0.0.1:")
        assert server.asked[0].body["model"] == "first"
    assert "lists no models: say which one with --model ID" in failure(model=None)


def test_what_is_asked() -> None:
    """The conversation with its calls, the tools, the key, and the sampling that was set."""
    conversation = [
        Message(Role.SYSTEM, "Be brief."),
        Message(Role.USER, "go\ud800"),
        Message(Role.ASSISTANT, "", (SaidCall("t0001c000", "python", '{"code": "1"}'),)),
        Message(Role.TOOL, "Result: 1", answers="t0001c000"),
    ]
    sampling = Sampling(max_new_tokens=5, temperature=0.5, top_p=0.9, seed=1)

    async def ask(backend: OpenAIBackend) -> None:
        async for _ in backend.respond(conversation, sampling, [TOOL]):
            pass

    with serving(LLAMA_CPP) as server:
        with_server(server, ask)
    (asked,) = server.asked
    assert asked.path == "/v1/chat/completions"
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    function = {"name": "python", "arguments": '{"code": "1"}'}
    assert asked.body == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "go?"},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"id": "t0001c000", "type": "function", "function": function}],
            },
            {"role": "tool", "content": "Result: 1", "tool_call_id": "t0001c000"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 5,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 1,
        "tools": [TOOL],
    }


def test_a_server_is_not_told_of_calls_that_are_written_in_the_text() -> None:
    """It knows no tools then, so the user says what became of them."""
    conversation = [
        *HI,
        Message(Role.ASSISTANT, "<tool_call>…"),
        Message(Role.TOOL, "one"),
        Message(Role.TOOL, "two"),
    ]

    async def ask(backend: OpenAIBackend) -> None:
        async for _ in backend.respond(conversation, Sampling()):
            pass

    with serving(chunk({"content": "x"}, "stop") + DONE) as server:
        with_server(server, ask)
    (asked,) = server.asked
    assert "tools" not in asked.body
    assert [it["role"] for it in asked.body["messages"]] == ["user", "assistant", "user"]
    said = asked.body["messages"][-1]["content"]
    assert said == "<tool_response>\none\n</tool_response>\n<tool_response>\ntwo\n</tool_response>"
