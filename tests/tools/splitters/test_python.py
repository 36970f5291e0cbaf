"""What Python is cut into, and at which character each unit is released: the cases by hand.

In the tables, `¦` ends a unit and `↑` follows the character that releases one; units without it
are released at the end of the call.
"""

from __future__ import annotations

import pytest

from conveyor_tools.splitters.python import PythonSplitter
from tests.tools.splitters.feeding import releases, units

CASES = {
    # One statement a line
    "simple": "a = 1\n¦↑b = 2\n¦↑",
    "no newline at the end": "a = 1\n¦↑b = 2",
    "semicolons": "a = 1; b()\n¦↑c; d;\n¦↑",
    "comment after it": "a = 1  # b\n¦↑",
    "comments and blank lines before it": "a\n¦↑\n# b\n\n  # c\nd\n¦↑",
    "comments at the end": "a\n¦↑\n# b\n",
    "bare strings": "'a'\n¦↑'''b'''\n¦↑",
    "future import": "from __future__ import annotations\n¦↑a\n¦↑",
    "invalid line": "a\n¦↑b = = 1\n¦↑c )\n¦↑d\n¦↑",
    "magic and shell": "%matplotlib inline\n¦↑!ls 'it\n¦↑?x\n¦↑y\n¦↑",
    # Clauses
    "if": "if a:\n  b\n¦x↑ = 1\n¦↑",
    "if elif else": "if a:\n  b\nelif c:\n  d\nelse:\n  e\n¦f↑ = 1\n¦↑",
    "elif then nothing": "if a:\n  b\nelif c:\n  d\n¦f↑\n¦↑",
    "name that begins like else": "if a:\n  b\n¦e ↑= 1\n¦↑",
    "name that begins like elif": "if a:\n  b\n¦eli_↑ = 1\n¦↑",
    "name that begins with else": "if a:\n  b\n¦else1↑ = 2\n¦↑",
    "name that ends the text": "if a:\n  b\n¦els",
    "name that goes on beyond ASCII": "if a:\n  b\n¦else\u0301↑ = 2\n¦↑",
    "name beyond ASCII": "if a:\n  b\n¦é↑ = 1\n¦↑",
    "operator or bracket": "if a:\n  b\n¦(↑c)\n¦↑",
    "string": "if a:\n  b\n¦'↑c'\n¦↑",
    "decorator after a block": "if a:\n  b\n¦@↑c\ndef d(): pass\n¦↑",
    "second else": "if a:\n  b\nelse:\n  c\n¦e↑lse:\n  d\n",
    "except belongs to no if": "if a:\n  b\n¦ex↑cept:\n  c\n",
    "for else": "for a in b:\n  c\nelse:\n  d\n¦e↑\n¦↑",
    "for then nothing": "for a in b:\n  c\n¦f↑\n¦↑",
    "no elif after for": "for a in b:\n  c\n¦eli↑\n¦↑",
    "while else": "while a:\n  b\nelse:\n  c\n¦d↑\n¦↑",
    "try except": "try:\n  a\nexcept B:\n  c\nexcept (D,\nE):\n  f\n¦fi ↑= 1\n¦↑",
    "try else finally": "try:\n  a\nexcept B:\n  c\nelse:\n  d\nfinally:\n  e\n¦f↑\n¦↑",
    "try else then nothing": "try:\n  a\nexcept B:\n  c\nelse:\n  d\n¦e↑x\n¦↑",
    "try finally": "try:\n  a\nfinally:\n  b\n¦f↑\n¦↑",
    "no else without except": "try:\n  a\n¦el↑\n¦↑",
    "except star": "try:\n  a\nexcept* B:\n  c\nfinally:\n  d\n¦e↑\n¦↑",
    "match": "match a:\n  case 1:\n    b\n  case _:\n    c\n¦e↑\n¦↑",
    "with, def, class": "with a:\n  b\n¦d↑ef f():\n  c\n¦c↑lass D:\n  e\n¦e↑\n¦↑",
    "async for else": "async for a in b:\n  c\nelse:\n  d\n¦e↑\n¦↑",
    "async joined to for": "async \\\n \tfor a in b: c\nelse: d\n¦↑",
    "async after much blank": f"async{' ' * 200}for a in b: c\nelse: d\n¦↑",
    "async with, async def": "async with a:\n  b\n¦a↑sync def c():\n  d\n¦e↑\n¦↑",
    # Suites on the same line
    "one-line if": "if a: b\n¦c↑\n¦↑",
    "one-line if else": "if a: b\nelse: c\n¦↑d\n¦↑",
    "one-line elif": "if a: b\nelif c: d\n¦f↑\n¦↑",
    "one-line if, block else": "if a: b\nelse:\n  c\n¦d↑\n¦↑",
    "one-line for": "for a in b: c\n¦d↑\n¦↑",
    "one-line while else": "while a: b\nelse: c\n¦↑d\n¦↑",
    "one-line try": "try: a\nexcept: b\n¦g↑\n¦↑",
    "one-line try else": "try: a\nexcept: b\nelse: c\n¦g↑\n¦↑",
    "one-line try finally": "try: a\nfinally: b\n¦↑c\n¦↑",
    "one-line def, class, with": "def f(): a\n¦↑class B: c\n¦↑with d: e\n¦↑async def g(): h\n¦↑",
    "string after a colon": "class A: '''b'''\n¦↑class C: '{'\n¦↑with d: {e}\n¦↑",
    # Comments and blank lines inside a statement
    "comments before else": "if a:\n  b\n# c\n\n  # d\nelse:\n  e\n",
    "comments before a deeper body": "if a:\n# b\n\n  c\n# d\n\n  e\n¦# f\n\ng↑\n¦↑",
    "comments at the end of a block": "if a:\n  b\n¦  # c\n# d\n",
    "comment after a colon": "if a:  # b\n  c\n¦d↑\n¦↑",
    "half a comment at the end": "if a:\n  b\n¦# c",
    # Decorators
    "decorators": "@a\n@b(\n1)\n# c\n\ndef f():\n  d\n¦e↑\n¦↑",
    "decorated one-line class": "@a\nclass B: c\n¦↑d\n¦↑",
    "decorated async def": "@a\nasync def b():\n  c\n¦e↑\n¦↑",
    "decorator at the end": "a\n¦↑@b\n¦# c\n",
    # Logical lines of many physical ones
    "brackets": "a\n¦↑b = (\n\n  [2,\n# )\n{}]\n)\n¦↑c\n¦↑",
    "open bracket": "a\n¦↑b = (\nc\nd = 1\n",
    "triple quotes": 'a = \'\'\'\nb = 1\n\n\'\'\'\n¦↑c = """\nif d:\n"" \'\'\'\n\\""""""\n¦↑',
    "quotes at the end of triple quotes": 'a = """b""""""c""" ""\n¦↑',
    "open triple quotes": "a\n¦↑b = '''\nc\n",
    "raw string": "a = r'\\' # '\n¦↑b\n¦↑",
    "joined line": "a = 1 + \\\n  2\n¦↑b\n¦↑",
    "joined string": "a = 'b\\\nc'\n¦↑d\n¦↑",
    "unterminated string": "a = 'b\n¦↑c\n¦↑",
    "fence and else in a string": "a = '''\n```\n</tool_call>\n# else:\n'''\n¦↑",
    "joined line in a body": "if a:\n  b\n\\\n  c\n¦d↑\n¦↑",
    "joined line whose beginning is indented": "if a:\n  b\n  \\\nc\n¦d↑\n¦↑",
    "joined line in column 0": "if a:\n  b\n¦\\\nc↑\n¦↑",
    "joined else": "if a: b\n\\\nelse: c\n¦↑",
    "joined to a blank line": "if a:\n  b\n\\\n\nelse:\n  c\n",
    "colon in brackets": "a = b[1:\n2]\n¦↑c = {d:\ne}\n¦↑f: int = lambda: 0\n¦↑",
    # Newlines and characters
    "CR LF": "a\r\n¦↑if b:\r\n  c\r\n\r\nelse: d\r\n¦↑",
    "CR waits for the next character": "a\r¦b↑\r¦\r↑c\r",
    "CR LF in strings": "a = 'b\\\r\nc'\r\n¦↑e = '''\r\n'''\r\n¦↑",
    "CR LF in joined lines": "a = \\\r\n1\r\n¦↑\\\r\nb\r\n¦↑",
    "tabs": "if a:\n\tb\n \t# c\n\td\n¦g↑\n¦↑",
    "form feed begins the columns afresh": "if a:\n  b\n  \x0celse:\n  c\n¦ \x0cd↑\n¦↑",
    "indentation after a form feed": "if a:\n  b\n\x0c  c\n¦d↑\n¦↑",
    "names beyond ASCII": "été = 1\n¦↑变量 = '…'\n¦↑",
    "separators that end no line": "a = '\u2028\x85\x1c\x0b'\n¦↑b\n¦↑",
    "NUL and BOM": "\ufeffa\n¦↑b\x00\n¦↑c\n¦↑",
    "lone surrogate": "a = '\ud83d'\n¦↑",
}

