"""What holds for every dialect: chopping is invisible, and what is no call comes out unchanged."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cli.dialects.calls import Part, Read, read, size, split
from tests.cli.dialects.formats import FORMATS

ALL = [(dialect, name) for dialect, form in FORMATS.items() for name in form.examples]


def found(dialect: str, parts: list[Part], *, complete: bool = True) -> Read:
    return read(FORMATS[dialect].make(), parts, complete=complete)


@pytest.mark.parametrize(("dialect", "name"), ALL)
def test_what_is_found(dialect: str, name: str) -> None:
    """In a response that the model itself ended."""
    example = FORMATS[dialect].examples[name]
    prose, calls, _ = found(dialect, example.parts).found
    assert (prose, calls) == (example.prose, example.calls)


@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize(("dialect", "name"), ALL)
def test_every_split_into_two_and_three(dialect: str, name: str, *, complete: bool) -> None:
    """Gives the same items and the same message, and so does each character for itself."""
    parts = FORMATS[dialect].examples[name].parts
    whole = found(dialect, parts, complete=complete)
    length = size(parts)
    ways = [*((place,) for place in range(1, length)), range(length)]
    for places in [*ways, *itertools.combinations(range(1, length), 2)]:
        chopped = found(dialect, split(parts, *places), complete=complete)
        assert chopped.found == whole.found, places
        if dialect != "native":
            assert [it.start for it in chopped.calls] == [it.start for it in whole.calls]
        if len(places) != 2:
            assert chopped.conversation == whole.conversation, places


@pytest.mark.parametrize(("dialect", "name"), ALL)
def test_every_beginning_of_a_response(dialect: str, name: str) -> None:
    """What is cut off has what the whole one has, as far as it goes; nothing is closed early.

    A fence, or a tag, in a string that is not closed is the end where the response ends there.
    """
    if dialect in ("fences", "plan") or name == "unclosed string":
        return
    parts = FORMATS[dialect].examples[name].parts
    whole = found(dialect, parts).calls
    for end in range(size(parts)):
        kept = split(parts, end)
        while size(kept) > end:
            kept.pop()
        calls = found(dialect, kept, complete=False).calls
        for call, expected in zip(calls, whole, strict=False):
            if call.how in ("", "closed", "withdrawn"):
                assert call.tool == expected.tool
                assert expected.text.startswith(call.text)
                assert not call.how or call.found == expected.found


@pytest.mark.parametrize("dialect", FORMATS)
@given(data=st.data())
@settings(max_examples=150)
def test_mixtures(dialect: str, data: st.DataObject) -> None:
    """Any chopping of sense and nonsense gives the same; without a call, the text is the answer."""
    fragments = st.sampled_from(FORMATS[dialect].fragments) | st.text(max_size=3)
    texts = data.draw(st.lists(fragments, max_size=12))
    mixed: list[Part] = ["".join(texts)]
    if dialect == "native":
        numbers = data.draw(st.lists(st.sampled_from([None, 0, 0, 1]), min_size=12, max_size=12))
        mixed = [
            text if number is None else (number, text)
            for text, number in zip(texts, numbers, strict=False)
        ]
    complete = data.draw(st.booleans())
    whole = found(dialect, mixed, complete=complete)
    places = data.draw(st.lists(st.integers(0, size(mixed)), max_size=8))
    for cut in (places, range(size(mixed))):
        chopped = found(dialect, split(mixed, *cut), complete=complete)
        assert chopped.found == whole.found
        assert chopped.conversation == whole.conversation
    text = "".join(it for it in mixed if isinstance(it, str))
    if not whole.calls and "think>" not in text and "THINK]" not in text:
        assert whole.prose == text


@pytest.mark.parametrize("dialect", FORMATS)
@given(text=st.text(st.characters(exclude_characters="`~<>[{"), max_size=200), data=st.data())
@settings(max_examples=200)
def test_text_without_marks_is_the_answer(dialect: str, text: str, data: st.DataObject) -> None:
    """To the character, in any chopping, and whether or not the response was cut off."""
    places = data.draw(st.lists(st.integers(0, len(text)), max_size=8))
    complete = data.draw(st.booleans())
    prose, calls, _ = found(dialect, split([text], *places), complete=complete).found
    assert (prose, calls) == (text, [])
