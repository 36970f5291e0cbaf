"""The fence dialect, driven with the real Python splitter as the engine drives it."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cli.dialects.reading import found, read

EXAMPLES = {
    "answer": "There is no `call`, only\n\n``prose``.",
    "call": "Sure:\n\n```python\nx = 1\nif x:\n  y\n```\nDone.\n",
    "string": 'a\n```py\ns = """\n```\n~~~\n"""\nb\n```\n',
    "unclosed string": "```py\na\ns = '''\nb\n```\nIt's '''\nquoted'''\n```\n and '''\n```",
    "list": "1. so\n\n   ```python\n   if x:\n     y\n   ```\n2. more",
    "item": "- ```py\n  x\n\n  y\n  ```\n",
    "tilde": "~~~~ python x=`1`\na\n~~~\n```\n~~~~~ \n",
    "nested": "````markdown\n```python\nx\n```\n````\n```python\ny\n```",
    "think": "<think>a ``` b\n```python\nx\n```\n</think> so\n\n```python\ny\n```\n",
    "no newline": "```python\nx\n```",
    "crlf": "a\r\n```python\r\nx = '''\r\n```\r\n'''\r\nif x:\r\n\r\n  y\r\n```\r\n",
    "cut off": "text\n```python\nx\n``",
    "empty": "```python\n```\n",
}


@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize("name", EXAMPLES)
def test_chopping_is_invisible(name: str, *, complete: bool) -> None:
    """Every split into one, two or three deltas gives the same."""
    text = EXAMPLES[name]
    expected = found(text, complete=complete).summary()
    for a, b in itertools.combinations_with_replacement(range(len(text) + 1), 2):
        assert read([text[:a], text[a:b], text[b:]], complete=complete).summary() == expected
    assert read(text, complete=complete).summary() == expected


FRAGMENTS = st.lists(
    st.sampled_from(
        [
            *("```python\n", "```\n", "````\n", "```", "~~~py\n", "~~~\n", "  ```sh\n", "   ```\n"),
            *("- ```py\n", "``", "`", " ", "    ", "\t", "\n", "\r\n", "\r", "<think>", "</think>"),
            *("<th", "ink>", "x = 1\n", "if x:\n  y\n", "'''", '"""', "s = '''\n", "f'{", "(", "a"),
        ]
    ),
    max_size=14,
).map("".join)


@given(FRAGMENTS, st.booleans(), st.sampled_from(["python", None]), st.data())
@settings(max_examples=500)
def test_chopping_of_mixtures(
    text: str,
    complete: bool,  # noqa: FBT001 - drawn
    untagged: str | None,
    data: st.DataObject,
) -> None:
    """So does every way to chop a mixture of all of it, and the cuts are prefixes of it."""
    whole = found(text, complete=complete, untagged=untagged)
    places = data.draw(st.lists(st.integers(0, len(text)), max_size=8).map(sorted))
    deltas = [text[a:b] for a, b in itertools.pairwise([0, *places, len(text)])]
    assert read(deltas, complete=complete, untagged=untagged).summary() == whole.summary()
    assert read(text, complete=complete, untagged=untagged).summary() == whole.summary()
    if whole.tool:
        cut = whole.dialect.cut(None)
        again = found(cut, untagged=untagged)
        assert (again.tool, again.start) == (whole.tool, whole.start)
        # The cut response holds the same call (but for a last line that had no newline).
        assert again.code in (whole.code, whole.code + "\n")
    elif "think" not in text:
        assert whole.prose == text


# Prose


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        " a \r\n\tb\n\n",
        "`python`\n``` is a fence, `` is not\n",
        "```json\n{}\n```\n",
        "    x = 1\n",
        "cut off\n```python",
        "a ```python\nb\n```` c `\n",
        "```py`thon\nx\n",
        "<thinking> is no tag, < think> neither\n",
        "the `<think>` tag, ``a ` </think>`` too\n",
        "```html\n<think>\n```\nafter\n",
    ],
)
def test_prose_is_unchanged(text: str) -> None:
    """Text without a call is the answer, to the character."""
    assert found(text, untagged=None).summary() == (text, None, None, "", False, [])


def test_prose_before_and_after_a_call() -> None:
    """What stands before the call is prose, what follows it is not looked at."""
    reading = found("a\nb \n```python\nx\n```\nc\n```python\ny\n```\n")
    assert (reading.prose, reading.code) == ("a\nb \n", "x\n")


# What opens a call


