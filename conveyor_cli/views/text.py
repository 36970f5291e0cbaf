r"""Making text of unknown origin safe to show.

Model output, tool output and file names may hold escape sequences (which move the cursor, set the
window's title or write to the clipboard), characters that reorder or hide what stands beside them,
and characters that no encoding can carry. `safe` shows them as what they are: `␛[2J`, `\u202e`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conveyor_sandbox.reports import Failure

_UNSAFE = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, but for tab and newline
    "\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e"  # format characters:
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # zero width, bidi, separators
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"  # tags and invisible selectors
    "\ud800-\udfff"  # lone surrogates: no encoding of text
    "]"
)


def safe(text: str) -> str:
    r"""The text with nothing in it that a terminal would act on, other than tabs and newlines.

    `\r\n` becomes `\n`. What remains may still hold wide and combining characters.
    """
    return _UNSAFE.sub(_visible, text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """The same, on one line: for names, titles and reasons."""
    return safe(" ".join(text.split("\n"))).replace("\t", " ").strip()


def failure_line(failure: Failure) -> str:
    """What went wrong, with its type, which some messages begin with already."""
    name = failure.type or failure.kind
    known = failure.message == name or failure.message.startswith(f"{name}: ")
    return failure.message if known else f"{name}: {failure.message}"


def _visible(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    if character < " ":
        return chr(0x2400 + code)  # the control picture: one cell, one glyph
    if character == "\x7f":
        return "\u2421"
    if character <= "\xff":
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if character <= "\uffff" else f"\\U{code:08x}"