F_STRINGS = {  # language reference, 2.4.3; PEP 701
    "the same quotes": "x = f'{a[\n'b']}'\n¦↑y\n¦↑",
    "deeply nested": "x = f'{f'{f'{f'{\n1}'}'}'}'\n¦↑y\n¦↑",
    "newline in a field": "x = f'{\na\n}'\n¦↑y\n¦↑",
    "comment in a field": "x = f'{a # }' {\n}'\n¦↑y\n¦↑",
    "triple quotes": 'x = f"""{\na\n}\n{{\n\'{b["""c\n"""]}"""\n¦↑y\n¦↑',
    "nested fields in a format": "x = f'{a:{w}.{p[\n'q']}}'\n¦↑y\n¦↑",
    "conversion and format": "x = f'{a!r:>{\nw}}{b\n!s}'\n¦↑y\n¦↑",
    "self-documenting": "x = f'{a=}{b\n= !s:}'\n¦↑y\n¦↑",
    "inequality": "x = f'{a!=\n'b'}'\n¦↑y\n¦↑",
    "doubled braces": "x = f'{{'\n¦↑y = f'}}{{{a[\n'b']}}}'\n¦↑",
    "braces in a format": "x = f'{a:}}}'\n¦↑y = f'{a:{\nb}}}}'\n¦↑",
    "named character": "x = f'\\N{RIGHT CURLY BRACKET}{a[\n'b']}'\n¦↑y\n¦↑",
    "named character in a format": "x = f'{a:\\N{DIGIT ONE}}{b[\n'c']}'\n¦↑y\n¦↑",
    "raw: no named character": "x = rf'\\N{a[\n'b']}'\n¦↑y\n¦↑",
    "backslash before a brace": "x = rf'\\{a[\n'b']}' Rf'\\{{'\n¦↑y\n¦↑",
    "backslash before a quote": "x = f'\\'{a[\n'b']}\\\\'\n¦↑y = rf'\\''\n¦↑",
    "backslash before a newline": "x = f'\\\n{a[\n'b']}'\n¦↑y\n¦↑",
    "lambda in parentheses": "x = f'{(lambda q:\n'r')}'\n¦↑y\n¦↑",
    "walrus in parentheses": "x = f'{(y :=\n'z')}'\n¦↑y\n¦↑",
    "no walrus but a format": "x = f'{y:=^{\n5}}'\n¦↑y\n¦↑",
    "colons in brackets": "x = f'{ {1: 2, 3: [\n4]} }'\n¦↑y = f'{a[1:2,3:\n4]}'\n¦↑",
    "colons in braces": "x = f'''{ {1: 2, 3: '''4\n5'''} }'''\n¦↑y\n¦↑",
    "strings in a field": "x = f'{'}'}{'{'}{\"'\"}{'''}\n'''}'\n¦↑y\n¦↑",
    "newline in a format": "x = f'''{a:\n}'''\n¦↑y = f'{a:\n}'\n¦↑",
    "string that is no f-string": "x = 1if'{'else'{'\n¦↑y = u'{' 'f''{'\n¦↑z = elf'{'\n¦↑",
    "prefixes": "x = F'{\n'a'}' rF'{\n'a'}' FR'{\n'a'}'\n¦↑y = Rb'{'\n¦↑",
    "format ended by a quote": "x = f'{a:'\n¦↑y\n¦↑",
    "not terminated": "x = f'a\n¦↑y\n¦↑",
    "field not closed": "x\n¦↑y = f'{a'\nz\n",
    "name of a character not closed": "x = f'\\N{'\n¦↑y\n¦↑",
}