@pytest.mark.parametrize(
    "info",
    [
        *("python", "py", "Python", "PY", " python", "\tpython ", 'python title="x"', "{.python}"),
        *("{python}", "{.python .numberLines}", "python{1,3}", "python:main.py", "python, run"),
        "",
        "  ",
    ],
)
@pytest.mark.parametrize("fence", ["```", "````", "~~~", "~~~~~~"])
def test_info_strings(fence: str, info: str) -> None:
    """A fence is a call when its info string names a tool, or says nothing and there is one."""
    reading = found(f"{fence}{info}\nx\n{fence}\n")
    assert (reading.tool, reading.code, reading.closed) == ("python", "x\n", True)


@pytest.mark.parametrize("info", ["json", "pythonic", 'title="python"', "{}", "{#python}", "c++"])
def test_other_info_strings(info: str) -> None:
    """Any other is not, nor is a fence inside such a block."""
    reading = found(f"```{info}\nx\n```\n")
    assert (reading.tool, reading.prose) == (None, f"```{info}\nx\n```\n")


def test_untagged_fence_with_several_tools() -> None:
    """With several tools an untagged fence is prose; a tagged one after it is a call."""
    reading = found("```\na\n```\n```sh\nls\n```\n", untagged=None)
    assert (reading.prose, reading.tool, reading.code) == ("```\na\n```\n", "shell", "ls\n")


@pytest.mark.parametrize(
    "block",
    [
        "````markdown\n```python\nx\n```\n````\n",
        "~~~\n```python\nx\n```\n~~~\n",
        "```text\n```python\nx\n```\n",
        "- ````\n  ```python\n  x\n  ```\n  ````\n",
    ],
)
def test_fences_in_other_blocks(block: str) -> None:
    """A fence inside a block that is no call opens nothing; the block's end ends that."""
    reading = found(f"{block}```python\ny\n```\n", untagged=None)
    assert (reading.prose, reading.code) == (block, "y\n")


# The call's text


@pytest.mark.parametrize(
    ("response", "code"),
    [
        ("  ```python\n  if x:\n    y\n\n z\nw\n  ```\n", "if x:\n  y\n\nz\nw\n"),
        ("1. ```python\n   if x:\n     y\n   ```\n", "if x:\n  y\n"),
        ("* a\n\t```python\n\tif x:\n\t\ty\n\t```\n", "if x:\n\ty\n"),
        ("  ```python\n\tx\n  ```\n", "\tx\n"),
        ("```python\nx\n   ```\n", "x\n"),
        ("````python\n```\n````\n", "```\n"),
        ("```python\nx\n`````` \t\n", "x\n"),
        ("```python\n~~~\n```\n", "~~~\n"),
        ("~~~python\n```\n~~~\n", "```\n"),
        ("```python\nx\n``` y\n```\n", "x\n``` y\n"),
        ("```python\nx\n    ```\n```\n", "x\n    ```\n"),
        ("```python\n``\n`\n```\n", "``\n`\n"),
        ("```python\n\r```\n```\n", "\r```\n"),
        ("```python\r\nx\r\n\r\n```\r\n", "x\r\n\r\n"),
        ("```python\nx = '<think>'\n# </think>\n```\n", "x = '<think>'\n# </think>\n"),
        ("```python\n```\n", ""),
        ("```python\n\n```", "\n"),
    ],
)
def test_text_of_the_call(response: str, code: str) -> None:
    """It stands between the fences, without the margin of the opening one."""
    reading = found(response)
    assert (reading.tool, reading.code, reading.closed) == ("python", code, True)


@pytest.mark.parametrize(
    "code",
    [
        "s = '''\n```\n'''\n",
        's = """a\n```python\n```\n"""\n',
        "s = 'a\\\n```\n'\n",
        "f(\n'''\n```\n''')\n",
        "s = f'''{\nx}\n```\n'''\n",
    ],
)
def test_fence_in_a_string(code: str) -> None:
    """A fence in a string is text."""
    reading = found(f"```python\n{code}x\n```\n")
    assert (reading.code, reading.closed) == (f"{code}x\n", True)


@pytest.mark.parametrize("code", ["f(\n", "if x:\n", "@a\n", "# '''\n", "x = 'it\n", "f'''{\n"])
def test_fence_elsewhere(code: str) -> None:
    """Outside strings it is the end, be the code complete or not."""
    reading = found(f"```python\n{code}```\n'''\n```\n")
    assert (reading.code, reading.closed) == (code, True)


