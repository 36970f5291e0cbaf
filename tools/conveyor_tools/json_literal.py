"""The inside of JSON string literals: how far it goes, and what it stands for."""

from __future__ import annotations

import re

_PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
_PAIR = re.compile(r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_ESCAPE = re.compile(r'\\(?:(["\\/bfnrt])|u([0-9a-fA-F]{4}))')
_UNFINISHED = re.compile(
    r"\\(?:u[0-9a-fA-F]{0,3})?\Z"
    r"|\\u[dD][89abAB][0-9a-fA-F]{2}(?:\\(?:u(?:[dD](?:[c-fC-F][0-9a-fA-F]?)?)?)?)?\Z"
)
_LETTERS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def plain_end(text: str, pos: int) -> int:
    """Up to where the characters from `pos` on stand for themselves."""
    return _PLAIN.match(text, pos).end()  # type: ignore[union-attr] # it always matches


def escape_unfinished(text: str, pos: int) -> bool:
    """Whether the text ends in the escape at `pos`, or before what may be its other half."""
    return _UNFINISHED.match(text, pos) is not None


def decode_escape(text: str, pos: int) -> tuple[int, str] | None:
    """Where the escape at `pos` ends, and what it stands for; None if it is no valid one."""
    pair = _PAIR.match(text, pos)
    if pair:
        high, low = int(pair[1], 16), int(pair[2], 16)
        return pair.end(), chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
    escape = _ESCAPE.match(text, pos)
    if escape is None:
        return None
    if escape[2]:
        return escape.end(), chr(int(escape[2], 16))
    return escape.end(), _LETTERS.get(escape[1], escape[1])


def literal_end(text: str, start: int, length: int) -> int:
    """Where so many decoded characters of a string literal end, or where it ends before that.

    `start` is the place in `text` of the literal's first character, after its opening quote, or of
    a later one that no escape reaches over.
    """
    pos = start
    while length > 0:
        end = min(plain_end(text, pos), pos + length)
        length -= end - pos
        if end == pos:
            decoded = _next_escape(text, pos)
            if decoded is None:
                break
            end = decoded[0]
            length -= 1
        pos = end
    return pos


def literal_rest(text: str, start: int) -> tuple[str, int]:
    """What the rest of a string literal decodes to, as far as it is there, and where it ends."""
    parts = []
    pos = start
    while True:
        end = plain_end(text, pos)
        parts.append(text[pos:end])
        decoded = _next_escape(text, end)
        if decoded is None:
            return "".join(parts), end
        pos = decoded[0]
        parts.append(decoded[1])


def _next_escape(text: str, pos: int) -> tuple[int, str] | None:
    """The escape at `pos`, if a whole and valid one stands there."""
    return None if escape_unfinished(text, pos) else decode_escape(text, pos)
