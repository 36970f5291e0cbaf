"""Mutants of the cutting of Python, and of what splitters share."""

from __future__ import annotations

from tests.mutants_mutant import Mutant

_CUT = "tools/conveyor_tools/splitters"
_SPLITTER = f"{_CUT}/python.py"
_SCAN = f"{_CUT}/scanning.py"
_COUNT = f"{_CUT}/lines.py"
_LINES = f"{_CUT}/logical_line.py"

CUTS = ("tests/tools/splitters/test_python.py",)
COST = ("tests/tools/splitters/test_python_cost.py",)

SPLITTER = [
    Mutant(
        "a block waits for its else",
        _SPLITTER,
        '    "if": ("elif", "else"),\n    "elif"',
        '    "if": ("elif",),\n    "elif"',
        CUTS,
    ),
    Mutant("a loop has an else", _SPLITTER, '"for": ("else",)', '"for": ()', CUTS),
    Mutant(
        "try goes on after else",
        _SPLITTER,
        '("finally",) if in_try_else else',
        "() if in_try_else else",
        CUTS,
    ),
    Mutant(
        "a one-line def closes at its newline",
        _SPLITTER,
        "self._open = self._line.colon or bool(self._allowed)",
        "self._open = True",
        CUTS,
    ),
    Mutant(
        "a one-line if waits",
        _SPLITTER,
        "self._open = self._line.colon or bool(self._allowed)",
        "self._open = self._line.colon",
        CUTS,
    ),
    Mutant(
        "a decorator belongs to its def",
        _SPLITTER,
        "_Kind.DECORATOR if text[pos] ==",
        "_Kind.HEADER if text[pos] ==",
        CUTS,
    ),
    Mutant(
        "a word that may become else is waited for",
        _SPLITTER,
        "        return any(keyword.startswith(word) for keyword in keywords)",
        "        return False",
        CUTS,
    ),
    Mutant(
        "the first letter settles it",
        _SPLITTER,
        "        return any(keyword.startswith(word) for keyword in keywords)",
        "        return True",
        CUTS,
    ),
    Mutant(
        "comments in column 0 do not end a block",
        _SPLITTER,
        '        if char == "#":\n            self.step = self._comment',
        '        if char == "#" and not self._open:\n            self.step = self._comment',
        CUTS,
    ),
    Mutant(
        "a form feed counts columns afresh",
        _SPLITTER,
        'self._column_0 = text[end - 1] == "\\f"',
        "self._column_0 = False",
        CUTS,
    ),
    Mutant(
        "async for has an else",
        _SPLITTER,
        '_OPENERS = ("if", "for", "while", "try", "async")',
        '_OPENERS = ("if", "for", "while", "try")',
        CUTS,
    ),
    Mutant(
        "what is left comes at the end",
        _SCAN,
        "        if code := text[:cut]:",
        "        if (code := text[:cut]).strip():",
        CUTS,
    ),
    Mutant(
        "blanks after the code come at the end",
        _SCAN,
        "        if rest := text[cut:]:",
        "        if (rest := text[cut:]).strip():",
        ("tests/tools/splitters/test_sql.py",),
    ),
    Mutant("lines end with CR LF", _COUNT, 'text.count("\\r") - text.count("\\r\\n")', "0", CUTS),
    Mutant("time is linear", _SCAN, "if past > 0:", "if past < 0:", COST),
    Mutant(
        "brackets hold a line open",
        _LINES,
        "            self._depth += 1\n        elif self._fields",
        "            pass\n        elif self._fields",
        CUTS,
    ),
    Mutant(
        "three quotes are one", _LINES, "            quote *= 3", "            quote *= 1", CUTS
    ),
    Mutant(
        "quotes may become three",
        _LINES,
        "        return text[pos : pos + 3] in (text[pos], text[pos] * 2)",
        "        return False",
        CUTS,
    ),
    Mutant(
        "a backslash escapes a quote",
        _LINES,
        "        return pos + 2\n\n    def _quote_end",
        "        return pos + 1\n\n    def _quote_end",
        CUTS,
    ),
    Mutant(
        "code in f-strings, from 3.12",
        _LINES,
        "if version >= (3, 12):",
        "if version >= (3, 13):",
        CUTS,
    ),
    Mutant(
        "a colon opens a block", _LINES, 'self.colon = token[-1] == ":"', "self.colon = False", CUTS
    ),
    Mutant(
        "a fence waits for the end of a string",
        _SPLITTER,
        "return not (self.step == self._in_line and self._line.in_string)",
        "return True",
        (*CUTS, "tests/cli/dialects/test_fences.py"),
    ),
]
