"""What the user is asked about a call: all that it would do, as far as that can be read.

A model could write a call so that what matters stands behind what is shown, or in escapes. So every
argument is named, long values are shortened one by one, and JSON's escapes are what they stand for.
"""

from __future__ import annotations

import json
from typing import Any

from conveyor_cli.views.text import one_line

_WHOLE = 300
"""Characters of arguments that are shown as they are."""
_SHARE = 500
"""Characters that the values of longer ones share."""
_LEAST = 60
"""Characters that each value gets of that: a URL's host is among them."""
_MOST = 1500
_LONGEST_NAME = 60


def asked(tool: str, arguments: str, runs: int = 1) -> str:
    """The question, on one line. `runs`: in how many runs the answer counts."""
    what = one_line(_described(arguments))
    if len(what) > _MOST:
        what = _cut(what, _MOST)
    often = f", in each of {runs} runs" if runs > 1 else ""
    return f"Allow the model to call {one_line(tool)} {what}{often}? [y/N]"


def _described(arguments: str) -> str:
    try:
        value = json.loads(arguments)
    except (ValueError, RecursionError):
        return _cut(arguments, _WHOLE)
    whole = _json(value)
    if len(whole) <= _WHOLE or not isinstance(value, dict):
        return _cut(whole, _WHOLE)
    share = max(_LEAST, _SHARE // len(value))
    # What is short comes first: of very many arguments, the last ones are left out.
    parts = sorted(
        (
            f"{_cut(_json(name), _LONGEST_NAME)}:{_cut(_json(it), share)}"
            for name, it in value.items()
        ),
        key=lambda part: len(part) > _LEAST,
    )
    return f"{{{','.join(parts)}}}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}… ({len(text) - most} characters more)"
