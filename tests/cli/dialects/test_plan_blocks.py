"""Plan blocks in a response: found as they are, however it is chopped."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conveyor_cli.dialects.base import CallText, Closed, Opened, Prose
from conveyor_cli.dialects.plan import PlanDialect
from conveyor_tools.splitters.plan import PlanSplitter
from tests.tools.splitters.programs import chopped

STEPS = '$1 = search("a")\n$2 = search("b")\n'
Found = tuple[str, str | None, str, bool, list[str], str]


def read(deltas: Iterable[str], *, complete: bool = True, tools: bool = True) -> Found:
    """Prose, tool, the call's text, whether it is closed, its units, and what is kept of it all."""
    dialect = PlanDialect({"plan": "plan"} if tools else {})
    splitter = PlanSplitter()
    prose, tool, text, closed = "", None, "", False
    units = []
    endings = [lambda: dialect.finish(complete=complete)]
    for take in (*((lambda delta=delta: dialect.feed(delta)) for delta in deltas), *endings):
        for item in take():
            match item:
                case Prose(piece):
                    prose += piece
                case Opened(name):
                    tool = name
                    dialect.watch(splitter)
                case CallText(piece):
                    text += piece
                    units += splitter.feed(piece)
                case Closed(length):
                    closed = True
                    if length is not None:
                        text = text[:length]
                        splitter.truncate(length)
                    units += splitter.flush()
    kept = dialect.cut(None) if tool else ""
    return prose, tool, text, closed, [unit.text for unit in units], kept


BLOCK = f">>>\n{STEPS}<<<\n"
FOREIGN = "```python\n>>>\n$1\n<<<\n```\n"
CALLS = {
    "alone": (BLOCK, "", STEPS),
    "after prose": (f"Let me look.\n{BLOCK}and more", "Let me look.\n", STEPS),
    "with blanks and CR": (">>> \t\r\n$1 = f()\r\n<<< \r\n", "", "$1 = f()\r\n"),
    "indented": (f"- so:\n  >>>\n  {STEPS.splitlines()[0]}\n  <<<\n", "- so:\n",
                 STEPS.splitlines()[0] + "\n"),
    "longer": (f">>>>\n{STEPS}<<<\n<<<<\n", "", f"{STEPS}<<<\n"),
    "in the string": ('>>>\n$1 = f("""\n<<<\n""")\n<<<\n', "", '$1 = f("""\n<<<\n""")\n'),
    "no newline at the end": (f">>>\n{STEPS}<<<", "", STEPS),
    "not closed": (f">>>\n{STEPS}", "", STEPS),
    "string never closed": ('>>>\n$1 = f("""a\n<<<\nNow it is.\n', "", '$1 = f("""a\n'),
    "fenced": (f"So:\n```plan\n{STEPS}```\n", "So:\n", STEPS),
    "after a foreign block": (FOREIGN + BLOCK, FOREIGN, STEPS),
    "after reasoning": (f"<think>\n>>>\n$1 = f()\n<<<\n</think>\n{BLOCK}", "\n", STEPS),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_calls_in_every_two_and_three_deltas(name: str) -> None:
    """The same call, with the same units, from the same text."""
    response, prose, text = CALLS[name]
    whole = read([response])
    assert whole[:4] == (prose, "plan", text, True)
    assert text.startswith("".join(whole[4]))
    for first, second in itertools.combinations_with_replacement(range(len(response) + 1), 2):
        deltas = [response[:first], response[first:second], response[second:]]
        assert read(deltas) == whole


TEXTS = [
    ">>> 1 + 1\n2\n>>> f()\n",
    "a >>>\n$1 = f()\n<<<\n",
    ">>\n$1 = f()\n<<\n",
    "<<<\n$1 = f()\n>>>",
    ">>> \u00a0\n",
    "> > >\nquoted\n",
    "`>>>`\n",
]


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_no_plan_is_text(text: str) -> None:
    """To the character, in every two and three deltas."""
    for first, second in itertools.combinations_with_replacement(range(len(text) + 1), 2):
        found = read([text[:first], text[first:second], text[second:]])
        assert found == (text, None, "", False, [], "")


def test_what_is_cut_off_is_not_closed() -> None:
    """Its last step has no end of line, and never runs."""
    found = read([">>>\n$1 = f()\n$2 = g("], complete=False)
    assert found[3:5] == (False, ["$1 = f()\n"])


@pytest.mark.parametrize("name", ["alone", "after prose", "indented", "longer", "not closed"])
def test_what_is_kept_is_a_call(name: str) -> None:
    """The message up to the call's end, closed: read again, it is the same call."""
    response, prose, text = CALLS[name]
    kept = read([response])[5]
    assert read([kept])[:4] == (prose, "plan", text, True)
    assert kept.rstrip().endswith("<<<")


@pytest.mark.parametrize("name", ["alone", "indented", "fenced"])
def test_what_is_kept_ends_at_the_character(name: str) -> None:
    """Wherever a plan is rejected: however much more of its line was decoded."""
    response, _, text = CALLS[name]
    for length in range(len(text) + 1):
        dialects = [PlanDialect({"plan": "plan"}) for _ in range(2)]
        more = response.index(text.splitlines()[0]) + len(text) + 1
        kept = []
        for dialect, decoded in zip(dialects, (response, response[:more]), strict=True):
            splitter = PlanSplitter()
            for item in dialect.feed(decoded):
                if isinstance(item, Opened):
                    dialect.watch(splitter)
            kept.append(dialect.cut(length))
        assert kept[0] == kept[1]
        assert read([kept[0]])[2].rstrip() == text[:length].rstrip()


@given(st.lists(st.sampled_from([">>>", "<<<", "\n", "$1 = f()", '"""', "```", "plan", " ", "x",
                                 "<think>", "</think>", ">"]), max_size=14), st.data())  # fmt: skip
def test_any_mixture_in_any_pieces(parts: list[str], data: st.DataObject) -> None:
    """However it is chopped, it is read the same."""
    text = "".join(parts)
    assert read(data.draw(chopped(text))) == read([text]) == read(text)
