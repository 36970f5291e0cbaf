"""Reasoning in a response with fences: no call, and no part of the answer."""

from __future__ import annotations

import pytest

from tests.cli.dialects.reading import found, read


@pytest.mark.parametrize(
    ("response", "prose"),
    [
        ("<think>a</think> text\n", " text\n"),
        ("<think>a</think> text", " text"),
        ("before <think>a</think> after\n", "before  after\n"),
        ("<think>\na\n\nb\n</think>\n\ntext", "\n\ntext"),
        ("before <think>a\nb</think> after\n", "before  after\n"),
        ("a<think>b</think>c<think>d</think>e", "ace"),
        ("a\n<think>b\nc", "a\n"),
        ("a <think>b", "a "),
        ("<think>a <think> b</think>c\n", "c\n"),
        ("<think>`</think>` c\n", "` c\n"),
        ("<think>```\n</think>c\n", "c\n"),
        ("a <thi", "a <thi"),
        ("a</think>b\n", "ab\n"),
    ],
)
def test_reasoning_is_not_the_answer(response: str, prose: str) -> None:
    """What stands between the tags is left out, and nothing else."""
    for deltas in ([response], response):
        reading = read(deltas)
        assert (reading.prose, reading.tool) == (prose, None)


@pytest.mark.parametrize(
    "reasoning",
    [
        "<think>\n```python\nx\n```\n</think>\n",
        "<think>```python\nx\n```\n```json\n</think>\n",
        "<think>\n```python\nx\n</think>",
        "I <think> so\n```python\nx\n```\n</think>.\n",
    ],
)
def test_reasoning_is_no_call(reasoning: str) -> None:
    """A fence in it opens nothing; one after it does."""
    reading = found(f"{reasoning}```python\ny\n```\n")
    assert (reading.code, reading.start) == ("y\n", len(reasoning) + len("```python\n"))


def test_line_with_reasoning_in_its_middle() -> None:
    """It is judged as it stands without the reasoning, however many lines that takes."""
    reading = found("```<think>a\nb</think>py\nx\n```\n")
    assert (reading.prose, reading.code) == ("", "x\n")


def test_reasoning_that_does_not_end() -> None:
    """Nothing in it is a call."""
    assert found("<think>\n```python\nx\n```\n").tool is None