def split_marks(marked: str) -> list[tuple[str, int | None]]:
    """The units and releases that a case asks for."""
    texts = [text for text in marked.replace("↑", "").split("¦") if text]
    places = []
    for before in range(1, marked.count("↑") + 1):
        seen = "↑".join(marked.split("↑")[:before])
        places.append(len(seen.replace("↑", "").replace("¦", "")))
    ends: list[int | None] = [*places, *[None] * (len(texts) - len(places))]
    return list(zip(texts, ends, strict=True))


def unmarked(marked: str) -> str:
    return marked.replace("↑", "").replace("¦", "")


@pytest.mark.parametrize("version", [(3, 8), (3, 11), (3, 12), (3, 14)])
@pytest.mark.parametrize("case", CASES)
def test_cut_and_release(case: str, version: tuple[int, ...]) -> None:
    """Each unit is what it should be, and is released at the character that settles it."""
    assert releases(unmarked(CASES[case]), version) == split_marks(CASES[case])


@pytest.mark.parametrize("version", [(3, 12), (3, 13), (3, 14)])
@pytest.mark.parametrize("case", F_STRINGS)
def test_f_strings(case: str, version: tuple[int, ...]) -> None:
    """From 3.12 on, code stands in an f-string's fields, its quotes and newlines included."""
    assert releases(unmarked(F_STRINGS[case]), version) == split_marks(F_STRINGS[case])


