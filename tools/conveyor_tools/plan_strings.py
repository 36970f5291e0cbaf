"""Reads the strings in a plan, a character at a time, and the references in them and beside them.

The reader is a recursive descent whose functions are generators: each stops where it needs the next
character, so that the text may come in any pieces. `_char` is the character that is judged next.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import TypeVar

from conveyor_tools.plan_values import Reference, StepProblem, Template

T = TypeVar("T")
Reading = Generator[None, str, T]

END = ""
"""What is taken as the last character: the text has ended."""
DIGITS = frozenset("0123456789")
NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "\n": ""} | {
    char: char for char in "\\/\"'$"
}
_HEX = {"x": 2, "u": 4, "U": 8}
_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")
_HIGH, _LOW = range(0xD800, 0xDC00), range(0xDC00, 0xE000)
_LONGEST_INDEX = 18
"""Digits of an index in a path."""


class StepNumbers:
    """The numbers of the steps so far, as they are written."""

    def __init__(self, numbers: Iterable[int] = ()) -> None:
        self._numbers: set[str] = set()
        self._beginnings: set[str] = set()
        for number in numbers:
            self.add(number)

    def add(self, number: int) -> None:
        """There is one more."""
        text = str(number)
        self._numbers.add(text)
        self._beginnings.update(text[:end] for end in range(1, len(text) + 1))

    def __contains__(self, text: str) -> bool:
        return text in self._numbers

    def begins(self, text: str) -> bool:
        """Whether one of them begins like this."""
        return text in self._beginnings


class StringReader:
    """Reads strings and references. `known` are the numbers of the steps they may refer to."""

    def __init__(self, known: StepNumbers) -> None:
        self.in_string = False
        """Whether the text stands inside a string that may hold line breaks."""
        self._known = known
        self._char = ""

    def _expect(self, char: str, where: str = "") -> None:
        if self._char != char:
            raise StepProblem(f"{char} is missing {where}before {self._shown()}")

    def _shown(self) -> str:
        if self._char == END:
            return "the end of the text"
        return "the end of the line" if self._char == "\n" else repr(self._char)

    # Strings

    def _string(self, *, is_code: bool = False) -> Reading[str | Template]:
        """A string, in single, double or triple quotes; in these, code stands as it is."""
        quote = self._char
        yield
        triple = False
        if self._char == quote:
            yield
            if self._char != quote:
                return ""
            triple = self.in_string = True
            yield
        parts: list[str | Reference] = []
        text: list[str] = []
        yield from self._string_body(quote, parts, text, triple=triple, raw=triple and is_code)
        self.in_string = False
        plain = "".join(text)
        if parts:
            parts += [plain] if plain else []
            return Template(tuple(parts))
        whole = plain.removeprefix("$")
        if len(whole) < len(plain) and whole in self._known:  # LLMCompiler's way to refer
            return Template((Reference(int(whole)),))
        return plain

    def _string_body(
        self,
        quote: str,
        parts: list[str | Reference],
        text: list[str],
        *,
        triple: bool,
        raw: bool,
    ) -> Reading[None]:
        """What stands in a string, up to and with its closing quotes."""
        quotes = 0
        while True:
            char = self._char
            if char == quote:
                quotes += 1
                yield
                if quotes == (3 if triple else 1):
                    return
                continue
            text += quote * quotes
            quotes = 0
            if char == END or (char == "\n" and not triple):
                raise StepProblem(r"a string ends before its line does; write a line break as \n")
            yield
            if char == "\\" and not raw:
                text.append((yield from self._escape()))
            elif char == "$" and self._char == "{":
                yield
                if text[-1:] == ["$"]:  # $${ stands for ${
                    text.append("{")
                else:
                    parts += ["".join(text)] if text else []
                    text.clear()
                    parts.append((yield from self._reference(braced=True)))
            else:
                text.append(char)

    def _escape(self) -> Reading[str]:
        char = self._char
        if char in _ESCAPES:
            yield
            return _ESCAPES[char]
        if char not in _HEX:
            return "\\"  # as in Python, it is a backslash like any other
        code = yield from self._hex(_HEX[char])
        if code in _HIGH and self._char == "\\":
            yield
            if self._char != "u":
                return chr(code) + (yield from self._escape())
            low = yield from self._hex(4)
            if low not in _LOW:
                return chr(code) + chr(low)
            code = 0x10000 + ((code - _HIGH.start) << 10) + (low - _LOW.start)
        if code > 0x10FFFF:  # noqa: PLR2004 - the last of Unicode
            raise StepProblem("no character has this number")
        return chr(code)

    def _hex(self, length: int) -> Reading[int]:
        """The number that so many digits after the current character write."""
        yield
        digits = ""
        while len(digits) < length:
            if self._char not in _HEX_DIGITS:
                raise StepProblem(f"{length} hexadecimal digits are needed, not {self._shown()}")
            digits += self._char
            yield
        return int(digits, 16)

    # References

    def _reference(self, *, braced: bool = False) -> Reading[Reference]:
        """A reference, after its `$`, or after `${` of a string (`braced`)."""
        if self._char == "{" and not braced:
            yield
            reference = yield from self._reference(braced=True)
            return Reference(reference.step, reference.path + (yield from self._path()))
        number = ""
        while self._char in DIGITS and self._known.begins(number + self._char):
            number += self._char
            yield
        if number not in self._known or self._char in DIGITS:
            wanted = number + (self._char if self._char in DIGITS else "")
            hint = " (a string's own ${ is written $${)" if braced else ""
            raise StepProblem(
                f"there is no step ${wanted} before this one{hint}"
                if wanted
                else f"a reference is written $1, not ${self._char}{hint}"
            )
        path = yield from self._path()
        if braced:
            self._expect("}")
            yield
        return Reference(int(number), path)

    def _path(self) -> Reading[tuple[str | int, ...]]:
        """`.name`, `[0]` and `["name"]`, as many as there are."""
        path: list[str | int] = []
        while True:
            if self._char == ".":
                yield
                path.append((yield from self._field()))
            elif self._char == "[":
                yield
                path.append((yield from self._key()))
                self._expect("]")
                yield
            else:
                return tuple(path)

    def _field(self) -> Reading[str]:
        name = ""
        while self._char in NAME - {"-"}:
            name += self._char
            yield
        if not name:
            raise StepProblem(f"after . a field's name must stand, not {self._shown()}")
        return name

    def _key(self) -> Reading[str | int]:
        if self._char in ('"', "'"):
            key = yield from self._string()
            if isinstance(key, str):
                return key
            raise StepProblem("a key holds no reference")
        text = ""
        while self._char in DIGITS or (self._char == "-" and not text):
            text += self._char
            yield
        if not text.strip("-") or len(text) > _LONGEST_INDEX:
            raise StepProblem(f"in [ ] a number or a string must stand, not {self._shown()}")
        return int(text)
