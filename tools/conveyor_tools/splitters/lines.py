"""Counting lines, as CPython does."""

from __future__ import annotations


def count_lines(text: str) -> int:
    r"""How many lines end in the text, by `\n`, `\r\n` or `\r`."""
    count = text.count("\n")
    if "\r" in text:
        count += text.count("\r") - text.count("\r\n")
    return count