@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize("rest", ["", "\n", "\nIt is '''so'''\n", "\n```python\nx\n```\n", "\n``"])
def test_string_open_at_the_end(rest: str, *, complete: bool) -> None:
    """If the response ends inside a string, the first fence in it was the end after all."""
    reading = found(f"```python\na\nb = '''c\n```{rest}", complete=complete)
    assert (reading.code, reading.closed) == ("a\nb = '''c\n", True)
    assert [unit.text for unit in reading.units] == ["a\n", "b = '''c\n"]
    assert reading.dialect.cut(None) == "```python\na\nb = '''c\n```"


def test_string_open_at_the_end_after_released_ones() -> None:
    """Fences in what has been released do not count."""
    reading = found("```python\na = '''\n```\n'''\nb = '''\n```\nc")
    assert reading.code == "a = '''\n```\n'''\nb = '''\n"


def test_string_open_at_the_end_without_a_fence() -> None:
    """With no fence in it, all of it is the call, if the response is complete."""
    assert found("```python\na = '''\nb").code == "a = '''\nb"
    assert found("```python\na = '''\nb").closed
    assert not found("```python\na = '''\nb", complete=False).closed


@pytest.mark.parametrize("end", ["", "x", "x\n", "x\n``", "x\n```", "x\n   ```  ", "x\n    "])
def test_response_that_is_cut_off(end: str) -> None:
    """A response that is cut off leaves its call open, even in its closing fence."""
    assert not found(f"```python\n{end}", complete=False).closed


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("", ""),
        ("x", "x"),
        ("x\n", "x\n"),
        ("x\n``", "x\n``"),
        ("x\n ```  ", "x\n"),
        ("x\n ", "x\n "),
    ],
)
def test_response_that_ends_in_a_call(end: str, code: str) -> None:
    """One that the model ended closes it."""
    reading = found(f"```python\n{end}")
    assert (reading.code, reading.closed) == (code, True)


# What the conversation keeps


@pytest.mark.parametrize(
    ("response", "kept"),
    [
        (
            "Hi\n```python\na\nif b:\n  c\nd\n```\nmore",
            [
                "```python\na\n```",
                "```python\na\nif b:\n  c\n```",
                "```python\na\nif b:\n  c\nd\n```",
            ],
        ),
        (
            "Hi\n  ````py\n  a\n  if b:\n    c\nd\n  ````",
            ["  ````py\n  a\n  ````", "  ````py\n  a\n  if b:\n    c\n  ````"],
        ),
        ("Hi\n- ~~~py\n  a\n  b", ["- ~~~py\n  a\n  ~~~", "- ~~~py\n  a\n  b\n  ~~~"]),
        ("Hi\n```py\r\na\r\nb\r\n```", ["```py\r\na\r\n```", "```py\r\na\r\nb\r\n```"]),
        ("Hi\n\t```py\n\ta\n\tb\n\t```", ["\t```py\n\ta\n\t```", "\t```py\n\ta\n\tb\n\t```"]),
    ],
)
def test_cut_at_a_unit(response: str, kept: list[str]) -> None:
    """Cut at the end of a unit, the response ends there with a closing fence."""
    reading = found(response)
    ends = itertools.accumulate(len(unit.text) for unit in reading.units)
    assert [reading.dialect.cut(end) for end in ends][: len(kept)] == [f"Hi\n{k}" for k in kept]


def test_cut_of_an_empty_call() -> None:
    """Nothing but its fences stays."""
    assert found("Hi\n```python\n```\nmore").dialect.cut(None) == "Hi\n```python\n```"
    assert found("Hi\n```python\n", complete=False).dialect.cut(0) == "Hi\n```python\n```"


def test_cut_of_a_call_that_was_cut_off() -> None:
    """What has come of it stays, without half a closing fence."""
    reading = found("```python\na\nb =\n``", complete=False)
    assert reading.dialect.cut(None) == "```python\na\nb =\n```"


# Together with the splitter


def test_units_are_released_in_the_stream() -> None:
    """A unit is released with the character that closes it, not at the end of a line or fence."""
    response = "Hi\n\n```python\na = 1\nif b:\n  c\nd\n```\n"
    reading = read(response)
    places = [response.index(mark) + len(mark) for mark in ("a = 1\n", "  c\nd", "\nd\n")]
    assert reading.released_at == places
    assert "".join(unit.text for unit in reading.units) == reading.code


def test_indented_code_is_released_at_once() -> None:
    """A margin does not hold a line back beyond its first character."""
    response = "1. ```python\n   if a:\n     b\n   c\n   ```\n"
    assert read(response).released_at[0] == response.index("c\n") + 1
