"""What closes a JSON object that was cut in its middle."""

from __future__ import annotations

import json
import re

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*(?:\\\Z|(")|)|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_ESCAPE = re.compile(r"(?<!\\)(?:\\\\)*(\\(?:u[0-9a-fA-F]{0,3})?)\Z")


def closed(text: str) -> str:
    """The beginning of an object, made whole: all of it stays, but for what a cut left of a token.

    What was no JSON before its end stays so.
    """
    stack: list[str] = []
    awaited = ""  # of an object: "key", "colon", "value", "comma"
    last = None
    for last in _TOKEN.finditer(text):
        mark = last[0]
        if mark in "{[":
            stack.append("}" if mark == "{" else "]")
            awaited = "key" if mark == "{" else "value"
        elif mark in "}]":
            if stack:
                stack.pop()
            awaited = "comma"
        elif mark == ":":
            awaited = "value"
        elif mark == ",":
            awaited = "key" if stack[-1:] == ["}"] else "value"
        else:
            awaited = "colon" if awaited == "key" else "comma"
    if last is None:
        return text
    return _ended(text, last, awaited, stack) + "".join(reversed(stack))


def _ended(text: str, last: re.Match[str], awaited: str, stack: list[str]) -> str:
    """The text, its last token made whole and given what it lacks."""
    mark = last[0]
    if mark == ",":
        return text[: last.start()].rstrip()
    if mark.startswith('"'):
        cut = _ESCAPE.search(text)
        text = text if last[1] else (text[: cut.start(1)] if cut else text) + '"'
    elif mark not in "{}[]:" and not _is_json(mark):
        text = text[: last.start()] + json.dumps(mark)
    if awaited == "colon":
        return f"{text}: null"
    return f"{text} null" if awaited == "value" and stack[-1:] == ["}"] else text


def _is_json(mark: str) -> bool:
    try:
        json.loads(mark)
    except ValueError:
        return False
    return True