@pytest.mark.parametrize("case", F_STRINGS)
def test_t_strings(case: str) -> None:
    """From 3.14 on, the same holds for t-strings."""
    marked = F_STRINGS[case]
    for f_prefix, t_prefix in (("rf'", "rt'"), ("f'", "t'"), ('f"', 't"'), ("F'", "T'")):
        marked = marked.replace(f_prefix, t_prefix)
    assert releases(unmarked(marked), (3, 14)) == split_marks(marked)


@pytest.mark.parametrize(
    ("marked", "version"),
    [
        ("x = f'{'\n¦↑y = f'''{'\n'''\n¦↑z = f'{a[\"b\"]}'\n¦↑", (3, 11)),
        ("x = f'{\n¦↑y\n¦↑", (3, 11)),
        ("x = t'{'\n¦↑y = t'{\n¦↑", (3, 13)),
    ],
)
def test_strings_of_older_versions(marked: str, version: tuple[int, ...]) -> None:
    """Before that, such a string ends at the first quote or newline, as any other does."""
    assert releases(unmarked(marked), version) == split_marks(marked)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("a = 1\n", True),
        ("if a:\n", True),
        ("a = (\n", True),
        ("# '''\n", True),
        ("a = ' # b\n", True),
        ("a = '''\n", False),
        ("a = '''\n'''\n", True),
        ("a = '''\n'''\nb = '''", False),
        ("a = 'b\\\n", False),
        ('a = """\\"""\n', False),
        ("a = f'''\n", False),
        ("a = f'''{\n", True),
        ("a = f'''{b\n:\n", False),
        ("a = f'''{'''\n", False),
        ("a = f'''{b # c\n", True),
        ("a = f'''\\N{DIGIT", False),
    ],
)
def test_may_end(text: str, expected: bool) -> None:  # noqa: FBT001 - a table's column
    """The text may not end inside a string; a field's code is outside."""
    splitter = PythonSplitter((3, 12))
    for char in text:
        splitter.feed(char)
    assert splitter.may_end() is expected


def test_released_counts_what_was_given_out() -> None:
    """`released` is the length of the units so far, and at the end of the text."""
    splitter = PythonSplitter()
    splitter.feed("a = 1\nif b:\n  c\n")
    assert splitter.released == len("a = 1\n")
    splitter.feed("d")
    assert splitter.released == len("a = 1\nif b:\n  c\n")
    splitter.flush()
    assert splitter.released == len("a = 1\nif b:\n  c\nd")


def test_truncate_ends_a_string_early() -> None:
    """After `truncate` the text ends where it says, and lines count on from there."""
    splitter = PythonSplitter()
    splitter.feed("a\nif b:\n  c = '''d\n```\nprose 'with' \"quotes\n")
    splitter.truncate(len("a\nif b:\n  c = '''d\n"))
    (unit,) = splitter.flush()
    assert (unit.text, unit.span, unit.blank) == ("if b:\n  c = '''d\n", (2, 3), False)
    assert splitter.may_end() is False


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# a\n\nb = (\n1)\n# c\n", [(1, (3, 4), False), (5, (5, 5), True)]),
        ("@a\ndef b():\n  c\n\n\n# d\ne", [(1, (1, 3), False), (4, (7, 7), False)]),
        ("\r\na\rb\n\x0c\nc", [(1, (2, 2), False), (3, (3, 3), False), (4, (5, 5), False)]),
        ("'''\u2028\x85\x0b\x0c\n'''\na", [(1, (1, 2), False), (3, (3, 3), False)]),
        ("'''\r\n\r'''\na", [(1, (1, 3), False), (4, (4, 4), False)]),
        ("\\\na\n", [(1, (2, 2), False)]),
        ("a\n\n\n", [(1, (1, 1), False), (2, (2, 3), True)]),
        ("if a:\n  b\n\n# c", [(1, (1, 2), False), (3, (3, 4), True)]),
        ("", []),
    ],
)
def test_lines(text: str, expected: list[tuple[int, tuple[int, int], bool]]) -> None:
    """Lines count as CPython counts them; spans leave out comments and blank lines."""
    assert [(unit.line, unit.span, unit.blank) for unit in units([text])] == expected


@pytest.mark.parametrize("text", ["a\n\\\n", "a\n\\", "a\nif b:\n  c\n\\\n", "a\n\x00"])
def test_dangling_backslash_is_no_blank(text: str) -> None:
    """What only looks blank but is invalid is left to the compiler."""
    assert not any(unit.blank for unit in units([text]))
