"""Strategies for small Python programs that are hard to cut."""

from __future__ import annotations

import ast
import itertools

from hypothesis import strategies as st

_SIMPLE = [
    "x = 1",
    "a = 1; b()",
    "x = 'it''s' \"#\"",
    "y = '''a\nif b:\n\n# c\nelse:\n'''",
    'z = """\\"""\'\'\'\n\'"""',
    "call(\n1,\n\n# ) ]\n2)",
    "d = {'k': [1,\n2]}",
    "s = a[1:\n2]",
    "e = f",
    "el = 1",
    "else_ = 2",
    "elif1 = 3",
    "exception = f'{e!r:>{w}}'",
    "f(x)",
    "finally_()",
    "async_ = rb'\\''",
    "not x",
    "...",
    "*a, b = c",
    "'a bare string'",
    "x = 1 + \\\n 2",
    "x = lambda: (yield)",
    "v: int = 3",
    "pass  # else: 'nothing'",
    "assert x, \\\n'no'",
    "été = 1",
    "import os, sys",
    "from a import (b,\nc)",
    "f'{x}' '{' f\"{'a' if b else 'c'}\"",
    "x = '\\\nelse'",
]
_BETWEEN = ["", "", "", "", "\n", "# note\n", "   # 'note\n", "\t\n", "\x0c\n", "\n\n#\n", "  \n"]
_AFTER = ["", "", "", "  # '''", " ", "\t#("]
_COMPOUNDS = [
    ("if {c}", "?elif x", "?elif {c}", "?else"),
    ("for x in {c}", "?else"),
    ("async for x in {c}", "?else"),
    ("async \\\n\t for x in {c}", "?else"),
    ("while {c}", "?else"),
    ("try", "finally"),
    ("try", "except A", "?except (B,\nC) as e", "?else", "?finally"),
    ("try", "except* A", "?except* (B,\nC) as e", "?else", "?finally"),
    ("with {c}",),
    ("async with {c}",),
    ("def f(a,\nb='):')",),
    ("async def f()",),
    ("class C(f(')'))",),
]
_PATTERNS = ["1", "[a, *_]", "{'k': v} if v"]
_CONDITIONS = ["x", "(a\n)", "f'{a}'", "{1: 2}[1]", "'else:'", "lambda: 0"]


@st.composite
def _line(draw: st.DrawFn, indent: str) -> str:
    between = draw(st.sampled_from(_BETWEEN))
    return f"{between}{indent}{draw(st.sampled_from(_SIMPLE))}{draw(st.sampled_from(_AFTER))}\n"


@st.composite
def _suite(draw: st.DrawFn, indent: str, depth: int) -> str:
    """What follows the colon of a clause, on the same line or as a block."""
    if draw(st.booleans()):
        return f" {draw(st.sampled_from(_SIMPLE))}{draw(st.sampled_from(_AFTER))}\n"
    deeper = indent + draw(st.sampled_from(["  ", "\t", " ", "    "]))
    after = draw(st.sampled_from(_AFTER))
    statements = draw(st.lists(_statement(deeper, depth - 1), min_size=1, max_size=2))
    return f"{after}\n{''.join(statements)}"


@st.composite
def _compound(draw: st.DrawFn, indent: str, depth: int) -> str:
    """A statement of clauses; those that begin with `?` may be missing."""
    lines = []
    for number, clause in enumerate(draw(st.sampled_from(_COMPOUNDS))):
        if clause[0] == "?" and draw(st.booleans()):
            continue
        header = clause.lstrip("?").replace("{c}", draw(st.sampled_from(_CONDITIONS)))
        if number:
            lines.append(draw(st.sampled_from(_BETWEEN)))
        elif header.startswith(("def", "class", "async def")):
            lines.append(draw(_decorators(indent)))
        lines.append(f"{indent}{header}:{draw(_suite(indent, depth))}")
    return "".join(lines)


@st.composite
def _decorators(draw: st.DrawFn, indent: str) -> str:
    """Decorators, with comments and blank lines after each."""
    lines = draw(st.lists(st.sampled_from(["@a", "@b(\n1)", "@c  # '"]), max_size=2))
    return "".join(f"{indent}{line}\n{draw(st.sampled_from(_BETWEEN))}" for line in lines)


@st.composite
def _match(draw: st.DrawFn, indent: str, depth: int) -> str:
    patterns = draw(st.lists(st.sampled_from(_PATTERNS), min_size=1, max_size=2))
    cases = "".join(
        f"{indent}  case {each}:{draw(_suite(indent + '  ', depth))}" for each in patterns
    )
    return f"{indent}match {draw(st.sampled_from(_CONDITIONS))}:\n{cases}"


def _statement(indent: str, depth: int) -> st.SearchStrategy[str]:
    if depth <= 0:
        return _line(indent)
    return st.one_of(_line(indent), _compound(indent, depth), _match(indent, depth))


def _is_valid(program: str) -> bool:
    try:
        ast.parse(program)
    except SyntaxError:
        return False
    return True


def programs(*, statements: int = 5, depth: int = 2) -> st.SearchStrategy[str]:
    """Valid programs, whose lines end with a line feed."""
    return (
        st.tuples(
            st.lists(_statement("", depth), min_size=1, max_size=statements).map("".join),
            st.sampled_from(["", "\n", "# the end", "  # the end\n"]),
        )
        .map("".join)
        .filter(_is_valid)
    )


def texts() -> st.SearchStrategy[str]:
    """Any text, made of what matters to a lexer and of what is never Python."""
    fragments = st.sampled_from(
        [
            *"'\"#\\()[]{}:;@\n\r\t\f \v\x00\ud83d\u2028\x85\ufeff",
            *("'''", '"""', "\r\n", "\\\n", "\\\r\n", "\n  ", "f'", 'rf"""', "t'", "{{", "\\N{"),
            *("if x:", "else:", "elif x", "try:", "except", "finally:", "async ", "for ", "@a\n"),
            *("x = 1\n", "def f():\n  pass\n", "pass", "e", "fi", "é", "e\u0301", "%matplotlib\n"),
            *("!ls 'it\n", "```\n", "1", "lambda", "="),
        ]
    )
    return st.lists(fragments | st.text(max_size=3), max_size=30).map("".join)


def chopped(text: str) -> st.SearchStrategy[list[str]]:
    """Ways to chop the text into pieces, empty ones included."""

    def chop(places: list[int]) -> list[str]:
        edges = [0, *sorted(places), len(text)]
        return [text[start:end] for start, end in itertools.pairwise(edges)]

    return st.lists(st.integers(0, len(text)), max_size=20).map(chop)
