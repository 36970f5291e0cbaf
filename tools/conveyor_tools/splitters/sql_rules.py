"""How each database's lexer reads SQL."""

from __future__ import annotations

import re
from dataclasses import dataclass

from conveyor_tools.splitters.sql_grammar import (
    Grammar,
    PlainGrammar,
    PostgresGrammar,
    SqliteGrammar,
)


@dataclass(frozen=True, slots=True)
class Rules:
    """How a database's lexer reads text."""

    grammar: type[Grammar]
    quotes: str
    """What a quoted piece can begin with."""
    escapes: bool
    """Whether there are E'' strings, and dollar quotes."""
    nested: bool
    """Whether comments nest."""
    newlines: str
    """What ends a comment of one line."""
    commands: str
    """What a command of the database's shell begins with, which is not SQL."""
    hint: str


RULES: dict[str, Rules] = {
    "sqlite": Rules(
        SqliteGrammar, "'\"`[", escapes=False, nested=False, newlines="\n", commands=".\\",
        hint="SELECT name, sql FROM sqlite_schema shows the tables",
    ),
    "postgresql": Rules(
        PostgresGrammar, "'\"", escapes=True, nested=True, newlines="\r\n", commands="\\",
        hint="information_schema.tables and information_schema.columns show the tables",
    ),
    "duckdb": Rules(
        PlainGrammar, "'\"", escapes=True, nested=True, newlines="\r\n", commands=".\\",
        hint="SHOW TABLES and DESCRIBE show the tables",
    ),
}  # fmt: skip
DIALECTS = tuple(RULES)


def plain_text(rules: Rules) -> re.Pattern[str]:
    """What can be skipped at once: names, numbers, operators, and strings that are complete."""
    brackets = "()" if rules.grammar is PostgresGrammar else ""
    runs = rf"[^{re.escape(rules.quotes)}$;\-/{brackets}]+"
    strings = r"(?<![eE])'[^']*+'" if rules.escapes else r"'[^']*+'"
    return re.compile(f"(?:{runs}|{strings})+")
