"""What pydantic finds wrong with a value, in words for people who write YAML."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_WORDS = {
    "extra_forbidden": "unknown field",
    "missing": "is missing",
    "model_type": "must hold fields, as in {field: value}",
    "dict_type": "must hold fields, as in {field: value}",
    "tuple_type": "must be a list, as in [value, value]",
    "list_type": "must be a list, as in [value, value]",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_type": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "string_type": "must be text (put it in quotes)",
    "string_unicode": "must be text in UTF-8",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "path_type": "must be a path",
}


def wording(problem: ErrorDetails) -> str:
    """What is wrong, to be put behind the name of the field."""
    text = _WORDS.get(problem["type"], problem["msg"].removeprefix("Value error, "))
    return f"{text[:1].lower()}{text[1:]}"
